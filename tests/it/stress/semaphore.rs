//! Threads that want different numbers of a semaphore's permits, in every way there is to ask for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use raddle::{CancelToken, Counter, OrderedMutex, Semaphore, Stopped};

use super::{Random, Roll, Span, THREADS, for_long, watched};
use crate::semaphore::Any;
use crate::thread;

const PERMITS: usize = 5;

/// No more permits are out than there are, and all come back.
fn permits(roll: &Roll, span: Span) -> u64 {
    let semaphore = &Arc::new(Semaphore::new(PERMITS));
    let (out, calls) = (&AtomicUsize::new(0), &Counter::new(0));
    let token = &OrderedMutex::new(1, CancelToken::new());
    thread::scope(|threads| {
        for thread in 0..THREADS {
            roll.spawn(threads, format!("permits {thread}"), move || {
                let mut random = Random::new(thread);
                let mut rounds = 0;
                for _ in span.rounds() {
                    rounds += 1;
                    let Some(permit) = ask(semaphore, token, &mut random) else { continue };
                    let permits = permit.permits();
                    assert!(out.fetch_add(permits, Relaxed) + permits <= PERMITS);
                    if random.below(8) == 0 {
                        // Long enough for others to fall asleep.
                        thread::yield_now();
                    }
                    out.fetch_sub(permits, Relaxed);
                    if random.below(8) == 0 {
                        permit.forget();
                        semaphore.add_permits(permits);
                    } else {
                        drop(permit);
                    }
                }
                calls.add(2 * rounds);
            });
        }
    });
    assert_eq!((semaphore.available(), Arc::strong_count(semaphore)), (PERMITS, 1));
    assert!(semaphore.try_acquire(PERMITS).is_some(), "a mark is left");
    calls.get()
}

fn ask<'a>(semaphore: &'a Arc<Semaphore>, token: &OrderedMutex<CancelToken>, random: &mut Random) -> Option<Any<'a>> {
    let permits = random.below(PERMITS + 1);
    match random.below(7) {
        0 => Some(Any::Borrowed(semaphore.acquire(permits))),
        1 => Some(Any::Owned(semaphore.acquire_owned(permits))),
        2 => semaphore.try_acquire(permits).map(Any::Borrowed),
        3 => semaphore.try_acquire_owned(permits).map(Any::Owned),
        4 => semaphore.acquire_within(permits, random.limit()).ok().map(Any::Borrowed),
        5 => {
            let token = token.lock().unwrap().clone();
            match semaphore.acquire_owned_within(permits, &token) {
                Ok(permit) => Some(Any::Owned(permit)),
                Err(why) => {
                    assert_eq!(why, Stopped::Cancelled);
                    None
                }
            }
        }
        _ => {
            let old = std::mem::take(&mut *token.lock().unwrap());
            old.cancel();
            None
        }
    }
}

#[test]
fn permits_are_neither_made_nor_lost() {
    watched(|roll| permits(roll, Span::short(4_000)));
}

#[test]
#[ignore = "as long as RADDLE_STRESS_SECONDS says"]
fn permits_are_neither_made_nor_lost_for_long() {
    for_long(permits);
}
