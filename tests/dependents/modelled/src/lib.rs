//! Some of a hospital's bookkeeping, written on raddle's types. The models in `tests` run these very lines under loom.

use std::error::Error;
use std::sync::Arc;
#[cfg(not(loom))]
use std::sync::LazyLock;

use raddle::{
    CancelToken, Counter, Limit, LockError, OnceCell, OrderedMutex, OwnedWorker, ShardedCounter, Stopped, WaitGroup,
    lock_all,
};

/// A site and its free beds.
pub struct Site {
    beds: OrderedMutex<u32>,
}

impl Site {
    /// A site with this number, unlike all others'.
    pub fn new(id: u64, beds: u32) -> Self {
        Site { beds: OrderedMutex::new(id, beds) }
    }

    /// How many beds are free.
    pub fn beds(&self) -> Result<u32, LockError> {
        Ok(*self.beds.lock()?)
    }
}

/// Moves a free bed. Whether there was one.
///
/// ```
/// use modelled::{Site, transfer};
///
/// let (xiehe, ruijin) = (Site::new(1, 1), Site::new(2, 0));
/// assert!(transfer(&xiehe, &ruijin)?);
/// assert!(!transfer(&xiehe, &ruijin)?);
/// assert_eq!(ruijin.beds()?, 1);
/// # Ok::<(), raddle::LockError>(())
/// ```
pub fn transfer(from: &Site, to: &Site) -> Result<bool, LockError> {
    let mut both = lock_all((&from.beds, &to.beds))?;
    let (from, to) = both.split_mut();
    let Some(left) = from.checked_sub(1) else { return Ok(false) };
    *from = left;
    *to += 1;
    Ok(true)
}

/// What one shift tells the next: said once, and waited for.
#[derive(Default)]
pub struct HandOver {
    note: OnceCell<String>,
}

impl HandOver {
    /// Says it. What was said before stays.
    pub fn give(&self, note: &str) -> &str {
        self.note.get_or_init(|| note.to_owned())
    }

    /// Waits until it is said.
    pub fn take<'l>(&self, limit: impl Into<Limit<'l>>) -> Result<&str, Stopped> {
        self.note.wait_within(limit).map(String::as_str)
    }
}

/// A ward with so many beds.
pub struct Ward {
    taken: Counter,
    beds: u64,
}

impl Ward {
    /// A ward whose beds are all free.
    pub fn new(beds: u64) -> Self {
        Ward { taken: Counter::new(0), beds }
    }

    /// Takes a bed. Whether there was one.
    pub fn admit(&self) -> bool {
        self.taken.try_add(1, self.beds).is_ok()
    }

    /// How many beds are taken.
    pub fn taken(&self) -> u64 {
        self.taken.get()
    }
}

/// A round of visits, each on a thread of its own.
pub struct Round {
    visits: Arc<WaitGroup>,
    findings: OrderedMutex<Vec<u32>>,
}

impl Round {
    /// A round without visits.
    pub fn new() -> Self {
        Round { visits: Arc::new(WaitGroup::new()), findings: OrderedMutex::new(100, Vec::new()) }
    }

    /// A visit, which the report waits for.
    pub fn visit(self: &Arc<Self>) -> Visit {
        Visit { round: self.clone(), _worker: self.visits.worker_owned() }
    }

    /// Waits for all visits; what they found.
    pub fn report<'l>(&self, limit: impl Into<Limit<'l>>) -> Result<Vec<u32>, Box<dyn Error>> {
        self.visits.wait_within(limit)?; // the lock comes after: the visits need it
        Ok(self.findings.lock()?.clone())
    }
}

impl Default for Round {
    fn default() -> Self {
        Round::new()
    }
}

/// A visit of a [`Round`].
pub struct Visit {
    round: Arc<Round>,
    _worker: OwnedWorker,
}

impl Visit {
    /// Ends the visit: the worker goes last, with `self`.
    pub fn finish(self, finding: u32) -> Result<(), LockError> {
        self.round.findings.lock()?.push(finding);
        Ok(())
    }
}

/// What the whole process shares.
pub struct Office {
    /// How many were admitted.
    pub admissions: ShardedCounter,
    /// Cancelled when the office closes.
    pub closing: CancelToken,
}

impl Office {
    /// Counts an admission, unless the office is closing.
    pub fn admit(&self) -> Result<(), Stopped> {
        self.closing.check()?;
        self.admissions.inc();
        Ok(())
    }
}

// One static with all that is shared: loom's macro is for a single one, as its order of dropping several is random.
#[cfg(not(loom))]
static OFFICE: LazyLock<Office> = LazyLock::new(open);
#[cfg(loom)]
loom::lazy_static! {
    static ref OFFICE: Office = open();
}

fn open() -> Office {
    Office { admissions: ShardedCounter::new(), closing: CancelToken::new() }
}

/// The process's office.
pub fn office() -> &'static Office {
    &OFFICE
}
