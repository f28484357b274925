// says: is not a set of locks
// says: a `Vec` or an array of locks, of references or of `Arc`s: `&locks`

use raddle::{OrderedMutex, lock_all};

fn main() {
    let sites = [OrderedMutex::new(1, 40), OrderedMutex::new(2, 30)];
    drop(lock_all(sites));
}
