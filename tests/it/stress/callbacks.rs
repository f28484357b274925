//! Registrations, takings back, interrupts, polls, deadlines and cancels at random. Each callback is called once, or taken back, or
//! dropped with its token; never two of these.

use std::future::Future;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use raddle::{CancelToken, CancelledFutureOwned, Counter, OnCancel};

use super::{Random, Roll, Span, for_long, watched};
use crate::thread;

const THREADS: usize = if cfg!(miri) { 3 } else { 8 };
const REQUESTS: usize = 4;

/// What became of a callback.
#[derive(Default)]
struct Fate(AtomicU8);

const CALLED: u8 = 1;
const TAKEN: u8 = 2;

impl Fate {
    fn seal(&self, as_what: u8) {
        assert_eq!(self.0.swap(as_what, Relaxed), 0, "both called and taken back, or twice");
    }
}

/// The end of what a callback has captured.
struct Captured(Arc<World>);

impl Drop for Captured {
    fn drop(&mut self) {
        self.0.dropped.inc();
    }
}

#[derive(Default)]
struct World {
    root: CancelToken,
    requests: [Mutex<CancelToken>; REQUESTS],
    registered: Counter,
    called: Counter,
    taken: Counter,
    dropped: Counter,
}

impl World {
    fn token(&self, random: &mut Random) -> CancelToken {
        let [one, other] = [(); 2].map(|()| self.requests[random.below(REQUESTS)].lock().unwrap().clone());
        match random.below(6) {
            0 | 1 => one,
            2 => one.child(),
            3 => one.child_within(random.limit()),
            4 => one.child_within_because(random.limit(), "a cause"),
            _ => CancelToken::any([&one, &other, &self.root]),
        }
    }

    fn cancel_one(&self, random: &mut Random) {
        let new = self.root.child();
        let old = mem::replace(&mut *self.requests[random.below(REQUESTS)].lock().unwrap(), new);
        match random.below(3) {
            0 => old.cancel_with("at random"),
            1 => drop(old.cancel_on_drop()),
            _ => drop(old.child_within(random.limit())),
        }
    }
}

/// A callback, and what becomes of it. Some use the tree.
fn callback(world: &Arc<World>, random: &mut Random) -> (impl FnOnce() + Send + 'static, Arc<Fate>) {
    let fate = Arc::<Fate>::default();
    let (captured, own, kind) = (Captured(Arc::clone(world)), Arc::clone(&fate), random.below(20));
    world.registered.inc();
    let mut random = Random::new(random.below(1_000_000));
    let called = move || {
        own.seal(CALLED);
        let world = &captured.0;
        world.called.inc();
        match kind {
            0 => world.cancel_one(&mut random),
            1 => drop(world.token(&mut random).child()),
            2 => _ = world.token(&mut random).cancelled_owned(),
            _ => {}
        }
    };
    (called, fate)
}

/// What a thread has in hand.
#[derive(Default)]
struct Hand {
    kept: Vec<(OnCancel, Arc<Fate>)>,
    tasks: Vec<(Pin<Box<CancelledFutureOwned>>, Arc<Wakes>)>,
}

/// Counts how often it was woken since the last poll.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Hand {
    fn take_back(&mut self, world: &World, at: usize) {
        let (kept, fate) = self.kept.swap_remove(at);
        if kept.take_back() {
            fate.seal(TAKEN);
            world.taken.inc();
        }
    }

    fn poll(&mut self, at: usize) {
        let (task, wakes) = &mut self.tasks[at];
        // A new one each time: that of the last poll is woken at most once, and others never again.
        assert!(wakes.0.load(Relaxed) <= 1);
        *wakes = Arc::default();
        let waker = Waker::from(Arc::clone(wakes));
        if task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            drop(self.tasks.swap_remove(at));
        }
    }

    fn turn(&mut self, world: &Arc<World>, random: &mut Random) {
        match random.below(12) {
            0..=2 => {
                let (callback, fate) = callback(world, random);
                self.kept.push((world.token(random).on_cancel(callback), fate));
            }
            3 => {
                let (callback, _) = callback(world, random);
                world.token(random).on_cancel(callback).detach();
            }
            4 => {
                let (interrupt, fate) = callback(world, random);
                let (token, time) = (world.token(random), random.limit());
                token.interrupting(interrupt, || _ = world.root.sleep(time));
                // It is called now or never.
                if fate.0.swap(TAKEN, Relaxed) == 0 {
                    world.taken.inc();
                } else {
                    assert!(token.is_cancelled());
                }
                assert_eq!(Arc::strong_count(&fate), 1);
            }
            5 | 6 if !self.kept.is_empty() => self.take_back(world, random.below(self.kept.len())),
            7 if !self.kept.is_empty() => self.kept.swap_remove(random.below(self.kept.len())).0.detach(),
            8 => self.tasks.push((Box::pin(world.token(random).cancelled_owned()), Arc::default())),
            9 | 10 if !self.tasks.is_empty() => self.poll(random.below(self.tasks.len())),
            11 => world.cancel_one(random),
            _ => assert_eq!(world.root.sleep(random.limit()), Ok(())),
        }
        while self.kept.len() > 20 {
            self.take_back(world, 0);
        }
        if self.tasks.len() > 20 {
            drop(self.tasks.swap_remove(0));
        }
    }
}

fn storm(roll: &Roll, span: Span) -> u64 {
    let world = Arc::new(World::default());
    world.requests.iter().for_each(|request| *request.lock().unwrap() = world.root.child());
    let turns = Counter::new(0);
    thread::scope(|threads| {
        let (world, turns) = (&world, &turns);
        for thread in 0..THREADS {
            roll.spawn(threads, format!("callbacks {thread}"), move || {
                let (mut random, mut hand) = (Random::new(thread), Hand::default());
                for _ in span.rounds() {
                    turns.inc();
                    hand.turn(world, &mut random);
                }
                while let Some(at) = hand.kept.len().checked_sub(1) {
                    hand.take_back(world, at);
                }
                for (mut task, _) in hand.tasks {
                    // What has ended says so, whenever it was polled last.
                    let end = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                    let again = pin!(task).poll(&mut Context::from_waker(Waker::noop()));
                    assert!(end.is_pending() || again == end || again == Poll::Ready(raddle::Stopped::Cancelled));
                }
            });
        }
    });
    // What is detached and live is called now.
    world.root.cancel();
    let [registered, called, taken] = [&world.registered, &world.called, &world.taken].map(Counter::get);
    // The thread of the deadlines may still be at its last.
    while world.dropped.get() != registered {
        thread::sleep(Duration::from_micros(100));
    }
    assert!(world.called.get() >= called && called + taken <= registered);
    assert!(cfg!(miri) || (called != 0 && taken != 0), "{called}, {taken}");
    turns.get()
}

#[test]
fn callbacks_at_random() {
    watched(|roll| storm(roll, Span::short(20_000)));
}

#[test]
#[ignore = "as long as RADDLE_STRESS_SECONDS says"]
fn callbacks_at_random_for_long() {
    for_long(storm);
}
