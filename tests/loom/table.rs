//! Models of the table of locks. In models a table has one shard, so that all keys meet.

use std::time::Duration;

use super::explore::{Judge, Shared, explore, spawn};
use crate::{LockClass, LockError, LockTable, Stopped, lock_all};

const SECOND: Duration = Duration::from_secs(1);

static KEY: LockClass = LockClass::new(1, "key");

type Table = Shared<LockTable<u8, u8>>;

fn table() -> (Table, Judge<()>) {
    let table = Table::new(LockTable::new(&KEY));
    let judged = table.clone();
    // Nobody uses any key.
    (table, Judge::new(move |_| assert_eq!(judged.len(), 0)))
}

/// Fails if two threads that ask for a key at once get two locks, or one is forgotten while a thread has it. Two threads.
#[test]
fn made_by_two_at_once() {
    explore([5_428, 986], &["wait.woken"], || {
        let (table, empty) = table();
        let alone = Shared::new(std::sync::atomic::AtomicBool::new(false));
        let work = |table: &Table, alone: &std::sync::atomic::AtomicBool| {
            let guard = table.lock(&1).unwrap();
            assert!(!alone.swap(true, std::sync::atomic::Ordering::SeqCst));
            assert!(guard.is_none());
            alone.store(false, std::sync::atomic::Ordering::SeqCst);
        };
        spawn({
            let (table, alone, empty) = (table.clone(), alone.clone(), empty.clone());
            move || {
                work(&table, &alone);
                drop(empty);
            }
        });
        work(&table, &alone);
        drop(empty);
    });
}

/// Fails if an entry that its last user leaves is freed while another comes to it, or the value is lost that this leaves there. Two
/// threads.
#[test]
fn left_while_another_comes() {
    explore([181, 88], &[], || {
        let table = Table::new(LockTable::new(&KEY));
        let judged = table.clone();
        let judge =
            Judge::new(move |_: Vec<()>| assert_eq!((judged.len(), judged.lock(&1).unwrap().take()), (1, Some(5))));
        let guard = table.lock(&1).unwrap();
        spawn({
            let (table, judge) = (table.clone(), judge.clone());
            move || {
                *table.lock(&1).unwrap() = Some(5);
                drop(judge);
            }
        });
        drop(guard);
        drop(judge);
    });
}

/// Fails if two threads that name two keys in opposite orders can deadlock. The keys are entered beforehand. Two threads.
#[test]
fn two_keys_in_both_orders() {
    explore([7_683, 7_700], &["wait.woken"], || {
        let table: &'static LockTable<u8> = Box::leak(Box::new(LockTable::new(&KEY)));
        let empty = Judge::new(move |_: Vec<()>| assert_eq!(table.len(), 0));
        let rising = table.waitable([&1, &2]).unwrap();
        let falling = table.waitable([&2, &1]).unwrap();
        spawn({
            let empty = empty.clone();
            move || {
                drop(lock_all(falling).unwrap());
                drop(empty);
            }
        });
        drop(lock_all(rising).unwrap());
        drop(empty);
    });
}

/// Fails if a waiter that gives up, in the same moment as the holder leaves, frees what that uses, or leaves the entry there. Two
/// threads.
#[test]
fn gives_up_as_the_holder_leaves() {
    explore([935, 176], &["wait.timed-out"], || {
        let (table, empty) = table();
        let guard = table.lock(&1).unwrap();
        spawn({
            let (table, empty) = (table.clone(), empty.clone());
            move || {
                match table.lock_within(&1, SECOND) {
                    Ok(guard) => assert!(guard.is_none()),
                    Err(error) => assert_eq!(error, LockError::from(Stopped::TimedOut)),
                }
                drop(empty);
            }
        });
        crate::model::advance(SECOND);
        drop(guard);
        drop(empty);
    });
}
