// says: a lock in an `Arc` or a `Box` by `&*lock`

use raddle::{OrderedMutex, lock_all};
use std::sync::Arc;

fn main() {
    let site = Arc::new(OrderedMutex::new(1, 40));
    drop(lock_all((&site,)));
}
