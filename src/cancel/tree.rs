//! The tree that tokens form.
//!
//! A branch is a node with a parent, children and a number of handles. A child has a handle of its parent; a parent
//! has the child in a list only. So a branch lives as long as somebody can cancel it or something below it.
//!
//! Invariants:
//! 1. A branch is in its parent's list from its creation to its end, and leaves it under the parent's lock. The holder
//!    of that lock may use the children, even one that has no handle left.
//! 2. A canceller keeps the locks of all branches from where it began down to where it is. So if the flag of a branch is
//!    set and its lock is free, all below it are flagged.
//! 3. A branch is flagged, and its cause is written, at most once, under its lock.
//!
//! Locks are taken from a parent to its child, then that of the node's sleepers, then that of a queue. No user's value
//! is dropped under any of them, and nothing here calls itself, however deep the tree.

use std::error::Error;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use crate::record::{Linked, Links, List};
use crate::sync::{AtomicU64, Instant, Ordering::Relaxed, UnsafeCell, cleanup, covered, ord, step};
use crate::wait::{Cancelled, Node, RawMutex};

/// Why somebody cancelled.
pub(super) type Cause = Box<dyn Error + Send + Sync>;

pub(super) struct Branch {
    pub(super) node: Node,
    handles: AtomicU64,
    /// The lock of `children` and `cause`.
    lock: RawMutex,
    children: List<Branch>,
    cause: UnsafeCell<Option<Cause>>,
    parent: Option<Handle>,
    /// The place in the parent's list, under the parent's lock.
    links: Links<Branch>,
}

// SAFETY: a field.
unsafe impl Linked for Branch {
    fn links(&self) -> &Links<Self> {
        &self.links
    }
}

/// One of the handles that keep a branch. Invariant: it is counted in `handles`, so the branch is alive.
pub(super) struct Handle(NonNull<Branch>);

// SAFETY: what is behind it is reached by atomics, or under its lock, or was written before it was shared. The cause is
// Send + Sync.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    /// A branch without a parent, or below one, whose deadline is not after the parent's.
    pub(super) fn new(parent: Option<&Handle>, deadline: Option<Instant>) -> Self {
        let branch = Box::new(Branch {
            node: Node::new(deadline),
            handles: AtomicU64::new(1),
            lock: RawMutex::new(),
            children: List::new(),
            cause: UnsafeCell::new(None),
            parent: parent.cloned(),
            links: Links::new(),
        });
        let handle = Handle(NonNull::from(Box::leak(branch)));
        if let Some(parent) = parent {
            let _held = parent.lock.hold();
            if parent.node.is_flagged() && step!("tree.born-cancelled") {
                handle.node.cancel(Cancelled::WithAncestor);
            }
            // SAFETY: the parent's lock is held, and the branch stays where it is until it leaves the list (invariant 1).
            unsafe { parent.children.push(&handle) };
        }
        handle
    }

    /// Cancels this branch and all below it. When this returns, they are cancelled, if not by this call then by another.
    pub(super) fn cancel(&self, cause: Option<Cause>) {
        let held = self.lock.hold();
        if self.node.is_flagged() {
            // Invariant 2: and so is all below. The lock is released before the cause is dropped.
            drop(held);
            drop(cause);
            return;
        }
        // SAFETY: the lock is held and the flag not set, so nobody reads or writes the cause (invariant 3).
        *unsafe { self.cause.exclusive() } = cause;
        self.node.cancel(Cancelled::Itself);
        let top: &Branch = self;
        let mut at = top;
        // SAFETY: the lock of `at` is held, here and below, so its children may be used (invariant 1).
        let mut next = unsafe { at.children.first() };
        loop {
            if let Some(child) = next {
                std::mem::forget(child.lock.hold());
                if !child.node.is_flagged() {
                    covered!("tree.down");
                    child.node.cancel(Cancelled::WithAncestor);
                    at = child;
                    // SAFETY: its lock is held.
                    next = unsafe { at.children.first() };
                    continue;
                }
                child.lock.unlock();
                // SAFETY: the parent's lock is held.
                next = unsafe { List::after(child) };
            } else if !std::ptr::eq(at, top) {
                let done = at;
                at = done.parent.as_ref().expect("below the top");
                // SAFETY: the parent's lock is held.
                next = unsafe { List::after(done) };
                // The last use of the child: once the parent's lock is released, it may end.
                done.lock.unlock();
            } else {
                break;
            }
        }
    }

    /// What the nearest branch from here up that was cancelled by itself was cancelled with.
    pub(super) fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        let mut at: &Branch = self;
        loop {
            match at.node.cancelled()? {
                // SAFETY: the cause was written before the flag was set, and is not written again (invariant 3).
                Cancelled::Itself => return unsafe { at.cause.shared() }.as_deref(),
                Cancelled::WithAncestor => at = at.parent.as_ref()?,
            }
        }
    }
}

impl std::ops::Deref for Handle {
    type Target = Branch;

    #[inline]
    fn deref(&self) -> &Branch {
        // SAFETY: the branch is alive (the invariant of `Handle`), and changed only through cells.
        unsafe { self.0.as_ref() }
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        // Relaxed: this handle keeps the branch meanwhile, and what sends the new one to another thread makes it
        // visible.
        self.handles.fetch_add(1, Relaxed);
        Self(self.0)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        cleanup(|| {
            // Ends this branch if this was its last handle, then its parent if that was the parent's last, and so on up.
            let mut next = release(self.0);
            while let Some(parent) = next {
                next = release(ManuallyDrop::new(parent).0);
            }
        });
    }
}

/// Removes a handle from the count. If it was the last, ends the branch; what it had of its parent is the caller's.
fn release(branch: NonNull<Branch>) -> Option<Handle> {
    // SAFETY: the handle that is removed keeps it until then.
    let handles = unsafe { &branch.as_ref().handles };
    // Release: pairs with the Acquire below, so that all use comes before the end.
    if handles.fetch_sub(1, ord!("tree.release", Release)) != 1 {
        return None;
    }
    // SAFETY: nobody but this thread ends it, since it had the last handle; cancellers may still look at it.
    let this = unsafe { branch.as_ref() };
    covered!("tree.end");
    // Acquire: pairs with the Release of the handles dropped before.
    this.handles.load(ord!("tree.end", Acquire));
    if let Some(parent) = this.parent.as_ref().filter(|_| step!("tree.leave-parent")) {
        let _held = parent.lock.hold();
        // SAFETY: the parent's lock is held, and the branch is in its list (invariant 1).
        unsafe { parent.children.remove(this) };
    }
    // SAFETY: made by `Box::leak`, and neither handles nor the parent's list refer to it any more.
    let mut this = unsafe { Box::from_raw(branch.as_ptr()) };
    // Taken out first: should the drop of the cause panic, the parent is still released.
    let parent = this.parent.take();
    let cause = this.cause.get_mut().take();
    drop(this);
    drop(cause);
    parent
}
