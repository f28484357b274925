// says: may outlive the current function, but it borrows `part`

use raddle::{Limit, SpawnError, scope};

fn main() {
    let _: Result<(), SpawnError> = scope(Limit::NEVER, |tasks| {
        let part = String::from("drugs");
        tasks.spawn(|_| Ok(_ = part.len()))?;
        Ok(())
    });
}
