//! Ordered locks: what each call gives, what is held after it, and that no error of the caller's makes a thread hang.

use std::cell::RefCell;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Barrier, mpsc};
use std::time::{Duration, Instant};

use raddle::{
    CancelToken, Limit, LockError, LockId, OrderedMutex, OrderedMutexGuard, Stopped, lock_all, lock_all_within,
    try_lock_all,
};

use crate::once::{here, place_of_panic};
use crate::out_of_order;
use crate::stress::watched;
use crate::thread;

const SHORT: Duration = Duration::from_millis(2);

fn id(number: u64) -> LockId {
    LockId::new(number)
}

/// A panic that does not print.
pub(crate) fn panic_quietly() -> ! {
    resume_unwind(Box::new("expected"))
}

pub(crate) fn panics(f: impl FnOnce()) {
    assert_eq!(catch_unwind(AssertUnwindSafe(f)).unwrap_err().downcast_ref(), Some(&"expected"));
}

/// The calling thread holds nothing: it may wait for the first of all locks.
#[track_caller]
pub(crate) fn holds_nothing() {
    let first = OrderedMutex::new(0, ());
    assert_eq!(first.lock().err(), None);
}

/// The calling thread holds nothing, and another finds the lock free.
#[track_caller]
fn free<T: ?Sized + Send>(locks: &[&OrderedMutex<T>]) {
    holds_nothing();
    let ends: Vec<_> = thread::scope(|threads| {
        threads.spawn(|| locks.iter().map(|lock| lock.try_lock().err()).collect()).join().unwrap()
    });
    assert_eq!(ends, vec![None; locks.len()]);
}

/// Calls `f` while another thread holds what `take` gives.
pub(crate) fn while_held<G, R>(take: impl FnOnce() -> G + Send, f: impl FnOnce() -> R) -> R {
    let (taken, wait_taken) = mpsc::channel();
    let (release, wait_release) = mpsc::channel::<()>();
    thread::scope(|threads| {
        threads.spawn(move || {
            let _guard = take();
            taken.send(()).unwrap();
            // Ends when the other end is dropped, by a panic too.
            let _ = wait_release.recv();
        });
        wait_taken.recv().unwrap();
        let _release = release;
        f()
    })
}

/// Calls `f` while another thread holds the lock.
fn while_taken<T: Send, R>(lock: &OrderedMutex<T>, f: impl FnOnce() -> R) -> R {
    while_held(|| lock.lock().unwrap(), f)
}

fn poison<T>(lock: &OrderedMutex<T>) {
    panics(|| {
        let _guard = lock.lock().unwrap();
        panic_quietly();
    });
    assert!(lock.is_poisoned());
}

#[test]
fn one_lock_twice_in_a_set() {
    watched(|_| {
        let (a, b) = (OrderedMutex::new(1, 'a'), OrderedMutex::new(2, 'b'));
        let twice = Some(LockError::Duplicate { id: id(1) });
        assert_eq!(lock_all((&a, &a)).err(), twice);
        assert_eq!(lock_all((&b, &a, &b, &a)).err(), twice, "the lower of two");
        assert_eq!(lock_all([&a, &a]).err(), twice);
        assert_eq!(lock_all(vec![&a, &b, &a]).err(), twice);
        assert_eq!(lock_all(&[&a, &b, &a][..]).err(), twice);
        assert_eq!(lock_all_within((&a, &a), SHORT).err(), twice);
        assert_eq!(try_lock_all((&a, &a)).err(), twice);
        while_taken(&a, || {
            assert_eq!(lock_all((&a, &a)).err(), twice, "taken or not");
            assert_eq!(try_lock_all((&a, &a)).err(), twice);
        });
        free(&[&a, &b]);
        // In a set that takes heap.
        let many: Vec<_> = (0..30).map(|id| OrderedMutex::new(40 - id, id)).collect();
        let mut set: Vec<_> = many.iter().collect();
        set.push(&many[7]);
        assert_eq!(lock_all(&set[..]).err(), Some(LockError::Duplicate { id: id(33) }));
        set.pop();
        assert!(lock_all(&set[..]).is_ok());
        free(&set);
    });
}

#[test]
fn two_locks_of_one_id() {
    watched(|_| {
        let (a, b, c) = (OrderedMutex::new(5, 1), OrderedMutex::new(5, 2), OrderedMutex::new(4, 3));
        let twice = Some(LockError::Duplicate { id: id(5) });
        assert_eq!(lock_all((&a, &b)).err(), twice);
        assert_eq!(lock_all([&a, &c, &b]).err(), twice);
        assert_eq!(try_lock_all((&b, &a)).err(), twice);
        let guard = a.lock().unwrap();
        assert_eq!(b.lock().err(), Some(out_of_order(id(5), id(5))));
        // Which waits for nobody.
        assert_eq!(*b.try_lock().unwrap(), 2);
        drop(guard);
        free(&[&a, &b, &c]);
    });
}

