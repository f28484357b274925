// says: is not a set of locks
// says: `locks.iter().collect::<Vec<_>>()`

use raddle::{OrderedMutex, lock_all};

fn main() {
    let sites = [OrderedMutex::new(1, 40), OrderedMutex::new(2, 30)];
    drop(lock_all(&sites));
}
