//! The threads: all start at once, each with its own queue of moves, while the caller looks on.

use std::convert::Infallible;
use std::panic;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use parking_lot::RwLock;

use crate::input::Move;

/// How often the caller looks.
const TICK: Duration = Duration::from_millis(200);

/// Deals the moves out: those of one researcher stay together, in the order of the file.
pub(crate) fn deal(moves: &[Move], threads: usize) -> Vec<Vec<Move>> {
    let mut queues = vec![Vec::new(); threads];
    for row in moves {
        queues[row.researcher % threads].push(*row);
    }
    queues
}

/// Runs `work(i)` on thread `i` of as many as given, and `look(elapsed)` here: at the start, each
/// [`TICK`], and at the end. Returns what the threads returned, and the time they took.
pub(crate) fn run<R: Send>(
    threads: usize,
    work: impl Fn(usize) -> R + Sync,
    mut look: impl FnMut(Duration),
) -> Result<(Vec<R>, Duration), String> {
    // Shut until all threads are there. If one cannot start it stays shut, and the others leave.
    let gate = RwLock::new(false);
    // Nothing is ever sent: the channel closes when the last thread ends, if by a panic too.
    let (working, ended) = mpsc::channel::<Infallible>();
    thread::scope(|scope| {
        let mut open = gate.write();
        let mut crew = Vec::new();
        for index in 0..threads {
            let (gate, work, working) = (&gate, &work, working.clone());
            let body = move || {
                let _working = working;
                let open = *gate.read();
                open.then(|| (work(index), Instant::now()))
            };
            let mover = Builder::new()
                .name(name(index))
                .spawn_scoped(scope, body)
                .map_err(|error| format!("{} cannot start: {error}", name(index)))?;
            crew.push(mover);
        }
        drop(working);

        look(Duration::ZERO);
        let begun = Instant::now();
        *open = true;
        drop(open);
        while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(TICK) {
            look(begun.elapsed());
        }

        // Only behind a shut gate would a thread end with nothing.
        let (results, ends): (Vec<R>, Vec<Instant>) = crew
            .into_iter()
            .filter_map(|mover| mover.join().unwrap_or_else(|cause| panic::resume_unwind(cause)))
            .unzip();
        let wall = ends.into_iter().max().map_or(Duration::ZERO, |end| end - begun);
        look(wall);
        Ok((results, wall))
    })
}

pub(crate) fn name(index: usize) -> String {
    format!("mover {index}")
}
