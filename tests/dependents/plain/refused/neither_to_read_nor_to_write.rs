// says: by `as_read()` or `as_write()` of an `OrderedRwLock`

use raddle::{OrderedRwLock, lock_all};

fn main() {
    let rates = OrderedRwLock::new(1, 40);
    drop(lock_all((&rates,)));
}