#[test]
fn lower_ids_are_refused_free_or_taken() {
    watched(|_| {
        let [low, middle, high] = [1, 2, 3].map(|id| OrderedMutex::new(id, id));
        let refused = |wanted: &OrderedMutex<u64>, held: &OrderedMutex<u64>| Some(out_of_order(wanted.id(), held.id()));
        let guard = middle.lock().unwrap();
        let all = || {
            assert_eq!(low.lock().err(), refused(&low, &middle));
            assert_eq!(low.lock_within(Duration::ZERO).err(), refused(&low, &middle));
            assert_eq!(lock_all((&low,)).err(), refused(&low, &middle));
            assert_eq!(lock_all((&high, &low)).err(), refused(&low, &middle), "the lowest that is wanted");
            assert_eq!(lock_all_within(vec![&high, &low], SHORT).err(), refused(&low, &middle));
        };
        all();
        while_taken(&low, all);
        let above = high.lock().unwrap();
        assert_eq!(low.lock().err(), refused(&low, &high), "the highest that is held");
        drop(guard);
        assert_eq!(low.lock().err(), refused(&low, &high));
        assert_eq!(middle.lock().err(), refused(&middle, &high));
        drop(above);
        free(&[&low, &middle, &high]);

        // A set is known by its highest, whatever is left open below.
        let set = lock_all((&high, &low)).unwrap();
        assert_eq!(middle.lock().err(), refused(&middle, &high));
        drop(set);
        free(&[&low, &middle, &high]);
    });
}

#[test]
fn one_lock_again() {
    watched(|_| {
        let lock = OrderedMutex::new(7, ());
        let guard = lock.lock().unwrap();
        let again = Some(out_of_order(id(7), id(7)));
        assert_eq!(lock.lock().err(), again);
        assert_eq!(lock.lock_within(Duration::MAX).err(), again);
        assert_eq!(lock_all((&lock,)).err(), again);
        assert_eq!(lock.try_lock().err(), Some(LockError::WouldBlock { id: id(7) }));
        assert_eq!(try_lock_all([&lock]).err(), Some(LockError::WouldBlock { id: id(7) }));
        drop(guard);
        let set = lock_all([&lock]).unwrap();
        assert_eq!(lock.lock().err(), again);
        assert_eq!(lock.try_lock().err(), Some(LockError::WouldBlock { id: id(7) }));
        drop(set);
        free(&[&lock]);
    });
}

#[test]
fn a_forgotten_guard_is_held_for_ever() {
    watched(|_| {
        let [low, middle, high] = [1, 2, 3].map(|id| OrderedMutex::new(id, ()));
        std::mem::forget(middle.lock().unwrap());
        let held = Some(out_of_order(id(2), id(2)));
        assert_eq!(middle.lock().err(), held);
        assert_eq!(low.lock().err(), Some(out_of_order(id(1), id(2))));
        assert_eq!(low.try_lock().err(), None);
        assert_eq!(high.lock().err(), None, "above it goes on");
        // Other threads wait to their limits, and no others.
        thread::scope(|threads| {
            threads.spawn(|| {
                assert_eq!(middle.lock_within(SHORT).err(), Some(LockError::from(Stopped::TimedOut)));
                assert_eq!(lock_all((&low, &high)).err(), None);
                holds_nothing();
            });
        });
        std::mem::forget(try_lock_all((&low, &high)).unwrap());
        assert_eq!(high.lock().err(), Some(out_of_order(id(3), id(3))));
        // A guard of a forgotten entry's id leaves the entry alone.
        let twin = OrderedMutex::new(3, ());
        drop(twin.try_lock().unwrap());
        assert_eq!(high.lock().err(), Some(out_of_order(id(3), id(3))));
    });
}

