//! Philosophers at a round table: threads that each take two neighbouring locks, over and over, so that all of them wait
//! for some of the others.
//!
//! Throughput is half of the matter: a lock that its last holder gets again and again is fast, and starves the rest. So all
//! share one number of operations (meals), and beside the time there is how many more the most served thread got than the
//! least, and how long a thread waited at most, from the beginning to its first meal, from one to the next, or to the end; both are medians
//! over the samples. No wait is longer than its sample, about 50 ms.
//!
//! By hand the lower lock is taken first. `happylock` sorts, `happylock-retry` tries and starts over. The section is
//! nothing but the two additions (`empty`), or takes 0.3 or 30 microseconds with both locks held.
//!
//! # That the work is real
//! Each meal adds one to both values, and at the end of the program each table's sums are compared with the meals.

mod support;

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use happylock::ThreadKey;
use happylock::collection::{RefLockCollection, RetryingLockCollection};
use raddle::{OrderedMutex, lock_all};
use support::{Group, Op, Role, Served, Shape, What};

const PHILOSOPHERS: usize = 5;

/// A thread takes so many meals from the pool at a time where they are short, so that the pool is no lock of its own. It eats
/// what it has taken, so a thread that starves counts for no less.
const BLOCK: u64 = 16;

fn main() {
    support::run(&[philosophers()]);
}

/// Forks, and how one eats with two of them.
trait Table: Send + Sync + 'static {
    const NAME: &'static str;
    const ROLE: Role = Role::Peer;

    fn new() -> Self;
    /// Adds one to both values, between which `section` is spent.
    fn eat(&self, left: usize, right: usize, section: Duration);
    /// The sum of all values.
    fn sum(&mut self) -> u64;
}

struct Raddle([CachePadded<OrderedMutex<u64>>; PHILOSOPHERS]);

impl Table for Raddle {
    const NAME: &'static str = "raddle";
    const ROLE: Role = Role::Ours;

    fn new() -> Self {
        Self(std::array::from_fn(|id| CachePadded::new(OrderedMutex::new(id as u64, 0))))
    }

    fn eat(&self, left: usize, right: usize, section: Duration) {
        let mut forks = lock_all((&*self.0[left], &*self.0[right])).expect("nothing is held");
        let (left, right) = forks.split_mut();
        *left += 1;
        spend(section);
        *right += 1;
    }

    fn sum(&mut self) -> u64 {
        self.0.iter_mut().map(|fork| *fork.get_mut()).sum()
    }
}

struct ParkingLot([CachePadded<parking_lot::Mutex<u64>>; PHILOSOPHERS]);

impl Table for ParkingLot {
    const NAME: &'static str = "parking_lot";

    fn new() -> Self {
        Self(std::array::from_fn(|_| CachePadded::new(parking_lot::Mutex::new(0))))
    }

    fn eat(&self, left: usize, right: usize, section: Duration) {
        let mut lower = self.0[left.min(right)].lock();
        let mut upper = self.0[left.max(right)].lock();
        *lower += 1;
        spend(section);
        *upper += 1;
    }

    fn sum(&mut self) -> u64 {
        self.0.iter_mut().map(|fork| *fork.get_mut()).sum()
    }
}

struct Std([CachePadded<Mutex<u64>>; PHILOSOPHERS]);

impl Table for Std {
    const NAME: &'static str = "std";

    fn new() -> Self {
        Self(std::array::from_fn(|_| CachePadded::new(Mutex::new(0))))
    }

    fn eat(&self, left: usize, right: usize, section: Duration) {
        let mut lower = self.0[left.min(right)].lock().expect("nobody panics");
        let mut upper = self.0[left.max(right)].lock().expect("nobody panics");
        *lower += 1;
        spend(section);
        *upper += 1;
    }

    fn sum(&mut self) -> u64 {
        self.0.iter_mut().map(|fork| *fork.get_mut().expect("nobody panics")).sum()
    }
}

type Happy = [CachePadded<happylock::Mutex<u64>>; PHILOSOPHERS];

fn happy_forks() -> Happy {
    std::array::from_fn(|_| CachePadded::new(happylock::Mutex::new(0)))
}

fn happy_sum(forks: &mut Happy) -> u64 {
    forks.iter_mut().map(|fork| *happylock::lockable::LockableGetMut::get_mut(&mut **fork)).sum()
}

struct Sorting(Happy);

impl Table for Sorting {
    const NAME: &'static str = "happylock";

    fn new() -> Self {
        Self(happy_forks())
    }

