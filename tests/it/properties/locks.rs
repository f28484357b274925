//! Locks, against a list of who has what.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::AtomicPtr;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use raddle::{
    LockError, LockId, Locked, OrderedMutex, OrderedMutexGuard, Stopped, lock_all, lock_all_within, try_lock_all,
};

use super::cases;
use crate::out_of_order;
use crate::stress::watched;
use crate::thread;

const LOCKS: usize = 40;

/// An id as the model sees it: two numbers, compared in turn.
type Pair = (u64, u64);

/// How an id is made.
#[derive(Clone, Copy, Debug)]
enum Id {
    Number(u64),
    InClass(u32, u64),
    Whole(u128),
}

impl Id {
    fn pair(self) -> Pair {
        match self {
            Id::Number(number) => (0, number),
            Id::InClass(class, number) => (class.into(), number),
            Id::Whole(whole) => ((whole >> 64) as u64, whole as u64),
        }
    }

    fn id(self) -> LockId {
        match self {
            Id::Number(number) => LockId::new(number),
            Id::InClass(class, number) => LockId::in_class(class, number),
            Id::Whole(whole) => LockId::from(whole),
        }
    }
}

/// The id of the model as the library has it.
fn lock_id((class, number): Pair) -> LockId {
    LockId::from(u128::from(class) << 64 | u128::from(number))
}

/// Ids of all kinds. Most occur once in forty.
fn id() -> impl Strategy<Value = Id> {
    prop_oneof![
        6 => (0_u64..1_000_000).prop_map(Id::Number),
        3 => (0_u32..4, 0_u64..1000).prop_map(|(class, number)| Id::InClass(class, number)),
        1 => any::<(u32, u64)>().prop_map(|(class, number)| Id::InClass(class, number)),
        3 => any::<u128>().prop_map(Id::Whole),
        1 => (0_u64..3).prop_map(Id::Number),
        1 => Just(Id::Whole(u128::MAX)),
    ]
}

/// In which way the locks of a set are named.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Slice,
    Vec,
    /// An array or a tuple of three, if there are as many.
    Array,
    Tuple,
}

#[derive(Clone, Copy, Debug)]
enum Patience {
    Endless,
    Zero,
    Passed,
    Long,
    Try,
}

#[derive(Clone, Debug)]
enum Step {
    Lock(usize, Patience),
    LockAll(Vec<usize>, Shape, Patience),
    /// Changes every value of a guard.
    Change(Index),
    Drop(Index),
    Forget(Index),
    /// Locks and panics.
    Poison(usize),
    Clear(usize),
    Show(usize),
    /// Another thread takes the lock if it is free, or lets go of it.
    Elsewhere(usize),
}

fn patience() -> impl Strategy<Value = Patience> {
    use Patience::{Endless, Long, Passed, Try, Zero};
    prop_oneof![4 => Just(Endless), 1 => Just(Zero), 1 => Just(Passed), 1 => Just(Long), 4 => Just(Try)]
}

fn set() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        // Each at most once, in any order.
        5 => subsequence((0..LOCKS).collect::<Vec<_>>(), 0..6).prop_shuffle(),
        3 => subsequence((0..LOCKS).collect::<Vec<_>>(), 3).prop_shuffle(),
        2 => subsequence((0..LOCKS).collect::<Vec<_>>(), 14..30).prop_shuffle(),
        1 => prop::collection::vec(0..LOCKS, 0..8),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let shape = prop_oneof![Just(Shape::Slice), Just(Shape::Vec), Just(Shape::Array), Just(Shape::Tuple)];
    prop_oneof![
        12 => (0..LOCKS, patience()).prop_map(|(lock, patience)| Step::Lock(lock, patience)),
        8 => (set(), shape, patience()).prop_map(|(set, shape, patience)| Step::LockAll(set, shape, patience)),
        4 => any::<Index>().prop_map(Step::Change),
        10 => any::<Index>().prop_map(Step::Drop),
        1 => (0..LOCKS).prop_map(Step::Poison),
        2 => (0..LOCKS).prop_map(Step::Clear),
        1 => (0..LOCKS).prop_map(Step::Show),
        2 => (0..LOCKS).prop_map(Step::Elsewhere),
    ]
}

