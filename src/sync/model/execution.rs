//! What belongs to one execution of a model, and is gone with it.
//!
//! All threads of a model are coroutines on one OS thread, so a `std` thread-local is shared by them. It outlives an
//! execution, though, and loom tells nobody when the next one starts. What tells executions apart is the id that loom
//! hashes as a part of each `ThreadId`; the state is made anew whenever that id is a new one. No hook in the model's
//! main closure is needed, so a user's bare `loom::model` works.

use std::any::{Any, TypeId};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use loom::sync::Mutex;

#[derive(Default)]
struct Execution {
    /// One of each type that was asked for.
    parts: RefCell<BTreeMap<TypeId, Rc<dyn Any>>>,
    /// Behind loom's lock, whose edge stands for a static's being made before every thread.
    globals: OnceCell<Mutex<BTreeMap<usize, Rc<dyn Any>>>>,
}

thread_local! {
    static CURRENT: RefCell<(usize, Rc<Execution>)> = RefCell::default();
}

/// Takes the first word that is hashed: the execution's id, the first field of loom's thread id.
#[derive(Default)]
struct FirstWord(Option<usize>);

impl Hasher for FirstWord {
    fn write_usize(&mut self, word: usize) {
        self.0.get_or_insert(word);
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("loom's thread id hashes two words");
    }

    fn finish(&self) -> u64 {
        0
    }
}

/// The state of the execution that is running.
fn current() -> Rc<Execution> {
    let mut word = FirstWord::default();
    loom::thread::current().id().hash(&mut word);
    let id = word.0.expect("loom's thread id hashes its execution's id");
    let (state, old) = CURRENT.with_borrow_mut(|current| {
        let old = (current.0 != id).then(|| std::mem::replace(current, (id, Rc::default())));
        (current.1.clone(), old)
    });
    // Outside the borrow: what an earlier execution left may use the state while it goes.
    drop(old);
    state
}

/// The part of the execution that is of this type, made by the first that asks.
pub(super) fn part<T: Default + 'static>() -> Rc<T> {
    let execution = current();
    let mut parts = execution.parts.borrow_mut();
    let part = parts.entry(TypeId::of::<T>()).or_insert_with(|| Rc::<T>::default());
    part.clone().downcast().expect("known by its type")
}

/// Whether waits are recorded.
#[derive(Default)]
struct Recording(Cell<bool>);

pub(crate) fn is_recording() -> bool {
    part::<Recording>().0.get()
}

/// Has waits recorded from here on.
pub(crate) fn record_waits() {
    part::<Recording>().0.set(true);
}

/// A process-wide value, as [`global!`] hands it out: one for each execution.
pub(crate) type Global<T> = Rc<T>;

/// The value known by `key`, made by the first that asks.
pub(crate) fn global<T: 'static>(key: usize, make: impl FnOnce() -> T) -> Global<T> {
    let execution = current();
    let mut globals = execution.globals.get_or_init(Mutex::default).lock().unwrap();
    let value = globals.entry(key).or_insert_with(|| Rc::new(make()));
    value.clone().downcast().expect("one key names one type")
}

loom::thread_local! {
    static PRETENDS: Cell<bool> = Cell::new(false);
}

/// Whether the calling thread is panicking.
///
/// `std::thread::panicking` speaks of the OS thread, that is of all model threads at once: while one of them unwinds, loom
/// may run another. So a model does not panic where that matters, it pretends to.
pub(crate) fn panicking() -> bool {
    PRETENDS.try_with(Cell::get).unwrap_or(false) || std::thread::panicking()
}

/// Runs `f`, mostly a drop, as if a panic were unwinding through it.
#[cfg(test)]
pub(crate) fn pretend_panicking<R>(f: impl FnOnce() -> R) -> R {
    PRETENDS.with(|pretends| pretends.set(true));
    let result = f();
    PRETENDS.with(|pretends| pretends.set(false));
    result
}
