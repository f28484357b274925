//! Cancel tokens, against a list of who is below whom.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::Index;
use raddle::{CancelOnDrop, CancelToken, Limit, Stopped};

use super::cases;

/// A deadline, which is over from the start or far away: no test may hang on when it is asked.
#[derive(Clone, Copy, Debug)]
enum Until {
    LongAgo,
    JustNow,
    InDays,
    InYears,
}

/// The latest of all deadlines.
const YEARS: Duration = Duration::from_secs(100_000_000);

impl Until {
    fn instant(self, start: Instant) -> Instant {
        match self {
            // The clock may be young.
            Until::LongAgo => start.checked_sub(Duration::from_secs(1)).unwrap_or(start),
            Until::JustNow => start,
            Until::InDays => start + YEARS / 1000,
            Until::InYears => start + YEARS,
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Root,
    Child(Index),
    ChildUntil(Index, Until),
    /// By a duration, which reaches as far as the latest deadline; or past the end of the clock.
    ChildWithin(Index, bool),
    Clone(Index),
    Drop(Index),
    Cancel(Index),
    CancelWith(Index),
    Guard(Index),
    DropGuard(Index),
    Disarm(Index),
}

fn step() -> impl Strategy<Value = Step> {
    let until = prop_oneof![
        1 => Just(Until::LongAgo), 1 => Just(Until::JustNow), 4 => Just(Until::InDays), 4 => Just(Until::InYears)
    ];
    let which = any::<Index>;
    prop_oneof![
        3 => Just(Step::Root),
        12 => which().prop_map(Step::Child),
        6 => (which(), until).prop_map(|(which, until)| Step::ChildUntil(which, until)),
        2 => (which(), any::<bool>()).prop_map(|(which, max)| Step::ChildWithin(which, max)),
        4 => which().prop_map(Step::Clone),
        12 => which().prop_map(Step::Drop),
        1 => which().prop_map(Step::Cancel),
        2 => which().prop_map(Step::CancelWith),
        2 => which().prop_map(Step::Guard),
        1 => which().prop_map(Step::DropGuard),
        2 => which().prop_map(Step::Disarm),
    ]
}

/// A token as the model has it. None ever goes: what has no handle any more is still above others.
struct Known {
    parent: Option<usize>,
    until: Option<Instant>,
    cancelled: bool,
    /// The step in which this very token was cancelled, and whether it was given a cause.
    by_itself: Option<(usize, bool)>,
}

struct Model {
    start: Instant,
    tokens: Vec<Known>,
}

impl Model {
    fn add(&mut self, parent: Option<usize>, until: Option<Instant>) -> usize {
        let above = parent.map(|parent| &self.tokens[parent]);
        let inherited = above.and_then(|parent| parent.until);
        let cancelled = above.is_some_and(|parent| parent.cancelled);
        let until = [until, inherited].into_iter().flatten().min();
        self.tokens.push(Known { parent, until, cancelled, by_itself: None });
        self.tokens.len() - 1
    }

    fn above(&self, mut at: usize) -> impl Iterator<Item = usize> {
        let chain = std::iter::from_fn(move || {
            let parent = self.tokens[at].parent?;
            at = parent;
            Some(parent)
        });
        chain.collect::<Vec<_>>().into_iter()
    }

    fn cancel(&mut self, at: usize, step: usize, with: bool) {
        if self.tokens[at].cancelled {
            return;
        }
        self.tokens[at].by_itself = Some((step, with));
        for below in 0..self.tokens.len() {
            if below == at || self.above(below).any(|above| above == at) {
                self.tokens[below].cancelled = true;
            }
        }
    }

    fn check(&self, at: usize) -> Result<(), Stopped> {
        let token = &self.tokens[at];
        match token.until {
            _ if token.cancelled => Err(Stopped::Cancelled),
            Some(until) if until <= self.start => Err(Stopped::TimedOut),
            _ => Ok(()),
        }
    }

    fn cause(&self, at: usize) -> Option<String> {
        let nearest = std::iter::once(at).chain(self.above(at)).find_map(|at| self.tokens[at].by_itself);
        nearest.and_then(|(step, with)| with.then(|| step.to_string()))
    }
}

/// What is held of which token.
struct Held<T>(Vec<(T, usize)>);

impl<T> Held<T> {
    fn get(&self, which: &Index) -> Option<&(T, usize)> {
        (!self.0.is_empty()).then(|| which.get(&self.0))
    }

    fn take(&mut self, which: &Index) -> Option<(T, usize)> {
        (!self.0.is_empty()).then(|| self.0.swap_remove(which.index(self.0.len())))
    }
}

fn run(steps: &[Step]) {
    let start = Instant::now();
    let mut model = Model { start, tokens: Vec::new() };
    let mut tokens = Held::<CancelToken>(Vec::new());
    let mut guards = Held::<CancelOnDrop>(Vec::new());
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Root => tokens.0.push((CancelToken::new(), model.add(None, None))),
            Step::Child(which) => {
                if let Some((token, at)) = tokens.get(which) {
                    let child = (token.child(), model.add(Some(*at), None));
                    tokens.0.push(child);
                }
            }
            Step::ChildUntil(which, until) => {
                if let Some((token, at)) = tokens.get(which) {
                    let instant = until.instant(start);
                    let child = (token.child_until(instant), model.add(Some(*at), Some(instant)));
                    tokens.0.push(child);
                }
            }
            Step::ChildWithin(which, max) => {
                if let Some((token, at)) = tokens.get(which) {
                    let child = token.child_within(if *max { Duration::MAX } else { YEARS });
                    let at = model.add(Some(*at), None);
                    if model.tokens[at].until.is_none() && !max {
                        // When it was made, only the token itself can tell.
                        let until = child.deadline();
                        assert!(until.is_some_and(|until| start + YEARS <= until && until <= Instant::now() + YEARS));
                        model.tokens[at].until = until;
                    }
                    tokens.0.push((child, at));
                }
            }
            Step::Clone(which) => {
                if let Some((token, at)) = tokens.get(which) {
                    let clone = (token.clone(), *at);
                    tokens.0.push(clone);
                }
            }
            Step::Drop(which) => drop(tokens.take(which)),
            Step::Cancel(which) => {
                if let Some((token, at)) = tokens.get(which) {
                    token.cancel();
                    model.cancel(*at, number, false);
                }
            }
            Step::CancelWith(which) => {
                if let Some((token, at)) = tokens.get(which) {
                    token.cancel_with(number.to_string());
                    model.cancel(*at, number, true);
                }
            }
            Step::Guard(which) => {
                if let Some((token, at)) = tokens.get(which) {
                    guards.0.push((token.cancel_on_drop(), *at));
                }
            }
            Step::DropGuard(which) => {
                if let Some((guard, at)) = guards.take(which) {
                    drop(guard);
                    model.cancel(at, number, false);
                }
            }
            Step::Disarm(which) => {
                if let Some((guard, at)) = guards.take(which) {
                    tokens.0.push((guard.disarm(), at));
                }
            }
        }
        tokens.0.iter().for_each(|(token, at)| compare(token, &model, *at));
    }
    tokens.0.iter().for_each(|(token, at)| compare_waits(token, model.check(*at)));
}