/// Mostly locking: to more guards at once than a thread keeps without heap.
fn deep_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..LOCKS).prop_map(|lock| Step::Lock(lock, Patience::Try)),
        2 => (0..LOCKS, patience()).prop_map(|(lock, patience)| Step::Lock(lock, patience)),
        2 => any::<Index>().prop_map(Step::Drop),
        1 => any::<Index>().prop_map(Step::Change),
        1 => (set(), patience()).prop_map(|(set, patience)| Step::LockAll(set, Shape::Slice, patience)),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Has {
    Nobody,
    Me,
    Other,
    Poison,
}

/// Who has what.
struct Model {
    ids: Vec<Pair>,
    has: Vec<Has>,
    values: Vec<u64>,
    /// What each guard that was not dropped counts as.
    held: Vec<Pair>,
}

impl Model {
    fn new(ids: &[Id]) -> Self {
        Self {
            ids: ids.iter().map(|id| id.pair()).collect(),
            has: vec![Has::Nobody; ids.len()],
            values: (0..ids.len() as u64).collect(),
            held: Vec::new(),
        }
    }

    /// What locking this set gives.
    fn lock(&self, set: &[usize], patience: Patience) -> Result<(), LockError> {
        let mut sorted = set.to_vec();
        sorted.sort_by_key(|&at| self.ids[at]);
        let may_wait = !matches!(patience, Patience::Try);
        if let (true, Some(&wanted), Some(&held)) = (may_wait, sorted.first(), self.held.iter().max()) {
            if self.ids[wanted] <= held {
                return Err(out_of_order(lock_id(self.ids[wanted]), lock_id(held)));
            }
        }
        let mut seen = HashSet::new();
        if let Some(&twice) = sorted.iter().find(|&&at| !seen.insert(self.ids[at])) {
            return Err(LockError::Duplicate { id: lock_id(self.ids[twice]) });
        }
        for at in sorted {
            let id = lock_id(self.ids[at]);
            match (self.has[at], patience) {
                (Has::Nobody, _) => {}
                (Has::Poison, _) => return Err(LockError::Poisoned { id }),
                (_, Patience::Try) => return Err(LockError::WouldBlock { id }),
                (Has::Other, _) => return Err(LockError::from(Stopped::TimedOut)),
                (Has::Me, _) => unreachable!("what this thread holds is out of order"),
            }
        }
        Ok(())
    }

    fn take(&mut self, set: &[usize]) {
        set.iter().for_each(|&at| self.has[at] = Has::Me);
        self.held.extend(set.iter().map(|&at| self.ids[at]).max());
    }

    fn release(&mut self, set: &[usize]) {
        set.iter().for_each(|&at| self.has[at] = Has::Nobody);
        self.forget(set);
        if let Some(highest) = set.iter().map(|&at| self.ids[at]).max() {
            let entry = self.held.iter().position(|&held| held == highest).unwrap();
            self.held.swap_remove(entry);
        }
    }

    fn forget(&self, set: &[usize]) {
        let distinct: HashSet<_> = set.iter().collect();
        assert_eq!(distinct.len(), set.len());
    }
}

