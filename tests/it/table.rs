//! A lock for each key.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use proptest::prelude::*;
use raddle::{
    CancelToken, Keys, Limit, LockClass, LockError, LockTable, Locked, OnceCell, OrderedMutex, Stopped, TableGuard,
    What, waits,
};

use crate::heap::heap_kept;
use crate::lock::holds_nothing;
use crate::once::place_of_panic;
use crate::properties::cases;
use crate::stress::watched;
use crate::thread;

static PATIENT: LockClass = LockClass::new(81, "patient");
static VISIT: LockClass = LockClass::new(82, "visit");
static PATIENTS: LazyLock<LockTable<u64>> = LazyLock::new(|| LockTable::new(&PATIENT));

/// A key whose code does what a test wants.
#[derive(Clone, Debug)]
struct Odd {
    number: u32,
    /// How many there are.
    _life: Arc<()>,
}

impl Odd {
    fn new(number: u32, life: &Arc<()>) -> Self {
        Self { number, _life: life.clone() }
    }
}

/// All have one hash.
impl Hash for Odd {
    fn hash<H: Hasher>(&self, state: &mut H) {
        1_u8.hash(state);
    }
}

impl PartialEq for Odd {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Odd {}

/// Fails if a key cannot be looked up by what a map's could be.
#[test]
fn keys_of_all_kinds() {
    let numbers: LockTable<u64> = LockTable::new(&PATIENT);
    {
        let held = numbers.lock(&4711).unwrap();
        assert_eq!((numbers.len(), TableGuard::key(&held)), (1, &4711));
    }
    assert!(numbers.is_empty());
    drop(PATIENTS.lock(&1).unwrap());

    let names: LockTable<String, u32> = LockTable::new(&PATIENT);
    let name = String::from("Li");
    *names.lock("Li").unwrap() = Some(40);
    *names.lock(&name).unwrap().get_or_insert(0) += 1;
    let mut beds = names.lock(name.as_str()).unwrap();
    assert_eq!((TableGuard::key(&beds), *beds), (&name, Some(41)));
    assert_eq!(beds.take(), Some(41));
    drop(beds);
    assert_eq!(names.len(), 0);

    drop(LockTable::<PathBuf>::new(&PATIENT).lock(Path::new("/data")).unwrap());
    drop(LockTable::<Vec<u8>>::new(&PATIENT).lock(&b"ab"[..]).unwrap());
    drop(LockTable::<Arc<str>>::new(&PATIENT).lock(&Arc::<str>::from("x")).unwrap());
    drop(LockTable::<(u32, String)>::new(&PATIENT).lock(&(1, "x".to_owned())).unwrap());
    drop(LockTable::<&'static str>::new(&PATIENT).lock(&"x").unwrap());
    assert_eq!(format!("{names:?}"), "LockTable { class: \"patient\", len: 0, .. }");
    holds_nothing();
}

/// Fails if several keys cannot be named in one of the ways that are promised, or their values are lent in another order.
#[test]
fn keys_together() {
    let table: LockTable<String, u32> = LockTable::new(&PATIENT);
    let (from, to) = (String::from("from"), String::from("to"));
    let mut pair = table.lock_all([&from, &to]).unwrap();
    let [a, b] = pair.split_mut();
    (*a, *b) = (Some(1), Some(2));
    drop(pair);
    assert_eq!(table.lock_all([&to, &from]).unwrap().split(), [&Some(2), &Some(1)]);
    assert_eq!(table.lock_all(["from"]).unwrap()[0], Some(1));
    drop(table.lock_all(["x", &from]).unwrap());
    assert_eq!(table.lock_all(("x", &from)).unwrap().split(), [&None, &Some(1)]);
    let own = vec![from.clone(), to.clone()];
    assert_eq!(table.lock_all(&own).unwrap().iter().flatten().sum::<u32>(), 3);
    assert_eq!(table.lock_all(&own.iter().collect::<Vec<_>>()[..]).unwrap()[1], Some(2));
    for value in &mut table.lock_all(own.iter().collect::<HashSet<_>>().into_iter().collect::<Vec<_>>()).unwrap() {
        *value = None;
    }
    assert!(table.is_empty());
    drop(table.lock_all_within([&from, &to], Duration::from_secs(1)).unwrap());
    drop(table.try_lock_all(("a", "b", "c", "d", "e", "f", "g", "h")).unwrap());
    assert!(matches!(table.lock_all([&from, &from]), Err(LockError::Duplicate { .. })));
    assert!(matches!(table.try_lock_all((&from, "from")), Err(LockError::Duplicate { .. })));
    let none: [&str; 0] = [];
    assert_eq!(table.lock_all(none).unwrap().iter().count(), 0);
    assert!(table.is_empty());

    fn both<'t, S: Keys<u64>>(table: &'t LockTable<u64>, keys: S) -> Result<Locked<S::Set<'t, ()>>, LockError> {
        table.lock_all(keys)
    }
    drop(both(&PATIENTS, [&1_000_001, &1_000_002]).unwrap());
    holds_nothing();
}

