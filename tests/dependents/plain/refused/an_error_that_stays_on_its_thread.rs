// says: `Rc<u8>` cannot be sent between threads safely

use raddle::{Limit, scope};
use std::rc::Rc;

fn main() {
    let _: Result<(), Rc<u8>> = scope(Limit::NEVER, |_| Ok(()));
}
