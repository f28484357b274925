//! Once-cells: one body of ordinary code that runs on three crates' cells, and what this crate's do beyond it.

use std::cell::Cell;
use std::convert::Infallible;
use std::panic::{self, AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Once, mpsc};
use std::time::{Duration, Instant};

use raddle::{InitError, Lazy, Limit, OnceCell, Stopped};

use crate::stress::watched;
use crate::thread;

/// A panic that does not print.
fn panic_quietly() -> ! {
    resume_unwind(Box::new("expected"))
}

/// What the panic of `f` said.
#[track_caller]
fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(f)) else { panic!("no panic") };
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast_ref::<&str>().expect("a panic with a text").to_string(),
    }
}

/// What std does not have, or not yet.
macro_rules! beyond_std {
    () => {
        #[test]
        fn beyond_std() {
            static FULL: OnceCell<u8> = OnceCell::with_value(1);
            assert_eq!(FULL.get(), Some(&1));

            let cell = OnceCell::new();
            assert_eq!(cell.get_or_try_init(|| Err("not yet")), Err("not yet"));
            assert_eq!(cell.get(), None);
            assert_eq!(cell.get_or_try_init(|| Ok::<_, ()>(2)), Ok(&2));
            assert_eq!(cell.get_or_try_init(|| Err("late")), Ok(&2));
            let cell = OnceCell::new();
            let panics = || -> Result<u8, ()> { panic_quietly() };
            assert_eq!(panic_of(|| cell.get_or_try_init(panics).is_ok()), "expected");
            assert_eq!(cell.try_insert(3), Ok(&3));
            assert_eq!(cell.try_insert(4), Err((&3, 4)));
            // SAFETY: the cell was filled above, by this thread.
            assert_eq!(unsafe { cell.get_unchecked() }, &3);
        }

        #[test]
        fn into_the_value_or_the_initialiser() {
            let init = || 5;
            let Err(back) = Lazy::<u8, _>::into_value(Lazy::new(init)) else { panic!("made") };
            assert_eq!(back(), 5);
            let lazy = Lazy::new(init);
            assert_eq!(*lazy, 5);
            assert_eq!(Lazy::into_value(lazy).ok(), Some(5));
            let lazy = Lazy::<u8>::new(|| panic_quietly());
            assert_eq!(panic_of(|| *lazy), "expected");
            let text = panic_of(|| Lazy::into_value(lazy).is_ok());
            assert!(text.contains("previously been poisoned"), "{text}");
        }
    };
}