/// Fails if what a thread holds of the class does not refuse a wait for a key, whatever came first; or refuses what does not wait.
#[test]
fn one_call_for_all_keys_of_a_class() {
    watched(|_| {
        let (table, other): (LockTable<u64>, LockTable<u64>) = (LockTable::new(&PATIENT), LockTable::new(&PATIENT));
        let visits: LockTable<u64> = LockTable::new(&VISIT);
        let refused = |result: Result<(), LockError>| {
            let error = result.unwrap_err();
            assert!(matches!(error, LockError::OutOfOrder { .. }), "{error:?}");
            let text = error.to_string();
            assert!(text.starts_with("lock patient#") && text.contains("lock patient"), "{text}");
        };
        let all_refused = || {
            refused(table.lock(&1).map(drop));
            refused(table.lock(&2).map(drop));
            refused(table.lock_within(&2, Duration::ZERO).map(drop));
            refused(table.lock_all([&2, &3]).map(drop));
            refused(table.lock_all_within([&3], Duration::ZERO).map(drop));
            refused(other.lock(&2).map(drop));
            drop((table.try_lock(&2).unwrap(), table.try_lock_all([&3, &4]).unwrap()));
        };
        let guard = table.lock(&1).unwrap();
        all_refused();
        assert!(matches!(table.try_lock(&1), Err(LockError::WouldBlock { .. })));
        // The next class nests inside, and the one before does not.
        drop(visits.lock(&1).unwrap());
        drop(guard);
        let guard = table.lock_all([&8, &9]).unwrap();
        all_refused();
        drop(guard);
        for written in [OrderedMutex::with_id(PATIENT.id(0), ()), PATIENT.mutex(())] {
            let guard = written.lock().unwrap();
            all_refused();
            drop(guard);
        }
        let guard = visits.lock(&1).unwrap();
        let nested = table.lock(&1).map(drop);
        assert!(matches!(nested, Err(LockError::OutOfOrder { .. })));
        drop(guard);
        assert!(table.is_empty() && other.is_empty() && visits.is_empty());
        holds_nothing();
    });
}

