//! A site: who is there, and who came and went.

use std::collections::{HashMap, HashSet};

use crate::input::Move;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Way {
    In,
    Out,
}

/// A line of a ledger: the row of the file that moved this researcher in or out.
pub(crate) struct Entry {
    pub(crate) line: u64,
    pub(crate) researcher: usize,
    pub(crate) way: Way,
}

#[derive(Default)]
pub(crate) struct Site {
    pub(crate) present: HashSet<usize>,
    pub(crate) ledger: Vec<Entry>,
}

impl Site {
    /// Takes the researcher of this row out, if they are here.
    pub(crate) fn depart(&mut self, row: &Move) -> bool {
        let here = self.present.remove(&row.researcher);
        if here {
            self.enter(row, Way::Out);
        }
        here
    }

    pub(crate) fn arrive(&mut self, row: &Move) {
        self.present.insert(row.researcher);
        self.enter(row, Way::In);
    }

    fn enter(&mut self, row: &Move, way: Way) {
        let Move { line, researcher, .. } = *row;
        self.ledger.push(Entry { line, researcher, way });
    }
}

/// As many sites as said, with everyone where their first valid row has them.
pub(crate) fn open(count: usize, moves: &[Move]) -> Vec<Site> {
    let mut starts = HashMap::new();
    for row in moves.iter().filter(|row| row.from != row.to) {
        starts.entry(row.researcher).or_insert(row.from);
    }
    let mut sites: Vec<Site> = (0..count).map(|_| Site::default()).collect();
    for (researcher, start) in starts {
        sites[start].present.insert(researcher);
    }
    sites
}
