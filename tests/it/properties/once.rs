//! Once-cells, beside those of std and of the once_cell crate, and an `Option`.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, OnceLock};

use proptest::prelude::*;
use raddle::{InitError, Limit, OnceCell};

use super::cases;

/// How an initialiser ends.
#[derive(Clone, Copy, Debug)]
enum Ends {
    Well,
    Badly,
    Panics,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Get(usize),
    Set(usize),
    TryInsert(usize),
    GetOrInit(usize, Ends),
    GetOrTryInit(usize, Ends),
    /// The same with a limit, which is of no use to one thread.
    Within(usize, Ends),
    Wait(usize),
    Change(usize),
    Take(usize),
    IntoInner(usize),
    Replace(usize),
    CloneFrom(usize, usize),
    Compare(usize, usize),
    Show(usize),
}

const CELLS: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    let ends = || prop_oneof![2 => Just(Ends::Well), 1 => Just(Ends::Badly), 1 => Just(Ends::Panics)];
    let cell = || 0..CELLS;
    prop_oneof![
        cell().prop_map(Step::Get),
        cell().prop_map(Step::Set),
        cell().prop_map(Step::TryInsert),
        (cell(), ends()).prop_map(|(cell, ends)| Step::GetOrInit(cell, ends)),
        (cell(), ends()).prop_map(|(cell, ends)| Step::GetOrTryInit(cell, ends)),
        (cell(), ends()).prop_map(|(cell, ends)| Step::Within(cell, ends)),
        cell().prop_map(Step::Wait),
        cell().prop_map(Step::Change),
        cell().prop_map(Step::Take),
        cell().prop_map(Step::IntoInner),
        cell().prop_map(Step::Replace),
        (cell(), cell()).prop_map(|(to, from)| Step::CloneFrom(to, from)),
        (cell(), cell()).prop_map(|(left, right)| Step::Compare(left, right)),
        cell().prop_map(Step::Show),
    ]
}

/// What a step gave: comparable among the four.
#[derive(Debug, PartialEq)]
enum Gave {
    Nothing,
    Value(Option<u64>),
    /// The value in the cell and the one that came back.
    Refused(u64, u64),
    Error(u64),
    Panic,
    Same(bool),
}

/// A value, its own and the number of those that live.
type Value = Arc<u64>;

fn init(value: &Value, ends: Ends) -> Result<Value, u64> {
    match ends {
        Ends::Well => Ok(Arc::clone(value)),
        Ends::Badly => Err(**value),
        // Without the hook, which would print.
        Ends::Panics => resume_unwind(Box::new(())),
    }
}

fn caught(f: impl FnOnce() -> Gave) -> Gave {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or(Gave::Panic)
}

fn number(value: &Value) -> u64 {
    **value
}

fn tried(end: Result<&Value, u64>) -> Gave {
    match end {
        Ok(value) => Gave::Value(Some(number(value))),
        Err(error) => Gave::Error(error),
    }
}

/// The steps on cells that have std's methods; those that it lacks by the given expressions.
macro_rules! steps_on {
    ($name:ident: $cell:ident, |$it:ident, $new:ident| $try_insert:expr,
        |$this:ident, $value:ident, $ends:ident| $get_or_try_init:expr, |$that:ident, $made:ident, $how:ident| $within:expr,
        |$full:ident| $wait:expr) => {
        fn $name(cells: &mut [$cell<Value>; CELLS], step: Step, value: &Value) -> Gave {
            match step {
                Step::Get(at) => Gave::Value(cells[at].get().map(number)),
                Step::Set(at) => match cells[at].set(Arc::clone(value)) {
                    Ok(()) => Gave::Nothing,
                    Err(back) => Gave::Error(number(&back)),
                },
                Step::TryInsert(at) => {
                    let ($it, $new) = (&cells[at], Arc::clone(value));
                    match $try_insert {
                        Ok(there) => Gave::Value(Some(number(there))),
                        Err((there, back)) => Gave::Refused(number(there), number(&back)),
                    }
                }
                Step::GetOrInit(at, ends) => {
                    let cell = &cells[at];
                    let init = || init(value, ends).unwrap_or_else(|_| Arc::new(0));
                    caught(|| Gave::Value(Some(number(cell.get_or_init(init)))))
                }
                Step::GetOrTryInit(at, $ends) => {
                    let ($this, $value) = (&cells[at], value);
                    caught(|| $get_or_try_init)
                }
                Step::Within(at, $how) => {
                    let ($that, $made) = (&cells[at], value);
                    caught(|| $within)
                }
                Step::Wait(at) if cells[at].get().is_some() => {
                    let $full = &cells[at];
                    Gave::Value(Some(number($wait)))
                }
                Step::Wait(_) => Gave::Nothing,
                Step::Change(at) => match cells[at].get_mut() {
                    Some(old) => Gave::Value(Some(number(&std::mem::replace(old, Arc::clone(value))))),
                    None => Gave::Nothing,
                },
                Step::Take(at) => Gave::Value(cells[at].take().as_ref().map(number)),
                Step::IntoInner(at) => {
                    let cell = std::mem::take(&mut cells[at]);
                    Gave::Value(cell.into_inner().as_ref().map(number))
                }
                Step::Replace(at) => {
                    cells[at] = $cell::from(Arc::clone(value));
                    Gave::Nothing
                }
                Step::CloneFrom(to, from) => {
                    cells[to] = cells[from].clone();
                    Gave::Nothing
                }
                Step::Compare(left, right) => Gave::Same(cells[left] == cells[right]),
                Step::Show(at) => {
                    let (text, value) = (format!("{:?}", cells[at]), cells[at].get());
                    let shown = value.map_or(text.contains("ninit"), |value| text.contains(&format!("({value})")));
                    Gave::Same(shown)
                }
            }
        }
    };
}

