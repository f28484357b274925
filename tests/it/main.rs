//! The integration tests, on real threads and the shipped code. (Where loom is asked for there are the models instead.)
//!
//! Every thread is joined, also one whose end a test learns of in another way; `thread.rs` sees to those of a scope.
//! glibc's `pthread_detach` (seen in 2.36) still uses the record of a thread after it has marked it as detached. If that
//! thread has ended meanwhile, and its stack is another's by then, that one's record is freed while it runs or before it
//! is joined: a join in quite another test fails with EINVAL, or the process crashes.
#![cfg(not(loom))]

mod asleep;
mod blocking;
mod cancel;
#[cfg(feature = "crossbeam-channel")]
mod channel;
mod classes;
mod condvar;
#[cfg(not(miri))]
mod connection_pool;
mod counter;
mod deadlock;
mod errors;
mod heap;
mod held;
mod hostile;
mod lock;
mod once;
#[cfg(not(miri))]
mod pictures;
mod pool;
#[cfg(not(miri))]
mod process;
mod properties;
mod rwlock;
mod semaphore;
#[cfg(feature = "serde")]
mod serialize;
mod sets;
mod stress;
mod table;
mod tasks;
mod thread;
#[cfg(not(miri))]
mod transfer;
mod trees;
mod types;
mod wait_group;
mod waits;

/// The error, as far as its place does not count.
fn out_of_order(wanted: raddle::LockId, held: raddle::LockId) -> raddle::LockError {
    raddle::LockError::OutOfOrder { wanted, held, place: std::panic::Location::caller() }
}

/// Runs an ignored test in a process of its own.
#[cfg(all(target_os = "linux", not(miri)))]
fn alone(name: &str) {
    let this = std::env::current_exe().unwrap();
    let run = std::process::Command::new(this).args(["--exact", name, "--ignored"]).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    assert!(String::from_utf8_lossy(&run.stdout).contains("1 passed"));
}

/// How many threads this process has. A thread is counted as soon as it is made, and until it is gone.
#[cfg(all(target_os = "linux", not(miri)))]
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// Has the system refuse threads, or not any more: less room than for the stack of one is left. For a test that is alone in its process.
#[cfg(all(target_os = "linux", not(miri)))]
fn refuse_threads(refuse: bool) {
    use nix::libc::{RLIM_INFINITY, RLIMIT_AS, rlim_t, rlimit, setrlimit};

    let pages =
        || std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').next().unwrap().parse::<rlim_t>().unwrap();
    let limit = if refuse { pages() * 4096 + (1 << 20) } else { RLIM_INFINITY };
    let limit = rlimit { rlim_cur: limit, rlim_max: RLIM_INFINITY };
    // SAFETY: the pointer is to a limit.
    assert_eq!(unsafe { setrlimit(RLIMIT_AS, &limit) }, 0);
}