/// A token says what the model does, whichever way it is asked.
fn compare(token: &CancelToken, model: &Model, at: usize) {
    let check = model.check(at);
    assert_eq!((token.check(), token.is_cancelled()), (check, check.is_err()));
    assert_eq!(token.cause().map(ToString::to_string), model.cause(at));
    let until = model.tokens[at].until;
    assert_eq!(token.deadline(), until);
    let shown = match until {
        Some(until) => format!("CancelToken {{ cancelled: {}, deadline: {until:?}, .. }}", model.tokens[at].cancelled),
        None => format!("CancelToken {{ cancelled: {}, .. }}", model.tokens[at].cancelled),
    };
    assert_eq!(format!("{token:?}"), shown);
}

/// Who waits for a token, and under it, learns the same.
fn compare_waits(token: &CancelToken, check: Result<(), Stopped>) {
    let waits = token.wait(Duration::ZERO);
    assert_eq!(waits, if check.is_err() { Ok(()) } else { Err(Stopped::TimedOut) });
    if check.is_err() {
        assert_eq!(CancelToken::new().wait(Limit::from(token)), check);
    }
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn tokens_go_as_the_model_says(steps in prop::collection::vec(step(), 0..120)) {
        crate::stress::watched(move |_| run(&steps));
    }
}
