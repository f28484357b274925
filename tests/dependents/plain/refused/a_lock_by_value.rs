// says: a set names locks by `&OrderedMutex`

use raddle::{OrderedMutex, lock_all};

fn main() {
    drop(lock_all((OrderedMutex::new(1, 40),)));
}
