//! One mutex that all threads want.

use std::time::Duration;

use crossbeam_utils::CachePadded;
use raddle::OrderedMutex;

use crate::data::Data;
use crate::point::{Contender, Point};
use crate::run::{Served, run};
use crate::support::Role;
use crate::watch::Watch;
use crate::work::Work;

/// A mutex under measurement. Everything is inlined into its loop, or the compiler's guess of what is too long to inline
/// would be part of the comparison.
pub(crate) trait Lock: Sync + Sized + 'static {
    const NAME: &'static str;
    const ROLE: Role = Role::Peer;

    fn new(id: u64) -> Self;
    fn with<R>(&self, section: impl FnOnce(&mut Data) -> R) -> R;
    fn sections(&mut self) -> u64;
}

pub(crate) type Raddle = OrderedMutex<Data>;
pub(crate) type ParkingLot = parking_lot::Mutex<Data>;
pub(crate) type ParkingLot012 = parking_lot_012::Mutex<Data>;
pub(crate) type Std = std::sync::Mutex<Data>;

impl Lock for Raddle {
    const NAME: &'static str = "raddle";
    const ROLE: Role = Role::Ours;

    fn new(id: u64) -> Self {
        Self::new(id, Data::default())
    }

    #[inline(always)]
    fn with<R>(&self, section: impl FnOnce(&mut Data) -> R) -> R {
        section(&mut self.lock().expect("nothing is held"))
    }

    fn sections(&mut self) -> u64 {
        self.get_mut().sections
    }
}

impl Lock for ParkingLot {
    const NAME: &'static str = "parking_lot";

    fn new(_id: u64) -> Self {
        Self::new(Data::default())
    }

    #[inline(always)]
    fn with<R>(&self, section: impl FnOnce(&mut Data) -> R) -> R {
        section(&mut self.lock())
    }

    fn sections(&mut self) -> u64 {
        self.get_mut().sections
    }
}

impl Lock for ParkingLot012 {
    const NAME: &'static str = "parking_lot-0.12";

    fn new(_id: u64) -> Self {
        Self::new(Data::default())
    }

    #[inline(always)]
    fn with<R>(&self, section: impl FnOnce(&mut Data) -> R) -> R {
        section(&mut self.lock())
    }

    fn sections(&mut self) -> u64 {
        self.get_mut().sections
    }
}

impl Lock for Std {
    const NAME: &'static str = "std";

    fn new(_id: u64) -> Self {
        Self::new(Data::default())
    }

    #[inline(always)]
    fn with<R>(&self, section: impl FnOnce(&mut Data) -> R) -> R {
        section(&mut self.lock().expect("no holder panics"))
    }

    fn sections(&mut self) -> u64 {
        self.get_mut().expect("no holder panics").sections
    }
}

/// Threads that each take the lock, spend `section` with it, let it go, and spend `outside`.
#[derive(Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) threads: usize,
    pub(crate) section: Duration,
    pub(crate) outside: Duration,
}

impl Setting {
    pub(crate) fn point(self) -> Point {
        Point::new(vec![
            self.contender::<Raddle>(),
            self.contender::<ParkingLot>(),
            self.contender::<ParkingLot012>(),
            self.contender::<Std>(),
        ])
    }

    fn contender<L: Lock>(self) -> Contender {
        Contender::new(L::ROLE, L::NAME, move |length| {
            let mut lock = CachePadded::new(L::new(1));
            let (inside, outside) = (Work::lasting(self.section), Work::lasting(self.outside));
            let on = &*lock;
            let (found, done) = run(self.threads, length, |me, stop| {
                let (mut watch, mut own) = (Watch::new(self.section), 0);
                let operations = stop.count(|| {
                    watch.begin();
                    let others = on.with(|data| {
                        watch.acquired();
                        data.change(me + 1, inside)
                    });
                    watch.done(others);
                    own = outside.on(&own);
                });
                Served { operations, wait: watch.longest(), write_wait: None }
            });
            assert_eq!(lock.sections(), done, "{}: lost sections", L::NAME);
            found
        })
    }
}
