// says: type annotations needed

use raddle::{Limit, scope};

fn main() {
    let _ = scope(Limit::NEVER, |tasks| {
        tasks.spawn(|_| Ok(()))?;
        Ok(())
    })
    .is_ok();
}
