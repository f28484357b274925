//! Threads that meet at one thing, free: neither pinned nor gated, as many as there are cores and more, for tenths of a
//! second at a time.
//!
//! * `one`: a mutex; sections of so many microseconds, and nothing between them, or (`outside`) as much again.
//! * `two-of`: two of so many locks, picked at random anew each time, for an empty section; `lock_all` in the order of
//!   picking, by hand the lower one first.
//! * `write-in`: a read-write lock, written once in so many times; sections empty or of 3 µs.
//! * `once`, `wait_group`, `cancel`, `counter`: whether what was slow for a moment stays slow.
//!
//! A run takes a tenth of a second, with threads and locks of its own. One of ours, then one of each peer, then the next of
//! ours, each time beginning with another. Of the runs of each there is the least, the median and the most, and beside what
//! was done how long a thread waited at most ([`watch`] says how that is told) and how even they were served. With more
//! threads than cores evenness is the system's as well as the lock's: its slices are milliseconds, and a run has few for each
//! of 64 threads.
//!
//! A goal or a ratio about waiting is beside those peers that reach 0.95 of the best one's throughput: who serves hardly
//! anybody is soon round. Waits of up to 50 µs count as none.
//!
//! # Looking around
//! What is recorded are the points that stand for others. `cargo bench --bench contended -- --explore one --threads 2,16
//! --section 0,3` shows any others, as soon as each is measured; `--explore help` tells of what there is.
//!
//! # That the work is real
//! The protected data count the sections, and each run compares that with what the threads counted: one lost, or two at
//! once, ends the program. Longer sections are rounds that each load the protected word and wait for the round before
//! ([`work`]); with one thread, sections of 0.3 and 3 µs come to 3.3 and 0.33 million a second.

#[path = "contended/clock.rs"]
mod clock;
#[path = "contended/data.rs"]
mod data;
#[path = "contended/explore.rs"]
mod explore;
#[path = "contended/one.rs"]
mod one;
#[path = "contended/options.rs"]
mod options;
#[path = "contended/others.rs"]
mod others;
#[path = "contended/point.rs"]
mod point;
#[path = "contended/record.rs"]
mod record;
#[path = "contended/run.rs"]
mod run;
#[path = "contended/rwlock.rs"]
mod rwlock;
#[path = "contended/sets.rs"]
mod sets;
mod support;
#[path = "contended/watch.rs"]
mod watch;
#[path = "contended/work.rs"]
mod work;

fn main() {
    if explore::asked() {
        return;
    }
    support::run(&record::groups());
}
