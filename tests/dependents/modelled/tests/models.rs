#![cfg(loom)]

use raddle::{OrderedMutex, lock_all};
use std::sync::Arc;

/// Fails if moves in opposite directions can deadlock, or lose a bed.
#[test]
fn opposite_moves() {
    loom::model(|| {
        let sites = Arc::new((OrderedMutex::new(1, 20), OrderedMutex::new(2, 20)));
        let shared = sites.clone();
        let back = loom::thread::spawn(move || move_bed(&shared.1, &shared.0));
        move_bed(&sites.0, &sites.1);
        back.join().unwrap();
        assert_eq!(*sites.0.lock().unwrap(), 20);
    });
}

fn move_bed(from: &OrderedMutex<u32>, to: &OrderedMutex<u32>) {
    let mut both = lock_all((from, to)).unwrap();
    let (from, to) = both.split_mut();
    (*from, *to) = (*from - 1, *to + 1);
}
