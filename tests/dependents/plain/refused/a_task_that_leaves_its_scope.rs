// says: lifetime may not live long enough

use raddle::{Limit, SpawnError, Task, scope};

fn main() {
    let _: Result<Task<'static, (), SpawnError>, _> = scope(Limit::NEVER, |tasks| tasks.spawn(|_| Ok(())));
}
