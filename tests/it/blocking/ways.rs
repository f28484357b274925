//! The ways in which a call can be stopped.

use std::thread;
use std::time::{Duration, Instant};

use raddle::{CancelToken, Limit, Stopped};

use super::table::Stop;

const SHORT: Duration = Duration::from_millis(2);
const LONG: Duration = Duration::from_secs(100_000);

/// What a limit is made of.
#[derive(Default)]
pub(super) struct Parts {
    tokens: Vec<CancelToken>,
    within: Option<Duration>,
    until: Option<Instant>,
}

impl Parts {
    pub(super) fn stop(&self) -> Stop<'_> {
        let limit = self.tokens.iter().fold(Limit::NEVER, Limit::or);
        let limit = self.within.map_or(limit, |within| limit.or(within));
        let limit = self.until.map_or(limit, |until| limit.or(until));
        Stop { limit, token: self.token() }
    }

    /// The token, if that is all.
    fn token(&self) -> Option<&CancelToken> {
        match &self.tokens[..] {
            [token] if self.within.is_none() && self.until.is_none() => Some(token),
            _ => None,
        }
    }
}

/// A way in which a call is stopped.
pub(super) struct Way {
    pub(super) name: &'static str,
    /// What the call is given.
    pub(super) parts: Parts,
    /// What stops it then, apart from time.
    pub(super) stop: Box<dyn FnOnce()>,
    /// What it has to say.
    pub(super) ends: Stopped,
}

impl Way {
    fn new(name: &'static str, parts: Parts, ends: Stopped) -> Self {
        Way { name, parts, stop: Box::new(|| ()), ends }
    }

    fn cancelled<const N: usize>(name: &'static str, tokens: [&CancelToken; N], stop: impl FnOnce() + 'static) -> Self {
        let parts = Parts { tokens: tokens.map(CancelToken::clone).to_vec(), ..Parts::default() };
        Way { stop: Box::new(stop), ..Way::new(name, parts, Stopped::Cancelled) }
    }

    fn expires(name: &'static str, token: CancelToken) -> Self {
        Way::new(name, Parts { tokens: vec![token], ..Parts::default() }, Stopped::TimedOut)
    }

    /// Whether a call that stops by its token alone can be stopped in this way.
    pub(super) fn is_by_token(&self) -> bool {
        self.parts.token().is_some()
    }
}

/// Ways in which a sleeping call is stopped. Each is made when it is wanted, since for some time runs.
pub(super) fn asleep() -> [fn() -> Way; 15] {
    [
        || {
            let token = CancelToken::new();
            Way::cancelled("its token", [&token.clone()], move || token.cancel())
        },
        || {
            let parent = CancelToken::new();
            Way::cancelled("its parent, with a cause", [&parent.child()], move || parent.cancel_with("cause"))
        },
        || {
            // Nobody has the tokens in between.
            let ancestor = CancelToken::new();
            let token = ancestor.child().child().child_within(Duration::MAX);
            Way::cancelled("an ancestor", [&token], move || ancestor.cancel())
        },
        || {
            let token = CancelToken::new();
            Way::cancelled("its token, from elsewhere", [&token.clone()], || {
                thread::spawn(move || token.cancel()).join().unwrap();
            })
        },
        || {
            let token = CancelToken::new();
            let guard = token.cancel_on_drop();
            Way::cancelled("a guard", [&token], || drop(guard))
        },
        || {
            let token = CancelToken::new().child_within(LONG);
            Way::cancelled("its token, long before its time is over", [&token.clone()], move || token.cancel())
        },
        || {
            let token = CancelToken::new();
            let both = [&token.clone(), &CancelToken::new()];
            Way::cancelled("the first of two tokens", both, move || token.cancel())
        },
        || {
            let parent = CancelToken::new();
            let both = [&CancelToken::new(), &parent.child()];
            Way::cancelled("the parent of the second of two tokens", both, move || parent.cancel())
        },
        || {
            let token = CancelToken::new();
            let parts =
                Parts { tokens: vec![token.clone()], within: Some(Duration::MAX), until: Some(Instant::now() + LONG) };
            let stop = Box::new(move || token.cancel());
            Way { stop, ..Way::new("its token, long before all other limits", parts, Stopped::Cancelled) }
        },
        || Way::expires("the time of its token", CancelToken::new().child_within(SHORT)),
        || Way::expires("the time of an ancestor", CancelToken::new().child_within(SHORT).child().child_within(LONG)),
        || {
            let tokens = two(CancelToken::new().child_within(LONG), CancelToken::new().child_within(SHORT));
            Way::new("the time of the second token", tokens, Stopped::TimedOut)
        },
        || Way::new("a duration", Parts { within: Some(SHORT), ..Parts::default() }, Stopped::TimedOut),
        || {
            let until = Some(Instant::now() + SHORT);
            Way::new("an instant", Parts { until, ..Parts::default() }, Stopped::TimedOut)
        },
        || {
            let parts = Parts { tokens: vec![CancelToken::new()], within: Some(SHORT), until: None };
            Way::new("a duration, and not its token", parts, Stopped::TimedOut)
        },
    ]
}

/// Limits that are over before the call.
pub(super) fn before() -> Vec<Way> {
    let cancelled = CancelToken::new();
    let parent = CancelToken::new();
    let child = parent.child_within(LONG);
    parent.cancel();
    cancelled.cancel();
    let expired = CancelToken::new().child_within(Duration::ZERO);
    let over_and_cancelled = expired.child();
    over_and_cancelled.cancel();
    let now = Instant::now();
    vec![
        Way::cancelled("a cancelled token", [&cancelled], || ()),
        Way::cancelled("a cancelled parent", [&child], || ()),
        Way::cancelled("a child of a cancelled token", [&cancelled.child()], || ()),
        Way::cancelled("a token that is over and cancelled", [&over_and_cancelled], || ()),
        Way::expires("a token that is over", expired.clone()),
        Way::expires("a child of a token that is over", expired.child()),
        Way::new("no time", Parts { within: Some(Duration::ZERO), ..Parts::default() }, Stopped::TimedOut),
        Way::new("a time that has passed", Parts { until: Some(now), ..Parts::default() }, Stopped::TimedOut),
        // What was cancelled says so, whatever else is over.
        Way::new("two tokens, the first cancelled", two(cancelled.clone(), expired.clone()), Stopped::Cancelled),
        Way::new("two tokens, the second cancelled", two(expired, cancelled.clone()), Stopped::Cancelled),
        Way::new(
            "everything at once",
            Parts { tokens: vec![cancelled], within: Some(Duration::ZERO), until: Some(now) },
            Stopped::Cancelled,
        ),
    ]
}

fn two(first: CancelToken, second: CancelToken) -> Parts {
    Parts { tokens: vec![first, second], ..Parts::default() }
}
