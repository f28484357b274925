//! Threads that wait for each other through locks and cells.

use std::sync::Barrier;
use std::time::Duration;

use raddle::{InitError, LockError, OnceCell, OrderedMutex, What};

use crate::stress::watched;
use crate::thread;

const LONG: Duration = Duration::from_secs(60);

/// Fails if a thread that holds a lock and waits for a cell hangs with the one that initialises it and waits for the lock.
#[test]
fn a_lock_against_a_cell() {
    watched(|_| {
        let (lock, cell, met) = (OrderedMutex::new(1, ()), OnceCell::new(), Barrier::new(2));
        thread::scope(|threads| {
            let (lock, cell, met) = (&lock, &cell, &met);
            let maker = threads.spawn(move || {
                cell.get_or_try_init(|| {
                    met.wait();
                    lock.lock().map(|_| 5)
                })
            });
            let guard = lock.lock().unwrap();
            met.wait();
            let got = cell.get_or_init_within(|| 6, LONG);
            drop(guard);
            let made = maker.join().unwrap();
            match (&got, &made) {
                (Err(InitError::Deadlock { cycle, .. }), Ok(5)) => assert_eq!(*cycle[0].what(), What::Cell),
                (Ok(5 | 6), Err(LockError::Deadlock { id, cycle, .. })) => {
                    assert_eq!((*id, cycle[0].what()), (lock.id(), &What::Lock(lock.id())));
                }
                other => panic!("{other:?}"),
            }
            eprintln!("{got:?} {made:?}");
        });
    });
}
