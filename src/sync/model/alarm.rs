//! Alarms are not modelled: crossbeam-channel's channels, which they close, are not loom's. They never go off.

use std::time::Instant;

pub(crate) trait Due: Send + Sync {
    #[expect(dead_code, reason = "alarms do not go off")]
    fn due(&self);
}

#[derive(Debug)]
pub(crate) struct Alarm(());

pub(crate) fn alarm(_at: Instant, _what: impl Due + 'static) -> Alarm {
    Alarm(())
}

impl Alarm {
    pub(crate) fn is_inherited(&self) -> bool {
        false
    }
}
