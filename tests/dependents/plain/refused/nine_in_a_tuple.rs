// says: is not a set of locks
// says: more than eight: `[&a, &b, ..]`

use raddle::{OrderedMutex, lock_all};

fn main() {
    let site = OrderedMutex::new(1, 40);
    let s = &site;
    drop(lock_all((s, s, s, s, s, s, s, s, s)));
}
