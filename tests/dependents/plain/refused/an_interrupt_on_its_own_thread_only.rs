// says: cannot be shared between threads safely
// says: required by a bound introduced by this call

use raddle::CancelToken;
use std::cell::Cell;

fn main() {
    let interrupted = Cell::new(0);
    CancelToken::new().interrupting(|| interrupted.set(1), || ());
}
