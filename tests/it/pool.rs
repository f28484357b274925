//! A pool that takes longer to open than a request may wait: both recipes of `docs/recipes/values.md`, and the mistake that
//! they are there for.
//!
//! The opening ends when the test says so, so what comes of a request never depends on how long a wait takes.

use std::time::Duration;

use raddle::{CancelToken, Counter, InitError, OnceCell, Stopped};

use crate::stress::watched;
use crate::thread;

/// What a request has, for 800 ms.
const REQUEST: Duration = Duration::from_millis(80);

type Pool = Vec<u32>;

#[derive(Clone, Debug, PartialEq)]
enum NoPool {
    Refused,
    Stopped(Stopped),
}

impl From<Stopped> for NoPool {
    fn from(stopped: Stopped) -> Self {
        NoPool::Stopped(stopped)
    }
}

/// What opening needs and tells.
#[derive(Default)]
struct BackEnd {
    /// It refuses so many first.
    refuses: u64,
    tries: Counter,
    /// An opening that is not refused has begun, and is over when the test says that the back end is up.
    opening: OnceCell<()>,
    up: OnceCell<()>,
}

impl BackEnd {
    fn open(&self, limit: &CancelToken) -> Result<Pool, NoPool> {
        if self.tries.inc() < self.refuses {
            return Err(NoPool::Refused);
        }
        let _ = self.opening.set(());
        self.up.wait_within(limit)?;
        Ok(vec![1, 2])
    }
}

/// The first recipe: the request that comes first opens the pool.
#[derive(Default)]
struct ByRequest {
    token: CancelToken,
    back_end: BackEnd,
    pool: OnceCell<Pool>,
}

impl ByRequest {
    fn pool(&self, request: &CancelToken) -> Result<&Pool, InitError<NoPool>> {
        self.pool.get_or_try_init_within(|| self.back_end.open(&self.token), request)
    }

    fn request(&self) -> CancelToken {
        self.token.child_within(REQUEST)
    }
}

/// Fails if a request that gives up ends the opening, or if the one that opens gives up at its own limit.
#[test]
fn is_opened_under_the_services_token() {
    watched(|roll| {
        let service = &ByRequest::default();
        thread::scope(|threads| {
            let opener = roll.spawn(threads, "opener", move || {
                let request = service.request();
                (service.pool(&request).map(Vec::len), request.check())
            });
            service.back_end.opening.wait();
            let waits = |_| roll.spawn(threads, "waiter", move || service.pool(&service.request()).map(Vec::len));
            let waiters: Vec<_> = (1..40).map(waits).collect();
            for waiter in waiters {
                assert_eq!(waiter.join().unwrap(), Err(InitError::Stopped(Stopped::TimedOut)));
            }
            assert_eq!(service.pool.get(), None);
            service.back_end.up.set(()).unwrap();
            // It has its pool, and its time was over long before.
            assert_eq!(opener.join().unwrap(), (Ok(2), Err(Stopped::TimedOut)));
        });
        let no_time = service.token.child_within(Duration::ZERO);
        assert_eq!(service.pool(&no_time).map(Vec::len), Ok(2));
        assert_eq!(service.back_end.tries.get(), 1);
    });
}

/// Fails if the opening outlives the service. A `Stopped` of the opening's own is the initialiser's error.
#[test]
fn ends_with_the_service() {
    watched(|roll| {
        let service = &ByRequest::default();
        thread::scope(|threads| {
            let opener = roll.spawn(threads, "opener", move || service.pool(&service.token.child()).cloned());
            service.back_end.opening.wait();
            let waits = |_| roll.spawn(threads, "waiter", move || service.pool(&service.token.child()).cloned());
            let waiters: Vec<_> = (0..4).map(waits).collect();
            service.token.cancel();
            let cancelled = InitError::Init(NoPool::Stopped(Stopped::Cancelled));
            assert_eq!(opener.join().unwrap(), Err(cancelled.clone()));
            for waiter in waiters {
                // It stopped waiting, or was the next to try.
                let error = waiter.join().unwrap().unwrap_err();
                assert!(error == InitError::Stopped(Stopped::Cancelled) || error == cancelled, "{error:?}");
            }
        });
    });
}

