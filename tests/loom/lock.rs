//! Models of the ordered locks.

use std::panic::Location;
use std::time::Duration;

use super::explore::{Judge, Shared, explore, spawn};
use crate::sync::model::execution::pretend_panicking;
use crate::{LockError, OrderedMutex, Stopped, lock_all, lock_all_within, try_lock_all};

const SECOND: Duration = Duration::from_secs(1);

type Locks<const N: usize> = [OrderedMutex<u32>; N];

/// Locks with ids from 1 on, that count how often they were taken.
fn locks<const N: usize>() -> Shared<Locks<N>> {
    let mut id = 0;
    Shared::new(std::array::from_fn(|_| {
        id += 1;
        OrderedMutex::new(id, 0)
    }))
}

fn both<const N: usize>(locks: &Locks<N>, first: usize, second: usize) {
    let mut locked = lock_all((&locks[first], &locks[second])).unwrap();
    let (first, second) = locked.split_mut();
    *first += 1;
    *second += 1;
}

/// Fails if two threads that name two locks in opposite orders can deadlock. Two threads.
#[test]
fn opposite_orders() {
    explore([13, 10], &["wait.woken"], || {
        let locks = locks::<2>();
        spawn({
            let locks = locks.clone();
            move || both(&locks, 1, 0)
        });
        both(&locks, 0, 1);
    });
}

/// Fails if two threads that name three locks in opposite orders can deadlock. Two threads.
#[test]
fn three_in_opposite_orders() {
    explore([6_425, 710], &["wait.woken"], || {
        let locks = locks::<3>();
        spawn({
            let locks = locks.clone();
            move || drop(lock_all([&locks[2], &locks[1], &locks[0]]).unwrap())
        });
        drop(lock_all([&locks[0], &locks[1], &locks[2]]).unwrap());
    });
}

/// Fails if a set of three, which is tried as it is named, and a pair, which is tried in order, can deadlock, or if what the set of three
/// had taken out of order stays locked. Two threads.
#[test]
fn three_against_two() {
    explore([929, 119], &["lock.let-go"], || {
        let locks = locks::<3>();
        spawn({
            let locks = locks.clone();
            move || lock_all([&locks[2], &locks[0], &locks[1]]).unwrap().iter_mut().for_each(|value| *value += 1)
        });
        both(&locks, 1, 0);
        both(&locks, 2, 1);
    });
}

/// Fails if three threads that name three locks in a cycle can deadlock. Three threads.
#[test]
fn cycle_of_three() {
    explore([4_389, 470], &["wait.woken"], || {
        let locks = locks::<3>();
        for (first, second) in [(1, 2), (2, 0)] {
            let locks = locks.clone();
            spawn(move || both(&locks, first, second));
        }
        both(&locks, 0, 1);
    });
}

/// Fails if locks taken one inside the other can deadlock with those that are taken at once. Two threads.
#[test]
fn nested_against_all() {
    explore([12, 9], &["wait.woken"], || {
        let locks = locks::<2>();
        spawn({
            let locks = locks.clone();
            move || both(&locks, 1, 0)
        });
        let mut outer = locks[0].lock().unwrap();
        let mut inner = locks[1].lock().unwrap();
        *outer += 1;
        *inner += 1;
    });
}

/// Fails if a wait for a lock below one that is held is not refused at once: then the two could deadlock. Two threads.
#[test]
fn nested_the_wrong_way() {
    explore([12, 9], &[], || {
        let locks = locks::<2>();
        spawn({
            let locks = locks.clone();
            move || both(&locks, 0, 1)
        });
        let mut outer = locks[1].lock().unwrap();
        *outer += 1;
        let refused = LockError::OutOfOrder { wanted: locks[0].id(), held: locks[1].id(), place: Location::caller() };
        assert_eq!(locks[0].lock().err(), Some(refused));
    });
}

/// Fails if a set that is not acquired in time leaves one of its locks held. Two threads.
#[test]
fn rolled_back() {
    explore([1_657, 105], &["wait.timed-out", "lock.roll-back"], || {
        let locks = locks::<2>();
        spawn({
            let locks = locks.clone();
            move || {
                let late = lock_all_within((&locks[1], &locks[0]), SECOND);
                match late.err() {
                    None => {}
                    Some(why) => assert_eq!(why, LockError::from(Stopped::TimedOut)),
                }
                assert_eq!(crate::lock::held::count(), 0);
            }
        });
        let guard = locks[1].lock().unwrap();
        crate::model::advance(SECOND);
        drop(guard);
        both(&locks, 0, 1);
    });
}

/// Fails if `try_lock_all` blocks, or leaves the lower lock held when the upper one is taken. Two threads, each of which tries in the
/// other's order, after one has held the upper lock alone.
#[test]
fn try_against_try() {
    explore([253, 66], &["lock.roll-back"], || {
        let locks = locks::<2>();
        let attempt =
            |locks: &Locks<2>, first: usize, second: usize| match try_lock_all([&locks[first], &locks[second]]) {
                Ok(mut locked) => locked.iter_mut().for_each(|value| *value += 1),
                Err(why) => assert!(matches!(why, LockError::WouldBlock { .. }), "{why}"),
            };
        spawn({
            let locks = locks.clone();
            move || attempt(&locks, 1, 0)
        });
        *locks[1].lock().unwrap() += 1;
        attempt(&locks, 0, 1);
        both(&locks, 0, 1);
    });
}

/// Fails if a panic poisons only some locks of a set, or leaves a waiter asleep. Two threads.
#[test]
fn poisoned_as_a_group() {
    explore([24, 10], &["raw.poison-parked"], || {
        let locks = locks::<2>();
        let refused =
            Judge::new(|ids: Vec<crate::LockId>| assert!(ids.is_empty() || ids == [crate::LockId::new(1)], "{ids:?}"));
        spawn({
            let (locks, refused) = (locks.clone(), refused.clone());
            move || match lock_all([&locks[1], &locks[0]]) {
                Ok(_) => {} // It was first.
                Err(LockError::Poisoned { id }) => refused.note(id),
                Err(why) => panic!("{why}"),
            }
        });
        let locked = lock_all((&locks[0], &locks[1])).unwrap();
        pretend_panicking(|| drop(locked));
        assert!(locks[0].is_poisoned() && locks[1].is_poisoned());
    });
}