/// Code as anyone writes it who uses a once-cell. Apart from the import it is the same for every crate.
macro_rules! ordinary_code {
    ($name:ident: {$import:item} $($extra:ident)*) => {
        mod $name {
            use std::cell::Cell;
            use std::collections::HashMap;
            use std::sync::Arc;
            use std::thread;

            use super::{panic_of, panic_quietly, watched};
            $import

            static NAMES: OnceCell<Vec<String>> = OnceCell::new();
            static TABLE: Lazy<HashMap<&str, usize>> = Lazy::new(|| HashMap::from([("one", 1), ("two", 2)]));

            struct Config {
                level: OnceCell<u8>,
                parent: Option<Box<Config>>,
            }

            impl Config {
                fn level(&self) -> u8 {
                    *self.level.get_or_init(|| self.parent.as_ref().map_or(1, |parent| parent.level() + 1))
                }
            }

            #[test]
            fn statics() {
                watched(|_| {
                    thread::scope(|threads| {
                        for _ in 0..4 {
                            threads.spawn(|| {
                                assert_eq!(NAMES.get_or_init(|| vec!["Li".to_owned()]), &["Li"]);
                                assert_eq!(TABLE["two"], 2);
                            });
                        }
                    });
                    let names: &'static [String] = NAMES.get().unwrap();
                    assert_eq!(names.len(), 1);
                    let table: &'static HashMap<_, _> = &TABLE;
                    assert_eq!(Lazy::force(&TABLE).len(), table.len());
                });
            }

            #[test]
            fn get_and_set() {
                let cell = OnceCell::new();
                assert_eq!(cell.get(), None);
                assert_eq!(cell.set(String::from("first")), Ok(()));
                assert_eq!(cell.set(String::from("second")), Err(String::from("second")));
                assert_eq!(cell.get().map(String::as_str), Some("first"));
                assert_eq!(cell.get_or_init(|| unreachable!()), "first");
                assert_eq!(cell.into_inner().as_deref(), Some("first"));
            }

            #[test]
            fn change_and_take() {
                let mut cell = OnceCell::new();
                assert_eq!(cell.get_mut(), None);
                assert_eq!(cell.take(), None);
                cell.set(1).unwrap();
                *cell.get_mut().unwrap() += 1;
                assert_eq!(cell.take(), Some(2));
                assert_eq!(cell.get(), None);
                assert_eq!(*cell.get_or_init(|| 3), 3);
                cell.take();
                assert_eq!(cell.set(4), Ok(()));
                assert_eq!(cell.into_inner(), Some(4));
                assert_eq!(OnceCell::<u8>::new().into_inner(), None);
            }

            /// Drop check asks nothing of a reference's type.
            #[test]
            fn outlives_what_it_refers_to() {
                let cell = OnceCell::new();
                let value = String::from("value");
                cell.set(&value).unwrap();
                assert_eq!(cell.get(), Some(&&value));
            }

            #[test]
            fn nested_cells() {
                let root = Config { level: OnceCell::new(), parent: None };
                let leaf = Config { level: OnceCell::new(), parent: Some(Box::new(root)) };
                assert_eq!(leaf.level(), 2);
                assert_eq!(leaf.parent.unwrap().level.get(), Some(&1));
            }

            #[test]
            fn a_panic_leaves_the_cell_empty() {
                let cell = OnceCell::new();
                assert_eq!(panic_of(|| cell.get_or_init(|| -> u8 { panic_quietly() })), "expected");
                assert_eq!(cell.get(), None);
                assert_eq!(cell.set(5), Ok(()));
                assert_eq!(*cell.get_or_init(|| panic_quietly()), 5);
            }

            #[test]
            fn one_of_many() {
                watched(|_| {
                    let cell = OnceCell::new();
                    let made = Arc::new(());
                    thread::scope(|threads| {
                        for thread in 0..8 {
                            let (cell, made) = (&cell, &made);
                            threads.spawn(move || {
                                let mine = thread;
                                let (winner, _) = cell.get_or_init(|| (mine, Arc::clone(made)));
                                assert_eq!(cell.get().map(|(winner, _)| winner), Some(winner));
                            });
                        }
                        let (winner, _) = cell.wait();
                        assert!((0..8).contains(winner));
                    });
                    assert_eq!(Arc::strong_count(&made), 2);
                    drop(cell);
                    assert_eq!(Arc::strong_count(&made), 1);
                });
            }

            #[test]
            fn the_usual_traits() {
                let (empty, full) = (OnceCell::<Arc<u8>>::default(), OnceCell::from(Arc::new(7)));
                assert_eq!(empty, empty.clone());
                assert_eq!(full, full.clone());
                assert_ne!(empty, full);
                assert_ne!(full, OnceCell::from(Arc::new(8)));
                let clone = full.clone();
                assert_eq!(Arc::strong_count(full.get().unwrap()), 2);
                drop(clone);
                assert_eq!(Arc::strong_count(full.get().unwrap()), 1);
                let mut other = OnceCell::new();
                other.clone_from(&full);
                assert_eq!(other.get(), Some(&Arc::new(7)));
                assert!(format!("{full:?}").contains("(7)"), "{full:?}");
                assert!(format!("{empty:?}").contains("ninit"), "{empty:?}");
                fn eq<T: Eq + Clone + Default + From<u8> + std::fmt::Debug + Send + Sync + 'static>() {}
                eq::<OnceCell<u8>>();
                // Need not be anything.
                struct Plain(#[allow(dead_code)] Cell<u8>);
                assert!(OnceCell::from(Plain(Cell::new(1))).set(Plain(Cell::new(2))).is_err());
                assert!(OnceCell::<Plain>::default().get().is_none());
            }

            #[test]
            fn lazy_values() {
                let calls = Cell::new(0);
                let mut lazy = Lazy::new(|| {
                    calls.set(calls.get() + 1);
                    vec![calls.get()]
                });
                assert_eq!(calls.get(), 0);
                assert!(format!("{lazy:?}").contains("ninit"), "made for Debug: {lazy:?}");
                assert_eq!(lazy.len(), 1);
                assert_eq!(Lazy::force(&lazy), &[1]);
                Lazy::force_mut(&mut lazy).push(2);
                lazy.push(3);
                assert_eq!(*lazy, [1, 2, 3]);
                assert_eq!(Lazy::get(&lazy).map(Vec::len), Some(3));
                Lazy::get_mut(&mut lazy).unwrap().clear();
                assert!(lazy.is_empty());
                assert_eq!(calls.get(), 1);
                assert!(format!("{lazy:?}").contains("[]"), "{lazy:?}");

                {
                    let mut unmade = Lazy::new(|| calls.set(9));
                    assert_eq!(Lazy::get(&unmade), None);
                    assert_eq!(Lazy::get_mut(&mut unmade), None);
                }
                assert_eq!(calls.get(), 1);
                let default: Lazy<String> = Lazy::default();
                assert_eq!(*default, "");
                let mut by_change = Lazy::new(|| 1);
                *by_change += 1;
                assert_eq!(*by_change, 2);
                let mut by_force = Lazy::new(|| 1);
                *Lazy::force_mut(&mut by_force) += 2;
                assert_eq!(*by_force, 3);
            }

            #[test]
            fn a_panic_poisons_a_lazy() {
                let calls = Cell::new(0);
                let mut lazy = Lazy::new(|| {
                    calls.set(calls.get() + 1);
                    if calls.get() > 0 {
                        panic_quietly();
                    }
                    5
                });
                assert_eq!(panic_of(|| *lazy), "expected");
                let poisoned = [
                    panic_of(|| *lazy),
                    panic_of(|| *Lazy::force(&lazy)),
                    panic_of(|| *Lazy::force_mut(&mut lazy)),
                    panic_of(|| *lazy += 1),
                ];
                for text in poisoned {
                    assert!(text.contains("previously been poisoned"), "{text}");
                }
                assert_eq!((Lazy::get(&lazy), calls.get()), (None, 1));
                // Also if the first access was by exclusive reference.
                let mut lazy = Lazy::new(|| -> u8 { panic_quietly() });
                assert_eq!(panic_of(|| *Lazy::force_mut(&mut lazy)), "expected");
                let text = panic_of(|| *lazy);
                assert!(text.contains("previously been poisoned"), "{text}");
            }

            #[test]
            fn values_are_dropped_once() {
                let value = Arc::new(());
                let count = || Arc::strong_count(&value) - 1;
                let mut cell = OnceCell::from(Arc::clone(&value));
                assert_eq!(count(), 1);
                drop(cell.set(Arc::clone(&value)));
                assert_eq!(count(), 1, "the refused one is gone");
                drop(cell.take());
                assert_eq!(count(), 0);
                drop(cell.take());
                cell.set(Arc::clone(&value)).unwrap();
                cell = OnceCell::new();
                assert_eq!(count(), 0);
                cell.set(Arc::clone(&value)).unwrap();
                let inner = cell.into_inner();
                assert_eq!(count(), 1);
                drop(inner);
                assert_eq!(count(), 0);
                let lazy = Lazy::new(|| Arc::clone(&value));
                assert_eq!(count(), 0);
                Lazy::force(&lazy);
                assert_eq!(count(), 1);
                drop(lazy);
                assert_eq!(count(), 0);
                // An initialiser owns what it took along until it runs.
                let taken = Arc::clone(&value);
                drop(Lazy::<Arc<()>, _>::new(move || taken));
                assert_eq!(count(), 0);
            }

            $($extra!();)*
        }
    };
}

ordinary_code!(as_in_once_cell: { use once_cell::sync::{Lazy, OnceCell}; } beyond_std);
// Of what the oldest compiler's std does not have yet.
#[cfg(not(oldest_compiler))]
ordinary_code!(as_in_std: { use std::sync::{LazyLock as Lazy, OnceLock as OnceCell}; });
ordinary_code!(as_here: { use raddle::{Lazy, OnceCell}; } beyond_std);

/// A file and a line.
pub(crate) type Place = (String, u32);

thread_local! {
    /// Whether the hook notes where the thread's next panic is, and prints nothing.
    static NOTES: Cell<bool> = const { Cell::new(false) };
    static NOTED: Cell<Option<Place>> = const { Cell::new(None) };
}

/// Where in the sources `f` panics, and what it says.
#[track_caller]
pub(crate) fn place_of_panic<R>(f: impl FnOnce() -> R) -> (Place, String) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| match NOTES.get() {
            true => NOTED.set(info.location().map(|location| (location.file().to_owned(), location.line()))),
            false => before(info),
        }));
    });
    NOTES.set(true);
    let panicked = catch_unwind(AssertUnwindSafe(|| panic_of(f)));
    NOTES.set(false);
    let text = panicked.unwrap_or_else(|_| panic!("no panic"));
    (NOTED.take().expect("the hook has run"), text)
}

