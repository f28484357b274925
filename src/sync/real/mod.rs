//! The shipped world: core atomics, `parking_lot_core`, the system's clock.

mod alarm;
mod lock;
mod process;
mod running;
mod shown;
mod slot;
mod spin;
mod threads;

pub(crate) use alarm::{Alarm, Due, alarm};
pub(crate) use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, Ordering};
pub(crate) use lock::Lock;
pub(crate) use parking_lot_core::{
    FilterOp, ParkResult, ParkToken, UnparkResult, UnparkToken, park, unpark_all, unpark_filter,
};
pub(crate) use process::{Own, PerProcess};
pub(crate) use running::{Running, never_unwind, spawn};
pub(crate) use shown::Shown;
pub(crate) use slot::Slot;
pub(crate) use spin::Spin;
pub(crate) use std::hash::RandomState as HashState;
pub(crate) use std::thread::{Thread, ThreadId, panicking, yield_now};
pub(crate) use threads::{each_shown, show};

use std::ptr;
use std::time::Instant;

/// Reads the monotonic clock.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Whether waits are recorded.
pub(crate) const fn is_recording() -> bool {
    true
}

/// Reads the clock for a report.
pub(crate) fn stamp() -> Instant {
    now()
}

/// The calling thread.
pub(crate) fn current() -> Thread {
    std::thread::current()
}

/// The calling thread.
#[cold]
pub(crate) fn thread_id() -> ThreadId {
    std::thread::current().id()
}

/// Loads a word that only the calling thread stores to.
///
/// # Safety
/// No other thread stores to `word` unless that store happens-before this load or is ordered after it.
#[inline(always)]
pub(crate) unsafe fn owned_load(word: &AtomicU64) -> u64 {
    // Relaxed: no other thread stores, so this reads the caller's own last store or the one handed over with the word.
    word.load(Ordering::Relaxed)
}

/// The same pointer, as one value. The compiler would otherwise leave the sum of a base and an offset to the instruction that
/// uses it, and from such an address Intel's cores do not forward a store to the next load for nothing: an increment in place
/// by the same thread over and over took 1.7 ns instead of 0.5 (Sapphire Rapids).
#[inline(always)]
pub(crate) fn in_register<T>(pointer: *mut T) -> *mut T {
    #[cfg(all(target_arch = "x86_64", target_pointer_width = "64", not(miri)))]
    {
        #![allow(clippy::pointers_in_nomem_asm_block, reason = "nothing is read through it")]
        let mut same = pointer;
        // SAFETY: there is no instruction, so nothing changes.
        unsafe { core::arch::asm!("/* {} */", inout(reg) same, options(pure, nomem, nostack, preserves_flags)) };
        same
    }
    #[cfg(not(all(target_arch = "x86_64", target_pointer_width = "64", not(miri))))]
    pointer
}

/// The same word, of which, on x86-64, the compiler knows nothing: what is computed of it is not made into a branch.
#[inline(always)]
pub(crate) fn opaque(word: usize) -> usize {
    in_register(ptr::without_provenance_mut::<()>(word)).addr()
}

/// Shared data whose access is ordered by something else.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct UnsafeCell<T: ?Sized>(core::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

impl<T: ?Sized> UnsafeCell<T> {
    /// # Safety
    /// No write to the value overlaps the life of the reference.
    #[inline(always)]
    pub(crate) unsafe fn shared(&self) -> &T {
        // SAFETY: the caller promises that nothing writes while the reference lives.
        unsafe { &*self.0.get() }
    }

    /// # Safety
    /// No other access to the value overlaps the life of the reference.
    #[inline(always)]
    #[allow(clippy::mut_from_ref, reason = "that is what an UnsafeCell is for; the contract is in # Safety")]
    pub(crate) unsafe fn exclusive(&self) -> &mut T {
        // SAFETY: the caller promises that nothing else accesses the value while the reference lives.
        unsafe { &mut *self.0.get() }
    }

    #[inline(always)]
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }
}

/// Runs the body of a `drop`.
#[inline(always)]
pub(crate) fn cleanup(f: impl FnOnce()) {
    f();
}

/// A process-wide value, as [`global!`] hands it out.
pub(crate) type Global<T> = &'static T;

/// A value of this process, as [`per_process!`] hands it out.
pub(crate) type ForProcess<T> = &'static Own<T>;

macro_rules! const_fn {
    ($($item:tt)*) => { $($item)* };
}

/// An array whose elements are made one by one, in a `const_fn!`.
macro_rules! array {
    ($element:expr; $len:expr) => {
        [const { $element }; $len]
    };
}

macro_rules! local {
    ($(#[$attr:meta])* static $name:ident: $t:ty = $init:expr) => {
        ::std::thread_local! { $(#[$attr])* static $name: $t = const { $init } }
    };
}

macro_rules! global {
    ($(#[$attr:meta])* fn $name:ident() -> $t:ty = $init:expr) => {
        $(#[$attr])*
        fn $name() -> $crate::sync::Global<$t> {
            static VALUE: $t = $init;
            &VALUE
        }
    };
}

macro_rules! per_process {
    ($(#[$attr:meta])* fn $name:ident() -> $t:ty = $init:expr) => {
        $(#[$attr])*
        fn $name() -> $crate::sync::ForProcess<$t> {
            static VALUE: $crate::sync::PerProcess<$t> = $crate::sync::PerProcess::new();
            VALUE.get(|| $init)
        }
    };
}

macro_rules! ord {
    ($site:literal, $order:ident) => {
        $crate::sync::Ordering::$order
    };
}

macro_rules! step {
    ($site:literal) => {
        true
    };
}

macro_rules! covered {
    ($mark:literal) => {
        ()
    };
}

pub(crate) use {array, const_fn, covered, global, local, ord, per_process, step};