steps_on!(
    on_ours: OnceCell,
    |cell, value| cell.try_insert(value),
    |cell, value, ends| tried(cell.get_or_try_init(|| init(value, ends))),
    |cell, value, ends| match cell.get_or_try_init_within(|| init(value, ends), Limit::from(std::time::Duration::ZERO)) {
        Ok(value) => tried(Ok(value)),
        Err(InitError::Init(error)) => tried(Err(error)),
        Err(other) => panic!("{other:?}"),
    },
    |cell| cell.wait()
);

type Theirs<T> = once_cell::sync::OnceCell<T>;
steps_on!(
    on_once_cell: Theirs,
    |cell, value| cell.try_insert(value),
    |cell, value, ends| tried(cell.get_or_try_init(|| init(value, ends))),
    |cell, value, ends| tried(cell.get_or_try_init(|| init(value, ends))),
    |cell| cell.wait()
);

/// What std does not have, made of what it has.
fn std_try_init(cell: &OnceLock<Value>, value: &Value, ends: Ends) -> Gave {
    if cell.get().is_none() {
        match init(value, ends) {
            Ok(value) => cell.set(value).unwrap(),
            Err(error) => return Gave::Error(error),
        }
    }
    tried(Ok(cell.get().unwrap()))
}

steps_on!(
    on_std: OnceLock,
    |cell, value| match cell.set(value) {
        Ok(()) => Ok(cell.get().unwrap()),
        Err(back) => Err((cell.get().unwrap(), back)),
    },
    |cell, value, ends| std_try_init(cell, value, ends),
    |cell, value, ends| std_try_init(cell, value, ends),
    // Its `wait` is younger than the oldest compiler that this is for.
    |cell| cell.get().unwrap()
);

/// What the documentation says, on an `Option`.
fn on_model(cells: &mut [Option<u64>; CELLS], step: Step, value: u64) -> Gave {
    let mut try_init = |at: usize, ends| match (cells[at], ends) {
        (Some(there), _) => Gave::Value(Some(there)),
        (None, Ends::Well) => Gave::Value(Some(*cells[at].insert(value))),
        (None, Ends::Badly) => Gave::Error(value),
        (None, Ends::Panics) => Gave::Panic,
    };
    match step {
        Step::Get(at) => Gave::Value(cells[at]),
        Step::Set(at) => match cells[at] {
            Some(_) => Gave::Error(value),
            None => {
                cells[at] = Some(value);
                Gave::Nothing
            }
        },
        Step::TryInsert(at) => match cells[at] {
            Some(there) => Gave::Refused(there, value),
            None => Gave::Value(Some(*cells[at].insert(value))),
        },
        Step::GetOrInit(at, Ends::Badly) => Gave::Value(Some(*cells[at].get_or_insert(0))),
        Step::GetOrInit(at, ends) | Step::GetOrTryInit(at, ends) | Step::Within(at, ends) => try_init(at, ends),
        Step::Wait(at) => cells[at].map_or(Gave::Nothing, |value| Gave::Value(Some(value))),
        Step::Change(at) => match cells[at].as_mut() {
            Some(old) => Gave::Value(Some(std::mem::replace(old, value))),
            None => Gave::Nothing,
        },
        Step::Take(at) | Step::IntoInner(at) => Gave::Value(cells[at].take()),
        Step::Replace(at) => {
            cells[at] = Some(value);
            Gave::Nothing
        }
        Step::CloneFrom(to, from) => {
            cells[to] = cells[from];
            Gave::Nothing
        }
        Step::Compare(left, right) => Gave::Same(cells[left] == cells[right]),
        Step::Show(_) => Gave::Same(true),
    }
}

proptest! {
    #![proptest_config(cases(700))]

    #[test]
    fn cells_go_as_others_do(steps in prop::collection::vec(step(), 0..40)) {
        let mut ours = <[OnceCell<Value>; CELLS]>::default();
        let mut theirs = <[Theirs<Value>; CELLS]>::default();
        let mut stds = <[OnceLock<Value>; CELLS]>::default();
        let mut model = [None; CELLS];
        // From 1 on: 0 is what an initialiser that may not fail makes instead.
        let values: Vec<_> = (1..=steps.len() as u64).map(|value| [(); 3].map(|()| Arc::new(value))).collect();
        for (&step, [a, b, c]) in steps.iter().zip(&values) {
            let expected = on_model(&mut model, step, **a);
            prop_assert_eq!(&on_ours(&mut ours, step, a), &expected, "{:?}", step);
            prop_assert_eq!(&on_once_cell(&mut theirs, step, b), &expected, "once_cell: {:?}", step);
            prop_assert_eq!(&on_std(&mut stds, step, c), &expected, "std: {:?}", step);
        }
        // As many live as in the others, and none when the cells are gone.
        for [a, b, c] in &values {
            prop_assert_eq!(Arc::strong_count(a), Arc::strong_count(b));
            prop_assert_eq!(Arc::strong_count(a), Arc::strong_count(c));
        }
        drop(ours);
        prop_assert!(values.iter().all(|[a, ..]| Arc::strong_count(a) == 1));
    }
}