/// The mistake: every opener stops at its own deadline, and the next one starts over.
#[test]
fn never_opens_under_a_requests_token() {
    watched(|_| {
        let service = ByRequest::default();
        for _ in 0..5 {
            let request = service.token.child_within(Duration::from_millis(5));
            let pool = service.pool.get_or_try_init_within(|| service.back_end.open(&request), &request);
            assert_eq!(pool, Err(InitError::Init(NoPool::Stopped(Stopped::TimedOut))));
        }
        assert_eq!((service.pool.get(), service.back_end.tries.get()), (None, 5));
    });
}

/// The second recipe: a thread opens the pool, and requests only wait.
#[derive(Default)]
struct ByThread {
    token: CancelToken,
    back_end: BackEnd,
    pool: OnceCell<Result<Pool, NoPool>>,
}

impl ByThread {
    /// Retries twice.
    fn open_pool(&self) {
        let tries = Counter::new(0);
        let opened = loop {
            match self.back_end.open(&self.token) {
                Err(NoPool::Refused) if tries.inc() < 2 && self.token.sleep(Duration::from_millis(1)).is_ok() => {}
                opened => break opened,
            }
        };
        assert_eq!(self.pool.set(opened), Ok(()));
    }

    fn pool(&self, request: &CancelToken) -> Result<&Pool, NoPool> {
        self.pool.wait_within(request)?.as_ref().map_err(Clone::clone)
    }
}

/// Fails if requests that give up keep the pool from being opened, or from those that wait on.
#[test]
fn is_opened_by_a_thread() {
    watched(|roll| {
        let back_end = BackEnd { refuses: 2, ..BackEnd::default() };
        let service = &ByThread { back_end, ..ByThread::default() };
        thread::scope(|threads| {
            roll.spawn(threads, "opener", || service.open_pool());
            service.back_end.opening.wait();
            let waits = |within: Option<Duration>| {
                roll.spawn(threads, "waiter", move || {
                    let request = within.map_or(service.token.child(), |within| service.token.child_within(within));
                    service.pool(&request).map(Vec::len)
                })
            };
            let patient: Vec<_> = (0..20).map(|_| waits(None)).collect();
            let impatient: Vec<_> = (0..20).map(|_| waits(Some(REQUEST))).collect();
            for request in impatient {
                assert_eq!(request.join().unwrap(), Err(NoPool::Stopped(Stopped::TimedOut)));
            }
            service.back_end.up.set(()).unwrap();
            for request in patient {
                assert_eq!(request.join().unwrap(), Ok(2));
            }
        });
        let no_time = service.token.child_within(Duration::ZERO);
        assert_eq!(service.pool(&no_time).map(Vec::len), Ok(2));
        assert_eq!(service.back_end.tries.get(), 3);
    });
}

/// Fails if a request waits on although the pool cannot be opened, or is not told why.
#[test]
fn a_failure_is_told_to_those_who_wait() {
    watched(|roll| {
        let back_end = BackEnd { refuses: u64::MAX, ..BackEnd::default() };
        let service = &ByThread { back_end, ..ByThread::default() };
        thread::scope(|threads| {
            let waits = |_| roll.spawn(threads, "waiter", move || service.pool(&service.token).map(Vec::len));
            let waiters: Vec<_> = (0..20).map(waits).collect();
            roll.spawn(threads, "opener", || service.open_pool());
            for waiter in waiters {
                assert_eq!(waiter.join().unwrap(), Err(NoPool::Refused));
            }
        });
        assert_eq!(service.pool(&service.token), Err(NoPool::Refused));
        assert_eq!(service.back_end.tries.get(), 3);
    });
}
