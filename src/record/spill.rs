//! Guards of a thread that holds many, of which the highest is found at once, and any goes in logarithmic time.
//!
//! Two binary heaps: all guards, and those of them that are gone. Where the highest of both is the same it leaves both; and before
//! half of all are gone both are sorted, and what is gone is taken out.
//!
//! Both heaps always have room for all guards, so only [`reserve`](Spill::reserve) allocates; that, and [`free`](Spill::free), leave
//! the guards whole meanwhile.

use std::cell::Cell;
use std::collections::BinaryHeap;
use std::mem;

use super::hold::Hold;

/// How many guards there is room for at first.
const FIRST: usize = 16;

pub(super) struct Spill(Cell<Heaps>);

#[derive(Default)]
struct Heaps {
    all: BinaryHeap<Hold>,
    /// Each is in `all`, too. The highest of `all` is not here, unless it is there twice.
    gone: BinaryHeap<Hold>,
}

impl Spill {
    pub(super) const fn new() -> Self {
        Self(Cell::new(Heaps { all: BinaryHeap::new(), gone: BinaryHeap::new() }))
    }

    /// Nothing that is done in between allocates or frees.
    fn with<R>(&self, f: impl FnOnce(&mut Heaps) -> R) -> R {
        let mut heaps = self.0.take();
        let result = f(&mut heaps);
        self.0.set(heaps);
        result
    }

    pub(super) fn highest(&self) -> Option<Hold> {
        self.with(|heaps| heaps.all.peek().copied())
    }

    /// There is [room](Spill::reserve) for it.
    pub(super) fn push(&self, guard: Hold) {
        self.with(|heaps| heaps.all.push(guard));
    }

    /// The guard is here.
    pub(super) fn remove(&self, guard: Hold) {
        self.with(|heaps| heaps.remove(guard));
    }

    /// Whether there is such a guard.
    pub(super) fn any(&self, is_it: impl FnMut(Hold) -> bool) -> bool {
        self.with(|heaps| {
            heaps.take_out();
            heaps.all.iter().copied().any(is_it)
        })
    }

    /// Gives the heap back; no guard is here any more.
    pub(super) fn free(&self) {
        drop(self.0.take());
    }

    /// Whether there is room for one more guard, perhaps once those that are gone are taken out: a guard that is not the highest takes
    /// its room for longer than it lives.
    pub(super) fn has_room(&self) -> bool {
        self.with(|heaps| {
            if heaps.all.len() == heaps.room() && !heaps.gone.is_empty() {
                heaps.take_out();
            }
            heaps.all.len() < heaps.room()
        })
    }

    /// Makes room for so many more guards.
    pub(super) fn reserve(&self, more: usize) {
        loop {
            let (len, room) = self.with(|heaps| (heaps.all.len(), heaps.room()));
            if len + more <= room {
                return;
            }
            // The allocator may lock and unlock meanwhile, and so make room itself, or need more: only the larger of both is
            // kept, with what is here by now.
            let mut larger = Heaps::with_room((2 * room).max(FIRST));
            let unused = self.with(|heaps| {
                if larger.room() > heaps.room() {
                    larger.take_over(heaps);
                    mem::swap(&mut larger, heaps);
                }
                larger
            });
            drop(unused);
        }
    }
}

impl Heaps {
    fn with_room(room: usize) -> Self {
        Self { all: BinaryHeap::with_capacity(room), gone: BinaryHeap::with_capacity(room) }
    }

    fn room(&self) -> usize {
        self.all.capacity().min(self.gone.capacity())
    }

    /// Moves what is in the other heaps to these, which are empty and have room for it.
    fn take_over(&mut self, other: &mut Self) {
        for (mine, others) in [(&mut self.all, &mut other.all), (&mut self.gone, &mut other.gone)] {
            let mut guards = mem::take(mine).into_vec();
            guards.extend_from_slice(others.as_slice());
            *mine = guards.into();
            others.clear();
        }
    }

    fn remove(&mut self, guard: Hold) {
        self.gone.push(guard);
        while self.gone.peek().is_some() && self.gone.peek() == self.all.peek() {
            self.gone.pop();
            self.all.pop();
        }
        if self.gone.len() > self.all.len() / 2 {
            self.take_out();
        }
    }

    /// Takes out of all guards those that are gone.
    fn take_out(&mut self) {
        let mut all = mem::take(&mut self.all).into_sorted_vec();
        let mut gone = mem::take(&mut self.gone).into_sorted_vec();
        let mut next = gone.iter().peekable();
        all.retain(|guard| {
            // What is gone and was never here.
            while next.next_if(|gone| *gone < guard).is_some() {}
            next.next_if_eq(&guard).is_none()
        });
        gone.clear();
        *self = Self { all: all.into(), gone: gone.into() };
    }
}
