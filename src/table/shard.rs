//! A part of a table: a map from the hashes of keys to the locks of these keys.
//!
//! Invariants, all under the lock of the shard:
//! 1. A slot is in the map of its shard from when it is made until it is freed, in the chain of those with its hash.
//! 2. `users` counts who holds the lock of the slot, waits for it, or is about to. So a slot without users is touched by nobody who has
//!    not the lock of the shard.
//! 3. A slot without users has a value or is poisoned: the last user takes it out of the map otherwise, and frees it.
//!
//! The code of keys runs under the lock of a shard: `Eq`, `Borrow` and `ToOwned`. It must not use a table; if it does, that is a panic.
//! They are hashed before, and keys and values are dropped after.

use std::borrow::Borrow;
use std::cell::Cell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr::{self, NonNull};

use crate::lock::{Keyed, LockClass, LockId, Show};
use crate::sync::{UnsafeCell, local, next_numbers, step};
use crate::wait::RawMutex;

/// The lock of one key, and its value.
#[repr(C)]
pub(super) struct Slot<K, V> {
    /// First, so that it is where the slot is.
    pub(super) keyed: Keyed,
    pub(super) id: LockId,
    hash: u64,
    /// Under the lock of the shard.
    users: UnsafeCell<usize>,
    /// The next in the chain, under the lock of the shard.
    next: UnsafeCell<Option<NonNull<Slot<K, V>>>>,
    pub(super) key: K,
    /// Under the slot's own lock; of the shard's lock's holder if there are no users.
    pub(super) value: UnsafeCell<Option<V>>,
}

pub(super) struct Shard<K, V> {
    lock: RawMutex,
    map: UnsafeCell<Map<K, V>>,
    /// Numbers for new slots.
    numbers: UnsafeCell<Range<u64>>,
    /// The memory of a slot that is gone, for the next.
    spare: UnsafeCell<Option<Memory<K, V>>>,
}

/// How many numbers a shard takes at once.
const NUMBERS: u64 = 1024;

/// Where a slot was, or may be.
type Memory<K, V> = Box<MaybeUninit<Slot<K, V>>>;

/// The first slot for each hash.
type Map<K, V> = HashMap<u64, NonNull<Slot<K, V>>, BuildHasherDefault<AsItIs>>;

/// Hashes are hashes already.
#[derive(Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("only hashes are hashed");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A map that is larger gives room back when it is mostly empty.
const ROOM: usize = 64;

local! {
    /// Whether the thread runs the code of a key, under the lock of a shard.
    static IN_KEY: Cell<bool> = Cell::new(false)
}

/// Runs the code of a key, which must not come back here.
fn in_key<R>(code: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            IN_KEY.with(|in_key| in_key.set(false));
        }
    }

    IN_KEY.with(|in_key| in_key.set(true));
    let _leave = Leave;
    code()
}

/// The next number.
fn next(numbers: &mut Range<u64>) -> u64 {
    numbers.next().unwrap_or_else(|| {
        *numbers = next_numbers(NUMBERS);
        numbers.next().expect("there are more than none")
    })
}

impl<K, V> Shard<K, V> {
    pub(super) fn new() -> Self {
        Self {
            lock: RawMutex::new(),
            map: UnsafeCell::new(Map::default()),
            numbers: UnsafeCell::new(0..0),
            spare: UnsafeCell::new(None),
        }
    }

    /// Calls `f` with the map, under the lock.
    #[track_caller]
    fn with<R>(&self, f: impl FnOnce(&mut Map<K, V>) -> R) -> R {
        if IN_KEY.with(Cell::get) {
            panic!("a LockTable was used by the Eq, Borrow or ToOwned of a key, under a lock of the table");
        }
        let _held = self.lock.hold();
        // SAFETY: the lock is held, and the map is used nowhere else.
        f(unsafe { self.map.exclusive() })
    }

