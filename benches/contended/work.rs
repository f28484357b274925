//! Work of a known length, on what a lock protects.
//!
//! A round loads the protected word anew (`black_box` has its address) and mixes it into the thread's own, one xorshift
//! step that waits for the one before it; nothing of it can be left out, merged or done beside the next. How long a round
//! takes is measured when the program begins: the least of many tries, since whatever else the machine does makes it longer.

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// So many rounds.
#[derive(Clone, Copy)]
pub(crate) struct Work(u32);

impl Work {
    pub(crate) fn lasting(time: Duration) -> Self {
        Self((time.as_nanos() as f64 / round()).round() as u32)
    }

    /// Works on the word for as long as it lasts, and gives what it has become.
    #[inline(always)]
    pub(crate) fn on(self, word: &u64) -> u64 {
        let mut mine = 1;
        for _ in 0..self.0 {
            mine ^= *black_box(word);
            mine ^= mine << 13;
            mine ^= mine >> 7;
            mine ^= mine << 17;
        }
        mine
    }
}

/// How long a round takes, in nanoseconds.
pub(crate) fn round() -> f64 {
    static ROUND: OnceLock<f64> = OnceLock::new();
    *ROUND.get_or_init(|| {
        const ROUNDS: u32 = 20_000;
        let once = |_| {
            let start = Instant::now();
            black_box(Work(ROUNDS).on(black_box(&7)));
            start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
        };
        (0..200).map(once).fold(f64::INFINITY, f64::min)
    })
}
