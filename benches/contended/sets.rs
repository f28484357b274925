//! Two locks at once, picked at random: `lock_all` in the order of picking, and by hand the lower one first.

use std::time::Duration;

use crossbeam_utils::CachePadded;
use raddle::lock_all;

use crate::data::{Data, Random};
use crate::one::{Lock, ParkingLot, ParkingLot012, Raddle, Std};
use crate::point::{Contender, Point};
use crate::run::{Served, run};
use crate::watch::Watch;
use crate::work::Work;

trait Both: Lock {
    /// Takes both of these locks, which are two.
    #[inline(always)]
    fn both<R>(
        locks: &[CachePadded<Self>],
        one: usize,
        other: usize,
        section: impl FnOnce(&mut Data, &mut Data) -> R,
    ) -> R {
        let (lower, upper) = (&locks[one.min(other)], &locks[one.max(other)]);
        lower.with(|lower| upper.with(|upper| section(lower, upper)))
    }
}

impl Both for Raddle {
    #[inline(always)]
    fn both<R>(
        locks: &[CachePadded<Self>],
        one: usize,
        other: usize,
        section: impl FnOnce(&mut Data, &mut Data) -> R,
    ) -> R {
        let mut locked = lock_all((&*locks[one], &*locks[other])).expect("nothing is held");
        let (one, other) = locked.split_mut();
        section(one, other)
    }
}

impl Both for ParkingLot {}
impl Both for ParkingLot012 {}
impl Both for Std {}

/// Threads that each take two of so many locks, for an empty section, and pick others.
pub(crate) fn point(threads: usize, locks: usize) -> Point {
    Point::new(vec![
        contender::<Raddle>(threads, locks),
        contender::<ParkingLot>(threads, locks),
        contender::<ParkingLot012>(threads, locks),
        contender::<Std>(threads, locks),
    ])
}

fn contender<L: Both>(threads: usize, locks: usize) -> Contender {
    Contender::new(L::ROLE, L::NAME, move |length| {
        let mut all: Vec<_> = (0..locks).map(|id| CachePadded::new(L::new(id as u64))).collect();
        let on = all.as_slice();
        let (found, done) = run(threads, length, |me, stop| {
            let (mut watch, mut random, nothing) =
                (Watch::new(Duration::ZERO), Random::new(me), Work::lasting(Duration::ZERO));
            let operations = stop.count(|| {
                let one = random.below(locks);
                let other = random.below(locks - 1);
                // Any but that one.
                let other = other + usize::from(other >= one);
                let others =
                    L::both(on, one, other, |one, other| one.change(me + 1, nothing) | other.change(me + 1, nothing));
                watch.done(others);
            });
            Served { operations, wait: watch.longest(), write_wait: None }
        });
        assert_eq!(all.iter_mut().map(|lock| lock.sections()).sum::<u64>(), 2 * done, "{}: lost sections", L::NAME);
        found
    })
}
