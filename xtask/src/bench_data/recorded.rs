//! A small recording of a real run of the benches, for the tests of whoever reads such figures: `testdata/counter.json`
//! holds, by their paths, the files of `cargo bench --bench counter` with ten samples, of `counter/inc` alone.

use std::collections::HashMap;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::Value;

/// A copy to change at will, gone when dropped.
pub(crate) struct Recorded(PathBuf);

impl Deref for Recorded {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The recording, in a folder. Every gate.json is a second newer than what it is about.
pub(crate) fn recorded() -> Recorded {
    static COPIES: AtomicU32 = AtomicU32::new(0);
    let name = format!("raddle-recorded-{}-{}", std::process::id(), COPIES.fetch_add(1, Ordering::Relaxed));
    let copy = Recorded(std::env::temp_dir().join(name));
    let files: HashMap<String, Value> = serde_json::from_str(include_str!("../../testdata/counter.json")).unwrap();
    for (path, text) in files {
        let file = copy.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, format!("{text:#}")).unwrap();
        touch(&file, u64::from(file.ends_with("gate.json")));
    }
    copy
}

/// Has a file have been written so many seconds after the recording.
pub(crate) fn touch(file: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds);
    fs::File::options().append(true).open(file).unwrap().set_modified(time).unwrap();
}