/// Fails if an entry is gone while it is wanted, has a value or is poisoned, or stays when none of that is so.
#[test]
fn entries_come_and_go() {
    watched(|_| {
        let life = Arc::new(());
        let lives = |count: usize| assert_eq!(Arc::strong_count(&life), count + 1);
        let table: LockTable<Odd, String> = LockTable::new(&PATIENT);
        let odd = |number| Odd::new(number, &life);
        // All in one chain: out of its middle, its start, its end.
        let keys: Vec<_> = (0..5).map(odd).collect();
        lives(5);
        for gone in [[2, 0, 4, 1, 3], [4, 3, 2, 1, 0], [0, 1, 2, 3, 4]] {
            let mut held: Vec<_> = keys.iter().map(|key| Some(table.try_lock(key).unwrap())).collect();
            for (left, at) in gone.into_iter().enumerate() {
                assert_eq!(table.len(), 5 - left);
                lives(10 - left);
                held[at] = None;
                assert!(held.iter().flatten().all(|guard| table.try_lock(TableGuard::key(guard)).is_err()));
            }
            assert!(table.is_empty());
        }
        *table.lock(&keys[0]).unwrap() = Some("stays".into());
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _guards = table.lock_all(&keys).unwrap();
            panic!("on purpose");
        }));
        assert!(panicked.is_err() && keys.iter().all(|key| table.is_poisoned(key)));
        assert_eq!(table.len(), 5);
        assert!(matches!(table.lock(&keys[1]), Err(LockError::Poisoned { .. })));
        assert!(matches!(table.lock_all(&keys), Err(LockError::Poisoned { .. })));
        table.clear_poison(&keys[1]);
        assert_eq!(table.len(), 4);
        assert_eq!(table.clear_poison_with(&keys[2], |value| value.replace("new".into())), Some(None));
        assert_eq!(table.clear_poison_with(&keys[2], |_| ()), None);
        let failed = catch_unwind(AssertUnwindSafe(|| table.clear_poison_with(&keys[3], |_| panic!("on purpose"))));
        assert!(failed.is_err() && table.is_poisoned(&keys[3]));
        assert!(!table.is_poisoned(&odd(7)) && table.clear_poison_with(&odd(7), |_| ()).is_none());
        table.clear_poison(&odd(7));
        keys.iter().for_each(|key| table.clear_poison(key));
        assert_eq!((table.len(), table.lock(&keys[0]).unwrap().take()), (2, Some("stays".into())));
        assert_eq!(table.len(), 1);
        // One that gives up is a user like others.
        let guard = table.lock(&keys[4]).unwrap();
        thread::scope(|threads| {
            threads.spawn(|| {
                let stopped = Some(LockError::from(Stopped::TimedOut));
                assert_eq!(table.lock_within(&keys[4], Duration::ZERO).err(), stopped);
                assert_eq!(table.lock_all_within([&keys[3], &keys[4]], Duration::ZERO).err(), stopped);
            });
        });
        assert_eq!(table.len(), 2);
        std::mem::forget(guard);
        lives(5 + 2);
        drop(table);
        lives(5);
    });
}

/// Fails if the code of a key that comes back to a table hangs, or if a panic of it leaves the table locked or changed.
#[test]
fn keys_whose_code_misbehaves() {
    static TABLE: LazyLock<LockTable<Back>> = LazyLock::new(|| LockTable::new(&PATIENT));
    static BACK: AtomicBool = AtomicBool::new(false);
    static AT: AtomicU64 = AtomicU64::new(0);

    #[derive(Debug)]
    struct Back(u32);
    impl Hash for Back {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }
    impl PartialEq for Back {
        fn eq(&self, other: &Self) -> bool {
            if BACK.load(Relaxed) {
                AT.store(line!() as u64 + 1, Relaxed);
                drop(TABLE.try_lock(&Back(9)));
            }
            self.0 == other.0
        }
    }
    impl Eq for Back {}
    impl Clone for Back {
        fn clone(&self) -> Self {
            assert_ne!(self.0, 13, "no copy");
            Self(self.0)
        }
    }

    watched(|_| {
        let guard = TABLE.lock(&Back(1)).unwrap();
        BACK.store(true, Relaxed);
        assert_eq!(TABLE.len(), 1);
        for call in [|| drop(TABLE.try_lock(&Back(1))), || assert!(!TABLE.is_poisoned(&Back(1)))] {
            let ((file, line), text) = place_of_panic(call);
            assert_eq!((&*file, line), (file!(), AT.load(Relaxed) as u32));
            assert!(text.contains("LockTable was used by the Eq"), "{text}");
        }
        BACK.store(false, Relaxed);
        let failed = catch_unwind(|| TABLE.try_lock_all([&Back(2), &Back(13)]).map(drop));
        assert!(failed.is_err());
        drop(guard);
        assert!(TABLE.is_empty() && TABLE.lock(&Back(13 + 1)).is_ok());
        holds_nothing();
    });
}

