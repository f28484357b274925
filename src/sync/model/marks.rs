//! Named sites: what a mutation run weakens, and what a model must have reached.
//!
//! `RADDLE_MUTANT=site=Relaxed` (or `Acquire`, `Release`) replaces the ordering at one `ord!` site;
//! `RADDLE_MUTANT=site=off` leaves out one `step!`. The variable is read once for each process.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::OnceLock;

use super::Ordering;

fn mutant() -> Option<(&'static str, &'static str)> {
    static MUTANT: OnceLock<Option<String>> = OnceLock::new();
    let text = MUTANT.get_or_init(|| std::env::var("RADDLE_MUTANT").ok()).as_deref()?;
    Some(text.split_once('=').expect("RADDLE_MUTANT is site=Ordering or site=off"))
}

/// The ordering to use at `site`.
pub(crate) fn ordering(site: &'static str, order: Ordering) -> Ordering {
    match mutant() {
        Some((name, to)) if name == site => match to {
            "Relaxed" => Ordering::Relaxed,
            "Acquire" => Ordering::Acquire,
            "Release" => Ordering::Release,
            other => panic!("RADDLE_MUTANT names no weaker ordering: {other}"),
        },
        _ => order,
    }
}

/// Whether the step at `site` is taken.
pub(crate) fn step(site: &'static str) -> bool {
    mutant() != Some((site, "off"))
}

thread_local! {
    static COVERED: RefCell<BTreeSet<&'static str>> = const { RefCell::new(BTreeSet::new()) };
}

/// Records that `mark` was reached.
pub(crate) fn cover(mark: &'static str) {
    COVERED.with_borrow_mut(|marks| marks.insert(mark));
}

/// The marks reached since the last call on this OS thread, that is by one test's models.
#[cfg(test)]
pub(crate) fn take_covered() -> BTreeSet<&'static str> {
    COVERED.take()
}
