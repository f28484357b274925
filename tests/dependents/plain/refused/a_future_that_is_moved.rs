// says: cannot be unpinned

use raddle::CancelToken;
use std::future::Future;

fn polls_without_pinning(_: impl Future + Unpin) {}

fn main() {
    polls_without_pinning(CancelToken::new().cancelled_owned());
}
