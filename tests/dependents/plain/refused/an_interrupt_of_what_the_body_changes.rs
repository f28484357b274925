// says: cannot borrow `stream` as mutable because it is also borrowed as immutable

use raddle::CancelToken;
use std::io::Read;
use std::net::{Shutdown, TcpStream};

fn read(mut stream: TcpStream, token: &CancelToken) -> String {
    let mut text = String::new();
    let read = token.interrupting(|| drop(stream.shutdown(Shutdown::Both)), || stream.read_to_string(&mut text));
    read.map(|_| text).unwrap_or_default()
}

fn main() {
    let _ = read;
}
