//! What serde writes and reads.

use std::thread;

use raddle::{Counter, LockClass, LockError, LockId, OnceCell, OrderedMutex, OrderedRwLock};
use serde::{Deserialize, Serialize};
use serde_json::{from_str, to_string};

#[derive(Serialize, Deserialize)]
struct Ward {
    beds: OrderedMutex<u32>,
    rules: OrderedRwLock<Vec<String>>,
    head: OnceCell<String>,
    deputy: OnceCell<String>,
    visits: Counter,
}

#[test]
fn what_is_written_is_read() {
    let ward = Ward {
        beds: OrderedMutex::with_id(LockId::in_class(2, 7), 40),
        rules: OrderedRwLock::with_id(LockId::from(u128::MAX), vec!["quiet".to_owned()]),
        head: OnceCell::with_value("Li".to_owned()),
        deputy: OnceCell::new(),
        visits: Counter::new(u64::MAX),
    };
    let text = to_string(&ward).unwrap();
    let written = r#"{"beds":{"id":{"class":2,"number":7},"value":40},"#.to_owned()
        + r#""rules":{"id":{"class":18446744073709551615,"number":18446744073709551615},"value":["quiet"]},"#
        + r#""head":"Li","deputy":null,"visits":18446744073709551615}"#;
    assert_eq!(text, written);

    let ward: Ward = from_str(&text).unwrap();
    assert_eq!((ward.beds.id(), *ward.beds.lock().unwrap()), (LockId::in_class(2, 7), 40));
    assert_eq!(ward.rules.id(), LockId::from(u128::MAX));
    assert_eq!(*ward.rules.write().unwrap(), ["quiet"]);
    assert_eq!((ward.head.get().map(String::as_str), ward.deputy.get()), (Some("Li"), None));
    assert_eq!(ward.visits.get(), u64::MAX);
}

#[test]
fn a_lock_that_cannot_be_had_is_an_error() {
    let (mutex, rwlock) = (OrderedMutex::new(1, ()), OrderedRwLock::new(2, ()));
    let above = OrderedMutex::new(3, ());
    let held = above.lock().unwrap();
    for refused in [to_string(&mutex), to_string(&rwlock)] {
        assert!(refused.unwrap_err().to_string().contains("while lock 3 is held"));
    }
    drop(held);
    assert_eq!(to_string(&rwlock).unwrap(), r#"{"id":{"class":0,"number":2},"value":null}"#);

    let poisoner = || {
        let _guard = mutex.lock().unwrap();
        panic!("on purpose");
    };
    assert!(thread::scope(|threads| threads.spawn(poisoner).join().is_err()));
    assert!(to_string(&mutex).unwrap_err().to_string().contains("lock 1 is poisoned"));
}

#[test]
fn what_is_not_a_lock_is_refused() {
    assert!(from_str::<OrderedMutex<u32>>("40").is_err());
    assert!(from_str::<OrderedMutex<u32>>(r#"{"value":40}"#).unwrap_err().to_string().contains("missing field `id`"));
    assert!(from_str::<Counter>("-1").is_err());
}

/// A reader beside another; the lock is let go of afterwards.
#[test]
fn reading_is_enough_for_a_read_write_lock() {
    let lock = OrderedRwLock::new(1, 5);
    let read = lock.read().unwrap();
    thread::scope(|threads| {
        let text = threads.spawn(|| to_string(&lock).unwrap()).join().unwrap();
        assert!(text.ends_with(r#""value":5}"#));
    });
    drop(read);
    assert!(lock.try_write().is_ok());
}

/// Fails if a fresh id that is read back equals one that is in use, or is of another class, or no fresh one any more.
#[test]
fn a_fresh_id_is_read_as_a_new_one() {
    const BED: LockClass = LockClass::new(91, "bed");
    for lock in [OrderedMutex::from(5), BED.mutex(5)] {
        let text = to_string(&lock).unwrap();
        let [one, other]: [OrderedMutex<i32>; 2] = [from_str(&text).unwrap(), from_str(&text).unwrap()];
        let ids = [lock.id(), one.id(), other.id()];
        assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2], "{text}");
        let class = |id: LockId| id.to_string().split('#').next().unwrap().to_owned();
        assert!(ids.iter().all(|&id| class(id) == class(ids[0]) && id.to_string().contains('#')));
        let held = one.lock().unwrap();
        assert!(matches!(other.lock(), Err(LockError::OutOfOrder { .. })));
        assert!(matches!(lock.lock(), Err(LockError::OutOfOrder { .. })));
        assert_eq!(*held, 5);
    }
    for id in [
        BED.id(7),
        LockId::from(0x0000_0001_0000_4000_8000_0000_0000_0001_u128),
        LockId::from((1_u128 << 97) + (1 << 64) + 1),
    ] {
        assert_eq!(from_str::<LockId>(&to_string(&id).unwrap()).unwrap(), id);
    }
}
