// says: a set of locks borrows them or shares their ownership

use raddle::{OrderedMutex, lock_all};

fn main() {
    drop(lock_all((OrderedMutex::new(1, 40),)));
}