/// Fails if the `Debug` of a key, which a call that waits runs under half of its set, leaves locks behind when it panics, locks
/// without being bound by the order, or changes unnoticed what the thread holds.
#[test]
fn keys_whose_debug_misbehaves() {
    static NAMES: OrderedMutex<()> = OrderedMutex::new(0, ());

    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Key(u32);
    std::thread_local! {
        static ENDS: std::cell::RefCell<Vec<Result<(), LockError>>> = const { std::cell::RefCell::new(Vec::new()) };
        static KEPT: std::cell::RefCell<Option<raddle::OrderedMutexGuard<'static, ()>>> = const { std::cell::RefCell::new(None) };
    }
    impl std::fmt::Debug for Key {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            assert_ne!(self.0, 2, "on purpose");
            if self.0 == 5 {
                KEPT.set(NAMES.try_lock().ok());
            } else {
                ENDS.with_borrow_mut(|ends| ends.push(NAMES.lock().map(drop)));
            }
            f.write_str("a key")
        }
    }

    watched(|_| {
        let table: LockTable<Key, u8> = LockTable::new(&PATIENT);
        let keys: Vec<_> = (0..6).map(Key).collect();
        // The first that comes has the lowest number, and is acquired first.
        drop(table.lock(&keys[1]).map(|mut value| *value = Some(1)));
        table.lock_all(&keys).unwrap().iter_mut().for_each(|value| *value = Some(1));
        let held = table.lock_all([&keys[2], &keys[4], &keys[5]]).unwrap();
        thread::scope(|threads| {
            let table = &table;
            let waits = |key: usize| {
                let set = [&keys[1], &keys[key]];
                threads.spawn(move || {
                    let end = catch_unwind(AssertUnwindSafe(|| table.lock_all_within(set, Duration::ZERO).map(drop)));
                    KEPT.take();
                    let ends = ENDS.take();
                    (end.map_err(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default()), ends)
                })
            };
            let (end, _) = waits(2).join().unwrap();
            assert!(end.unwrap_err().contains("on purpose"));
            assert_eq!(table.try_lock(&keys[1]).map(|value| *value), Ok(Some(1)));
            // The lock of names is below that of the key which is held already.
            let (end, ends) = waits(4).join().unwrap();
            assert_eq!(end, Ok(Err(LockError::from(Stopped::TimedOut))));
            assert!(matches!(ends[..], [Err(LockError::OutOfOrder { .. })]), "{ends:?}");
            let (end, _) = waits(5).join().unwrap();
            let text = end.unwrap_err();
            assert!(text.contains("the Debug of a LockTable's key keeps a lock") && text.contains(file!()), "{text}");
            assert_eq!(table.try_lock(&keys[1]).map(|value| *value), Ok(Some(1)));
        });
        drop(held);
        assert!(NAMES.try_lock().is_ok());
    });
}

/// Fails if an error, which may be kept, tells a key that somebody waits for.
#[test]
fn errors_do_not_tell_keys() {
    watched(|_| {
        let table: LockTable<String> = LockTable::new(&PATIENT);
        let (other, key) = (OrderedMutex::new(1, ()), table.lock("Li, Ming").unwrap());
        thread::scope(|threads| {
            threads.spawn(|| {
                let _other = other.lock().unwrap();
                drop(table.lock("Li, Ming").unwrap());
            });
            let is_key = |wait: &raddle::Wait| matches!(wait.what(), What::Key(_, key) if key.contains("Ming"));
            while !waits().iter().any(is_key) {
                thread::yield_now();
            }
            let error = threads.spawn(|| other.lock_within(Duration::ZERO).map(drop).unwrap_err()).join().unwrap();
            let text = format!("{error} {error:?}");
            assert!(text.contains("patient#") && !text.contains("Ming"), "{text}");
            drop(key);
        });
    });
}

