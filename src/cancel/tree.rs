//! The tree that tokens form.
//!
//! A branch is a node with parents, children and a number of handles. Most have one parent; one that ends with the first of several
//! tokens has them all. A child has a handle of each parent; a parent has the child in a list only. So a branch lives as long as
//! somebody can cancel it or something below it.
//!
//! Invariants:
//! 1. A branch is in the list of each parent from its creation to its end, and leaves it under that parent's lock. The holder
//!    of that lock may use the children, even one that has no handle left.
//! 2. A canceller keeps the locks of all branches from where it began down to where it is. So if the flag of a branch is
//!    set and its lock is free, all below it are flagged.
//! 3. A branch is flagged, and its cause and the link by which that came are written, at most once, under its lock, before the flag.
//!
//! Locks are taken from a parent to its child, then that of the node's sleepers, then that of a queue. (Each child is younger than
//! its parents, so the locks have an order, whatever the parents.) No user's value is dropped or called under any of them, and nothing here
//! calls itself, however deep the tree.

use std::error::Error;
use std::mem::{ManuallyDrop, offset_of};
use std::ptr::{self, NonNull};

use crate::record::{Linked, Links, List};
use crate::sync::{AtomicU64, Instant, Ordering::Relaxed, UnsafeCell, cleanup, covered, now, ord, step};
use crate::wait::{Cancelled, Node, RawMutex};

/// Why somebody cancelled.
pub(super) type Cause = Box<dyn Error + Send + Sync>;

pub(super) struct Branch {
    pub(super) node: Node,
    handles: AtomicU64,
    /// The lock of `children`, `cause` and `Rare::from`.
    lock: RawMutex,
    children: List<Link>,
    cause: UnsafeCell<Option<Cause>>,
    parent: Option<Link>,
    /// Whether the deadline is the first parent's, and there is a cause for it.
    inherits: bool,
    rare: Option<Box<Rare>>,
}

/// What few branches have: several parents, or a reason of their own for the deadline.
struct Rare {
    reason: Reason,
    /// The parents behind the first.
    others: Box<[Link]>,
    /// By which link it was cancelled with an ancestor.
    from: UnsafeCell<*const Link>,
}

/// What ties a branch to one of its parents: an item of the parent's list, under the parent's lock.
struct Link {
    parent: Handle,
    /// The branch that it is part of.
    child: *const Branch,
    links: Links<Link>,
}

/// Where a deadline comes from, if there is a cause for it that `Branch::inherits` does not tell of.
enum Reason {
    None,
    Own(Cause),
    /// From the parent that is so many behind the first.
    Parent(usize),
}

// SAFETY: a field.
unsafe impl Linked for Link {
    fn links(&self) -> &Links<Self> {
        &self.links
    }
}

/// One of the handles that keep a branch. Invariant: it is counted in `handles`, so the branch is alive; it was made by `Box::leak`.
pub(super) struct Handle(NonNull<Branch>);

