//! Whose task the calling thread is.

use std::cell::RefCell;
use std::sync::Arc;

use crate::sync::local;

/// A task whose thread this is or, further up, in one of whose scopes. None of them ends before this thread.
struct Frame {
    /// The address of what the threads of its scope share.
    scope: usize,
    task: usize,
    up: Chain,
}

/// All tasks that wait for the end of a thread, the innermost first.
#[derive(Clone)]
pub(super) struct Chain(Option<Arc<Frame>>);

local! {
    static CHAIN: RefCell<Chain> = RefCell::new(Chain(None))
}

impl Chain {
    /// That of the calling thread.
    pub(super) fn current() -> Self {
        // Nothing is known where a thread is about to end.
        CHAIN.try_with(|chain| chain.borrow().clone()).unwrap_or(Chain(None))
    }

    /// The same for a task of a scope that was called under this chain.
    pub(super) fn with(&self, scope: usize, task: usize) -> Self {
        Chain(Some(Arc::new(Frame { scope, task, up: self.clone() })))
    }

    /// The calling thread is of this chain from here on.
    pub(super) fn enter(self) {
        let _ = CHAIN.try_with(|chain| chain.replace(self));
    }

    /// Which task of this scope it is that waits for the calling thread, or runs on it.
    pub(super) fn task_of(scope: usize) -> Option<usize> {
        let find = |chain: &RefCell<Chain>| {
            let chain = chain.borrow();
            let mut next = chain.0.as_deref();
            while let Some(frame) = next {
                if frame.scope == scope {
                    return Some(frame.task);
                }
                next = frame.up.0.as_deref();
            }
            None
        };
        CHAIN.try_with(find).ok().flatten()
    }
}
