//! Scopes, against lists of who fails in which turn.
//!
//! The body lets its tasks end one after the other. Those that wait under the token end with the first failure, and all in the same way.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;

use proptest::prelude::*;
use raddle::{CancelToken, Limit, SpawnError, Stopped, Task, Tasks, scope};

use super::cases;
use crate::stress::watched;

/// How a task or a body ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Value(u8),
    Error(u8),
    Panic(u8),
    Cancelled,
}

#[derive(Clone, Debug)]
enum Work {
    /// When it is let go.
    Ends(End),
    /// When it is cancelled.
    Waits,
    /// As a scope of its own.
    Nests(Program),
}

#[derive(Clone, Debug)]
struct Program {
    /// One place: each task has to end before the next begins.
    bounded: bool,
    /// And whether the body joins it.
    tasks: Vec<(Work, bool)>,
    body: End,
}

#[derive(Debug, PartialEq)]
enum Failed {
    At(u8),
    Cancelled,
}

impl From<SpawnError> for Failed {
    fn from(error: SpawnError) -> Self {
        unreachable!("{error}")
    }
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        5 => any::<u8>().prop_map(End::Value),
        2 => any::<u8>().prop_map(End::Error),
        1 => any::<u8>().prop_map(End::Panic),
    ]
}

fn program() -> impl Strategy<Value = Program> {
    let of = |work: BoxedStrategy<Work>| {
        (any::<bool>(), prop::collection::vec((work, any::<bool>()), 0..5), end()).prop_map(
            |(bounded, mut tasks, body)| {
                // Those that wait fail in any order. So the body joins all of them, or none.
                let mut waiting: Vec<_> = tasks.iter_mut().filter(|(work, _)| matches!(work, Work::Waits)).collect();
                let joined = waiting.first().is_some_and(|(_, joined)| *joined);
                waiting.iter_mut().for_each(|(_, joins)| *joins = joined);
                Program { bounded, tasks, body }
            },
        )
    };
    let leaf = || prop_oneof![3 => end().prop_map(Work::Ends), 1 => Just(Work::Waits)].boxed();
    let nests = move || prop_oneof![3 => leaf(), 1 => of(leaf()).prop_map(Work::Nests)].boxed();
    of(prop_oneof![2 => nests(), 1 => of(nests()).prop_map(Work::Nests)].boxed())
}

impl Work {
    fn expected(&self) -> End {
        match self {
            Work::Ends(end) => *end,
            Work::Waits => End::Cancelled,
            Work::Nests(program) => program.expected(),
        }
    }
}

fn fails(end: End) -> bool {
    !matches!(end, End::Value(_))
}

impl Program {
    /// Which tasks end, in the order of their turns; those that wait come after the first failure.
    fn turns(&self) -> Vec<usize> {
        let waits = |at: &usize| matches!(self.tasks[*at].0, Work::Waits);
        let all = 0..self.tasks.len();
        let mut turns: Vec<_> = all.clone().filter(|at| !waits(at)).collect();
        let first = turns.iter().position(|&at| fails(self.tasks[at].0.expected()));
        if self.bounded {
            // A place is all that there is: one that waits keeps it, and what comes after a failure is not begun.
            turns = Vec::new();
            for at in all {
                turns.push(at);
                if fails(self.tasks[at].0.expected()) {
                    break;
                }
            }
        } else {
            let at = first.map_or(turns.len(), |first| first + 1);
            turns.splice(at..at, all.filter(waits));
        }
        turns
    }

    fn expected(&self) -> End {
        let turns = self.turns();
        let ends: Vec<_> = turns.iter().map(|&at| (self.tasks[at].0.expected(), self.tasks[at].1)).collect();
        let seen = ends.iter().position(|&(end, joined)| joined && fails(end));
        let mut failures: Vec<_> = ends
            .iter()
            .enumerate()
            .filter(|&(_, &(end, joined))| !joined && fails(end))
            .map(|(at, e)| (at, e.0))
            .collect();
        if fails(self.body) {
            failures.push((seen.unwrap_or(ends.len()), self.body));
        }
        failures.sort_by_key(|&(at, _)| at);
        let panic = failures.iter().find(|(_, end)| matches!(end, End::Panic(_)));
        panic.or(failures.first()).map_or(self.body, |&(_, end)| end)
    }

    fn run(&self, limit: &CancelToken, threads: &'static AtomicUsize) -> End {
        let end = catch_unwind(AssertUnwindSafe(|| scope(limit, |tasks| self.body(tasks, threads))));
        ended(end)
    }

