//! The model world: loom's types, and small models of what loom does not have.
//!
//! Only these are modelled rather than shared with the shipped build: parking a thread ([`lot`]), the clock ([`clock`]),
//! process-wide values ([`execution`]), thread-locals and the owned-slot load of the sharded counter.

mod alarm;
pub(crate) mod clock;
pub(crate) mod execution;
pub(crate) mod lot;
pub(crate) mod marks;
mod running;
mod slot;

pub(crate) use alarm::{Alarm, Due, alarm};
pub(crate) use clock::{now, stamp};
pub(crate) use execution::{Global, is_recording, panicking};
pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, Ordering};
pub(crate) use loom::thread::{Thread, ThreadId, current};
pub(crate) use lot::{FilterOp, ParkResult, ParkToken, UnparkResult, UnparkToken, park, unpark_all, unpark_filter};
pub(crate) use running::{Running, never_unwind, spawn};
pub(crate) use slot::Slot;

/// Hashes the same in each execution.
pub(crate) type HashState = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

/// The calling thread of the model.
pub(crate) fn thread_id() -> ThreadId {
    loom::thread::current().id()
}

/// Loads a word that only the calling thread stores to; loom reports a race if another thread's store is not ordered.
///
/// Besides finding shared slots, this keeps the load from being a branch point: published loom would stop exploring
/// at a load that is followed by the same thread's store.
///
/// # Safety
/// As for the shipped one: no store by another thread is unordered with this load.
#[track_caller]
pub(crate) unsafe fn owned_load(word: &AtomicU64) -> u64 {
    // SAFETY: the caller's promise; loom checks it.
    unsafe { word.unsync_load() }
}

/// Words that one thread writes and others may read while it writes none; loom checks that.
pub(crate) struct Shown<const N: usize>(UnsafeCell<[u64; N]>);

impl<const N: usize> Shown<N> {
    pub(crate) fn new(first: u64) -> Self {
        let mut words = [0; N];
        words[0] = first;
        Self(UnsafeCell::new(words))
    }

    #[track_caller]
    pub(crate) fn get(&self, at: usize) -> u64 {
        // SAFETY: loom checks it.
        (unsafe { self.0.shared() })[at]
    }

    #[track_caller]
    pub(crate) fn set(&self, at: usize, word: u64) {
        // SAFETY: loom checks it.
        (unsafe { self.0.exclusive() })[at] = word;
    }

    #[track_caller]
    pub(crate) fn read(&self, at: usize) -> u64 {
        self.get(at)
    }
}

/// Nothing: loom tries all orders.
pub(crate) fn yield_now() {}

/// No thread is shown.
pub(crate) unsafe fn show<T: Sync>(_what: &T) {}

/// No thread is shown.
pub(crate) unsafe fn each_shown<T: Sync + 'static>(_f: impl FnMut(&T, &Thread)) {}

/// Something under loom's lock.
pub(crate) struct Lock<T>(loom::sync::Mutex<T>);

impl<T> Lock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn hold(&self) -> loom::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// As the shipped one, for whose sake it is.
pub(crate) fn in_register<T>(pointer: *mut T) -> *mut T {
    pointer
}

/// As the shipped one, for whose sake it is.
pub(crate) fn opaque(word: usize) -> usize {
    word
}

/// Shared data whose access is ordered by something else; loom reports an access that is not.
#[derive(Debug)]
pub(crate) struct UnsafeCell<T: ?Sized>(loom::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    #[track_caller]
    pub(crate) fn new(value: T) -> Self {
        Self(loom::cell::UnsafeCell::new(value))
    }

    #[track_caller]
    pub(crate) fn into_inner(self) -> T {
        // Checked as a write, which loom's own into_inner is not.
        self.0.with_mut(|_| ());
        self.0.into_inner()
    }
}

