// says: in an `Rc` or another pointer by `&*lock`

use raddle::{OrderedMutex, lock_all};
use std::rc::Rc;

fn main() {
    let site = Rc::new(OrderedMutex::new(1, 40));
    drop(lock_all((&site,)));
}
