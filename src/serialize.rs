//! What serde writes and reads of the crate's types: the value, and of a lock its id as well.

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

use crate::{Counter, LockError, LockId, OnceCell, OrderedMutex, OrderedRwLock};

/// A lock as it is written.
#[derive(Serialize)]
#[serde(rename = "Ordered")]
struct Lent<'a, T: ?Sized> {
    id: LockId,
    value: &'a T,
}

/// A lock as it is read.
#[derive(Deserialize)]
#[serde(rename = "Ordered")]
struct Owned<T> {
    id: LockId,
    value: T,
}

fn refused<E: ser::Error>(error: LockError) -> E {
    E::custom(error)
}

/// As a struct of `id` and `value`, with the feature `serde`. The lock is held meanwhile, and waited for as long as it
/// takes; who wants a limit takes the lock first and writes what the guard lends. An error of the lock (out of order,
/// poisoned) is the serializer's error.
impl<T: Serialize + ?Sized> Serialize for OrderedMutex<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = &*self.lock().map_err(refused)?;
        Lent { id: self.id(), value }.serialize(serializer)
    }
}

/// A free lock with the id that was written, with the feature `serde`.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for OrderedMutex<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Owned::deserialize(deserializer).map(|Owned { id, value }| Self::with_id(id, value))
    }
}

/// As a struct of `id` and `value`, with the feature `serde`. The lock is read meanwhile, and waited for as long as it
/// takes; who wants a limit takes the lock first and writes what the guard lends. An error of the lock (out of order,
/// poisoned) is the serializer's error.
impl<T: Serialize + ?Sized> Serialize for OrderedRwLock<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = &*self.read().map_err(refused)?;
        Lent { id: self.id(), value }.serialize(serializer)
    }
}

/// A free lock with the id that was written, with the feature `serde`.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for OrderedRwLock<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Owned::deserialize(deserializer).map(|Owned { id, value }| Self::with_id(id, value))
    }
}

/// As an option: nothing where no value is there yet, with the feature `serde`. Never waits.
impl<T: Serialize> Serialize for OnceCell<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.get().serialize(serializer)
    }
}

/// With the value that was written, or empty; with the feature `serde`. (A `None` in an `OnceCell<Option<T>>` is empty where
/// the format writes it as no value, as JSON does.)
impl<'de, T: Deserialize<'de>> Deserialize<'de> for OnceCell<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or_else(OnceCell::new, OnceCell::with_value))
    }
}

/// As the number, with the feature `serde`.
impl Serialize for Counter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.get())
    }
}

/// From the number, with the feature `serde`.
impl<'de> Deserialize<'de> for Counter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Counter::new)
    }
}