#[track_caller]
pub(crate) fn here() -> Place {
    let location = Location::caller();
    (location.file().to_owned(), location.line())
}

/// `ask`s for the value of a cell within its own initialiser, and finds the panic on the line of the question. The cell
/// works afterwards.
macro_rules! asks_itself {
    ($cell:ident => $ask:expr) => {
        asks_itself!($cell: OnceCell<u8> = OnceCell::new(); $ask)
    };
    ($cell:ident: $t:ty = $new:expr; $ask:expr) => {{
        let $cell: $t = $new;
        let mut found = None;
        $cell.get_or_init(|| {
            found = Some((here(), place_of_panic(|| { let _ = $ask; })));
            7
        });
        let (place, (at, text)) = found.unwrap();
        assert_eq!(at, place, "{}", stringify!($ask));
        assert!(text.contains("initialiser asked for the value that it is making"), "{text}");
        assert_eq!($cell.get(), Some(&7), "{}", stringify!($ask));
        assert_eq!($cell.set(8), Err(8));
    }};
}

#[test]
fn an_initialiser_that_asks_itself_is_told_so() {
    watched(|_| {
        // Each on one line: `here` and the panic are compared by line.
        asks_itself!(cell => cell.get_or_init(|| 1));
        asks_itself!(cell => cell.get_or_try_init(|| Err("no")));
        asks_itself!(cell => cell.set(1));
        asks_itself!(cell => cell.try_insert(1));
        asks_itself!(cell => cell.wait());
        asks_itself!(cell => cell.wait_within(Duration::ZERO));
        asks_itself!(cell => cell.wait_within(Duration::MAX));
    });
}