#[test]
fn guards_dropped_in_any_order() {
    watched(|_| {
        let locks: Vec<_> = (1..=40).map(|id| OrderedMutex::new(id, id)).collect();
        let steps: &[usize] = if cfg!(miri) { &[7] } else { &[1, 3, 7, 11, 39] };
        for step in steps {
            let mut guards: Vec<_> = locks.iter().map(|lock| Some(lock.lock().unwrap())).collect();
            for turn in 0..40 {
                let held = guards.iter().rposition(Option::is_some).unwrap() as u64 + 1;
                assert_eq!(locks[0].lock().err(), Some(out_of_order(id(1), id(held))));
                // Every step is prime to 40 or is not; take the next that is there.
                let at = (0..40).map(|more| (turn * step + more) % 40).find(|&at| guards[at].is_some()).unwrap();
                assert_eq!(*guards[at].take().unwrap(), at as u64 + 1);
                if let Some(held) = guards.iter().rposition(Option::is_some) {
                    let wanted = &locks[held];
                    let refused = out_of_order(wanted.id(), wanted.id());
                    assert_eq!(wanted.lock().err(), Some(refused));
                }
            }
            holds_nothing();
        }
        free(&locks.iter().collect::<Vec<_>>());
    });
}

#[test]
fn a_panic_between_two_locks_poisons_what_is_held() {
    watched(|_| {
        let [before, held, after] = [1, 2, 3].map(|id| OrderedMutex::new(id, id));
        panics(|| {
            drop(before.lock().unwrap());
            let mut guard = held.lock().unwrap();
            *guard += 10;
            if *guard > 0 {
                panic_quietly();
            }
            drop(after.lock());
        });
        assert_eq!([&before, &held, &after].map(OrderedMutex::is_poisoned), [false, true, false]);
        free(&[&before, &after]);
        assert_eq!(held.lock().err(), Some(LockError::Poisoned { id: id(2) }));
        assert_eq!(held.try_lock().err(), Some(LockError::Poisoned { id: id(2) }));
        assert_eq!(held.lock_within(Duration::MAX).err(), Some(LockError::Poisoned { id: id(2) }));

        // Both, if both are held; and what is held outside the panic is not.
        let outer = before.lock().unwrap();
        held.clear_poison();
        panics(|| {
            let _both = (held.lock().unwrap(), after.lock().unwrap());
            panic_quietly();
        });
        drop(outer);
        assert_eq!([&before, &held, &after].map(OrderedMutex::is_poisoned), [false, true, true]);
        free(&[&before]);
    });
}

#[test]
fn a_panic_poisons_every_lock_of_a_set() {
    watched(|_| {
        let locks: Vec<_> = (0..20).map(|id| OrderedMutex::new(30 - id, id)).collect();
        let set: Vec<_> = locks.iter().collect();
        for len in [1, 2, 3, 16, 17, 20] {
            panics(|| {
                let mut locked = lock_all(&set[..len]).unwrap();
                locked[0] += 1;
                panic_quietly();
            });
            holds_nothing();
            for (at, lock) in locks.iter().enumerate() {
                assert_eq!(lock.is_poisoned(), at < len, "{at} of {len}");
            }
            let lowest = LockId::new(31 - len as u64);
            assert_eq!(lock_all(&set[..]).err(), Some(LockError::Poisoned { id: lowest }), "the first of them");
            locks.iter().for_each(OrderedMutex::clear_poison);
            free(&set);
        }
        assert_eq!(*locks[0].lock().unwrap(), 6, "what was done before each panic stays");
        // A place that is not there is a panic like any other.
        let [a, b] = [1, 2].map(|id| OrderedMutex::new(id, id));
        let out_of_bounds = catch_unwind(AssertUnwindSafe(|| lock_all([&a, &b]).unwrap()[2]));
        assert!(out_of_bounds.is_err());
        assert!(a.is_poisoned() && b.is_poisoned());
    });
}

/// Nobody can tell from outside whether a thread sleeps already, so the holder takes a little longer from round to round.
#[test]
fn waiting_threads_learn_of_the_poison() {
    const ROUNDS: u64 = if cfg!(miri) { 4 } else { 60 };
    watched(|roll| {
        for round in 0..ROUNDS {
            let lock = OrderedMutex::new(1, ());
            thread::scope(|threads| {
                let (coming, come) = mpsc::channel();
                let guard = lock.lock().unwrap();
                let waiters: Vec<_> = (0..4)
                    .map(|at| {
                        let (coming, lock) = (coming.clone(), &lock);
                        roll.spawn(threads, format!("round {round}, waiter {at}"), move || {
                            coming.send(()).unwrap();
                            lock.lock().err()
                        })
                    })
                    .collect();
                for _ in &waiters {
                    come.recv().unwrap();
                }
                (0..round % 32).for_each(|_| thread::yield_now());
                panics(|| {
                    let _guard = guard;
                    panic_quietly();
                });
                for waiter in waiters {
                    assert_eq!(waiter.join().unwrap(), Some(LockError::Poisoned { id: id(1) }));
                }
            });
        }
    });
}