    /// Returns the slot of a key, with one user more. If there is none it is made.
    #[track_caller]
    pub(super) fn enter<Q>(&self, hash: u64, key: &Q, class: &LockClass, show: Show) -> NonNull<Slot<K, V>>
    where
        K: Borrow<Q>,
        Q: Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.with(|map| {
            let first = map.entry(hash);
            let head = match &first {
                Entry::Occupied(first) => Some(*first.get()),
                Entry::Vacant(_) => None,
            };
            // SAFETY: the lock is held, and this is a chain of the map.
            if let Some(found) = unsafe { find(head, key) } {
                // SAFETY: as above.
                unsafe { *found.as_ref().users.exclusive() += 1 };
                return found;
            }
            let slot = Slot {
                keyed: Keyed::new(show),
                // SAFETY: the lock is held.
                id: class.numbered(next(unsafe { self.numbers.exclusive() })),
                hash,
                users: UnsafeCell::new(1),
                next: UnsafeCell::new(head),
                key: in_key(|| key.to_owned()),
                value: UnsafeCell::new(None),
            };
            // SAFETY: the lock is held.
            let memory = unsafe { self.spare.exclusive() }.take().unwrap_or_else(Box::new_uninit);
            let slot = NonNull::from(Box::leak(memory).write(slot));
            // For `Show`, which gets an address.
            slot.as_ptr().expose_provenance();
            match first {
                Entry::Occupied(mut first) => _ = first.insert(slot),
                Entry::Vacant(first) => _ = first.insert(slot),
            }
            slot
        })
    }

    /// Returns the slot of a key, with one user more, if there is one.
    #[track_caller]
    pub(super) fn enter_if_there<Q>(&self, hash: u64, key: &Q) -> Option<NonNull<Slot<K, V>>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.with(|map| {
            // SAFETY: the lock is held, and this is a chain of the map.
            let found = unsafe { find(map.get(&hash).copied(), key) }?;
            // SAFETY: as above.
            unsafe { *found.as_ref().users.exclusive() += 1 };
            Some(found)
        })
    }

    /// A user leaves. If it is the last, and the slot has no value and is not poisoned, the slot is freed.
    ///
    /// # Safety
    /// The caller is a user of the slot, which is of this shard, and is none from here on.
    #[track_caller]
    #[inline(never)]
    pub(super) unsafe fn leave(&self, slot: NonNull<Slot<K, V>>) {
        let gone: Option<Slot<K, V>> = self.with(|map| {
            // SAFETY: the caller is a user, so the slot is there.
            let this = unsafe { slot.as_ref() };
            // SAFETY: the lock is held.
            let users = unsafe { this.users.exclusive() };
            *users -= 1;
            if *users > 0 {
                return None;
            }
            // SAFETY: nobody uses the slot any more, and who comes needs the lock of the shard.
            let vacant = unsafe { this.value.shared() }.is_none() && !this.keyed.raw().is_poisoned();
            if !vacant || !step!("table.leave-removes") {
                return None;
            }
            // SAFETY: the lock is held, and the slot is in the map (invariant 1).
            unsafe { unlink(map, slot) };
            if map.capacity() > ROOM && map.len() < map.capacity() / 8 {
                map.shrink_to(map.len() * 2);
            }
            // SAFETY: made by `enter`, and out of the map, so nobody finds it any more. What is read is not used there again.
            let (gone, memory) =
                unsafe { (slot.as_ptr().read(), Box::from_raw(slot.as_ptr().cast::<MaybeUninit<_>>())) };
            // SAFETY: the lock is held.
            unsafe { self.spare.exclusive() }.get_or_insert(memory);
            Some(gone)
        });
        // Here the key is dropped, without the lock.
        drop(gone);
    }

    /// How many slots there are.
    #[track_caller]
    pub(super) fn len(&self) -> usize {
        self.with(|map| {
            // SAFETY: the lock is held, and these are the chains of the map.
            map.values().map(|first| unsafe { chain(Some(*first)) }.count()).sum()
        })
    }
}

impl<K, V> Drop for Shard<K, V> {
    fn drop(&mut self) {
        // Before any of it is freed: what a key or a value does when it is dropped may panic.
        let map = std::mem::take(self.map.get_mut());
        let slots: Vec<_> =
            // SAFETY: nobody else has the shard, and these are the chains of the map.
            map.values().flat_map(|first| unsafe { chain(Some(*first)) }).map(|slot| {
                // SAFETY: made by `enter`, and in the map once. Its users have forgotten it.
                unsafe { Box::from_raw(slot.as_ptr()) }
            }).collect();
        drop(slots);
    }
}

/// The slots from this one on.
///
/// # Safety
/// The slots stay in their chain while the iterator lives, and their shard's lock is held.
unsafe fn chain<K, V>(first: Option<NonNull<Slot<K, V>>>) -> impl Iterator<Item = NonNull<Slot<K, V>>> {
    // SAFETY: passed on to the caller.
    std::iter::successors(first, |slot| *unsafe { slot.as_ref().next.shared() })
}

/// The slot of a key in this chain.
///
/// # Safety
/// As [`chain`].
unsafe fn find<K, V, Q>(first: Option<NonNull<Slot<K, V>>>, key: &Q) -> Option<NonNull<Slot<K, V>>>
where
    K: Borrow<Q>,
    Q: Eq + ?Sized,
{
    // SAFETY: passed on to the caller; keys do not change.
    let is_it = |slot: &NonNull<Slot<K, V>>| unsafe { in_key(|| slot.as_ref().key.borrow() == key) };
    // SAFETY: passed on to the caller.
    unsafe { chain(first) }.find(is_it)
}

/// Takes a slot out of the map.
///
/// # Safety
/// The lock of the shard is held, and the slot is in its map.
unsafe fn unlink<K, V>(map: &mut Map<K, V>, slot: NonNull<Slot<K, V>>) {
    // SAFETY: passed on to the caller, here and below.
    let (hash, next) = unsafe { (slot.as_ref().hash, *slot.as_ref().next.shared()) };
    let Entry::Occupied(mut first) = map.entry(hash) else { unreachable!("the slot is in the map") };
    if ptr::eq(first.get().as_ptr(), slot.as_ptr()) {
        match next {
            Some(next) => _ = first.insert(next),
            None => _ = first.remove(),
        }
        return;
    }
    // SAFETY: as above.
    let before =
        unsafe { chain(Some(*first.get())) }.find(|before| unsafe { *before.as_ref().next.shared() } == Some(slot));
    // SAFETY: as above.
    unsafe { *before.expect("the slot is in its chain").as_ref().next.exclusive() = next };
}
