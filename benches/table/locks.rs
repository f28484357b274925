//! What a program takes that needs a lock for each key: ours, `lockable`'s, and by hand a map of locks, of which there are two forms. One
//! keeps what it has made; the other removes a lock that nobody else has when it is done with it, as ours and `lockable`'s do.
//!
//! Each hashes by std's `RandomState`.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use lockable::{LockPool, LockableHashMap, SyncLimit};
use raddle::{LockClass, LockTable};

use super::support::Role;

static KEY: LockClass = LockClass::new(1, "key");

/// A lock for each key, without a value. Everything is inlined into its loop.
pub(super) trait Locks: Send + Sync + 'static {
    const NAME: &'static str;
    const ROLE: Role = Role::Peer;

    fn new() -> Self;

    /// Holds the lock of a key.
    fn hold(&self, key: u64, section: impl FnOnce());

    /// Holds those of two keys; by hand the lower one is acquired first.
    #[inline(always)]
    fn hold_both(&self, [one, other]: [u64; 2], section: impl FnOnce()) {
        self.hold(one.min(other), || self.hold(one.max(other), section));
    }
}

/// A value for each key, under a lock of its own.
pub(super) trait Values: Send + Sync + 'static {
    const NAME: &'static str;
    const ROLE: Role = Role::Peer;

    fn new() -> Self;

    /// Adds one to the value of a key, which is zero at first.
    fn add_one(&self, key: u64);
}

impl Locks for LockTable<u64> {
    const NAME: &'static str = "raddle";
    const ROLE: Role = Role::Ours;

    fn new() -> Self {
        Self::new(&KEY)
    }

    #[inline(always)]
    fn hold(&self, key: u64, section: impl FnOnce()) {
        let _guard = self.lock(&key).expect("nothing is held");
        section();
    }

    #[inline(always)]
    fn hold_both(&self, [one, other]: [u64; 2], section: impl FnOnce()) {
        let _guard = self.lock_all([&one, &other]).expect("nothing is held");
        section();
    }
}

impl Locks for LockPool<u64> {
    const NAME: &'static str = "lockable";

    fn new() -> Self {
        Self::new()
    }

    #[inline(always)]
    fn hold(&self, key: u64, section: impl FnOnce()) {
        let _guard = self.blocking_lock(key);
        section();
    }
}

/// Locks in shards of maps.
pub(super) struct Dash<V>(DashMap<u64, Arc<Mutex<V>>>);

/// The same, and those are removed that nobody has.
pub(super) struct DashRemove(Dash<()>);

/// Locks in a map under one lock.
pub(super) struct Hash<V>(Mutex<HashMap<u64, Arc<Mutex<V>>>>);

/// The same, and those are removed that nobody has.
pub(super) struct HashRemove(Hash<()>);

impl<V: Default> Dash<V> {
    fn empty() -> Self {
        Self(DashMap::new())
    }

    #[inline(always)]
    fn lock(&self, key: u64) -> Arc<Mutex<V>> {
        Arc::clone(&self.0.entry(key).or_default())
    }
}

impl<V: Default> Hash<V> {
    fn empty() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    #[inline(always)]
    fn lock(&self, key: u64) -> Arc<Mutex<V>> {
        Arc::clone(self.0.lock().expect("no holder panics").entry(key).or_default())
    }
}

#[inline(always)]
fn hold(lock: &Mutex<()>, section: impl FnOnce()) {
    let _guard = lock.lock().expect("no holder panics");
    section();
}

impl Locks for Dash<()> {
    const NAME: &'static str = "dashmap";

    fn new() -> Self {
        Self::empty()
    }

    #[inline(always)]
    fn hold(&self, key: u64, section: impl FnOnce()) {
        hold(&self.lock(key), section);
    }
}

impl Locks for DashRemove {
    const NAME: &'static str = "dashmap-remove";

    fn new() -> Self {
        Self(Dash::empty())
    }

    #[inline(always)]
    fn hold(&self, key: u64, section: impl FnOnce()) {
        let lock = self.0.lock(key);
        hold(&lock, section);
        // Under the lock of the shard, from where alone it is cloned: so of two that leave one is the last.
        if let Entry::Occupied(entry) = self.0.0.entry(key) {
            drop(lock);
            if Arc::strong_count(entry.get()) == 1 {
                entry.remove();
            }
        }
    }
}

impl Locks for Hash<()> {
    const NAME: &'static str = "hashmap";

    fn new() -> Self {
        Self::empty()
    }

    #[inline(always)]
    fn hold(&self, key: u64, section: impl FnOnce()) {
        hold(&self.lock(key), section);
    }
}

impl Locks for HashRemove {
    const NAME: &'static str = "hashmap-remove";

    fn new() -> Self {
        Self(Hash::empty())
    }

    #[inline(always)]
    fn hold(&self, key: u64, section: impl FnOnce()) {
        use std::collections::hash_map::Entry;

        let lock = self.0.lock(key);
        hold(&lock, section);
        // As above.
        if let Entry::Occupied(entry) = self.0.0.lock().expect("no holder panics").entry(key) {
            drop(lock);
            if Arc::strong_count(entry.get()) == 1 {
                entry.remove();
            }
        }
    }
}

impl Values for LockTable<u64, u64> {
    const NAME: &'static str = "raddle";
    const ROLE: Role = Role::Ours;

    fn new() -> Self {
        Self::new(&KEY)
    }

    #[inline(always)]
    fn add_one(&self, key: u64) {
        *self.lock(&key).expect("nothing is held").get_or_insert(0) += 1;
    }
}

impl Values for LockableHashMap<u64, u64> {
    const NAME: &'static str = "lockable";

    fn new() -> Self {
        Self::new()
    }

    #[inline(always)]
    fn add_one(&self, key: u64) {
        let Ok(mut guard) = self.blocking_lock(key, SyncLimit::no_limit());
        *guard.value_or_insert(0) += 1;
    }
}

impl Values for Dash<u64> {
    const NAME: &'static str = "dashmap";

    fn new() -> Self {
        Self::empty()
    }

    #[inline(always)]
    fn add_one(&self, key: u64) {
        *self.lock(key).lock().expect("no holder panics") += 1;
    }
}

impl Values for Hash<u64> {
    const NAME: &'static str = "hashmap";

    fn new() -> Self {
        Self::empty()
    }

    #[inline(always)]
    fn add_one(&self, key: u64) {
        *self.lock(key).lock().expect("no holder panics") += 1;
    }
}

/// The limit: the lock of the shard, and none of the key.
impl Values for DashMap<u64, u64> {
    const NAME: &'static str = "shard";
    const ROLE: Role = Role::Limit;

    fn new() -> Self {
        Self::new()
    }

    #[inline(always)]
    fn add_one(&self, key: u64) {
        *self.entry(black_box(key)).or_default() += 1;
    }
}
