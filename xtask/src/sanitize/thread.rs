//! ThreadSanitizer over the integration tests: races that happen on real threads at full speed.
//!
//! It knows nothing of fences, and there are none in `src`. The standard library is built along, so that what it does is
//! seen as well. Nothing has to be suppressed.

use super::{Failed, NotRun, Outcome, Passed, Wish, native, tool};

pub(super) fn run(wish: &Wish) -> Outcome {
    if let Err(why) = tool::install(&["rust-src"]) {
        return NotRun(why);
    }
    let tsan = native::Sanitizer {
        folder: "tsan",
        rustflags: "-Zsanitizer=thread",
        cargo_flags: &["-Zbuild-std"],
        // The longest history, so that both stacks of a race are shown. A test has a forked child start a thread.
        options: ("TSAN_OPTIONS", "history_size=7:die_after_fork=0"),
        mistakes: &[("race", "WARNING: ThreadSanitizer: data race")],
    };
    match tsan.integration_tests(wish) {
        Ok(what) => Passed(what),
        Err(what) => Failed(what),
    }
}
