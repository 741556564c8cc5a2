//! What a connection holds when nothing happens on it.

mod pair;

use std::mem::size_of;

use pair::{Habit, Pair};
use protocol::{Connection, Limits};

#[test]
fn a_connection_is_small() {
    // Ten thousand idle connections are to cost megabytes, not tens of them.
    let size = size_of::<Connection>();
    assert!(size <= 320, "a Connection has {size} bytes");
}

#[test]
fn buffers_go_back_when_everything_is_sent() {
    let mut pair = Pair::new(Limits::default(), Habit::Answer);
    pair.client_sends(&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(40));
    assert!(pair.received.len() > 40 * 100);
    assert!(pair.connection.transmit().is_empty());
}
