//! One read-write lock that all threads want: mostly to read, now and then to write.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crossbeam_utils::CachePadded;
use raddle::OrderedRwLock;

use crate::data::Data;
use crate::point::{Contender, Point};
use crate::run::{Served, run};
use crate::support::Role;
use crate::watch::Watch;
use crate::work::Work;

/// A lock under measurement; inlined, as [`one::Lock`](crate::one::Lock) is.
trait Lock: Sync + Sized + 'static {
    const NAME: &'static str;
    const ROLE: Role = Role::Peer;

    fn new() -> Self;
    fn reading<R>(&self, section: impl FnOnce(&Data) -> R) -> R;
    fn writing<R>(&self, section: impl FnOnce(&mut Data) -> R) -> R;
    fn sections(&mut self) -> u64;
}

impl Lock for OrderedRwLock<Data> {
    const NAME: &'static str = "raddle";
    const ROLE: Role = Role::Ours;

    fn new() -> Self {
        Self::new(1, Data::default())
    }

    #[inline(always)]
    fn reading<R>(&self, section: impl FnOnce(&Data) -> R) -> R {
        section(&self.read().expect("nothing is held"))
    }

    #[inline(always)]
    fn writing<R>(&self, section: impl FnOnce(&mut Data) -> R) -> R {
        section(&mut self.write().expect("nothing is held"))
    }

    fn sections(&mut self) -> u64 {
        self.get_mut().sections
    }
}

impl Lock for parking_lot::RwLock<Data> {
    const NAME: &'static str = "parking_lot";

    fn new() -> Self {
        Self::new(Data::default())
    }

    #[inline(always)]
    fn reading<R>(&self, section: impl FnOnce(&Data) -> R) -> R {
        section(&self.read())
    }

    #[inline(always)]
    fn writing<R>(&self, section: impl FnOnce(&mut Data) -> R) -> R {
        section(&mut self.write())
    }

    fn sections(&mut self) -> u64 {
        self.get_mut().sections
    }
}

impl Lock for parking_lot_012::RwLock<Data> {
    const NAME: &'static str = "parking_lot-0.12";

    fn new() -> Self {
        Self::new(Data::default())
    }

    #[inline(always)]
    fn reading<R>(&self, section: impl FnOnce(&Data) -> R) -> R {
        section(&self.read())
    }

    #[inline(always)]
    fn writing<R>(&self, section: impl FnOnce(&mut Data) -> R) -> R {
        section(&mut self.write())
    }

    fn sections(&mut self) -> u64 {
        self.get_mut().sections
    }
}

impl Lock for std::sync::RwLock<Data> {
    const NAME: &'static str = "std";

    fn new() -> Self {
        Self::new(Data::default())
    }

    #[inline(always)]
    fn reading<R>(&self, section: impl FnOnce(&Data) -> R) -> R {
        section(&self.read().expect("no holder panics"))
    }

    #[inline(always)]
    fn writing<R>(&self, section: impl FnOnce(&mut Data) -> R) -> R {
        section(&mut self.write().expect("no holder panics"))
    }

    fn sections(&mut self) -> u64 {
        self.get_mut().expect("no holder panics").sections
    }
}

/// Threads of which each writes once in `every` operations and reads in the others; all sections are as long.
#[derive(Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) threads: usize,
    pub(crate) every: u64,
    pub(crate) section: Duration,
}

impl Setting {
    pub(crate) fn point(self) -> Point {
        Point::new(vec![
            self.contender::<OrderedRwLock<Data>>(),
            self.contender::<parking_lot::RwLock<Data>>(),
            self.contender::<parking_lot_012::RwLock<Data>>(),
            self.contender::<std::sync::RwLock<Data>>(),
        ])
    }

    fn contender<L: Lock>(self) -> Contender {
        Contender::new(L::ROLE, L::NAME, move |length| {
            let mut lock = CachePadded::new(L::new());
            let (on, written, work) = (&*lock, AtomicU64::new(0), Work::lasting(self.section));
            let (found, _) = run(self.threads, length, |me, stop| {
                // Writes are so few that each is timed.
                let (mut reads, mut writes) = (Watch::new(self.section), Watch::of_each());
                // Not all write at once.
                let (mut left, mut seen, mut own) = (self.every * me as u64 / self.threads as u64, 0, 0);
                let operations = stop.count(|| {
                    if left > 0 {
                        left -= 1;
                        reads.begin();
                        let sections = on.reading(|data| {
                            reads.acquired();
                            data.read(work)
                        });
                        // A read waits only if there is a write.
                        reads.done(sections != seen);
                        seen = sections;
                    } else {
                        left = self.every - 1;
                        own += 1;
                        reads.pause();
                        writes.begin();
                        seen = on.writing(|data| {
                            writes.acquired();
                            data.change(me + 1, work);
                            data.sections
                        });
                        reads.resume();
                    }
                });
                written.fetch_add(own, Relaxed);
                Served { operations, wait: reads.longest(), write_wait: Some(writes.longest()) }
            });
            assert_eq!(lock.sections(), written.into_inner(), "{}: lost writes", L::NAME);
            found
        })
    }
}
