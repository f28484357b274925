//! Threads that meet at one thing, free: neither pinned nor gated, as many as there are cores and more, for tenths of a
//! second at a time.

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
