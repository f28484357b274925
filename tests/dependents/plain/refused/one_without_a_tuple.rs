// says: is not a set of locks
// says: one lock: `(&lock,)`

use raddle::{OrderedMutex, lock_all};

fn main() {
    let site = OrderedMutex::new(1, 40);
    drop(lock_all(&site));
}