/// Locks while a panic is under way.
struct LocksInDrop<'a>(&'a OrderedMutex<i32>, &'a OrderedMutex<i32>, &'a OrderedMutex<i32>);

impl Drop for LocksInDrop<'_> {
    fn drop(&mut self) {
        assert!(thread::panicking());
        let mut one = self.0.lock().unwrap();
        let mut set = lock_all((self.2, self.1)).unwrap();
        *one += 1;
        *set.split_mut().0 += 1;
    }
}

#[test]
fn a_guard_made_while_panicking_does_not_poison() {
    watched(|_| {
        let [a, b, c] = [1, 2, 3].map(|id| OrderedMutex::new(id, 0));
        panics(|| {
            let _locks = LocksInDrop(&a, &b, &c);
            panic_quietly();
        });
        assert_eq!([&a, &b, &c].map(OrderedMutex::is_poisoned), [false; 3]);
        free(&[&a, &b, &c]);
        assert_eq!([a, b, c].map(OrderedMutex::into_inner), [1, 0, 1]);
    });
}

#[test]
fn a_poisoned_value_can_be_mended() {
    watched(|_| {
        let mut lock = OrderedMutex::new(1, vec![1]);
        assert!(!lock.is_poisoned());
        lock.clear_poison();
        poison(&lock);
        lock.get_mut().push(2);
        assert!(lock.is_poisoned());
        lock.clear_poison();
        assert!(!lock.is_poisoned());
        assert_eq!(*lock.lock().unwrap(), [1, 2]);
        poison(&lock);
        assert_eq!(lock.into_inner(), [1, 2]);
        // Clearing what is held lets nobody in.
        let held = OrderedMutex::new(2, ());
        let guard = held.lock().unwrap();
        held.clear_poison();
        assert_eq!(held.try_lock().err(), Some(LockError::WouldBlock { id: id(2) }));
        drop(guard);
        free(&[&held]);
    });
}

/// Locks a tuple, whose values and ids come in this order.
macro_rules! shown {
    ($set:expr, $names:expr, $values:expr) => {{
        let locked = lock_all($set).unwrap();
        let tail = if $values.len() == 1 { "," } else { "" };
        assert_eq!(format!("{:?}", locked.split()), format!("({}{tail})", $values.join(", ")));
        assert_eq!(format!("{locked:?}"), format!("Locked {{{}}}", $names.join(", ")));
        drop(locked);
        holds_nothing();
    }};
}

#[test]
fn tuples_of_one_to_eight() {
    watched(|_| {
        let a = OrderedMutex::new(80, 1_u8);
        let b = OrderedMutex::new(10, String::from("two"));
        let c = OrderedMutex::with_id(LockId::in_class(1, 0), [3.5]);
        let d = OrderedMutex::new(70, Some('4'));
        let e = OrderedMutex::new(20, vec![5, 5]);
        let f = OrderedMutex::new(60, ());
        let g: &OrderedMutex<[i64]> = &OrderedMutex::new(30, [7, 7, 7]);
        let h: &OrderedMutex<dyn Debug + Send> = &OrderedMutex::new(50, "eight");
        let values = ["1", "\"two\"", "[3.5]", "Some('4')", "[5, 5]", "()", "[7, 7, 7]", "\"eight\""];
        let names = ["80", "10", "1:0", "70", "20", "60", "30", "50"].map(|id| format!("LockId({id})"));
        shown!((&a,), &names[..1], &values[..1]);
        shown!((&a, &b), &names[..2], &values[..2]);
        shown!((&a, &b, &c), &names[..3], &values[..3]);
        shown!((&a, &b, &c, &d), &names[..4], &values[..4]);
        shown!((&a, &b, &c, &d, &e), &names[..5], &values[..5]);
        shown!((&a, &b, &c, &d, &e, &f), &names[..6], &values[..6]);
        shown!((&a, &b, &c, &d, &e, &f, g), &names[..7], &values[..7]);
        shown!((&a, &b, &c, &d, &e, &f, g, h), &names, &values);

        let mut all = lock_all((&a, &b, &c, &d, &e, &f, g, h)).unwrap();
        let (u, string, floats, option, vec, (), slice, _) = all.split_mut();
        *u += 1;
        string.push('!');
        floats[0] = 4.5;
        *option = None;
        vec.clear();
        slice[2] = 8;
        drop(all);
        assert_eq!((*a.lock().unwrap(), b.into_inner(), c.into_inner()), (2, String::from("two!"), [4.5]));
        assert_eq!((d.into_inner(), e.into_inner(), &*g.lock().unwrap()), (None, vec![], &[7, 7, 8][..]));
        holds_nothing();
    });
}