/// A guard of whatever shape.
enum Guard<'a> {
    One(OrderedMutexGuard<'a, u64>),
    Slice(Locked<&'a [&'a OrderedMutex<u64>]>),
    Vec(Locked<Vec<&'a OrderedMutex<u64>>>),
    Array(Locked<[&'a OrderedMutex<u64>; 3]>),
    Tuple(Locked<(&'a OrderedMutex<u64>, &'a OrderedMutex<u64>, &'a OrderedMutex<u64>)>),
}

impl Guard<'_> {
    /// The values in the caller's order, by every way there is.
    fn values(&self) -> Vec<u64> {
        fn same<'v>(split: &[&u64], iter: impl Iterator<Item = &'v u64>, at: impl Fn(usize) -> u64) -> Vec<u64> {
            let values: Vec<u64> = split.iter().map(|&&value| value).collect();
            assert!(iter.eq(&values));
            assert!((0..values.len()).all(|place| at(place) == values[place]));
            values
        }
        match self {
            Guard::One(guard) => vec![**guard],
            Guard::Slice(locked) => same(&locked.split(), locked.iter(), |at| locked[at]),
            Guard::Vec(locked) => same(&locked.split(), locked.iter(), |at| locked[at]),
            Guard::Array(locked) => same(&locked.split(), locked.iter(), |at| locked[at]),
            Guard::Tuple(locked) => <[&u64; 3]>::from(locked.split()).map(|value| *value).to_vec(),
        }
    }

    /// Changes each value as its place says.
    fn change(&mut self) {
        match self {
            Guard::One(guard) => **guard = changed(**guard, 0),
            Guard::Slice(locked) => {
                locked.split_mut().into_iter().enumerate().for_each(|(at, value)| *value = changed(*value, at));
            }
            Guard::Vec(locked) => {
                locked.iter_mut().enumerate().for_each(|(at, value)| *value = changed(*value, at));
            }
            Guard::Array(locked) => (0..3).for_each(|at| locked[at] = changed(locked[at], at)),
            Guard::Tuple(locked) => {
                let (a, b, c) = locked.split_mut();
                [a, b, c].into_iter().enumerate().for_each(|(at, value)| *value = changed(*value, at));
            }
        }
    }
}

fn changed(value: u64, place: usize) -> u64 {
    value.wrapping_mul(31).wrapping_add(place as u64)
}

/// A call with this patience, of the three forms that there are.
macro_rules! call {
    ($patience:expr, $endless:expr, $within:expr, $try:expr) => {
        match $patience {
            Patience::Endless => $endless,
            Patience::Zero => $within(Duration::ZERO.into()),
            Patience::Passed => $within(Instant::now().into()),
            Patience::Long => $within(Duration::from_secs(3600).into()),
            Patience::Try => $try,
        }
    };
}

fn lock_set<'a>(set: &'a [&'a OrderedMutex<u64>], shape: Shape, patience: Patience) -> Result<Guard<'a>, LockError> {
    macro_rules! all {
        ($set:expr => $kind:path) => {
            call!(patience, lock_all($set), |limit: raddle::Limit<'_>| lock_all_within($set, limit), try_lock_all($set))
                .map($kind)
        };
    }
    match (shape, set) {
        (Shape::Vec, _) => all!(set.to_vec() => Guard::Vec),
        (Shape::Array, &[a, b, c]) => all!([a, b, c] => Guard::Array),
        (Shape::Tuple, &[a, b, c]) => all!((a, b, c) => Guard::Tuple),
        _ => all!(set => Guard::Slice),
    }
}

/// A thread that takes locks, tells what it got, and lets go of them when it is asked again.
fn elsewhere(locks: &[OrderedMutex<u64>], orders: Receiver<usize>, ends: Sender<Option<LockError>>) {
    let mut guards: Vec<Option<OrderedMutexGuard<'_, u64>>> = locks.iter().map(|_| None).collect();
    for at in orders {
        let end = match guards[at].take() {
            Some(_) => None,
            None => match locks[at].try_lock() {
                Ok(guard) => {
                    guards[at] = Some(guard);
                    None
                }
                Err(error) => Some(error),
            },
        };
        ends.send(end).unwrap();
    }
}

/// Never dropped, but not lost either: the `Vec` of a set would otherwise be reported by leak checkers, as nothing else is.
static FORGOTTEN: Mutex<Vec<AtomicPtr<()>>> = Mutex::new(Vec::new());

/// Runs the steps, on a thread of its own: what it holds at the end is not the next run's.
fn run(ids: &[Id], steps: &[Step]) -> usize {
    let locks: Vec<_> = ids.iter().zip(0..).map(|(id, value)| OrderedMutex::with_id(id.id(), value)).collect();
    let sets: Vec<Vec<_>> = steps
        .iter()
        .map(|step| match step {
            Step::LockAll(set, ..) => set.iter().map(|&at| &locks[at]).collect(),
            _ => Vec::new(),
        })
        .collect();
    let (order, orders) = mpsc::channel();
    let (end, ends) = mpsc::channel();
    thread::scope(|threads| {
        let (locks, sets) = (&locks[..], &sets[..]);
        threads.spawn(move || elsewhere(locks, orders, end));
        let me = threads.spawn(move || {
            let ask = |at| {
                order.send(at).unwrap();
                ends.recv().unwrap()
            };
            steps_on(locks, sets, ids, steps, &ask)
        });
        me.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn steps_on<'a>(
    locks: &'a [OrderedMutex<u64>],
    sets: &'a [Vec<&'a OrderedMutex<u64>>],
    ids: &[Id],
    steps: &[Step],
    elsewhere: &dyn Fn(usize) -> Option<LockError>,
) -> usize {
    let mut model = Model::new(ids);
    let mut guards: Vec<(Guard<'a>, Vec<usize>)> = Vec::new();
    let mut deepest = 0;
    for (step, set) in steps.iter().zip(sets) {
        match step {
            &Step::Lock(at, patience) => {
                // An hour is long when another has the lock.
                let patience = possible(&model, &[at], patience);
                let expected = model.lock(&[at], patience);
                let lock = &locks[at];
                let end =
                    call!(patience, lock.lock(), |limit: raddle::Limit<'_>| lock.lock_within(limit), lock.try_lock());
                took(&mut model, &mut guards, expected, end.map(Guard::One), &[at]);
            }
            Step::LockAll(at, shape, patience) => {
                let patience = possible(&model, at, *patience);
                let expected = model.lock(at, patience);
                took(&mut model, &mut guards, expected, lock_set(set, *shape, patience), at);
            }
            Step::Change(which) if !guards.is_empty() => {
                let (guard, set) = which.get_mut(&mut guards);
                guard.change();
                set.iter().enumerate().for_each(|(place, &at)| model.values[at] = changed(model.values[at], place));
            }
            Step::Drop(which) if !guards.is_empty() => {
                let (guard, set) = guards.remove(which.index(guards.len()));
                drop(guard);
                model.release(&set);
            }
            Step::Forget(which) if !guards.is_empty() => {
                let (guard, _) = guards.remove(which.index(guards.len()));
                FORGOTTEN.lock().unwrap().push(AtomicPtr::new(Box::into_raw(Box::new(guard)).cast()));
            }
            Step::Change(_) | Step::Drop(_) | Step::Forget(_) => {}
            &Step::Poison(at) => {
                let expected = model.lock(&[at], Patience::Try);
                let end = catch_unwind(AssertUnwindSafe(|| {
                    let _guard = locks[at].try_lock()?;
                    resume_unwind(Box::new(()));
                    #[allow(unreachable_code)]
                    Ok(())
                }));
                assert_eq!(end.unwrap_or(Ok(())), expected);
                if expected.is_ok() {
                    model.has[at] = Has::Poison;
                }
            }
            &Step::Clear(at) => {
                locks[at].clear_poison();
                if model.has[at] == Has::Poison {
                    model.has[at] = Has::Nobody;
                }
            }
            &Step::Show(at) => {
                let value = match model.has[at] {
                    Has::Nobody => model.values[at].to_string(),
                    Has::Poison => "<poisoned>".to_owned(),
                    Has::Me | Has::Other => "<locked>".to_owned(),
                };
                let expected = format!("OrderedMutex {{ id: {:?}, value: {value} }}", lock_id(model.ids[at]));
                assert_eq!(format!("{:?}", locks[at]), expected);
            }
            &Step::Elsewhere(at) => {
                let id = lock_id(model.ids[at]);
                let (expected, now) = match model.has[at] {
                    Has::Nobody => (None, Has::Other),
                    Has::Other => (None, Has::Nobody),
                    Has::Me => (Some(LockError::WouldBlock { id }), Has::Me),
                    Has::Poison => (Some(LockError::Poisoned { id }), Has::Poison),
                };
                assert_eq!(elsewhere(at), expected);
                model.has[at] = now;
            }
        }
        deepest = deepest.max(guards.len());
        for (at, lock) in locks.iter().enumerate() {
            assert_eq!(lock.is_poisoned(), model.has[at] == Has::Poison);
        }
    }
    // What is left is let go of, from the middle outwards.
    while !guards.is_empty() {
        let (guard, set) = guards.remove(guards.len() / 2);
        drop(guard);
        model.release(&set);
    }
    // Nothing else is held, here or by a set that was refused.
    let first = OrderedMutex::new(0, ());
    let refused = model.held.iter().max().map(|&held| out_of_order(first.id(), lock_id(held)));
    assert_eq!(first.lock().err(), refused);
    for at in 0..locks.len() {
        let id = lock_id(model.ids[at]);
        let expected = match model.has[at] {
            Has::Nobody | Has::Other => None,
            Has::Me => Some(LockError::WouldBlock { id }),
            Has::Poison => Some(LockError::Poisoned { id }),
        };
        assert_eq!(elsewhere(at), expected);
        if model.has[at] == Has::Nobody {
            // As it was found.
            assert_eq!(elsewhere(at), None);
        }
    }
    deepest
}

/// With less patience where the call would wait for a lock that nobody lets go of.
fn possible(model: &Model, set: &[usize], patience: Patience) -> Patience {
    let waits = model.lock(set, patience) == Err(LockError::from(Stopped::TimedOut));
    match patience {
        Patience::Endless | Patience::Long if waits => Patience::Zero,
        _ => patience,
    }
}

fn took<'a>(
    model: &mut Model,
    guards: &mut Vec<(Guard<'a>, Vec<usize>)>,
    expected: Result<(), LockError>,
    end: Result<Guard<'a>, LockError>,
    set: &[usize],
) {
    match end {
        Err(error) => assert_eq!(Err(error), expected, "{set:?}"),
        Ok(guard) => {
            assert_eq!(expected, Ok(()), "{set:?}");
            model.take(set);
            assert_eq!(guard.values(), set.iter().map(|&at| model.values[at]).collect::<Vec<_>>());
            guards.push((guard, set.to_vec()));
        }
    }
}

proptest! {
    #![proptest_config(cases(180))]

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn locking_goes_as_the_model_says(
        ids in prop::collection::vec(id(), LOCKS),
        steps in prop::collection::vec(step(), 0..80),
    ) {
        watched(move |_| run(&ids, &steps));
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn many_guards_at_once(
        ids in prop::collection::vec(id(), LOCKS),
        steps in prop::collection::vec(deep_step(), 60..160),
    ) {
        let deepest = watched(move |_| run(&ids, &steps));
        // The program is about the part of the list that is on the heap.
        prop_assume!(deepest > 16);
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn forgotten_guards_stay(
        ids in prop::collection::vec(id(), LOCKS),
        mut steps in prop::collection::vec(step(), 0..40),
        forgotten in prop::collection::vec((any::<Index>(), any::<Index>()), 1..4),
    ) {
        for (at, which) in forgotten {
            steps.insert(at.index(steps.len() + 1), Step::Forget(which));
        }
        watched(move |_| run(&ids, &steps));
    }

    #[test]
    fn ids_are_pairs(a in id(), b in id()) {
        let (left, right) = (a.id(), b.id());
        prop_assert_eq!(left.cmp(&right), a.pair().cmp(&b.pair()));
        prop_assert_eq!(left.partial_cmp(&right), a.pair().partial_cmp(&b.pair()));
        prop_assert_eq!(left == right, a.pair() == b.pair());
        let ours = (left < right, left <= right, left > right, left >= right);
        let (p, q) = (a.pair(), b.pair());
        prop_assert_eq!(ours, (p < q, p <= q, p > q, p >= q));
        // Two ids that chance makes are hardly ever equal.
        let same = a.id();
        prop_assert_eq!((left < same, left <= same, left > same, left >= same), (false, true, false, true));
        prop_assert_eq!(HashSet::from([left, right]).len(), HashSet::from([p, q]).len());
        prop_assert_eq!(left, lock_id(p));
        let text = if p.0 == 0 { p.1.to_string() } else { format!("{}:{}", p.0, p.1) };
        prop_assert_eq!(format!("{left:?}"), format!("LockId({text})"));
        prop_assert_eq!(left.to_string(), text);
    }
}
