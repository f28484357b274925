//! The `connection_pool` example.

use crate::process;

#[test]
fn requests_share_a_few_connections() {
    let run = process::run("examples/connection_pool", &[], b"").code(0);
    run.has_values(&[("requests served", "2000"), ("connections", "3, threads: 8")]);
    for line in [
        "no connection had two users\n",
        "a request within 20 ms was told that all are busy\n",
        "waits for 1 permit of a semaphore, ",
        "a request whose client hung up stopped waiting\n",
        "a request got connection 4 for one that broke\n",
        "all connections are back\n",
        "all permits are back\n",
    ] {
        run.reports(line);
    }
}