#[test]
fn an_initialiser_that_asks_itself_with_a_limit_gets_an_error() {
    watched(|_| {
        for limit in [Limit::NEVER, Limit::from(Duration::ZERO), Limit::from(Instant::now())] {
            let cell = OnceCell::new();
            let mut errors = None;
            let value = cell.get_or_init(|| {
                let plain = cell.get_or_init_within(|| 1, limit).copied();
                let trying = cell.get_or_try_init_within(|| Err::<u8, _>("own"), limit).copied();
                assert_eq!((cell.get(), format!("{cell:?}").as_str()), (None, "OnceCell(Uninit)"));
                assert_eq!(cell.clone().get(), None);
                errors = Some((plain, trying));
                9
            });
            assert_eq!(*value, 9);
            assert_eq!(errors, Some((Err(InitError::Reentrant), Err(InitError::Reentrant))));
        }
    });
}

#[test]
fn a_question_that_is_not_caught_fails_the_initialiser() {
    watched(|_| {
        let cell = OnceCell::new();
        let (_, text) = place_of_panic(|| cell.get_or_init(|| *cell.get_or_init(|| 1)));
        assert!(text.contains("initialiser asked"), "{text}");
        assert_eq!(cell.get(), None);
        assert_eq!(*cell.get_or_init(|| 2), 2);

        // With an error passed on instead.
        let cell = OnceCell::new();
        let end = cell.get_or_try_init(|| cell.get_or_init_within(|| 1, Limit::NEVER).copied());
        assert_eq!(end, Err(InitError::Reentrant));
        assert_eq!(*cell.get_or_init(|| 2), 2);
    });
}