/// The same for those of a cycle through a cell.
#[test]
fn deadlocks_do_not_tell_keys() {
    watched(|_| {
        let (table, cell): (LockTable<String>, _) = (LockTable::new(&PATIENT), OnceCell::<u8>::new());
        let (held, made) = (CancelToken::new(), CancelToken::new());
        let texts = thread::scope(|threads| {
            let holds = threads.spawn(|| {
                let _key = table.lock("Li, Ming").unwrap();
                held.cancel();
                made.wait(Limit::NEVER).unwrap();
                let end = cell.get_or_init_within(|| 1, Limit::NEVER);
                end.err().map(|error| format!("{error} {error:?}"))
            });
            let makes = threads.spawn(|| {
                held.wait(Limit::NEVER).unwrap();
                let end = cell.get_or_try_init(|| {
                    made.cancel();
                    table.lock("Li, Ming").map(|_| 2)
                });
                end.err().map(|error| format!("{error} {error:?}"))
            });
            [holds.join().unwrap(), makes.join().unwrap()]
        });
        let [text] = &texts.iter().flatten().collect::<Vec<_>>()[..] else { panic!("{texts:?}") };
        assert!(text.contains("patient#") && text.contains("Deadlock") && !text.contains("Ming"), "{text}");
    });
}

/// Fails if a wait for a key is not shown with the key, its holder, or a limit's error not with the class.
#[test]
fn waits_show_the_key() {
    watched(|_| {
        let table: LockTable<String> = LockTable::new(&PATIENT);
        let (token, guard) = (CancelToken::new(), table.lock("Li").unwrap());
        thread::scope(|threads| {
            let stopped = threads.spawn(|| table.lock_within("Li", &token).map(drop).unwrap_err());
            let both = threads.spawn(|| table.lock_all_within(["Wang", "Li"], &token).map(drop).unwrap_err());
            let shown = || {
                let waits = waits();
                let mine = |wait: &&raddle::Wait| matches!(wait.what(), What::Key(_, key) if &**key == "\"Li\"");
                let mine: Vec<_> = waits.iter().filter(mine).cloned().collect();
                (mine.len() == 2).then_some(mine)
            };
            let waits = loop {
                if let Some(waits) = shown() {
                    break waits;
                }
                thread::yield_now();
            };
            for wait in waits {
                let text = wait.what().to_string();
                assert!(text.starts_with("lock patient#") && text.ends_with(" of key \"Li\""), "{text}");
                let [holder] = wait.holders() else { panic!("{wait:?}") };
                assert_eq!((holder.thread(), holder.place().file()), (std::thread::current().id(), file!()));
            }
            token.cancel();
            for error in [stopped.join().unwrap(), both.join().unwrap()] {
                let text = error.to_string();
                assert!(text.starts_with("lock patient#") && !text.contains("Li\""), "{text}");
            }
        });
        drop(guard);
        assert!(table.is_empty());
    });
}

/// Fails if keys that were locked once take memory.
#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn a_million_keys_leave_nothing() {
    let table: LockTable<u64> = LockTable::new(&PATIENT);
    drop(table.lock(&0).unwrap());
    let kept = heap_kept(|| {
        for key in 0..1_000_000 {
            drop(table.lock(&key).unwrap());
        }
    });
    assert!(kept < 16_384, "{kept}");
    let kept = heap_kept(|| {
        let guards: Vec<_> = (0..100_000_u64).map(|key| table.try_lock(&key).unwrap()).collect();
        assert_eq!(table.len(), 100_000);
        drop(guards);
    });
    assert!(table.is_empty() && kept < 65_536, "{kept}");
}