// SAFETY: what is behind it is reached by atomics, or under its lock, or was written before it was shared. The cause is
// Send + Sync.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    /// A branch below these, whose deadline is the earliest of theirs and this one.
    pub(super) fn new(parents: &[&Handle], until: Option<Instant>, cause: Option<Cause>) -> Self {
        let mut deadline = None;
        let mut reason = Reason::None;
        let mut earlier = |other: Option<Instant>| {
            let is_earlier = other.is_some_and(|other| deadline.is_none_or(|deadline| other < deadline));
            if is_earlier {
                deadline = other;
            }
            is_earlier
        };
        for (at, parent) in parents.iter().enumerate() {
            if earlier(parent.node.deadline()) {
                reason = if parent.is_explained() { Reason::Parent(at) } else { Reason::None };
            }
        }
        let unused = if earlier(until) {
            reason = cause.map_or(Reason::None, Reason::Own);
            None
        } else {
            cause
        };
        let link = |parent: &&Handle| Link { parent: (*parent).clone(), child: ptr::null(), links: Links::new() };
        let inherits = matches!(reason, Reason::Parent(0));
        let is_rare = parents.len() > 1 || matches!(reason, Reason::Own(_));
        let others = parents.iter().skip(1).map(link).collect();
        let rare = is_rare.then(|| Box::new(Rare { reason, others, from: UnsafeCell::new(ptr::null()) }));
        let branch = NonNull::from(Box::leak(Box::new(Branch {
            node: Node::new(deadline),
            handles: AtomicU64::new(1),
            lock: RawMutex::new(),
            children: List::new(),
            cause: UnsafeCell::new(None),
            parent: parents.first().map(link),
            inherits,
            rare,
        })));
        // For `of`.
        branch.as_ptr().expose_provenance();
        // SAFETY: leaked just now, and nobody else knows of it.
        unsafe { &mut *branch.as_ptr() }.links_mut().for_each(|link| link.child = branch.as_ptr());
        let handle = Handle(branch);
        for link in handle.links() {
            let _held = link.parent.lock.hold();
            if link.parent.node.is_flagged() && step!("tree.born-cancelled") {
                // Another parent's canceller may have come already.
                let _held = handle.lock.hold();
                if !handle.node.is_flagged() {
                    // SAFETY: the lock is held and the flag not set.
                    unsafe { handle.set_from(link) };
                    // The cancel came before any deadline of its own; and before its parent's, if that says so.
                    let late = handle.explaining().is_some_and(|parent| parent.node.is_late());
                    let calls = handle.node.cancel(Cancelled::WithAncestor, late);
                    debug_assert!(!calls, "nobody has a handle yet");
                }
            }
            // SAFETY: the parent's lock is held, and the link stays where it is until it leaves the list (invariant 1).
            unsafe { link.parent.children.push(link) };
        }
        drop(unused);
        handle
    }

    /// A handle of the branch that a node is part of.
    ///
    /// # Safety
    /// The node is that of a branch, of which somebody has a handle meanwhile.
    pub(super) unsafe fn of(node: &Node) -> Self {
        let address = ptr::from_ref(node).addr() - offset_of!(Branch, node);
        let branch = ptr::with_exposed_provenance_mut(address);
        // SAFETY: the address of a branch, which was exposed when that was made; and it is alive.
        let handle = ManuallyDrop::new(Self(unsafe { NonNull::new_unchecked(branch) }));
        (*handle).clone()
    }

    /// A handle of a branch that may have none left, unless it has none left.
    ///
    /// # Safety
    /// The branch is not freed meanwhile.
    pub(super) unsafe fn upgrade(branch: NonNull<Branch>) -> Option<Self> {
        // SAFETY: passed on to the caller.
        let count = unsafe { &branch.as_ref().handles };
        // Relaxed: as for a clone; and what the caller holds orders this behind the making of the branch.
        let mut handles = count.load(Relaxed);
        while handles != 0 {
            match count.compare_exchange(handles, handles + 1, Relaxed, Relaxed) {
                Ok(_) => return Some(Self(branch)),
                Err(now) => handles = now,
            }
        }
        None
    }

    /// The branch, which is freed once no handle is left.
    pub(super) fn branch(&self) -> NonNull<Branch> {
        self.0
    }

    /// Cancels this branch and all below it, and returns those with callbacks, which the caller has to call. When this returns, they
    /// are cancelled, if not by this call then by another.
    pub(super) fn cancel(&self, cause: Option<Cause>) -> Called<'_> {
        let mut called = Called { top: None, below: Vec::new() };
        let held = self.lock.hold();
        if self.node.is_flagged() {
            // Invariant 2: and so is all below. The lock is released before the cause is dropped.
            drop(held);
            drop(cause);
            return called;
        }
        // One moment for all, read where it is first of interest.
        let mut moment = None;
        let mut flag = |branch: &Branch, how| {
            let mut is_past = |deadline| deadline <= *moment.get_or_insert_with(now);
            let late = branch.is_explained() && branch.node.deadline().is_some_and(&mut is_past);
            branch.node.cancel(how, late)
        };
        // SAFETY: the lock is held and the flag not set, so nobody reads or writes the cause (invariant 3).
        *unsafe { self.cause.exclusive() } = cause;
        called.top = flag(self, Cancelled::Itself).then_some(self);
        let top: &Branch = self;
        let mut at = top;
        // SAFETY: the lock of `at` is held, here and below, so its children may be used (invariant 1).
        let mut next = unsafe { at.children.first() };
        loop {
            if let Some(link) = next {
                // SAFETY: as above; the link is part of the child.
                let child = unsafe { &*link.child };
                std::mem::forget(child.lock.hold());
                if !child.node.is_flagged() {
                    covered!("tree.down");
                    // SAFETY: the child's lock is held and the flag not set.
                    unsafe { child.set_from(link) };
                    if flag(child, Cancelled::WithAncestor) {
                        // SAFETY: the parent's lock is held.
                        called.below.extend(unsafe { Handle::upgrade(NonNull::new_unchecked(link.child.cast_mut())) });
                    }
                    at = child;
                    // SAFETY: its lock is held.
                    next = unsafe { at.children.first() };
                    continue;
                }
                child.lock.unlock();
                // SAFETY: the parent's lock is held.
                next = unsafe { List::after(link) };
            } else if !ptr::eq(at, top) {
                let done = at;
                // SAFETY: it was flagged above.
                let link = unsafe { done.from() };
                at = &link.parent;
                // SAFETY: the parent's lock is held.
                next = unsafe { List::after(link) };
                // The last use of the child: once the parent's lock is released, it may end.
                done.lock.unlock();
            } else {
                break;
            }
        }
        drop(held);
        called
    }
}

