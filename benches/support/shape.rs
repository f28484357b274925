//! The shape of a benchmark.

/// How a benchmark is run: the last part of its id, and its threads.
#[derive(Clone)]
pub(crate) struct Shape {
    pub(crate) parameter: String,
    pub(crate) threads: usize,
    /// The first so many are timed; the others keep them company.
    pub(crate) measured: usize,
    /// A sample is not cut into chunks: fairness shows over a while only.
    pub(crate) whole: bool,
}

impl Shape {
    /// All of `threads` are timed; their number is the parameter.
    pub(crate) fn all(threads: usize) -> Self {
        Self { parameter: threads.to_string(), threads, measured: threads, whole: false }
    }

    /// As `all`, with another parameter.
    #[allow(dead_code, reason = "not every program has such a group")]
    pub(crate) fn named(parameter: &str, threads: usize) -> Self {
        Self { parameter: parameter.to_owned(), ..Self::all(threads) }
    }
}