#[test]
fn sequences_lend_in_the_callers_order() {
    watched(|_| {
        let locks: Vec<_> = (0..30).map(|at| OrderedMutex::new((at * 7) % 30, at)).collect();
        for len in [0, 1, 2, 15, 16, 17, 30] {
            let set: Vec<_> = locks.iter().take(len).collect();
            let expected: Vec<_> = set.iter().map(|lock| *lock.lock().unwrap()).collect();
            let mut slice = lock_all(&set[..]).unwrap();
            assert_eq!(slice.split(), expected.iter().collect::<Vec<_>>());
            assert!(slice.iter().eq(&expected));
            assert_eq!(slice.iter().len(), len);
            assert_eq!(slice.iter_mut().len(), len);
            assert!((0..len).all(|at| slice[at] == expected[at]));
            (0..len).for_each(|at| slice[at] += 1000);
            slice.iter_mut().for_each(|value| *value += 1000);
            slice.split_mut().into_iter().for_each(|value| *value += 1000);
            drop(slice);
            free(&set);

            let mut vec = lock_all(set.clone()).unwrap();
            assert!(vec.iter().eq(expected.iter().map(|value| value + 3000).collect::<Vec<_>>().iter()));
            vec.split_mut().into_iter().zip(&expected).for_each(|(value, &old)| *value = old);
            drop(vec);
            free(&set);
        }
        let mut array = try_lock_all([&locks[3], &locks[1], &locks[2]]).unwrap();
        assert_eq!(array.split(), [&3, &1, &2]);
        let [x, y, z] = array.split_mut();
        (*x, *y, *z) = (*y, *z, *x);
        assert_eq!((array[0], array[1], array[2]), (1, 2, 3));
        array.iter_mut().enumerate().for_each(|(at, value)| *value = at as u64);
        drop(array);
        assert_eq!([3, 1, 2].map(|at: usize| *locks[at].lock().unwrap()), [0, 1, 2]);
        assert!(lock_all([&locks[0]; 0]).is_ok());
        holds_nothing();
    });
}

#[test]
fn an_empty_set_is_locked_without_effect() {
    watched(|_| {
        let (low, high) = (OrderedMutex::new(1, ()), OrderedMutex::new(2, ()));
        let none: [&OrderedMutex<()>; 0] = [];
        let guard = high.lock().unwrap();
        let empty = (lock_all(none).unwrap(), lock_all(&none[..]).unwrap(), try_lock_all(Vec::from(none)).unwrap());
        assert_eq!(format!("{:?}", empty.0), "Locked {}");
        assert_eq!(low.lock().err(), Some(out_of_order(id(1), id(2))));
        drop(guard);
        assert_eq!(low.lock().err(), None, "an empty set does not count");
        drop(empty);
        free(&[&low, &high]);
    });
}

#[test]
fn limits_that_pass() {
    watched(|_| {
        let [a, b, c] = [1, 2, 3].map(|id| OrderedMutex::new(id, ()));
        let timed_out = Some(LockError::from(Stopped::TimedOut));
        let passed = Instant::now();
        while_taken(&b, || {
            assert_eq!(b.lock_within(Duration::ZERO).err(), timed_out);
            assert_eq!(b.lock_within(SHORT).err(), timed_out);
            assert_eq!(b.lock_within(passed).err(), timed_out);
            assert_eq!(b.lock_within(Instant::now() + SHORT).err(), timed_out);
            for limit in [
                Limit::from(Duration::MAX).or(SHORT),
                Limit::from(SHORT).or(Duration::MAX),
                Limit::NEVER.or(SHORT),
                Limit::from(SHORT).or(Limit::NEVER),
                Limit::from(Duration::from_secs(3600)).or(passed),
                Limit::from(passed).or(Duration::from_secs(3600)),
                Limit::from(passed + Duration::from_secs(3600)).or(passed),
                Limit::from(passed + Duration::from_secs(3600)).or(SHORT),
            ] {
                assert_eq!(b.lock_within(limit).err(), timed_out, "{limit:?}");
                assert_eq!(lock_all_within((&a, &b, &c), limit).err(), timed_out, "{limit:?}");
            }
            // Nothing of the set is left behind.
            free(&[&a, &c]);
            assert_eq!(lock_all_within([&c, &b, &a], Duration::ZERO).err(), timed_out);
            assert_eq!(lock_all_within(vec![&c, &b, &a], passed).err(), timed_out);
            free(&[&a, &c]);
        });
        // What can be had without waiting is had.
        assert_eq!(b.lock_within(Duration::ZERO).err(), None);
        assert_eq!(b.lock_within(passed).err(), None);
        assert_eq!(lock_all_within([&c, &b, &a], Duration::ZERO).err(), None);
        assert_eq!(lock_all_within(&[&c, &b, &a][..], Limit::from(passed).or(Duration::ZERO)).err(), None);
        free(&[&a, &b, &c]);
    });
}

