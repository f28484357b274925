//! Calls at a point in time. In a model the thread that moves the clock past it makes them: it stands for the thread of the alarms.

use std::io;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::clock;

pub(crate) trait Due: Send + Sync {
    fn due(&self);

    fn disarm(&self);
}

pub(crate) struct Alarm(Arc<dyn Due>);

struct Entry(Weak<dyn Due>);

impl clock::Due for Entry {
    fn due(&self) {
        if let Some(what) = self.0.upgrade() {
            what.due();
        }
    }
}

pub(crate) fn alarm(at: Instant, what: impl Due + 'static) -> io::Result<Alarm> {
    let what: Arc<dyn Due> = Arc::new(what);
    if clock::has_passed(at, || Rc::new(Entry(Arc::downgrade(&what)))) {
        what.due();
    }
    Ok(Alarm(what))
}

impl Alarm {
    pub(crate) fn is_inherited(&self) -> bool {
        false
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        super::cleanup(|| {
            clock::meet();
            self.0.disarm();
        });
    }
}
