//! The same moves with plain mutexes, locked in the order of the arguments, and what comes of it.

use std::collections::{HashMap, HashSet};
use std::process::{self, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::DEADLOCK;
use crate::crew;
use crate::input::{Input, Move};
use crate::report;
use crate::site;

/// No progress for so long is suspicious.
const PATIENCE: Duration = Duration::from_secs(1);

/// About how many moves are made before it is said that no deadlock came.
const MOVES: usize = 2_000_000;

/// The researchers present.
type Site = Mutex<HashSet<usize>>;

/// What a thread says of itself: the sites it holds and waits for, and how many moves it has made.
#[derive(Clone, Copy, Default, PartialEq)]
struct Post {
    holds: Option<usize>,
    wants: Option<usize>,
    moves: usize,
}

pub(crate) fn run(input: &Input, threads: usize) -> Result<ExitCode, String> {
    let sites = site::open(input.sites.len(), &input.moves);
    let sites: Vec<Site> = sites.into_iter().map(|site| Mutex::new(site.present)).collect();
    let moves = input.moves.iter().copied().filter(|row| row.from != row.to);
    let moves: Vec<Move> = moves.collect();
    report::note(&format!(
        "self-moves skipped: {} (a thread that locks one mutex twice waits for itself)",
        input.moves.len() - moves.len()
    ));
    let rounds = (MOVES / moves.len()).clamp(2, 100_000);
    let queues = crew::deal(&moves, threads);
    let posts: Vec<Mutex<Post>> = (0..threads).map(|_| Mutex::default()).collect();

    let work = |index: usize| {
        let mut queue = queues[index].clone();
        for _ in 0..rounds {
            queue.retain(|row| relocate(row, &sites, &posts[index]));
            // The next round takes everyone back, the last first.
            queue.reverse();
            for row in &mut queue {
                (row.from, row.to) = (row.to, row.from);
            }
        }
    };
    let mut watchdog = Watchdog { posts: &posts, seen: Vec::new(), since: Instant::now() };
    let look = |elapsed: Duration| {
        let deadlock = watchdog.look();
        let moves: usize = watchdog.seen.iter().map(|post| post.moves).sum();
        report::note(&format!("{:7.1} s: {moves} moves", elapsed.as_secs_f64()));
        if let Some(cycle) = deadlock {
            if let Err(error) = report::print(&describe(&watchdog.seen, &cycle, input)) {
                report::note(&format!("transfer: {error}"));
            }
            // The threads of the cycle will never be joined.
            process::exit(DEADLOCK.into());
        }
    };
    let (_, wall) = crew::run(threads, work, look)?;
    let wall = wall.as_secs_f64();
    report::print(&format!("no deadlock came: {threads} threads, {rounds} rounds, {wall:.3} s"))?;
    Ok(ExitCode::SUCCESS)
}

/// One move; says whether the researcher was there to be moved.
fn relocate(row: &Move, sites: &[Site], post: &Mutex<Post>) -> bool {
    let moves = post.lock().moves;
    let say = |holds, wants, moves| {
        *post.lock() = Post { holds, wants, moves };
    };
    say(None, Some(row.from), moves);
    let mut from = sites[row.from].lock();
    say(Some(row.from), Some(row.to), moves);
    // The moment in which another thread may take `to` and want `from`.
    thread::yield_now();
    let mut to = sites[row.to].lock();
    // From here on this thread waits for nothing, and lets go of both.
    say(None, None, moves + 1);
    from.remove(&row.researcher) && to.insert(row.researcher)
}

struct Watchdog<'a> {
    posts: &'a [Mutex<Post>],
    seen: Vec<Post>,
    since: Instant,
}

impl Watchdog<'_> {
    /// Finds threads that wait for each other, if none has moved for [`PATIENCE`].
    ///
    /// A thread counts its moves, so it never says the same twice. What was read of it unchanged at
    /// both ends of that time was thus true of all threads at once in between.
    fn look(&mut self) -> Option<Vec<usize>> {
        let seen: Vec<Post> = self.posts.iter().map(|post| *post.lock()).collect();
        if seen != self.seen {
            (self.seen, self.since) = (seen, Instant::now());
        }
        let stalled = self.since.elapsed() >= PATIENCE;
        stalled.then(|| cycle(&self.seen)).flatten()
    }
}

/// Threads of which each waits for a site that the next one holds, and the last one the first.
fn cycle(posts: &[Post]) -> Option<Vec<usize>> {
    let holder: HashMap<usize, usize> =
        posts.iter().enumerate().filter_map(|(thread, post)| Some((post.holds?, thread))).collect();
    (0..posts.len()).find_map(|first| {
        let mut path = vec![first];
        loop {
            let wants = posts[*path.last()?].wants?;
            let next = *holder.get(&wants)?;
            if let Some(start) = path.iter().position(|thread| *thread == next) {
                return Some(path.split_off(start));
            }
            path.push(next);
        }
    })
}

fn describe(posts: &[Post], cycle: &[usize], input: &Input) -> String {
    let site = |number: Option<usize>| number.map_or("nothing", |number| input.sites.name(number));
    let mut text = format!("deadlock: no progress for {} s", PATIENCE.as_secs());
    for (thread, post) in posts.iter().enumerate() {
        let name = crew::name(thread);
        text += &format!("\n  {name} holds {} and wants {}", site(post.holds), site(post.wants));
    }
    text += "\nin a cycle:";
    for (thread, next) in cycle.iter().zip(cycle.iter().cycle().skip(1)) {
        let (waiting, holding) = (crew::name(*thread), crew::name(*next));
        let wanted = site(posts[*thread].wants);
        text += &format!("\n  {waiting} waits for {wanted}, which {holding} holds");
    }
    text
}
