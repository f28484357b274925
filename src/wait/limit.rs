//! How long a call may wait.

use std::fmt;
use std::ptr;
use std::time::Duration;

use super::node::Node;
use super::stopped::Stopped;
use crate::sync::{Instant, now};

/// Bounds how long a blocking call waits: forever, for a [`Duration`], until an [`Instant`], until a
/// [`CancelToken`](crate::CancelToken) is cancelled, or until whichever of these comes [first](Limit::or).
///
/// A blocking call comes as `op()`, which waits as long as it takes, and as `op_within(limit)`, which takes anything
/// that converts into a `Limit`.
///
/// * A `Duration` counts from the entry to each call that it is passed to. The call reads the clock when it finds that
///   it must wait; a call that need not wait does not read it.
/// * A `Duration` that reaches past the end of the clock is no limit.
/// * A token's deadline is a limit like any other instant.
/// * If the token was cancelled, the call returns [`Cancelled`](crate::Stopped::Cancelled), even if its time is over,
///   too.
/// * A call whose limit has already passed still tries once: it succeeds if it need not wait.
/// * A call that could both succeed and stop succeeds.
/// * A limit bounds waiting, not work: a running initialiser is not interrupted.
///
/// # `Duration`, `Instant` or token
/// * A `Duration` for one call. Ten calls with a second each may take ten seconds.
/// * An `Instant` if several calls share one deadline and only time ends them.
/// * A [`CancelToken`](crate::CancelToken) if another thread may end the wait, or a tree of work shares a budget.
///
/// # Examples
///
/// ```
/// use raddle::{Limit, OrderedMutex};
/// use std::time::{Duration, Instant};
///
/// let stock = OrderedMutex::new(1, 12);
/// let request_ends = Instant::now() + Duration::from_secs(30);
///
/// // Half a second for this lock, but never past the end of the request.
/// let limit = Limit::from(Duration::from_millis(500)).or(request_ends);
/// let mut stock = stock.lock_within(limit)?;
/// *stock -= 1;
/// # Ok::<(), raddle::LockError>(())
/// ```
#[derive(Clone, Copy)]
#[must_use = "a limit does nothing until it is passed to a call"]
pub struct Limit<'a> {
    pub(super) within: Option<Duration>,
    pub(super) until: Option<Instant>,
    /// Different nodes, the first place taken first.
    pub(super) nodes: [Option<&'a Node>; 2],
}

impl<'a> Limit<'a> {
    /// No limit: the call waits as long as it takes.
    pub const NEVER: Limit<'a> = Limit { within: None, until: None, nodes: [None, None] };

    /// Combines two limits: the call stops at whichever comes first.
    ///
    /// # Panics
    /// If the two together have more than two different tokens.
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::Limit;
    /// use std::time::Duration;
    ///
    /// let limit = Limit::from(Duration::from_secs(3)).or(Duration::from_secs(1));
    /// assert_eq!(format!("{limit:?}"), "Limit { within: 1s }");
    /// ```
    #[track_caller]
    pub fn or(self, other: impl Into<Limit<'a>>) -> Limit<'a> {
        let other = other.into();
        let mut nodes = self.nodes;
        for node in other.nodes.into_iter().flatten() {
            nodes = match nodes {
                [None, _] => [Some(node), None],
                [Some(first), None] if !ptr::eq(first, node) => [Some(first), Some(node)],
                [Some(first), Some(second)] if !ptr::eq(first, node) && !ptr::eq(second, node) => {
                    panic!("a Limit has at most two cancel tokens, and this would be the third")
                }
                both => both,
            };
        }
        Limit { within: earlier(self.within, other.within), until: earlier(self.until, other.until), nodes }
    }

    /// Returns the time left, for a call that takes only a duration: `set_read_timeout`, `busy_timeout`, a query.
    ///
    /// `None` means no bound. A [`Duration`] in the limit counts from now, as in any call that it is passed to.
    ///
    /// A cancel does not wake such a call.
    ///
    /// # Memory ordering
    /// A cancel happens-before the return that reports it.
    ///
    /// # Errors
    /// [`Stopped`] if the limit has already passed or a token of it was cancelled. So the time returned is never zero,
    /// which many such calls refuse or take for no bound. (Where it is converted to whole milliseconds, round up.)
    ///
    /// # Examples
    ///
    /// ```
    /// use raddle::{Limit, Stopped};
    /// use std::net::TcpStream;
    /// use std::time::{Duration, Instant};
    ///
    /// fn prepare(stream: &TcpStream, limit: Limit<'_>) -> std::io::Result<()> {
    ///     stream.set_read_timeout(limit.remaining()?)
    /// }
    ///
    /// assert_eq!(Limit::NEVER.remaining(), Ok(None));
    /// assert_eq!(Limit::from(Duration::from_secs(3)).remaining(), Ok(Some(Duration::from_secs(3))));
    /// assert_eq!(Limit::from(Instant::now()).remaining(), Err(Stopped::TimedOut));
    /// ```
    pub fn remaining(self) -> Result<Option<Duration>, Stopped> {
        let nodes = || self.nodes.iter().flatten();
        if nodes().any(|node| node.is_flagged()) {
            return Err(Stopped::Cancelled);
        }
        let until = nodes().map(|node| node.deadline()).fold(self.until, earlier);
        let left = until.map(|until| until.saturating_duration_since(now()));
        match earlier(self.within, left) {
            Some(Duration::ZERO) => Err(Stopped::TimedOut),
            left => Ok(left),
        }
    }

    /// When the limit passes for a call that begins now; `None` is never.
    pub(crate) fn end(&self) -> Option<Instant> {
        // A sum past the end of the clock is no limit.
        let end = self.within.and_then(|within| now().checked_add(within));
        self.nodes.iter().flatten().map(|node| node.deadline()).fold(earlier(self.until, end), earlier)
    }

    /// Until the node is cancelled or its deadline has passed.
    pub(crate) fn of(node: &'a Node) -> Self {
        Limit { nodes: [Some(node), None], ..Limit::NEVER }
    }
}

/// The smaller of two bounds, either of which may be missing.
pub(super) fn earlier<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

impl From<Duration> for Limit<'_> {
    /// A limit that counts from the entry to each call.
    fn from(within: Duration) -> Self {
        Limit { within: Some(within), ..Limit::NEVER }
    }
}

impl From<Instant> for Limit<'_> {
    /// A fixed limit, however many calls it is passed to.
    fn from(until: Instant) -> Self {
        Limit { until: Some(until), ..Limit::NEVER }
    }
}

impl fmt::Debug for Limit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.within.is_none() && self.until.is_none() && self.nodes[0].is_none() {
            return f.write_str("Limit::NEVER");
        }
        let mut out = f.debug_struct("Limit");
        if let Some(within) = &self.within {
            out.field("within", within);
        }
        if let Some(until) = &self.until {
            out.field("until", until);
        }
        for node in self.nodes.iter().flatten() {
            out.field("token", node);
        }
        out.finish()
    }
}