/// Branches that were cancelled in one call, and have callbacks.
#[must_use]
pub(super) struct Called<'h> {
    pub(super) top: Option<&'h Handle>,
    pub(super) below: Vec<Handle>,
}

impl Branch {
    /// Its links, that of the first parent first.
    fn links(&self) -> impl Iterator<Item = &Link> {
        self.parent.iter().chain(self.rare.iter().flat_map(|rare| &rare.others))
    }

    fn links_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.parent.iter_mut().chain(self.rare.iter_mut().flat_map(|rare| &mut rare.others))
    }

    /// Whether there is a cause for the deadline.
    fn is_explained(&self) -> bool {
        self.inherits || self.rare.as_ref().is_some_and(|rare| !matches!(rare.reason, Reason::None))
    }

    /// The parent from which there is a cause for the deadline.
    fn explaining(&self) -> Option<&Handle> {
        match self.rare.as_ref().map(|rare| &rare.reason) {
            Some(Reason::Parent(at)) => self.links().nth(*at),
            _ => self.parent.as_ref().filter(|_| self.inherits),
        }
        .map(|link| &link.parent)
    }

    /// Notes by which link the branch is being cancelled.
    ///
    /// # Safety
    /// The lock is held, the flag is not set, and the link is the branch's.
    unsafe fn set_from(&self, link: &Link) {
        if let Some(rare) = &self.rare {
            // SAFETY: the lock is held, and nobody reads it before the flag is set (invariant 3).
            *unsafe { rare.from.exclusive() } = link;
        }
    }

    /// By which link the branch was cancelled.
    ///
    /// # Safety
    /// It was flagged, with an ancestor.
    unsafe fn from(&self) -> &Link {
        match &self.rare {
            // SAFETY: written before the flag, and never again (invariant 3); the link is part of this branch.
            Some(rare) => unsafe { &**rare.from.shared() },
            None => self.parent.as_ref().expect("there is an ancestor"),
        }
    }

    /// What it was cancelled with, or what stands for its deadline, whichever came first.
    pub(super) fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        match self.node.cancelled() {
            None if self.is_explained() && self.node.has_expired() => self.cause_of_deadline(),
            None => None,
            Some(_) if self.node.is_late() && step!("tree.late") => self.cause_of_deadline(),
            Some(_) => self.cause_of_cancel(),
        }
    }

    /// What the nearest branch from here up that was cancelled by itself was cancelled with.
    fn cause_of_cancel(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        let mut at = self;
        loop {
            match at.node.cancelled()? {
                // SAFETY: the cause was written before the flag was set, and is not written again (invariant 3).
                Cancelled::Itself => return unsafe { at.cause.shared() }.as_deref(),
                // SAFETY: as it says.
                Cancelled::WithAncestor => at = unsafe { &at.from().parent },
            }
        }
    }

    /// What stands for its deadline, which may be that of an ancestor.
    fn cause_of_deadline(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        let mut at = self;
        while let Some(parent) = at.explaining() {
            at = parent;
        }
        match &at.rare.as_ref()?.reason {
            Reason::Own(cause) => Some(&**cause),
            _ => None,
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
            // Ends this branch if this was its last handle, then its parents if that was their last, and so on up.
            let mut others = Vec::new();
            let mut next = release(self.0, &mut others);
            while let Some(parent) = next.or_else(|| others.pop()) {
                next = release(ManuallyDrop::new(parent).0, &mut others);
            }
        });
    }
}

/// Removes a handle from the count. If it was the last, ends the branch; what it had of its parents is the caller's.
fn release(branch: NonNull<Branch>, others: &mut Vec<Handle>) -> Option<Handle> {
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
    for link in this.links().filter(|_| step!("tree.leave-parent")) {
        let _held = link.parent.lock.hold();
        // SAFETY: the parent's lock is held, and the link is in its list (invariant 1).
        unsafe { link.parent.children.remove(link) };
    }
    // SAFETY: no handle is left, and no canceller can come from a parent.
    unsafe { this.node.disarm() };
    // SAFETY: made by `Box::leak`, and neither handles, the parents' lists nor an alarm refer to it any more.
    let mut this = unsafe { Box::from_raw(branch.as_ptr()) };
    // Taken out first: should the drop of a callback or a cause panic, the parents are still released.
    let parent = this.parent.take().map(|link| link.parent);
    if let Some(rare) = &mut this.rare {
        others.extend(std::mem::take(&mut rare.others).into_vec().into_iter().map(|link| link.parent));
    }
    drop(this);
    parent
}