#[test]
fn limits_that_do_not_pass() {
    watched(|roll| {
        let far = Instant::now() + Duration::from_secs(100_000);
        for limit in [
            Limit::NEVER,
            Limit::from(Duration::MAX),
            Limit::from(Duration::from_secs(u64::MAX / 2)),
            Limit::from(far),
            Limit::from(Duration::MAX).or(Duration::MAX),
            Limit::from(far).or(Duration::MAX),
        ] {
            let [a, b] = [1, 2].map(|id| OrderedMutex::new(id, 0));
            thread::scope(|threads| {
                let guard = a.lock().unwrap();
                let (ended, end) = mpsc::channel();
                let (coming, come) = mpsc::channel();
                let (a, b) = (&a, &b);
                for set in [false, true] {
                    let (coming, ended) = (coming.clone(), ended.clone());
                    roll.spawn(threads, format!("{limit:?}, set: {set}"), move || {
                        coming.send(()).unwrap();
                        let error = match set {
                            false => a.lock_within(limit).map(|mut value| *value += 1).err(),
                            true => lock_all_within([b, a], limit).map(|mut both| both[1] += 1).err(),
                        };
                        ended.send(error).unwrap();
                    });
                }
                come.iter().take(2).for_each(drop::<()>);
                // A limit that ends at once would be heard of now; nothing else hangs on this time.
                assert_eq!(end.recv_timeout(Duration::from_millis(100)).ok(), None, "{limit:?}");
                drop(guard);
                assert_eq!((end.recv(), end.recv()), (Ok(None), Ok(None)));
            });
            assert_eq!(a.into_inner(), 2);
        }
    });
}

/// Two locks come free one after the other, each in less than the limit after the other, both in more. A limit that began
/// anew with each lock would let the call succeed every time; a machine that is busy may let it succeed now and then.
#[test]
fn a_duration_bounds_the_whole_call() {
    const LIMIT: Duration = Duration::from_millis(40);
    watched(|roll| {
        let [a, b] = [1, 2].map(|id| OrderedMutex::new(id, ()));
        let timed_out = (0..25).any(|_| {
            let began = Barrier::new(2);
            thread::scope(|threads| {
                let guards = (a.lock().unwrap(), b.lock().unwrap());
                let late = roll.spawn(threads, "late", || {
                    began.wait();
                    lock_all_within((&b, &a), LIMIT).err()
                });
                began.wait();
                thread::sleep(LIMIT * 2 / 3);
                drop(guards.0);
                thread::sleep(LIMIT * 2 / 3);
                drop(guards.1);
                late.join().unwrap() == Some(LockError::from(Stopped::TimedOut))
            })
        });
        assert!(timed_out);
        free(&[&a, &b]);
    });
}

#[test]
fn nothing_is_held_after_a_set_is_refused() {
    watched(|_| {
        let locks: Vec<_> = (0..20).map(|id| OrderedMutex::new(id, id)).collect();
        let lens: &[usize] = if cfg!(miri) { &[3, 17] } else { &[1, 2, 5, 16, 17, 20] };
        for &len in lens {
            let set: Vec<_> = locks.iter().take(len).rev().collect();
            for refused in [0, len / 2, len - 1] {
                let lock = &locks[refused];
                let others: Vec<_> = locks.iter().filter(|other| other.id() != lock.id()).collect();
                while_taken(lock, || {
                    assert_eq!(try_lock_all(&set[..]).err(), Some(LockError::WouldBlock { id: lock.id() }));
                    free(&others);
                    let timed_out = Some(LockError::from(Stopped::TimedOut));
                    assert_eq!(lock_all_within(&set[..], Duration::ZERO).err(), timed_out);
                    free(&others);
                });
                poison(lock);
                assert_eq!(lock_all(&set[..]).err(), Some(LockError::Poisoned { id: lock.id() }));
                free(&others);
                assert_eq!(try_lock_all(set.clone()).err(), Some(LockError::Poisoned { id: lock.id() }));
                free(&others);
                assert_eq!(others.iter().filter(|lock| lock.is_poisoned()).count(), 0);
                lock.clear_poison();
                assert_eq!(lock_all(&set[..]).err(), None);
                free(&set);
            }
        }
    });
}

