//! Where we are behind, what matters most first.
//!
//! Where threads meet, a lock may be fast because hardly anybody gets it. So beside the time there is how long somebody
//! waited and how uneven the threads were served, each beside the best of those peers that get as much done.

use super::figures::{MARGIN, Row, Section, fast};
use crate::bench_data::{Role, What};

/// A benchmark of ours that is behind in something.
pub(super) struct Loss<'a> {
    pub(super) section: &'a Section,
    pub(super) ours: &'a Row,
    /// The fastest peer.
    pub(super) best: &'a Row,
    /// What ours takes of its time.
    pub(super) ratio: f64,
    /// The intervals of the two times do not touch, and ours takes [`MARGIN`] more.
    pub(super) slower: bool,
    pub(super) unfair: Vec<Unfair<'a>>,
}

/// Somebody waits longer, or the threads are served less evenly, than with a peer that gets as much done.
pub(super) struct Unfair<'a> {
    pub(super) what: What,
    pub(super) best: &'a Row,
    pub(super) ratio: f64,
}

/// As many threads as that want the same thing at once in many a program, and more in few.
const COMMON: usize = 16;

/// How much a figure matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Contended,
    Crowded,
    Alone,
    /// How cost grows with what few programs have many of.
    Growing,
}

impl Rank {
    pub(super) const ALL: [Self; 4] = [Self::Contended, Self::Crowded, Self::Alone, Self::Growing];

    pub(super) fn of(section: &Section, row: &Row) -> Self {
        match (section.counted(), row.entry.threads) {
            (Some(what), _) if what != "threads" => Self::Growing,
            (_, 1) => Self::Alone,
            (_, ..=COMMON) => Self::Contended,
            _ => Self::Crowded,
        }
    }

    pub(super) fn heading(self) -> &'static str {
        match self {
            Self::Contended => "Threads that meet, up to 16",
            Self::Crowded => "More than 16",
            Self::Alone => "One thread alone",
            Self::Growing => "Many of something",
        }
    }
}

impl Loss<'_> {
    pub(super) fn rank(&self) -> Rank {
        Rank::of(self.section, self.ours)
    }
}

/// All of them: by rank, the slower ones first, and those by how much.
pub(super) fn losses(sections: &[Section]) -> Vec<Loss<'_>> {
    let mut losses: Vec<_> = sections.iter().flat_map(of).collect();
    let most = |loss: &Loss| loss.unfair.iter().map(|unfair| unfair.ratio).fold(0.0, f64::max);
    losses.sort_by(|a, b| {
        let by = |loss: &Loss| if loss.slower { loss.ratio } else { 0.0 };
        let kinds = a.rank().cmp(&b.rank());
        kinds.then(by(b).total_cmp(&by(a))).then(most(b).total_cmp(&most(a)))
    });
    losses
}

fn of(section: &Section) -> impl Iterator<Item = Loss<'_>> {
    let ours = section.rows.iter().filter(|row| row.entry.role == Role::Ours);
    ours.filter_map(move |ours| {
        let best = section.fastest(&ours.entry.parameter, Role::Peer)?;
        let (slower, ratio) = (best.below(ours), ours.figure.median / best.figure.median);
        let loss = Loss { section, ours, best, ratio, slower, unfair: unfair(section, ours) };
        (slower || !loss.unfair.is_empty()).then_some(loss)
    })
}

/// Of free threads only: nobody waits long in a chunk of a millisecond.
fn unfair<'a>(section: &'a Section, ours: &'a Row) -> Vec<Unfair<'a>> {
    if !section.group.free {
        return Vec::new();
    }
    let peers = section.at(&ours.entry.parameter).filter(|row| row.entry.role == Role::Peer);
    let fast = fast(peers.collect());
    let behind = |what: What| {
        let best =
            fast.iter().copied().min_by(|a, b| a.of(what).unwrap_or(0.0).total_cmp(&b.of(what).unwrap_or(0.0)))?;
        let ratio = what.ratio(ours.of(what)?, best.of(what)?);
        let apart = interval(&ours.each(what))?.0 > interval(&best.each(what))?.1;
        (apart && ratio > MARGIN).then_some(Unfair { what, best, ratio })
    };
    section.waits().iter().copied().chain([What::Spread]).filter_map(behind).collect()
}

