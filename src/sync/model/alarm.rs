//! Alarms are not modelled: crossbeam-channel's channels, which they close, are not loom's. They never go off.

use std::time::Instant;

pub(crate) trait Due: Send + Sync {
    fn due(&self);
}

#[derive(Debug)]
pub(crate) struct Alarm(());

pub(crate) fn alarm(_at: Instant, _what: impl Due + 'static) -> Alarm {
    Alarm(())
}
