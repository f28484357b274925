//! Models of a pool of connections on a semaphore and a lock, as the recipe has it.

use super::explore::{Judge, Shared, explore, spawn};
use crate::sync::UnsafeCell;
use crate::{CancelToken, Limit, LockError, OrderedMutex, Permit, Semaphore, Stopped};

/// Connections, of which each is for one user at a time.
struct Pool<const N: usize> {
    places: Semaphore,
    free: OrderedMutex<Vec<usize>>,
    connections: [UnsafeCell<u32>; N],
    token: CancelToken,
}

struct Lease<'a, const N: usize> {
    pool: &'a Pool<N>,
    connection: usize,
    _permit: Permit<'a>,
}

impl<const N: usize> Pool<N> {
    fn new() -> Shared<Self> {
        Shared::new(Pool {
            places: Semaphore::new(N),
            free: OrderedMutex::new(1, (0..N).collect()),
            connections: std::array::from_fn(|_| UnsafeCell::new(0)),
            token: CancelToken::new(),
        })
    }

    fn lease<'l>(&self, limit: impl Into<Limit<'l>>) -> Result<Lease<'_, N>, LockError> {
        let permit = self.places.acquire_within(1, limit)?;
        let connection = self.free.lock()?.pop().expect("a permit is a connection");
        Ok(Lease { pool: self, connection, _permit: permit })
    }
}

impl<const N: usize> Lease<'_, N> {
    fn query(&self) {
        // SAFETY: nobody else has the connection, which loom checks.
        *unsafe { self.pool.connections[self.connection].exclusive() } += 1;
    }
}

impl<const N: usize> Drop for Lease<'_, N> {
    fn drop(&mut self) {
        self.pool.free.lock().unwrap().push(self.connection);
    }
}

/// Judges, once all threads are done, that all connections are there, and nobody waits for one.
fn all_at_last<const N: usize>(pool: &Shared<Pool<N>>) -> Judge<()> {
    let pool = pool.clone();
    Judge::new(move |_| {
        assert!(!pool.places.someone_sleeps(), "a mark is left");
        assert_eq!((pool.places.available(), pool.free.lock().unwrap().len()), (N, N));
    })
}

/// Fails if two threads use the connection at once, or one that waits is not given it, or is given the permit before it. Two threads.
#[test]
fn one_connection() {
    explore([40, 58], &["semaphore.handed"], || {
        let pool = Pool::<1>::new();
        let all = all_at_last(&pool);
        spawn({
            let (pool, all) = (pool.clone(), all.clone());
            move || {
                pool.lease(Limit::NEVER).unwrap().query();
                drop(all);
            }
        });
        pool.lease(Limit::NEVER).unwrap().query();
    });
}

/// Fails if a connection has two users, or its next user does not see what the last one did. Two threads.
#[test]
fn two_connections() {
    explore([51_327, 19_550], &["semaphore.handed", "raw.unlock-parked"], || {
        let pool = Pool::<2>::new();
        let all = all_at_last(&pool);
        spawn({
            let (pool, all) = (pool.clone(), all.clone());
            move || {
                pool.lease(Limit::NEVER).unwrap().query();
                drop(all);
            }
        });
        let leases = [(); 2].map(|()| pool.lease(Limit::NEVER).unwrap());
        leases.iter().for_each(Lease::query);
    });
}

/// Fails if a connection that comes back is given to neither of two that wait, or to both. Three threads.
#[test]
fn two_who_wait() {
    explore([22_323, 919], &["semaphore.handed"], || {
        let pool = Pool::<1>::new();
        let all = all_at_last(&pool);
        let lease = pool.lease(Limit::NEVER).unwrap();
        for _ in 0..2 {
            let (pool, all) = (pool.clone(), all.clone());
            spawn(move || {
                pool.lease(Limit::NEVER).unwrap().query();
                drop(all);
            });
        }
        lease.query();
    });
}

/// Fails if a request that is cancelled as a connection comes back keeps that, or the place of it. Two threads.
#[test]
fn cancelled_as_a_connection_comes_back() {
    explore([15_702, 693], &["semaphore.leave-last", "node.cancel-woke"], || {
        let pool = Pool::<1>::new();
        let all = all_at_last(&pool);
        let lease = pool.lease(Limit::NEVER).unwrap();
        spawn({
            let (pool, all) = (pool.clone(), all.clone());
            move || {
                match pool.lease(&pool.token) {
                    Ok(lease) => lease.query(),
                    Err(error) => assert_eq!(error, LockError::from(Stopped::Cancelled)),
                }
                drop(all);
            }
        });
        pool.token.cancel();
        lease.query();
        drop(lease);
    });
}