/// Fails if two threads ever hold one key, a value is lost, or an entry stays.
#[test]
fn many_threads_on_many_keys() {
    watched(|_| {
        let (threads_at_once, keys, rounds) = if cfg!(miri) { (3, 4, 30) } else { (64, 100_000, 4_000) };
        let table: LockTable<u64> = LockTable::new(&PATIENT);
        let sums: LockTable<u64, u64> = LockTable::new(&VISIT);
        let taken: Vec<_> = (0..keys).map(|_| AtomicBool::new(false)).collect();
        let total = AtomicU64::new(0);
        thread::scope(|threads| {
            for seed in 0..threads_at_once {
                let (table, sums, taken, total) = (&table, &sums, &taken, &total);
                threads.spawn(move || {
                    let mut state = 0x9e37_79b9_u64.wrapping_mul(seed + 1);
                    let mut next = || {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        // Half of all go to few keys.
                        (state >> 33) % if state >> 63 == 0 { 4 } else { keys }
                    };
                    for _ in 0..rounds {
                        let [a, b] = [next(), next()];
                        if a == b {
                            continue;
                        }
                        let guard = table.lock_all([&a, &b]).unwrap();
                        for key in [a, b] {
                            assert!(!taken[key as usize].swap(true, Relaxed));
                        }
                        *sums.lock(&a).unwrap().get_or_insert(0) += 1;
                        total.fetch_add(1, Relaxed);
                        for key in [a, b] {
                            taken[key as usize].store(false, Relaxed);
                        }
                        drop(guard);
                    }
                });
            }
        });
        assert!(table.is_empty());
        let sum: u64 = (0..keys).filter_map(|key| sums.lock(&key).unwrap().take()).sum();
        assert_eq!((sum, sums.len()), (total.into_inner(), 0));
    });
}

/// A key that is looked up by its number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Number(u8);

impl Borrow<u8> for Number {
    fn borrow(&self) -> &u8 {
        &self.0
    }
}

#[derive(Clone, Debug)]
enum Step {
    Lock(u8),
    Try(Vec<u8>),
    All(Vec<u8>),
    Set(usize, Option<u8>),
    Drop(usize),
    Poison(u8),
    Clear(u8),
}

fn is_poisoned(error: &LockError) -> bool {
    matches!(error, LockError::Poisoned { .. })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || 0_u8..12;
    let some = || prop::collection::vec(0_u8..12, 0..5);
    prop::collection::vec(
        prop_oneof![
            4 => key().prop_map(Step::Lock),
            4 => some().prop_map(Step::Try),
            3 => some().prop_map(Step::All),
            4 => (0_usize..8, any::<Option<u8>>()).prop_map(|(at, value)| Step::Set(at, value)),
            6 => (0_usize..8).prop_map(Step::Drop),
            1 => key().prop_map(Step::Poison),
            2 => key().prop_map(Step::Clear),
        ],
        0..60,
    )
}

