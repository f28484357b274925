//! serde's traits for the crate's types: the value, and for a lock its id as well.

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

use crate::{Counter, LockError, LockId, OnceCell, OrderedMutex, OrderedRwLock};

/// The serialised form of a lock.
#[derive(Serialize)]
#[serde(rename = "Ordered")]
struct Lent<'a, T: ?Sized> {
    id: LockId,
    value: &'a T,
}

/// The deserialised form of a lock.
#[derive(Deserialize)]
#[serde(rename = "Ordered")]
struct Owned<T> {
    id: LockId,
    value: T,
}

fn refused<E: ser::Error>(error: LockError) -> E {
    E::custom(error)
}

/// Serialises the lock as a struct of `id` and `value`. Needs the feature `serde`.
///
/// The call holds the lock meanwhile, and blocks until it is available. For a limit, acquire the lock first and
/// serialise the guard's value. An error of the lock (out of order, poisoned) is the serializer's error.
impl<T: Serialize + ?Sized> Serialize for OrderedMutex<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = &*self.lock().map_err(refused)?;
        Lent { id: self.id(), value }.serialize(serializer)
    }
}

/// Deserialises a free lock with the id that was serialised. Needs the feature `serde`.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for OrderedMutex<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Owned::deserialize(deserializer).map(|Owned { id, value }| Self::with_id(id, value))
    }
}

/// Serialises the lock as a struct of `id` and `value`. Needs the feature `serde`.
///
/// The call holds the lock to read meanwhile, and blocks until it is available. For a limit, acquire the lock first and
/// serialise the guard's value. An error of the lock (out of order, poisoned) is the serializer's error.
impl<T: Serialize + ?Sized> Serialize for OrderedRwLock<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = &*self.read().map_err(refused)?;
        Lent { id: self.id(), value }.serialize(serializer)
    }
}

/// Deserialises a free lock with the id that was serialised. Needs the feature `serde`.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for OrderedRwLock<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Owned::deserialize(deserializer).map(|Owned { id, value }| Self::with_id(id, value))
    }
}

/// Serialises the cell as an `Option`: `None` if it has no value yet. Never waits. Needs the feature `serde`.
impl<T: Serialize> Serialize for OnceCell<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.get().serialize(serializer)
    }
}

/// Deserialises a cell with the value that was serialised, or an empty cell. Needs the feature `serde`.
///
/// (A `None` in an `OnceCell<Option<T>>` becomes an empty cell where the format writes it as no value, as JSON does.)
impl<'de, T: Deserialize<'de>> Deserialize<'de> for OnceCell<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or_else(OnceCell::new, OnceCell::with_value))
    }
}

/// Serialises the counter as its number. Needs the feature `serde`.
impl Serialize for Counter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.get())
    }
}

/// Deserialises a counter from its number. Needs the feature `serde`.
impl<'de> Deserialize<'de> for Counter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Counter::new)
    }
}
