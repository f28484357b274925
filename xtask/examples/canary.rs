//! Three mistakes, one for each argument. Miri and the sanitizers are shown them first: one that does not notice is not
//! trusted with the tests.

use std::cell::UnsafeCell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

/// Shared without anything that orders the accesses.
struct Shared(UnsafeCell<u64>);

// SAFETY: none; that is the mistake.
unsafe impl Sync for Shared {}

/// Two threads add to one number at once. The counter that they start by orders nothing.
fn race() {
    let (number, arrived) = (&Shared(UnsafeCell::new(0)), &AtomicU32::new(0));
    thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(move || {
                arrived.fetch_add(1, Relaxed);
                while arrived.load(Relaxed) < 2 {
                    thread::yield_now();
                }
                for _ in 0..1000 {
                    // SAFETY: none; the other thread is at it too.
                    unsafe { *black_box(number.0.get()) += 1 };
                }
            });
        }
    });
}

/// A box that is read after it was dropped.
fn freed() {
    let place = Box::into_raw(Box::new(black_box(1_u64)));
    // SAFETY: it comes from `into_raw`.
    drop(unsafe { Box::from_raw(place) });
    // SAFETY: none; nothing is there any more.
    black_box(unsafe { *place });
}

/// Boxes that nobody drops. Many: the address of one could be left somewhere on the stack.
fn leak() {
    (0..100_u64).for_each(|at| std::mem::forget(black_box(Box::new(at))));
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("race") => race(),
        Some("freed") => freed(),
        Some("leak") => leak(),
        _ => panic!("race, freed or leak?"),
    }
}
