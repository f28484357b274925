// says: only a guard that writes an `OrderedRwLock` can

use raddle::{Guard, OrderedRwLock};

fn main() {
    let rates = OrderedRwLock::new(1, 40);
    drop(Guard::downgrade(rates.read().unwrap()));
}
