//! Semaphores, against a number and a list of what is out.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use raddle::{Semaphore, Stopped};

use super::cases;
use crate::once::place_of_panic;
use crate::semaphore::Any;
use crate::stress::watched;
use crate::thread;
use crate::wait_group::panics_with;

const MAX: usize = Semaphore::MAX_PERMITS;

/// How permits are asked for.
#[derive(Clone, Copy, Debug)]
enum How {
    /// If they are there; it would hang otherwise.
    Acquire,
    Within,
    Try,
}

/// What becomes of permits.
#[derive(Clone, Copy, Debug)]
enum End {
    Drop,
    DropElsewhere,
    Panic,
    Forget,
}

#[derive(Clone, Debug)]
enum Step {
    Ask(How, usize, bool),
    End(Index, End),
    Add(usize),
}

/// Small numbers, and some around the edges.
fn number() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0_usize..6, 1 => (0_usize..3).prop_map(|below| MAX - below), 1 => Just(MAX + 1), 1 => Just(usize::MAX)]
}

fn step() -> impl Strategy<Value = Step> {
    let how = prop_oneof![Just(How::Acquire), Just(How::Within), Just(How::Try)];
    let end =
        prop_oneof![4 => Just(End::Drop), 1 => Just(End::DropElsewhere), 1 => Just(End::Panic), 2 => Just(End::Forget)];
    prop_oneof![
        6 => (how, number(), any::<bool>()).prop_map(|(how, permits, owned)| Step::Ask(how, permits, owned)),
        4 => (any::<Index>(), end).prop_map(|(which, end)| Step::End(which, end)),
        2 => number().prop_map(Step::Add),
    ]
}

/// The permits, or none.
fn ask(semaphore: &Arc<Semaphore>, how: How, permits: usize, owned: bool) -> Option<Any<'_>> {
    let within = |why| assert_eq!(why, Stopped::TimedOut);
    match (how, owned) {
        (How::Acquire, false) => Some(Any::Borrowed(semaphore.acquire(permits))),
        (How::Acquire, true) => Some(Any::Owned(semaphore.acquire_owned(permits))),
        (How::Within, false) => {
            semaphore.acquire_within(permits, Duration::ZERO).map_err(within).ok().map(Any::Borrowed)
        }
        (How::Within, true) => {
            semaphore.acquire_owned_within(permits, Duration::ZERO).map_err(within).ok().map(Any::Owned)
        }
        (How::Try, false) => semaphore.try_acquire(permits).map(Any::Borrowed),
        (How::Try, true) => semaphore.try_acquire_owned(permits).map(Any::Owned),
    }
}

fn run(first: usize, steps: &[Step]) {
    let semaphore = &Arc::new(Semaphore::new(first));
    let mut available = first;
    let mut out: Vec<Any<'_>> = Vec::new();
    for step in steps {
        match *step {
            Step::Ask(how, permits, owned) if permits > MAX => {
                let (_, text) = place_of_panic(|| ask(semaphore, how, permits, owned));
                assert!(text.contains("at most"), "{text}");
            }
            Step::Ask(How::Acquire, permits, _) if permits > available => {}
            Step::Ask(how, permits, owned) => {
                let permit = ask(semaphore, how, permits, owned);
                assert_eq!(permit.is_some(), permits <= available);
                if let Some(permit) = permit {
                    assert_eq!(permit.permits(), permits);
                    available -= permits;
                    out.push(permit);
                }
            }
            Step::End(which, end) if !out.is_empty() => {
                let permit = out.swap_remove(which.index(out.len()));
                if !matches!(end, End::Forget) {
                    available += permit.permits();
                }
                match end {
                    End::Drop => drop(permit),
                    End::DropElsewhere => {
                        thread::scope(|threads| threads.spawn(|| drop(permit)).join().unwrap());
                    }
                    End::Panic => panics_with(permit),
                    End::Forget => permit.forget(),
                }
            }
            Step::End(..) => {}
            Step::Add(permits) => {
                let there_are = available + out.iter().map(Any::permits).sum::<usize>();
                if permits <= MAX - there_are {
                    semaphore.add_permits(permits);
                    available += permits;
                } else {
                    assert!(place_of_panic(|| semaphore.add_permits(permits)).1.contains("at most"));
                }
            }
        }
        assert_eq!(semaphore.available(), available);
        let owned = out.iter().filter(|permit| matches!(permit, Any::Owned(_))).count();
        assert_eq!(Arc::strong_count(semaphore), 1 + owned);
    }
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn semaphores_go_as_the_model_says(
        first in prop_oneof![0_usize..10, Just(MAX - 1), Just(MAX)],
        steps in prop::collection::vec(step(), 0..60),
    ) {
        watched(move |_| run(first, &steps));
    }
}
