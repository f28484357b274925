//! Random programs, run on the real types and on plain models of them that say what each step must give.

mod cancel;
mod counters;
mod cycles;
mod groups;
mod locks;
mod once;
mod queue;
mod scopes;
mod semaphores;

use proptest::test_runner::Config;

/// So many cases; few under Miri. A failure is shrunk for half a minute (a hang takes as long as the watchdog's
/// patience each time) and printed, and not kept in a file.
pub(crate) fn cases(cases: u32) -> Config {
    let cases = if cfg!(miri) { cases.div_ceil(300) } else { cases };
    Config { cases, failure_persistence: None, max_shrink_time: 30_000, ..Config::default() }
}
