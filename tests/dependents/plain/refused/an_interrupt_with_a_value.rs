// says: expected `()`, found `Result<(), Error>`

use raddle::CancelToken;
use std::net::{Shutdown, TcpStream};

fn interrupted(stream: &TcpStream, token: &CancelToken) {
    token.interrupting(|| stream.shutdown(Shutdown::Both), || ());
}

fn main() {
    let _ = interrupted;
}