proptest! {
    #![proptest_config(cases(300))]

    /// Fails if a table goes otherwise than a map of values and a list of who holds what.
    #[test]
    fn tables_go_as_the_model_says(steps in steps()) {
        let table: LockTable<Odd, u8> = LockTable::new(&PATIENT);
        let life = Arc::new(());
        let keys: Vec<_> = (0..12).map(|number| Odd::new(number, &life)).collect();
        let (mut values, mut poisoned) = (HashMap::new(), HashSet::new());
        let mut guards: Vec<(Vec<u8>, Locked<Vec<_>>)> = Vec::new();
        for step in steps {
            let held = |key: &u8| guards.iter().any(|(keys, _)| keys.contains(key));
            let named = |numbers: &[u8]| numbers.iter().map(|&number| &keys[number as usize]).collect::<Vec<_>>();
            match step {
                Step::Lock(number) => {
                    let got = table.lock(&keys[number as usize]).map(|guard| *guard);
                    match got {
                        Err(LockError::OutOfOrder { .. }) => prop_assert!(!guards.is_empty()),
                        Err(LockError::Poisoned { .. }) => prop_assert!(guards.is_empty() && poisoned.contains(&number)),
                        got => prop_assert_eq!((got.ok(), guards.len()), (Some(values.get(&number).copied()), 0)),
                    }
                }
                Step::All(numbers) | Step::Try(numbers) if numbers.is_empty() => prop_assert!(table.lock_all(named(&numbers)).is_ok()),
                Step::All(numbers) => {
                    let distinct = numbers.iter().collect::<HashSet<_>>().len() == numbers.len();
                    match table.lock_all(named(&numbers)) {
                        Err(LockError::OutOfOrder { .. }) => prop_assert!(!guards.is_empty()),
                        Err(LockError::Duplicate { .. }) => prop_assert!(guards.is_empty() && !distinct),
                        Err(error) => prop_assert!(is_poisoned(&error) && distinct && numbers.iter().any(|n| poisoned.contains(n))),
                        Ok(guard) => {
                            prop_assert!(guards.is_empty() && distinct);
                            prop_assert!(numbers.iter().zip(&guard).all(|(number, value)| values.get(number).copied() == *value));
                            guards.push((numbers, guard));
                        }
                    }
                }
                Step::Try(numbers) => {
                    let distinct = numbers.iter().collect::<HashSet<_>>().len() == numbers.len();
                    match table.try_lock_all(named(&numbers)) {
                        Err(LockError::Duplicate { .. }) => prop_assert!(!distinct),
                        Err(LockError::WouldBlock { .. }) => prop_assert!(distinct && numbers.iter().any(held)),
                        Err(error) => prop_assert!(is_poisoned(&error) && numbers.iter().any(|n| poisoned.contains(n))),
                        Ok(guard) => {
                            prop_assert!(distinct && !numbers.iter().any(held));
                            prop_assert!(numbers.iter().zip(&guard).all(|(number, value)| values.get(number).copied() == *value));
                            guards.push((numbers, guard));
                        }
                    }
                }
                Step::Set(at, value) => if let Some((numbers, guard)) = guards.get_mut(at) {
                    guard[0] = value;
                    match value {
                        Some(value) => _ = values.insert(numbers[0], value),
                        None => _ = values.remove(&numbers[0]),
                    }
                },
                Step::Drop(at) => if at < guards.len() {
                    drop(guards.remove(at));
                },
                Step::Poison(number) => if !held(&number) && !poisoned.contains(&number) {
                    let guard = table.try_lock(&keys[number as usize]).unwrap();
                    _ = catch_unwind(AssertUnwindSafe(|| {
                        let _guard = guard;
                        std::panic::resume_unwind(Box::new(()));
                    }));
                    poisoned.insert(number);
                },
                Step::Clear(number) => {
                    let cleared = table.clear_poison_with(&keys[number as usize], |value| *value);
                    prop_assert_eq!(cleared, poisoned.remove(&number).then(|| values.get(&number).copied()));
                }
            }
            let mut there: HashSet<u8> = guards.iter().flat_map(|(keys, _)| keys.clone()).collect();
            there.extend(values.keys().chain(&poisoned));
            prop_assert_eq!(table.len(), there.len());
            // The table's and those here.
            prop_assert_eq!(Arc::strong_count(&life), there.len() + keys.len() + 1);
        }
        drop(guards);
        holds_nothing();
    }
}

/// Fails if the borrowed form of a key is hashed or compared otherwise than the key.
#[test]
fn a_borrowed_form() {
    let table: LockTable<Number> = LockTable::new(&PATIENT);
    let guard = table.lock(&Number(5)).unwrap();
    assert!(!table.is_poisoned::<u8>(&5) && table.len() == 1);
    drop(guard);
}
