//! Wait-groups, against a count and a flag.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use raddle::{OwnedWorker, Stopped, WaitError, WaitGroup, Worker};

use super::cases;
use crate::stress::watched;
use crate::thread;

/// How a worker comes to its end.
#[derive(Clone, Copy, Debug)]
enum End {
    Here,
    Elsewhere,
    /// On a thread that is handed the worker by another.
    FurtherAway,
    PanicHere,
    PanicElsewhere,
}

#[derive(Clone, Debug)]
enum Step {
    Begin(bool),
    End(Index, End),
    /// A worker that is made and dropped during a panic is not the panic's.
    WithinPanic,
    WaitShortly,
    /// Waits without a limit, if there is nobody to wait for.
    Wait,
    Clear,
    /// Workers (do they panic?) and waiters (have they a limit?), all at once.
    Phase(Vec<bool>, Vec<bool>),
}

fn step() -> impl Strategy<Value = Step> {
    use End::{Elsewhere, FurtherAway, Here, PanicElsewhere, PanicHere};
    let end = prop_oneof![
        4 => Just(Here), 2 => Just(Elsewhere), 1 => Just(FurtherAway), 1 => Just(PanicHere), 1 => Just(PanicElsewhere)
    ];
    let panics = prop::collection::vec(prop::bool::weighted(0.1), 1..4);
    prop_oneof![
        6 => any::<bool>().prop_map(Step::Begin),
        6 => (any::<Index>(), end).prop_map(|(which, end)| Step::End(which, end)),
        1 => Just(Step::WithinPanic),
        3 => Just(Step::WaitShortly),
        2 => Just(Step::Wait),
        1 => Just(Step::Clear),
        1 => (panics, prop::collection::vec(any::<bool>(), 0..3)).prop_map(|(workers, waiters)| Step::Phase(workers, waiters)),
    ]
}

#[allow(dead_code, reason = "they are dropped")]
enum Any<'a> {
    Borrowed(Worker<'a>),
    Owned(OwnedWorker),
}

fn begin(group: &Arc<WaitGroup>, owned: bool) -> Any<'_> {
    if owned { Any::Owned(group.worker_owned()) } else { Any::Borrowed(group.worker()) }
}

/// Drops what is held in a panic that does not print.
fn panics_with<T>(held: T) {
    let end = catch_unwind(AssertUnwindSafe(|| {
        let _held = held;
        resume_unwind(Box::new(()));
    }));
    assert!(end.is_err());
}

struct WorksInDrop<'a>(&'a Arc<WaitGroup>);

impl Drop for WorksInDrop<'_> {
    fn drop(&mut self) {
        drop((begin(self.0, true), begin(self.0, false)));
    }
}

fn run(steps: &[Step]) {
    let group = &Arc::new(WaitGroup::new());
    let mut workers = Vec::new();
    let mut panicked = false;
    for step in steps {
        match step {
            Step::Begin(owned) => workers.push(begin(group, *owned)),
            Step::End(which, end) if !workers.is_empty() => {
                let worker = workers.swap_remove(which.index(workers.len()));
                thread::scope(|threads| match end {
                    End::Here => drop(worker),
                    End::PanicHere => panics_with(worker),
                    End::Elsewhere => threads.spawn(|| drop(worker)).join().unwrap(),
                    End::PanicElsewhere => threads.spawn(|| panics_with(worker)).join().unwrap(),
                    End::FurtherAway => {
                        let further = |worker| thread::scope(|threads| threads.spawn(|| drop(worker)).join().unwrap());
                        threads.spawn(move || further(worker)).join().unwrap();
                    }
                });
                panicked |= matches!(end, End::PanicHere | End::PanicElsewhere);
            }
            Step::End(..) => {}
            Step::WithinPanic => panics_with(WorksInDrop(group)),
            Step::WaitShortly => match group.wait_within(Duration::ZERO) {
                Ok(()) => assert!(workers.is_empty() && !panicked),
                Err(WaitError::Panicked(_)) => assert!(workers.is_empty() && panicked),
                Err(WaitError::Stopped(Stopped::TimedOut)) => assert!(!workers.is_empty()),
                Err(other) => panic!("{other}"),
            },
            Step::Wait if workers.is_empty() => assert_eq!(group.wait().is_err(), panicked),
            Step::Wait => {}
            Step::Clear => {
                group.clear_panicked();
                panicked = false;
            }
            Step::Phase(panic, limits) => {
                panicked |= panic.contains(&true);
                // Everybody else's workers end in this phase too, so that the waits do.
                let others = std::mem::take(&mut workers);
                thread::scope(|threads| {
                    // All begin before the first wait.
                    let mine: Vec<_> = panic.iter().map(|&panics| (begin(group, panics), panics)).collect();
                    let waiters: Vec<_> = limits
                        .iter()
                        .map(|&limit| {
                            threads.spawn(move || match limit {
                                false => group.wait().is_err(),
                                true => match group.wait_within(Duration::MAX) {
                                    Ok(()) => false,
                                    Err(WaitError::Panicked(_)) => true,
                                    Err(other) => panic!("{other}"),
                                },
                            })
                        })
                        .collect();
                    for (worker, panics) in mine {
                        threads.spawn(move || if panics { panics_with(worker) } else { drop(worker) });
                    }
                    drop(others);
                    assert_eq!(group.wait().is_err(), panicked);
                    for waiter in waiters {
                        assert_eq!(waiter.join().unwrap(), panicked);
                    }
                });
            }
        }
        assert_eq!(group.count(), workers.len());
        assert_eq!(format!("{group:?}"), format!("WaitGroup {{ count: {}, panicked: {panicked} }}", workers.len()));
        let owned = workers.iter().filter(|worker| matches!(worker, Any::Owned(_))).count();
        assert_eq!(Arc::strong_count(group), 1 + owned);
    }
    drop(workers);
    assert_eq!(group.wait().is_err(), panicked);
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn groups_go_as_the_model_says(steps in prop::collection::vec(step(), 0..40)) {
        watched(move |_| run(&steps));
    }
}
