// says: two closures require unique access to `*child` at the same time

use raddle::CancelToken;
use std::process::{Child, ExitStatus};

fn wait(child: &mut Child, token: &CancelToken) -> std::io::Result<ExitStatus> {
    token.interrupting(|| drop(child.kill()), || child.wait())
}

fn main() {
    let _ = wait;
}