    fn body<'scope>(
        &'scope self,
        tasks: &'scope Tasks<'scope, '_, Failed>,
        threads: &'static AtomicUsize,
    ) -> Result<u8, Failed> {
        if self.bounded {
            tasks.at_most(1);
        }
        let mut begun: Vec<Option<Begun<'scope>>> = Vec::new();
        for (at, (work, _)) in self.tasks.iter().enumerate() {
            let (go, gone) = mpsc::channel::<()>();
            let bounded = self.bounded;
            let task = tasks.spawn(move |token| {
                LEAVES.set(Some(Leaves::new(threads)));
                let again = tasks.spawn_named("refused", |_| Ok(0));
                assert!(!bounded || matches!(again, Err(SpawnError::FromTask)));
                drop(again);
                if matches!(work, Work::Waits) {
                    token.wait(Limit::NEVER).unwrap();
                    return fail(End::Cancelled);
                }
                let _ = gone.recv();
                match work {
                    Work::Nests(program) => fail(program.run(&CancelToken::new(), threads)),
                    _ => fail(work.expected()),
                }
            });
            match task {
                Ok(task) => begun.push(Some((task, go))),
                Err(error) => {
                    assert!(matches!(error, SpawnError::Stopped(Stopped::Cancelled)));
                    begun.push(None);
                }
            }
            if self.bounded {
                if matches!(work, Work::Waits) {
                    tasks.token().cancel();
                }
                finish(&mut begun[at]);
            }
        }
        let turns = self.turns();
        let failure =
            turns.iter().any(|&at| !matches!(self.tasks[at].0, Work::Waits) && fails(self.tasks[at].0.expected()));
        for &at in &turns {
            if matches!(self.tasks[at].0, Work::Waits) && !failure {
                tasks.token().cancel();
            }
            finish(&mut begun[at]);
        }
        for (at, task) in begun.into_iter().enumerate() {
            let (work, joins) = &self.tasks[at];
            assert_eq!(task.is_some(), turns.contains(&at));
            if let Some((task, _)) = task.filter(|_| *joins) {
                assert_eq!(ended(catch_unwind(AssertUnwindSafe(|| task.join()))), work.expected());
            }
        }
        fail(self.body)
    }
}

/// A task, and what lets it go.
type Begun<'scope> = (Task<'scope, u8, Failed>, mpsc::Sender<()>);

/// Lets the task go, and waits until it has ended.
fn finish(task: &mut Option<Begun<'_>>) {
    if let Some((task, go)) = task {
        let _ = go.send(());
        while !task.is_finished() {
            std::thread::yield_now();
        }
    }
}

fn fail(end: End) -> Result<u8, Failed> {
    match end {
        End::Value(value) => Ok(value),
        End::Error(error) => Err(Failed::At(error)),
        End::Cancelled => Err(Failed::Cancelled),
        End::Panic(payload) => resume_unwind(Box::new(payload)),
    }
}

fn ended(end: std::thread::Result<Result<u8, Failed>>) -> End {
    match end {
        Ok(Ok(value)) => End::Value(value),
        Ok(Err(Failed::At(error))) => End::Error(error),
        Ok(Err(Failed::Cancelled)) => End::Cancelled,
        Err(payload) => match payload.downcast::<u8>() {
            Ok(payload) => End::Panic(*payload),
            Err(other) => resume_unwind(other),
        },
    }
}

thread_local!(static LEAVES: Cell<Option<Leaves>> = const { Cell::new(None) });

/// Counts a thread until its thread-locals are dropped.
struct Leaves(&'static AtomicUsize);

impl Leaves {
    fn new(threads: &'static AtomicUsize) -> Self {
        threads.fetch_add(1, SeqCst);
        Self(threads)
    }
}

impl Drop for Leaves {
    fn drop(&mut self) {
        std::thread::yield_now();
        self.0.fetch_sub(1, SeqCst);
    }
}

static THREADS: AtomicUsize = AtomicUsize::new(0);

proptest! {
    #![proptest_config(cases(300))]

    /// Fails if a scope has another result than the first failure that nobody has taken, or leaves a thread behind.
    #[test]
    fn scopes_end_as_the_model_says(program in program()) {
        watched(move |_| {
            assert_eq!(program.run(&CancelToken::new(), &THREADS), program.expected());
            assert_eq!(THREADS.load(SeqCst), 0);
        });
    }
}
