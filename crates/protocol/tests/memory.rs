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

#[test]
fn a_long_piece_that_is_taken_bit_by_bit_is_hardly_ever_moved() {
    let mut pair = Pair::new(Limits::default(), Habit::Ignore);
    pair.command(|connection, _| connection.handle_take_raw());
    pair.is_client_stuck = true;
    pair.command(|connection, cx| connection.handle_raw_write(cx, &vec![0; 16 << 20]));
    let mut moves = 0;
    while !pair.connection.transmit().is_empty() {
        let count = pair.connection.transmit().len().min(70_000);
        let unsent = pair.connection.transmit()[count..].as_ptr();
        pair.connection.handle_sent(&mut pair.cx, count);
        moves += usize::from(pair.connection.transmit().as_ptr() != unsent);
    }
    assert!(moves < 20, "moved {moves} times");
}