#[test]
fn through_other_cells_and_past_failed_ones() {
    watched(|_| {
        let (outer, middle, inner) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        outer.get_or_init(|| {
            middle.get_or_init(|| {
                inner.get_or_init(|| {
                    assert_eq!(outer.get_or_init_within(|| 0, Limit::NEVER), Err(InitError::Reentrant));
                    assert_eq!(middle.get_or_init_within(|| 0, Limit::NEVER), Err(InitError::Reentrant));
                    assert_eq!(inner.get_or_init_within(|| 0, Limit::NEVER), Err(InitError::Reentrant));
                    1
                });
                // The inner one is over; the others are not.
                assert_eq!(inner.get_or_init_within(|| 0, Limit::NEVER), Ok(&1));
                let failed = OnceCell::<u8>::new();
                assert_eq!(panic_of(|| failed.get_or_init(|| panic_quietly())), "expected");
                assert_eq!(failed.get_or_try_init(|| Err("failed")), Err("failed"));
                assert_eq!(outer.get_or_init_within(|| 0, Limit::NEVER), Err(InitError::Reentrant));
                assert_eq!(middle.get_or_init_within(|| 0, Limit::NEVER), Err(InitError::Reentrant));
                assert_eq!(failed.get_or_init_within(|| 4, Limit::NEVER), Ok(&4), "failed, but not at work");
                2
            });
            3
        });
        assert_eq!((outer.get(), middle.get(), inner.get()), (Some(&3), Some(&2), Some(&1)));
    });
}

#[test]
fn another_threads_initialiser_is_no_reentrance() {
    watched(|_| {
        let (cell, other) = (OnceCell::new(), OnceCell::new());
        cell.get_or_init(|| {
            thread::scope(|threads| {
                let end = threads.spawn(|| {
                    other.get_or_init(|| {
                        let end = cell.get_or_init_within(|| 0, Duration::from_millis(1));
                        assert_eq!(end, Err(InitError::Stopped(Stopped::TimedOut)));
                        1
                    });
                });
                end.join().unwrap();
            });
            2
        });
        assert_eq!((cell.get(), other.get()), (Some(&2), Some(&1)));
    });
}

static ASKS_ITSELF: Lazy<u8> = Lazy::new(|| *ASKS_ITSELF + 1);
static FORCES_ITSELF: Lazy<u8> = Lazy::new(|| *Lazy::force(&FORCES_ITSELF) + 1);

#[test]
fn a_lazy_that_asks_itself() {
    watched(|_| {
        let (at, text) = place_of_panic(|| *ASKS_ITSELF);
        assert!(at.0.ends_with("once.rs"), "{at:?}");
        assert!(text.contains("initialiser asked"), "{text}");
        let (at, text) = place_of_panic(|| *FORCES_ITSELF);
        assert!(at.0.ends_with("once.rs"), "{at:?}");
        assert!(text.contains("initialiser asked"), "{text}");
        // From then on it is poisoned, at the place of whoever asks.
        for lazy in [&ASKS_ITSELF, &FORCES_ITSELF] {
            let (line, (at, text)) = (here(), place_of_panic(|| **lazy));
            assert_eq!(at, line);
            assert!(text.contains("previously been poisoned"), "{text}");
        }
    });
}