/// What holds the median with 95 %, whatever the figures are like: so many of the least and of the most are left out that
/// it is not among them. All of them, if they are few.
fn interval(sorted: &[f64]) -> Option<(f64, f64)> {
    let count = sorted.len();
    // The chance that exactly so many are below the median, or so many and fewer.
    let (mut exactly, mut up_to, mut left_out) = (0.5_f64.powi(count as i32), 0.0, 0);
    for out in 0..count / 2 {
        up_to += exactly;
        if up_to > 0.025 {
            break;
        }
        left_out = out;
        exactly *= (count - out) as f64 / (out + 1) as f64;
    }
    Some((*sorted.get(left_out)?, *sorted.get(count - 1 - left_out)?))
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::{free, sections, wait};
    use super::*;
    use crate::bench_data::recorded::recorded;

    #[test]
    fn losses_are_those_beyond_the_intervals() {
        let mut sections = sections(&recorded()).unwrap();
        let best = sections.iter().find(|section| section.group.name == "counter/inc").unwrap();
        let best = best.fastest("2", Role::Peer).unwrap().figure.clone();
        for (factor, expected) in [(0.5, false), (1.0, false), (2.0, true)] {
            let section = sections.iter_mut().find(|section| section.group.name == "counter/inc").unwrap();
            let ours = section.rows.iter_mut().filter(|row| row.entry.role == Role::Ours);
            for row in ours.filter(|row| row.entry.parameter == "2") {
                row.figure = best.clone();
                for value in [&mut row.figure.median, &mut row.figure.low, &mut row.figure.high] {
                    *value *= factor;
                }
            }
            let lost = losses(&sections).iter().any(|loss| loss.ours.entry.parameter == "2");
            assert_eq!(lost, expected, "at {factor}");
        }
    }

    #[test]
    fn what_matters_most_is_first() {
        let mut sections = sections(&recorded()).unwrap();
        // All of ours are slower, those of one thread by most.
        for row in sections.iter_mut().flat_map(|section| &mut section.rows).filter(|row| row.entry.role == Role::Ours)
        {
            let factor = 100.0 / row.entry.threads as f64;
            for value in [&mut row.figure.median, &mut row.figure.low, &mut row.figure.high] {
                *value *= 1_000.0 * factor;
            }
        }
        let losses = losses(&sections);
        let ranks: Vec<_> = losses.iter().map(Loss::rank).collect();
        assert!(ranks.is_sorted() && ranks.contains(&Rank::Contended) && ranks.contains(&Rank::Alone), "{ranks:?}");
        let alike = losses.windows(2).filter(|two| two[0].rank() == two[1].rank());
        assert!(alike.into_iter().all(|two| two[0].ratio >= two[1].ratio));
    }

    #[test]
    fn who_waits_longer_than_with_a_peer_as_fast_is_told() {
        let mut section = free(&recorded());
        for row in &mut section.rows {
            match row.entry.name.as_str() {
                "counter" => wait(row, 3e6),
                // Serves sooner than the others, but does a tenth as much.
                "std" => {
                    wait(row, 1e5);
                    for value in [&mut row.figure.median, &mut row.figure.low, &mut row.figure.high] {
                        *value *= 10.0;
                    }
                }
                _ => {}
            }
        }
        let sections = [section];
        let losses = losses(&sections);
        let lost = losses.iter().find(|loss| loss.ours.entry.parameter == "2").unwrap();
        assert_eq!((lost.ours.entry.name.as_str(), lost.slower), ("counter", false));
        let unfair: Vec<_> = lost.unfair.iter().map(|unfair| (unfair.what, unfair.ratio)).collect();
        assert_eq!(unfair, [(What::Longest, 3.0)]);
    }

    #[test]
    fn an_interval_leaves_out_what_it_can() {
        let to = |count: u32| (1..=count).map(f64::from).collect::<Vec<_>>();
        assert_eq!(interval(&to(10)), Some((2.0, 9.0)));
        assert_eq!(interval(&to(40)), Some((14.0, 27.0)));
        assert_eq!(interval(&to(5)), Some((1.0, 5.0)));
        assert_eq!(interval(&[]), None);
    }
}