impl<T: ?Sized> UnsafeCell<T> {
    /// # Safety
    /// No write to the value overlaps the life of the reference.
    #[track_caller]
    pub(crate) unsafe fn shared(&self) -> &T {
        // SAFETY: the caller promises that nothing writes while the reference lives.
        self.0.with(|value| unsafe { &*value })
    }

    /// # Safety
    /// No other access to the value overlaps the life of the reference.
    #[track_caller]
    #[allow(clippy::mut_from_ref, reason = "that is what an UnsafeCell is for; the contract is in # Safety")]
    pub(crate) unsafe fn exclusive(&self) -> &mut T {
        // SAFETY: the caller promises that nothing else accesses the value while the reference lives.
        self.0.with_mut(|value| unsafe { &mut *value })
    }

    #[track_caller]
    pub(crate) fn get_mut(&mut self) -> &mut T {
        // SAFETY: `&mut self` excludes every other access.
        unsafe { self.exclusive() }
    }
}

/// A value of this process. A model does not fork.
pub(crate) struct Own<T>(pub(crate) T);

impl<T> Own<T> {
    pub(crate) fn is_inherited(&self) -> bool {
        false
    }
}

impl<T> std::ops::Deref for Own<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A value of this process, as [`per_process!`] hands it out.
pub(crate) type ForProcess<T> = Global<Own<T>>;

/// Runs the body of a `drop`.
///
/// When loom has found a failure it unwinds the model's threads, outside of any execution: what a drop does then panics in
/// turn, which would abort the process and hide the report. Nothing that it does counts any more.
pub(crate) fn cleanup(f: impl FnOnce()) {
    if std::thread::panicking() {
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
    } else {
        f();
    }
}

/// Never spins.
#[derive(Default)]
pub(crate) struct Spin;

impl Spin {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) fn spin(&mut self, _patient: bool, _over: impl FnOnce() -> bool) -> bool {
        false
    }

    pub(crate) fn reset(&mut self) {}

    pub(crate) fn pause_while(_is_so: impl Fn() -> bool) {}
}

macro_rules! const_fn {
    ($(#[$attr:meta])* $vis:vis const fn $($rest:tt)*) => { $(#[$attr])* $vis fn $($rest)* };
    ($(#[$attr:meta])* $vis:vis const unsafe fn $($rest:tt)*) => { $(#[$attr])* $vis unsafe fn $($rest)* };
}

macro_rules! array {
    ($element:expr; $len:expr) => {
        ::std::array::from_fn::<_, { $len }, _>(|_| $element)
    };
}

macro_rules! local {
    ($(#[$attr:meta])* static $name:ident: $t:ty = $init:expr) => {
        ::loom::thread_local! { $(#[$attr])* static $name: $t = $init }
    };
}

macro_rules! global {
    ($(#[$attr:meta])* fn $name:ident() -> $t:ty = $init:expr) => {
        $(#[$attr])*
        fn $name() -> $crate::sync::Global<$t> {
            $crate::sync::model::execution::global($name as fn() -> $crate::sync::Global<$t> as usize, || $init)
        }
    };
}

macro_rules! per_process {
    ($(#[$attr:meta])* fn $name:ident() -> $t:ty = $init:expr) => {
        $(#[$attr])*
        fn $name() -> $crate::sync::ForProcess<$t> {
            $crate::sync::model::execution::global($name as fn() -> $crate::sync::ForProcess<$t> as usize, || {
                $crate::sync::model::Own($init)
            })
        }
    };
}

macro_rules! ord {
    ($site:literal, $order:ident) => {
        $crate::sync::model::marks::ordering($site, $crate::sync::Ordering::$order)
    };
}

macro_rules! step {
    ($site:literal) => {
        $crate::sync::model::marks::step($site)
    };
}

macro_rules! covered {
    ($mark:literal) => {
        $crate::sync::model::marks::cover($mark)
    };
}

pub(crate) use {array, const_fn, covered, global, local, ord, per_process, step};