#[test]
fn limits_bound_the_wait_for_others_only() {
    watched(|roll| {
        let cell = OnceCell::new();
        let timed_out = InitError::Stopped(Stopped::TimedOut);
        let passed = Instant::now();
        // The caller's own is not interrupted, be its limit over before it began.
        assert_eq!(cell.get_or_try_init_within(|| Err("own"), passed), Err(InitError::Init("own")));
        assert_eq!(cell.get_or_try_init_within(|| Err("own"), Duration::ZERO), Err(InitError::Init("own")));
        assert_eq!(cell.wait_within(Duration::ZERO), Err(Stopped::TimedOut));
        assert_eq!(cell.wait_within(passed), Err(Stopped::TimedOut));
        assert_eq!(cell.wait_within(Duration::from_millis(1)), Err(Stopped::TimedOut));
        thread::scope(|threads| {
            let (began, begun) = mpsc::channel();
            let (end, ended) = mpsc::channel::<()>();
            let cell = &cell;
            roll.spawn(threads, "initialiser", move || {
                let made = cell.get_or_init_within(
                    || {
                        began.send(()).unwrap();
                        let _ = ended.recv();
                        5
                    },
                    Duration::ZERO,
                );
                assert_eq!(made, Ok(&5));
            });
            begun.recv().unwrap();
            for limit in [Limit::from(Duration::ZERO), passed.into(), Duration::from_millis(1).into()] {
                assert_eq!(cell.get_or_init_within(|| 6, limit), Err(timed_out.clone()));
                assert_eq!(cell.get_or_try_init_within(|| Ok::<_, Infallible>(6), limit), Err(timed_out.clone()));
                assert_eq!(cell.wait_within(limit), Err(Stopped::TimedOut));
            }
            let (answer, answers) = mpsc::channel();
            for limit in [Limit::NEVER, Duration::MAX.into(), (passed + Duration::from_secs(100_000)).into()] {
                let answer = answer.clone();
                roll.spawn(threads, format!("candidate {limit:?}"), move || {
                    answer.send(cell.get_or_init_within(|| 6, limit).copied()).unwrap();
                    answer.send(cell.wait_within(limit).copied().map_err(InitError::Stopped)).unwrap();
                });
            }
            // A limit that ends at once would be heard of now; nothing else hangs on this time.
            assert_eq!(answers.recv_timeout(Duration::from_millis(200)).ok(), None);
            drop((end, answer));
            assert_eq!(answers.iter().collect::<Vec<_>>(), [const { Ok(5) }; 6]);
        });
        // What is there is had at once.
        assert_eq!(cell.get_or_init_within(|| 6, passed), Ok(&5));
        assert_eq!(cell.wait_within(Duration::ZERO), Ok(&5));
    });
}

/// How an initialiser ends badly.
#[derive(Clone, Copy, Debug)]
enum Fails {
    Error,
    Panic,
}