#[test]
fn the_first_obstacle_in_order_is_reported() {
    watched(|_| {
        let [a, b, c] = [1, 2, 3].map(|id| OrderedMutex::new(id, ()));
        poison(&c);
        while_taken(&b, || {
            assert_eq!(try_lock_all([&c, &b, &a]).err(), Some(LockError::WouldBlock { id: id(2) }));
        });
        poison(&a);
        while_taken(&b, || {
            assert_eq!(try_lock_all([&c, &b, &a]).err(), Some(LockError::Poisoned { id: id(1) }));
        });
        holds_nothing();
    });
}

#[test]
fn try_forms_take_out_of_order_and_count() {
    watched(|_| {
        let [a, b, c, d] = [1, 2, 3, 4].map(|id| OrderedMutex::new(id, id));
        let high = c.lock().unwrap();
        let late = a.try_lock().unwrap();
        assert_eq!(b.lock().err(), Some(out_of_order(id(2), id(3))));
        // The one that was taken late is not the highest.
        drop(high);
        assert_eq!(b.lock().err(), None);
        let set = try_lock_all((&d, &c)).unwrap();
        let between = b.try_lock().unwrap();
        assert_eq!(a.try_lock().err(), Some(LockError::WouldBlock { id: id(1) }));
        assert_eq!(try_lock_all((&b, &a)).err(), Some(LockError::WouldBlock { id: id(1) }));
        drop(set);
        assert_eq!(c.lock().err(), None);
        assert_eq!(b.lock().err(), Some(out_of_order(id(2), id(2))));
        drop(late);
        assert_eq!(a.lock().err(), Some(out_of_order(id(1), id(2))));
        drop(between);
        free(&[&a, &b, &c, &d]);
    });
}

/// Threads without a pause, each of which goes on until all have had so many turns, of one lock or of two in both orders: whoever starves
/// keeps the test from ending.
#[test]
fn nobody_starves() {
    const TURNS: u64 = if cfg!(miri) { 3 } else { 1_000 };
    const EACH: usize = if cfg!(miri) { 1 } else { 3 };
    watched(|roll| {
        let [low, high] = [1, 2].map(|id| OrderedMutex::new(id, 0_u64));
        let waiting = AtomicUsize::new(3 * EACH);
        thread::scope(|threads| {
            let (low, high, waiting) = (&low, &high, &waiting);
            for at in 0..3 * EACH {
                roll.spawn(threads, format!("{at}"), move || {
                    for turn in 1.. {
                        match at % 3 {
                            0 => *low.lock().unwrap() += 1,
                            1 => *lock_all((low, high)).unwrap().split_mut().0 += 1,
                            _ => *lock_all((high, low)).unwrap().split_mut().1 += 1,
                        }
                        if turn == TURNS {
                            waiting.fetch_sub(1, Relaxed);
                        }
                        if waiting.load(Relaxed) == 0 {
                            break;
                        }
                    }
                });
            }
        });
        assert!(low.into_inner() >= 3 * EACH as u64 * TURNS);
    });
}

#[test]
fn what_one_thread_holds_does_not_bind_another() {
    watched(|_| {
        let [a, b] = [1, 2].map(|id| OrderedMutex::new(id, ()));
        while_taken(&b, || assert_eq!(a.lock().err(), None));
        while_taken(&a, || assert_eq!(b.lock().err(), None));
        holds_nothing();
    });
}

#[test]
fn debug_shows_and_never_waits() {
    watched(|_| {
        let lock = OrderedMutex::new(3, 7);
        let other = OrderedMutex::new(9, "text");
        assert_eq!(format!("{lock:?}"), "OrderedMutex { id: LockId(3), value: 7 }");
        let guard = other.lock().unwrap();
        assert_eq!(format!("{lock:?}"), "OrderedMutex { id: LockId(3), value: 7 }", "out of order");
        assert_eq!(format!("{other:?}"), "OrderedMutex { id: LockId(9), value: <locked> }");
        assert_eq!(format!("{guard:?} {guard}"), "\"text\" text");
        drop(guard);
        while_taken(&lock, || assert_eq!(format!("{lock:?}"), "OrderedMutex { id: LockId(3), value: <locked> }"));
        poison(&lock);
        assert_eq!(format!("{lock:?}"), "OrderedMutex { id: LockId(3), value: <poisoned> }");
        lock.clear_poison();
        free(&[&lock]);
        free(&[&other]);
    });
}

