//! Waits, for people to read.

use std::fmt;

use super::waits::{Cycle, Holder, How, Waits};
use crate::sync::{Thread, stamp};

/// A thread, for people to read.
struct Named<'t>(&'t Thread);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.name() {
            Some(name) => write!(f, "thread '{name}'"),
            None => write!(f, "thread {:?}", self.0.id()),
        }
    }
}

impl fmt::Display for Holder {
    /// `held by thread 'main' since src/main.rs:7:3`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (thread, place) = (Named(&self.thread), self.place);
        match self.how {
            How::Holds => write!(f, "held by {thread} since {place}"),
            How::Initialises => write!(f, "initialised by {thread} at {place}"),
            How::IsAhead => write!(f, "behind {thread}, which waits to write at {place}"),
        }
    }
}

impl fmt::Display for Cycle {
    /// One line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, wait) in self.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{} waits for {} at {}", Named(&wait.thread), wait.what, wait.place)?;
            for holder in &wait.holders {
                write!(f, ", {holder}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = stamp();
        for wait in &self.waits {
            write!(f, "{} waits for {}", Named(&wait.thread), wait.what)?;
            write!(f, ", {:.1?}, at {}", now.saturating_duration_since(wait.since), wait.place)?;
            match wait.until {
                Some(until) => write!(f, ", for {:.1?} more at most", until.saturating_duration_since(now))?,
                None if wait.limited => f.write_str(", or until a token is cancelled")?,
                None => {}
            }
            writeln!(f)?;
            for holder in &wait.holders {
                write!(f, "    {holder}, ")?;
                match &holder.waits_for {
                    Some(what) => writeln!(f, "which waits for {what}")?,
                    None => writeln!(f, "which runs")?,
                }
            }
        }
        Ok(())
    }
}