/// One thread's initialiser fails while others wait: watchers that wait for a value, and a candidate that would make it.
/// Whichever of them came first, and however far it got, the candidate takes over and all get the value.
#[test]
fn a_candidate_takes_over_and_no_watcher_swallows_it() {
    const ROUNDS: u32 = if cfg!(miri) { 4 } else { 200 };
    watched(|roll| {
        for round in 0..ROUNDS {
            let fails = if round % 2 == 0 { Fails::Error } else { Fails::Panic };
            let cell = OnceCell::<u32>::new();
            let coming = AtomicUsize::new(0);
            let (began, begun) = mpsc::channel();
            thread::scope(|threads| {
                let (cell, coming) = (&cell, &coming);
                roll.spawn(threads, format!("round {round}: initialiser, {fails:?}"), move || {
                    let end = catch_unwind(AssertUnwindSafe(|| {
                        cell.get_or_try_init(|| {
                            began.send(()).unwrap();
                            // Until the others have come, and then a while that differs from round to round.
                            while coming.load(Relaxed) < 4 {
                                thread::yield_now();
                            }
                            (0..round % 32).for_each(|_| thread::yield_now());
                            match fails {
                                Fails::Error => Err("failed"),
                                Fails::Panic => panic_quietly(),
                            }
                        })
                    }));
                    match fails {
                        Fails::Error => assert_eq!(end.ok(), Some(Err("failed"))),
                        Fails::Panic => assert!(end.is_err()),
                    }
                });
                begun.recv().unwrap();
                let come = || coming.fetch_add(1, Relaxed);
                for watcher in 0..3 {
                    roll.spawn(threads, format!("round {round}: watcher {watcher}"), move || {
                        come();
                        assert_eq!(*cell.wait(), round);
                    });
                }
                roll.spawn(threads, format!("round {round}: candidate"), move || {
                    come();
                    assert_eq!(*cell.get_or_init(|| round), round);
                });
            });
            assert_eq!(cell.get(), Some(&round));
        }
    });
}

/// As above, with two candidates of which one has a limit: if it leaves just when it is called, the other is called.
#[test]
fn a_candidate_that_leaves_passes_its_turn_on() {
    const ROUNDS: u32 = if cfg!(miri) { 4 } else { 300 };
    watched(|roll| {
        for round in 0..ROUNDS {
            let cell = OnceCell::<u32>::new();
            let hasty_is_coming = AtomicBool::new(false);
            let (began, begun) = mpsc::channel();
            thread::scope(|threads| {
                let (cell, hasty_is_coming) = (&cell, &hasty_is_coming);
                roll.spawn(threads, format!("round {round}: initialiser"), move || {
                    let end = cell.get_or_try_init(|| {
                        began.send(()).unwrap();
                        while !hasty_is_coming.load(Relaxed) {
                            thread::yield_now();
                        }
                        let start = Instant::now();
                        while start.elapsed() < Duration::from_micros(u64::from(round)) {
                            thread::yield_now();
                        }
                        Err("failed")
                    });
                    assert_eq!(end, Err("failed"));
                });
                begun.recv().unwrap();
                roll.spawn(threads, format!("round {round}: hasty"), move || {
                    hasty_is_coming.store(true, Relaxed);
                    match cell.get_or_try_init_within(|| Err("failed too"), Duration::from_micros(150)) {
                        Ok(&value) => assert_eq!(value, round),
                        Err(InitError::Init("failed too") | InitError::Stopped(Stopped::TimedOut)) => {}
                        other => panic!("{other:?}"),
                    }
                });
                roll.spawn(threads, format!("round {round}: patient"), move || {
                    assert_eq!(*cell.get_or_init(|| round), round);
                });
                roll.spawn(threads, format!("round {round}: watcher"), move || assert_eq!(*cell.wait(), round));
            });
        }
    });
}

#[test]
fn what_a_failed_initialiser_made_is_dropped() {
    let value = Arc::new(());
    let count = || Arc::strong_count(&value) - 1;
    let cell = OnceCell::<Arc<()>>::new();
    let end = cell.get_or_try_init(|| Err(Arc::clone(&value)));
    assert_eq!(count(), 1, "the error is the caller's");
    drop(end);
    assert_eq!(count(), 0);
    let kept = Arc::clone(&value);
    assert_eq!(
        panic_of(|| cell.get_or_init(move || {
            let _kept = kept;
            panic_quietly()
        })),
        "expected"
    );
    assert_eq!(count(), 0);
    // An initialiser that is not needed is dropped, not called; a value that is not taken comes back.
    let kept = Arc::clone(&value);
    cell.set(Arc::clone(&value)).unwrap();
    cell.get_or_init(move || kept);
    assert_eq!(count(), 1);
    let Err((there, back)) = cell.try_insert(Arc::clone(&value)) else { panic!("inserted twice") };
    assert!(Arc::ptr_eq(there, &back));
    assert_eq!(count(), 2);
    drop(back);
    drop(cell.clone());
    assert_eq!(count(), 1);
    let clone = cell.clone();
    assert_eq!(count(), 2, "a clone is one more");
    drop(cell);
    assert_eq!(count(), 1);
    drop(clone);
    assert_eq!(count(), 0);
}