    fn eat(&self, left: usize, right: usize, section: Duration) {
        let forks = [&*self.0[left], &*self.0[right]];
        let forks = RefLockCollection::try_new(&forks).expect("two forks");
        forks.scoped_lock(ThreadKey::get().expect("one key per thread"), |[left, right]| {
            *left += 1;
            spend(section);
            *right += 1;
        });
    }

    fn sum(&mut self) -> u64 {
        happy_sum(&mut self.0)
    }
}

struct Retrying(Happy);

impl Table for Retrying {
    const NAME: &'static str = "happylock-retry";

    fn new() -> Self {
        Self(happy_forks())
    }

    fn eat(&self, left: usize, right: usize, section: Duration) {
        let forks = RetryingLockCollection::try_new([&*self.0[left], &*self.0[right]]).expect("two forks");
        forks.scoped_lock(ThreadKey::get().expect("one key per thread"), |[left, right]| {
            *left += 1;
            spend(section);
            *right += 1;
        });
    }

    fn sum(&mut self) -> u64 {
        happy_sum(&mut self.0)
    }
}

fn spend(section: Duration) {
    if section.is_zero() {
        return;
    }
    let start = Instant::now();
    while start.elapsed() < section {
        spin_loop();
    }
}

/// A table with meals that whoever comes first takes.
struct Dinner<T: Table> {
    table: T,
    begin: Barrier,
    began: Mutex<Instant>,
    meals: CachePadded<AtomicU64>,
    asked: AtomicU64,
    eaten: AtomicU64,
}

impl<T: Table> Dinner<T> {
    fn op(section: Duration) -> Op<Served> {
        let dinner = Self {
            table: T::new(),
            begin: Barrier::new(PHILOSOPHERS),
            began: Mutex::new(Instant::now()),
            meals: CachePadded::new(AtomicU64::new(0)),
            asked: AtomicU64::new(0),
            eaten: AtomicU64::new(0),
        };
        Box::new(move |me, iters| dinner.eat(me, iters, section))
    }

    fn eat(&self, me: usize, iters: u64, section: Duration) -> Served {
        if self.begin.wait().is_leader() {
            self.meals.store(iters * PHILOSOPHERS as u64, Relaxed);
            self.asked.fetch_add(iters * PHILOSOPHERS as u64, Relaxed);
            *self.began.lock().expect("nobody panics") = Instant::now();
        }
        self.begin.wait();
        let block = if section.is_zero() { BLOCK } else { 1 };
        let mut served = Served { operations: 0, longest: Duration::ZERO };
        // For all the same: who is late to begin has waited as well.
        let mut last = *self.began.lock().expect("nobody panics");
        while let Ok(left) =
            self.meals.try_update(Relaxed, Relaxed, |left| (left > 0).then(|| left.saturating_sub(block)))
        {
            for _ in 0..left.min(block) {
                self.table.eat(me, (me + 1) % PHILOSOPHERS, section);
                let now = Instant::now();
                served.longest = served.longest.max(now - last);
                last = now;
                served.operations += 1;
            }
        }
        served.longest = served.longest.max(last.elapsed());
        self.eaten.fetch_add(served.operations, Relaxed);
        served
    }
}

impl<T: Table> Drop for Dinner<T> {
    fn drop(&mut self) {
        assert_eq!(self.eaten.get_mut(), self.asked.get_mut(), "{}: meals that nobody took", T::NAME);
        assert_eq!(self.table.sum(), 2 * *self.eaten.get_mut(), "{}: lost meals", T::NAME);
    }
}

const PEERS: &[&str] = &["parking_lot", "std", "happylock", "happylock-retry"];

/// `lock/philosophers`
fn philosophers() -> Group {
    fn add<T: Table>(group: &mut Group, parameter: &str, section: Duration) {
        let shape = Shape { whole: true, ..Shape::named(parameter, PHILOSOPHERS) };
        group.add(T::ROLE, T::NAME, shape, move || Dinner::<T>::op(section));
    }

    let mut group = Group::new("lock/philosophers", PEERS).in_turn();
    for (parameter, nanoseconds) in [("empty", 0), ("0.3us", 300), ("30us", 30_000)] {
        let section = Duration::from_nanos(nanoseconds);
        add::<Raddle>(&mut group, parameter, section);
        add::<ParkingLot>(&mut group, parameter, section);
        add::<Std>(&mut group, parameter, section);
        add::<Sorting>(&mut group, parameter, section);
        add::<Retrying>(&mut group, parameter, section);
        let ours = ("raddle", parameter);
        group.goal(ours, &[("parking_lot", parameter), ("std", parameter)], 1.0 / 0.95);
        group.goal_of(What::Spread, ours, &[("std", parameter)], 1.0);
        group.goal_of(What::Longest, ours, &[("std", parameter)], 1.0);
    }
    group
}
