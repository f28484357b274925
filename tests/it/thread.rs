//! Threads as std has them, except that the end of a scope joins those that nobody has joined.
//!
//! std's own scope waits until their closures have returned. The threads are detached, at once, when their handles are
//! dropped, and may still be ending when the scope, or the whole program, is over. See `main.rs` for what glibc makes of the
//! first; leak checkers stumble over the second, since what an ending thread owns is found nowhere.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
pub(crate) use std::thread::*;
use std::time::Duration;

/// How to join the threads of a scope whose handles were dropped.
type Rest<'s> = Rc<RefCell<Vec<Box<dyn FnOnce() -> Result<()> + 's>>>>;

pub(crate) struct Scope<'s, 'e: 's> {
    threads: &'s thread::Scope<'s, 'e>,
    rest: Rest<'s>,
}

pub(crate) struct ScopedJoinHandle<'s, R: 's> {
    thread: Option<thread::ScopedJoinHandle<'s, R>>,
    rest: Rest<'s>,
}

/// A panic of `f`, or else of a thread that nobody has joined, goes on when all threads have ended.
#[track_caller]
pub(crate) fn scope<'e, R>(f: impl for<'s> FnOnce(&Scope<'s, 'e>) -> R) -> R {
    thread::scope(|threads| {
        let scope = Scope { threads, rest: Rc::default() };
        let end = catch_unwind(AssertUnwindSafe(|| f(&scope)));
        let mut panic: Option<Box<dyn Any + Send>> = None;
        // One by one: the list is not borrowed while a result is dropped.
        while let Some(join) = { scope.rest.borrow_mut().pop() } {
            panic = panic.or(join().err());
        }
        match (end, panic) {
            (Ok(end), None) => end,
            (Err(panic), _) | (Ok(_), Some(panic)) => resume_unwind(panic),
        }
    })
}

impl<'s> Scope<'s, '_> {
    pub(crate) fn spawn<R: Send + 's>(&self, f: impl FnOnce() -> R + Send + 's) -> ScopedJoinHandle<'s, R> {
        ScopedJoinHandle { thread: Some(self.threads.spawn(f)), rest: Rc::clone(&self.rest) }
    }
}

impl<R> ScopedJoinHandle<'_, R> {
    pub(crate) fn join(mut self) -> Result<R> {
        self.thread.take().expect("only joining takes it").join()
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.thread.as_ref().expect("only joining takes it").is_finished()
    }
}

impl<'s, R: 's> Drop for ScopedJoinHandle<'s, R> {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.rest.borrow_mut().push(Box::new(|| thread.join().map(drop)));
        }
    }
}

/// Fails as `std::thread::scope` does, which does not wait for the thread-locals of a thread.
#[test]
fn a_scope_ends_when_its_threads_have() {
    static ENDED: AtomicBool = AtomicBool::new(false);
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            sleep(Duration::from_millis(20));
            ENDED.store(true, Relaxed);
        }
    }
    thread_local!(static LATE: Late = const { Late });
    scope(|threads| drop(threads.spawn(|| LATE.with(|_| ()))));
    assert!(ENDED.load(Relaxed));
}

#[test]
fn a_panic_that_nobody_joins_goes_on() {
    let end = catch_unwind(|| scope(|threads| drop(threads.spawn(|| resume_unwind(Box::new(7))))));
    assert_eq!(end.unwrap_err().downcast_ref(), Some(&7));
}