/// A cell in a thread-local, whose initialiser runs while the thread ends.
struct InitialisesAtEnd(Cell<Option<Arc<OnceCell<u8>>>>);

impl Drop for InitialisesAtEnd {
    fn drop(&mut self) {
        if let Some(cell) = self.0.take() {
            cell.get_or_init(|| match cell.get_or_init_within(|| 0, Limit::NEVER) {
                Err(InitError::Reentrant) => 5,
                _ => 6,
            });
        }
    }
}

#[test]
fn cells_work_while_a_thread_ends() {
    thread_local! {
        static AT_END: InitialisesAtEnd = const { InitialisesAtEnd(Cell::new(None)) };
    }
    watched(|_| {
        let cell = Arc::new(OnceCell::new());
        let theirs = Arc::clone(&cell);
        thread::spawn(move || AT_END.with(|at_end| at_end.0.set(Some(theirs)))).join().unwrap();
        assert_eq!(cell.get(), Some(&5));
    });
}

/// Drop check asks nothing of the value's type, as there is no destructor: each of these is an error to the compiler else.
#[test]
fn cells_refer_to_neighbours_and_to_themselves() {
    struct Ward<'w> {
        next: OnceCell<&'w Ward<'w>>,
        name: String,
    }
    let ward = |name: &str| Ward { next: OnceCell::new(), name: name.to_owned() };

    let (surgery, oncology) = (ward("surgery"), ward("oncology"));
    assert!(surgery.next.set(&oncology).is_ok() && oncology.next.set(&surgery).is_ok());
    assert_eq!(surgery.next.wait().next.wait().name, "surgery");

    let alone = ward("alone");
    assert!(alone.next.set(&alone).is_ok());
    assert_eq!(alone.next.get().unwrap().name, "alone");

    let first = OnceCell::new();
    let later = String::from("declared later, dropped before");
    assert_eq!(first.set(&later), Ok(()));
    let lazy: Lazy<OnceCell<&str>> = Lazy::new(OnceCell::new);
    let later = String::from("and so for a lazy value");
    assert_eq!(lazy.set(&later), Ok(()));
}

/// As much as the better of `once_cell` and `std` on a stack of 2 MiB: 400 KiB without an error, 320 with. A debug build copies
/// a value on the stack wherever one is passed on; each copy more would overflow it.
#[test]
fn large_values_fit_on_the_stack() {
    const LARGE: usize = 400 << 10;
    const TRIED: usize = 320 << 10;
    static MADE: OnceCell<[u8; LARGE]> = OnceCell::new();
    static WITHIN: OnceCell<[u8; LARGE]> = OnceCell::new();
    static LAZY: Lazy<[u8; LARGE]> = Lazy::new(|| [1; LARGE]);
    static FALLIBLE: OnceCell<[u8; TRIED]> = OnceCell::new();
    let checks: [fn() -> u8; 4] = [
        || MADE.get_or_init(|| [1; LARGE])[LARGE - 1],
        || WITHIN.get_or_init_within(|| [1; LARGE], Duration::from_secs(60)).unwrap()[LARGE - 1],
        || LAZY[LARGE - 1],
        || FALLIBLE.get_or_try_init(|| Ok::<_, Infallible>([1; TRIED])).unwrap()[TRIED - 1],
    ];
    for check in checks {
        let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(check);
        assert_eq!(thread.unwrap().join().unwrap(), 1);
    }
}
