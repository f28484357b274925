//! The table: every blocking call, how it comes to wait, and what it has to leave behind.

use std::sync::Arc;
use std::time::Duration;

use raddle::{
    CancelToken, Condvar, InitError, Limit, LockClass, LockTable, OnceCell, OrderedMutex, OrderedRwLock, Semaphore,
    Stopped, WaitError, WaitGroup, lock_all, lock_all_within, try_lock_all,
};

use super::why;

/// What ends a call.
#[derive(Clone, Copy)]
pub(super) struct Stop<'a> {
    pub(super) limit: Limit<'a>,
    /// The token, if that is all there is to the limit.
    pub(super) token: Option<&'a CancelToken>,
}

/// A primitive on which the calls are made.
pub(super) trait Stage: Sync {
    /// Runs `f` while all calls have to wait. Afterwards none has to.
    fn closed(&self, f: &mut dyn FnMut());

    /// The call.
    fn call(&self, stop: Stop<'_>) -> Result<(), Stopped>;

    /// The same, or another that waits for the same, without a limit.
    fn unlimited(&self);

    /// Finds the primitive as if no call had ever been stopped; not while it is closed.
    fn intact(&self);
}

/// A function, on a primitive that is closed in one way.
pub(super) struct Row {
    /// The file below `src`, and the function.
    pub(super) name: &'static str,
    /// It takes no limit: it stops by its token alone.
    pub(super) by_token: bool,
    stage: Box<dyn Fn() -> Box<dyn Stage>>,
}

impl Row {
    pub(super) fn new<P: Sync + 'static>(name: &'static str, new: impl Fn() -> P + 'static, calls: Calls<P>) -> Self {
        let stage = move || Box::new((new(), calls)) as Box<dyn Stage>;
        Row { name, by_token: false, stage: Box::new(stage) }
    }

    pub(super) fn stage(&self) -> Box<dyn Stage> {
        (self.stage)()
    }
}

/// As in [`Stage`].
pub(super) struct Calls<P> {
    pub(super) closed: fn(&P, &mut dyn FnMut()),
    pub(super) call: fn(&P, Stop<'_>) -> Result<(), Stopped>,
    pub(super) unlimited: fn(&P),
    pub(super) intact: fn(&P),
}

impl<P> Clone for Calls<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Calls<P> {}

impl<P: Sync> Stage for (P, Calls<P>) {
    fn closed(&self, f: &mut dyn FnMut()) {
        (self.1.closed)(&self.0, f);
    }

    fn call(&self, stop: Stop<'_>) -> Result<(), Stopped> {
        (self.1.call)(&self.0, stop)
    }

    fn unlimited(&self) {
        (self.1.unlimited)(&self.0);
    }