/// What the texts say else: `errors.rs`.
#[test]
fn errors_name_both_locks() {
    let (a, b) = (OrderedMutex::with_id(LockId::from(u128::MAX), ()), OrderedMutex::new(41, ()));
    let _guard = a.lock().unwrap();
    let text = b.lock().unwrap_err().to_string();
    assert!(text.contains("41") && text.contains(&a.id().to_string()), "{text}");
}

/// A place that a set does not have is the fault of who asks for it.
#[test]
fn places_that_are_not_there_are_told_at_the_callers() {
    let locks = [OrderedMutex::new(1, 10), OrderedMutex::new(2, 20)];
    let (line, (at, text)) = (here(), place_of_panic(|| lock_all([&locks[0], &locks[1]]).unwrap()[2]));
    assert_eq!(at, line);
    assert!(text.contains("the len is 2 but the index is 2"), "{text}");
    locks.iter().for_each(OrderedMutex::clear_poison);
    let (line, (at, _)) = (here(), place_of_panic(|| lock_all(locks.each_ref()).unwrap()[2] = 30));
    assert_eq!(at, line);
}

#[test]
fn limits_show_what_they_are() {
    let end = Instant::now();
    assert_eq!(format!("{:?}", Limit::NEVER), "Limit::NEVER");
    let both = Limit::from(Duration::from_secs(2)).or(end).or(Duration::from_secs(1)).or(end + SHORT);
    assert_eq!(format!("{both:?}"), format!("Limit {{ within: 1s, until: {end:?} }}"));
    // Each by itself is a limit too.
    let token = CancelToken::new();
    assert_eq!(format!("{:?}", Limit::from(SHORT)), "Limit { within: 2ms }");
    assert_eq!(format!("{:?}", Limit::from(end)), format!("Limit {{ until: {end:?} }}"));
    assert_eq!(format!("{:?}", Limit::from(&token)), format!("Limit {{ token: {token:?} }}"));
}

static FIRST: OrderedMutex<u32> = OrderedMutex::new(1, 0);
static SECOND: OrderedMutex<u32> = OrderedMutex::new(2, 0);
static KEPT: OrderedMutex<u32> = OrderedMutex::new(3, 0);

/// Locks in every way when its thread ends.
struct LocksAtEnd(mpsc::Sender<()>);

impl Drop for LocksAtEnd {
    fn drop(&mut self) {
        *FIRST.lock().unwrap() += 1;
        let mut both = lock_all((&SECOND, &FIRST)).unwrap();
        *both.split_mut().0 += 1;
        assert!(FIRST.lock().is_err());
        drop(both);
        let many: Vec<_> = (10..40).map(|id| OrderedMutex::new(id, id)).collect();
        let guards: Vec<_> = many.iter().map(|lock| lock.lock().unwrap()).collect();
        let refused = out_of_order(FIRST.id(), LockId::new(39));
        assert_eq!(FIRST.lock().err(), Some(refused));
        drop(guards);
        assert!(FIRST.lock_within(Duration::MAX).is_ok());
        self.0.send(()).unwrap();
    }
}

thread_local! {
    static AT_END: RefCell<Option<LocksAtEnd>> = const { RefCell::new(None) };
    static GUARD_AT_END: RefCell<Option<OrderedMutexGuard<'static, u32>>> = const { RefCell::new(None) };
}

#[test]
fn locks_work_while_a_thread_ends() {
    watched(|roll| {
        let (ended, end) = mpsc::channel();
        for used_before in [false, true] {
            let ended = ended.clone();
            thread::scope(|threads| {
                let ending = roll.spawn(threads, "ending", move || {
                    if used_before {
                        drop(FIRST.lock().unwrap());
                    }
                    AT_END.set(Some(LocksAtEnd(ended)));
                    if used_before {
                        drop(SECOND.lock().unwrap());
                    }
                });
                ending.join().unwrap();
            });
        }
        // Scoped threads are over before their thread-locals are; this waits for both.
        assert_eq!((end.recv(), end.recv()), (Ok(()), Ok(())));
        assert_eq!((*FIRST.lock().unwrap(), *SECOND.lock().unwrap()), (2, 2));
        holds_nothing();

        // A guard that is kept to the end of the thread lets go of its lock then.
        thread::spawn(|| GUARD_AT_END.set(Some(KEPT.lock().unwrap()))).join().unwrap();
        assert_eq!(*KEPT.lock().unwrap(), 0);
    });
}
