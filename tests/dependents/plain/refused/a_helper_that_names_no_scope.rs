// says: lifetime may not live long enough

use raddle::{SpawnError, Tasks};

fn begin(tasks: &Tasks<'_, '_, SpawnError>) -> Result<(), SpawnError> {
    tasks.spawn(|_| Ok(())).map(drop)
}

fn main() {
    let _ = begin;
}