    fn intact(&self) {
        (self.1.intact)(&self.0);
    }
}

/// All blocking calls. Those of a feature are added under its `cfg`, and their file is named in `sources::OPTIONAL`.
pub(super) fn table() -> Vec<Row> {
    let mut rows = locks();
    rows.extend(sets());
    rows.extend(keys());
    rows.extend(conditions());
    rows.extend(cells());
    rows.extend(tokens());
    rows.extend(semaphores());
    #[cfg(feature = "crossbeam-channel")]
    rows.extend(super::channels::rows());
    rows.push(Row::new(
        "wait_group/group.rs::wait_within",
        WaitGroup::new,
        Calls {
            closed: |group, f| {
                let _worker = group.worker();
                f();
            },
            call: |group, stop| {
                group.wait_within(stop.limit).map_err(|error| match error {
                    WaitError::Stopped(stopped) => stopped,
                    other => panic!("{other}"),
                })
            },
            unlimited: |group| group.wait().unwrap(),
            intact: |group| assert_eq!((group.count(), group.wait()), (0, Ok(()))),
        },
    ));
    rows
}

/// The locks of keys; whoever has given up leaves no entry.
fn keys() -> Vec<Row> {
    static KEY: LockClass = LockClass::new(75, "key");
    type Table = LockTable<u8>;
    let closed = |table: &Table, f: &mut dyn FnMut()| {
        let _guard = table.lock(&2).unwrap();
        f();
    };
    let intact = |table: &Table| assert!(table.is_empty());
    let new = || Table::new(&KEY);
    vec![
        Row::new(
            "table/lock_table.rs::lock_within",
            new,
            Calls {
                closed,
                call: |table, stop| table.lock_within(&2, stop.limit).map(drop).map_err(why),
                unlimited: |table| drop(table.lock(&2).unwrap()),
                intact,
            },
        ),
        Row::new(
            "table/lock_table.rs::lock_all_within",
            new,
            Calls {
                closed,
                call: |table, stop| table.lock_all_within([&3, &2, &1], stop.limit).map(drop).map_err(why),
                unlimited: |table| drop(table.lock_all([&1, &2]).unwrap()),
                intact,
            },
        ),
    ]
}

fn locks() -> Vec<Row> {
    type Lock = OrderedRwLock<u32>;
    let written = |lock: &Lock, f: &mut dyn FnMut()| {
        let _guard = lock.write().unwrap();
        f();
    };
    let read = |lock: &Lock, f: &mut dyn FnMut()| {
        let _guard = lock.read().unwrap();
        f();
    };
    let reads: fn(&Lock, Stop<'_>) -> _ = |lock, stop| lock.read_within(stop.limit).map(drop).map_err(why);
    let writes: fn(&Lock, Stop<'_>) -> _ = |lock, stop| lock.write_within(stop.limit).map(drop).map_err(why);
    let readers = |lock: &Lock| drop(lock.read().unwrap());
    let writers = |lock: &Lock| drop(lock.write().unwrap());
    let intact = |lock: &Lock| {
        drop((lock.try_read().unwrap(), lock.try_read().unwrap()));
        drop(lock.try_write().unwrap());
    };
    let new = || Lock::new(6, 0);
    vec![
        Row::new(
            "lock/mutex.rs::lock_within",
            || OrderedMutex::new(5, ()),
            Calls {
                closed: |lock: &OrderedMutex<()>, f| {
                    let _guard = lock.lock().unwrap();
                    f();
                },
                call: |lock, stop| lock.lock_within(stop.limit).map(drop).map_err(why),
                unlimited: |lock| drop(lock.lock().unwrap()),
                intact: |lock| drop(lock.try_lock().unwrap()),
            },
        ),
        Row::new(
            "lock/mutex.rs::lock_arc_within",
            || Arc::new(OrderedMutex::new(5, ())),
            Calls {
                closed: |lock: &Arc<OrderedMutex<()>>, f| {
                    let _guard = lock.lock_arc().unwrap();
                    f();
                },
                call: |lock, stop| lock.lock_arc_within(stop.limit).map(drop).map_err(why),
                unlimited: |lock| drop(lock.lock_arc().unwrap()),
                intact: |lock| drop(lock.try_lock_arc().unwrap()),
            },
        ),
        Row::new(
            "lock/rwlock.rs::read_arc_within",
            || Arc::new(Lock::new(6, 0)),
            Calls {
                closed: |lock: &Arc<Lock>, f| {
                    let _guard = lock.write_arc().unwrap();
                    f();
                },
                call: |lock, stop| lock.read_arc_within(stop.limit).map(drop).map_err(why),
                unlimited: |lock| drop(lock.write_arc().unwrap()),
                intact: |lock| drop(lock.try_write_arc().unwrap()),
            },
        ),
        Row::new(
            "lock/rwlock.rs::write_arc_within",
            || Arc::new(Lock::new(6, 0)),
            Calls {
                closed: |lock: &Arc<Lock>, f| {
                    let _guard = lock.read_arc().unwrap();
                    f();
                },
                call: |lock, stop| lock.write_arc_within(stop.limit).map(drop).map_err(why),
                unlimited: |lock| drop(lock.write_arc().unwrap()),
                intact: |lock| drop(lock.try_write_arc().unwrap()),
            },
        ),
        Row::new(
            "lock/rwlock.rs::read_within",
            new,
            Calls { closed: written, call: reads, unlimited: readers, intact },
        ),
        Row::new(
            "lock/rwlock.rs::read_within",
            new,
            Calls { closed: written, call: reads, unlimited: writers, intact },
        ),
        Row::new("lock/rwlock.rs::write_within", new, Calls { closed: read, call: writes, unlimited: writers, intact }),
        Row::new(
            "lock/rwlock.rs::write_within",
            new,
            Calls { closed: written, call: writes, unlimited: readers, intact },
        ),
    ]
}

/// Sets of which the lock in the middle is taken, so that the lowest has to be let go of when the call is stopped.
fn sets() -> Vec<Row> {
    const NAME: &str = "lock/locked.rs::lock_all_within";
    type Mixed = (OrderedMutex<()>, OrderedRwLock<()>, OrderedRwLock<()>);
    let mixed =
        |[a, b, c]: [u64; 3]| move || (OrderedMutex::new(a, ()), OrderedRwLock::new(b, ()), OrderedRwLock::new(c, ()));
    let calls = Calls::<Mixed> {
        closed: |(_, lock, _), f| {
            let _guard = lock.write().unwrap();
            f();
        },
        call: |(a, b, c), stop| lock_all_within((c.as_write(), b.as_read(), a), stop.limit).map(drop).map_err(why),
        unlimited: |(a, b, c)| drop(lock_all((b.as_write(), a, c.as_read())).unwrap()),
        intact: |(a, b, c)| {
            drop(try_lock_all((a, b.as_write(), c.as_write())).unwrap());
            drop((b.try_read().unwrap(), c.try_read().unwrap()));
        },
    };
    vec![
        Row::new(
            NAME,
            || [7, 5, 6].map(|id| OrderedMutex::new(id, ())),
            Calls {
                closed: |[_, _, lock]: &[OrderedMutex<()>; 3], f| {
                    let _guard = lock.lock().unwrap();
                    f();
                },
                call: |locks, stop| lock_all_within(locks.each_ref(), stop.limit).map(drop).map_err(why),
                unlimited: |locks| drop(lock_all(locks.each_ref()).unwrap()),
                intact: |locks| drop(try_lock_all(locks.each_ref()).unwrap()),
            },
        ),
        // To read it, after a mutex; and to write it, after another lock that is read.
        Row::new(NAME, mixed([5, 6, 7]), calls),
        Row::new(
            NAME,
            mixed([7, 6, 5]),
            Calls {
                closed: |(_, lock, _), f| {
                    let _guard = lock.read().unwrap();
                    f();
                },
                call: |(a, b, c), stop| {
                    lock_all_within((a, b.as_write(), c.as_read()), stop.limit).map(drop).map_err(why)
                },
                unlimited: |(a, b, _)| drop(lock_all((b.as_write(), a)).unwrap()),
                ..calls
            },
        ),
    ]
}

fn conditions() -> Vec<Row> {
    /// Whether it is open.
    type Gate = (OrderedMutex<bool>, Condvar);
    let shut = |(lock, changed): &Gate, f: &mut dyn FnMut()| {
        *lock.lock().unwrap() = false;
        f();
        *lock.lock().unwrap() = true;
        changed.notify_all();
    };
    // One for each, of which none may go to a call that was stopped.
    let shut_one_by_one = |(lock, changed): &Gate, f: &mut dyn FnMut()| {
        *lock.lock().unwrap() = false;
        f();
        *lock.lock().unwrap() = true;
        while changed.notify_one() {}
    };
    let unlimited = |(lock, changed): &Gate| {
        let guard = lock.lock().unwrap();
        assert!(*changed.wait_while(guard, |open| !*open).unwrap());
    };
    let waits: fn(&Gate, Stop<'_>) -> _ = |(lock, changed), stop| {
        let mut guard = lock.lock().unwrap();
        while !*guard {
            let end;
            (guard, end) = changed.wait_within(guard, stop.limit).unwrap();
            end?;
        }
        Ok(())
    };
    let waits_while: fn(&Gate, Stop<'_>) -> _ = |(lock, changed), stop| {
        let guard = lock.lock().unwrap();
        let (guard, end) = changed.wait_while_within(guard, |open| !*open, stop.limit).unwrap();
        assert_eq!(end.is_ok(), *guard);
        end
    };
    let intact = |(lock, changed): &Gate| {
        assert!(*lock.try_lock().unwrap());
        assert_eq!((changed.notify_one(), changed.notify_all()), (false, 0));
    };
    let new = || (OrderedMutex::new(5, true), Condvar::new());
    let [name, while_name] = ["lock/condvar.rs::wait_within", "lock/condvar.rs::wait_while_within"];
    let calls = Calls { closed: shut, call: waits, unlimited, intact };
    vec![
        Row::new(name, new, calls),
        Row::new(name, new, Calls { closed: shut_one_by_one, ..calls }),
        Row::new(while_name, new, Calls { call: waits_while, ..calls }),
        Row::new(while_name, new, Calls { closed: shut_one_by_one, call: waits_while, ..calls }),
    ]
}

fn cells() -> Vec<Row> {
    type Cell = OnceCell<u32>;
    fn end<T, E>(end: Result<T, InitError<E>>) -> Result<(), Stopped> {
        match end {
            Ok(_) => Ok(()),
            Err(InitError::Stopped(stopped)) => Err(stopped),
            Err(_) => panic!("an initialiser that cannot fail"),
        }
    }
    let filled = |cell: &Cell, f: &mut dyn FnMut()| {
        cell.get_or_init(|| {
            f();
            1
        });
    };
    let failed = |cell: &Cell, f: &mut dyn FnMut()| {
        let end = cell.get_or_try_init(|| {
            f();
            Err("failed")
        });
        assert_eq!(end, Err("failed"));
    };
    let watch: fn(&Cell, Stop<'_>) -> _ = |cell, stop| cell.wait_within(stop.limit).map(drop);
    let init: fn(&Cell, Stop<'_>) -> _ = |cell, stop| end(cell.get_or_init_within(|| 2, stop.limit));
    let try_init: fn(&Cell, Stop<'_>) -> _ =
        |cell, stop| end(cell.get_or_try_init_within(|| Ok::<_, ()>(3), stop.limit));
    let unlimited = |cell: &Cell| assert_ne!(*cell.get_or_init(|| 4), 0);
    let watchers = |cell: &Cell| assert_ne!(*cell.wait(), 0);
    let intact = |cell: &Cell| assert_eq!(cell.set(5), Err(5));
    let [wait_name, init_name, try_name] =
        ["once/cell.rs::wait_within", "once/cell.rs::get_or_init_within", "once/cell.rs::get_or_try_init_within"];
    vec![
        Row::new(wait_name, Cell::new, Calls { closed: filled, call: watch, unlimited, intact }),
        Row::new(wait_name, Cell::new, Calls { closed: filled, call: watch, unlimited: watchers, intact }),
        Row::new(init_name, Cell::new, Calls { closed: filled, call: init, unlimited: watchers, intact }),
        Row::new(try_name, Cell::new, Calls { closed: filled, call: try_init, unlimited, intact }),
        // The next initialiser's turn goes to a candidate, past watchers and past those who are just stopped.
        Row::new(wait_name, Cell::new, Calls { closed: failed, call: watch, unlimited, intact }),
        Row::new(init_name, Cell::new, Calls { closed: failed, call: init, unlimited, intact }),
        Row::new(try_name, Cell::new, Calls { closed: failed, call: try_init, unlimited, intact }),
    ]
}

/// As many permits as there are, and some of them.
fn semaphores() -> Vec<Row> {
    type Permits = Arc<Semaphore>;
    let some = |semaphore: &Permits, f: &mut dyn FnMut()| {
        let _permit = semaphore.acquire(1);
        f();
    };
    let all = |semaphore: &Permits, f: &mut dyn FnMut()| {
        let _permit = semaphore.acquire(3);
        f();
    };
    let intact = |semaphore: &Permits| {
        assert_eq!((semaphore.available(), Arc::strong_count(semaphore)), (3, 1));
        drop(semaphore.try_acquire(3).unwrap());
    };
    let new = || Arc::new(Semaphore::new(3));
    let large: fn(&Permits, Stop<'_>) -> _ = |semaphore, stop| semaphore.acquire_within(3, stop.limit).map(drop);
    let small: fn(&Permits, Stop<'_>) -> _ = |semaphore, stop| semaphore.acquire_within(1, stop.limit).map(drop);
    let owned: fn(&Permits, Stop<'_>) -> _ = |semaphore, stop| semaphore.acquire_owned_within(3, stop.limit).map(drop);
    let [name, owned_name] = ["semaphore/semaphore.rs::acquire_within", "semaphore/semaphore.rs::acquire_owned_within"];
    vec![
        Row::new(name, new, Calls { closed: some, call: large, unlimited: |it| drop(it.acquire(3)), intact }),
        Row::new(name, new, Calls { closed: all, call: large, unlimited: |it| drop(it.acquire(2)), intact }),
        Row::new(name, new, Calls { closed: all, call: small, unlimited: |it| drop(it.acquire(3)), intact }),
        Row::new(
            owned_name,
            new,
            Calls { closed: some, call: owned, unlimited: |it| drop(it.acquire_owned(3)), intact },
        ),
    ]
}

fn tokens() -> Vec<Row> {
    let closed = |token: &CancelToken, f: &mut dyn FnMut()| {
        f();
        token.cancel();
    };
    let wait = Calls {
        closed,
        call: |token: &CancelToken, stop| token.wait(stop.limit),
        unlimited: |token| assert_eq!(token.wait(Limit::NEVER), Ok(())),
        intact: |token| assert_eq!(token.wait(Duration::ZERO), Ok(())),
    };
    let sleep = Calls {
        call: |opened: &CancelToken, stop| {
            // No time at all is had without waiting.
            let time = if opened.is_cancelled() { Duration::ZERO } else { Duration::MAX };
            stop.token.expect("a call that stops by its token").sleep(time)
        },
        unlimited: |opened| assert_eq!(opened.sleep(Duration::MAX), Err(Stopped::Cancelled)),
        ..wait
    };
    vec![
        Row::new("cancel/token.rs::wait", CancelToken::new, wait),
        Row { by_token: true, ..Row::new("cancel/token.rs::sleep", CancelToken::new, sleep) },
    ]
}
