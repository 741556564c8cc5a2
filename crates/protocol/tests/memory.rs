//! How much memory a connection takes, and how often bytes are moved in it.

mod pair;

use std::mem::size_of;

use pair::{Habit, Pair};
use protocol::{Connection, Limits};

#[test]
fn a_connection_is_small() {
    // Ten thousand idle connections should cost a few megabytes.
    let size = size_of::<Connection>();
    assert!(size <= 320, "a Connection has {size} bytes");
}

#[test]
fn buffers_are_returned_when_everything_is_sent() {
    let mut pair = Pair::new(Limits::default(), Habit::Answer);
    pair.client_sends(&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(40));
    assert!(pair.received.len() > 40 * 100);
    assert!(pair.connection.is_all_sent());
}

#[test]
fn a_large_piece_that_is_sent_in_parts_is_rarely_moved() {
    let mut pair = Pair::new(Limits::default(), Habit::Ignore);
    pair.command(|connection, _| connection.handle_take_raw());
    pair.is_client_stuck = true;
    pair.command(|connection, cx| connection.handle_raw_write(cx, &vec![0; 16 << 20]));
    let mut moves = 0;
    while !pair.connection.is_all_sent() {
        let count = pair.connection.raw_backlog().min(70_000);
        let unsent = pair.connection.poll_transmit(&mut pair.cx)[count..].as_ptr();
        pair.connection.handle_sent(&mut pair.cx, count);
        moves += usize::from(pair.connection.poll_transmit(&mut pair.cx).as_ptr() != unsent);
    }
    assert!(moves < 20, "moved {moves} times");
}
