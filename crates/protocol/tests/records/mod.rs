//! Bytes of a client that need not be TLS, before a handshake and behind one.

#![allow(unreachable_pub, reason = "shared by a test and a fuzz target")]

use protocol::{Connection, Context, Limits};

use crate::pair::{Habit, Pair, Tunnel};

/// Plays bytes: the first says how long the pieces are in which they come, and whether a handshake was done before.
pub fn play(bytes: &[u8]) {
    let Some((&first, bytes)) = bytes.split_first() else { return };
    let step = usize::from(first >> 1) + 1;
    if first & 1 == 0 { before(bytes, step) } else { behind(bytes, step) }
}

/// The bytes are the whole of what the client sends. Nothing of them is a request, and the client gets alerts alone.
fn before(bytes: &[u8], step: usize) {
    let mut cx = Context::new(Limits::default());
    let mut connection = Connection::secured(&cx, Tunnel::new().1, false);
    let (mut plaintext, mut sent) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(step) {
        connection.decrypt(&mut cx, &mut piece.to_vec(), &mut plaintext);
        while connection.poll_security(&mut cx).is_some() {}
        let output = connection.poll_transmit(&mut cx).to_vec();
        connection.handle_sent(&mut cx, output.len());
        sent.extend(output);
    }
    connection.handle_eof(&mut cx);
    while connection.poll_security(&mut cx).is_some() {}
    assert!(plaintext.is_empty(), "no data comes without a key");
    let is_plain_http = bytes.first().is_some_and(u8::is_ascii_alphabetic);
    assert!(sent.is_empty() || is_plain_http || matches!(sent[0], 21 | 22), "neither alert nor handshake");
}

/// A client that has shaken hands and served a request sends bytes that are no record of its own: the connection ends,
/// and nothing of them becomes data.
fn behind(bytes: &[u8], step: usize) {
    let mut pair = Pair::secured(Limits::default(), Habit::Answer);
    pair.client_sends(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(pair.requests(), 1);
    pair.client_sends_raw(bytes, step);
    pair.client_ends();
    assert_eq!(pair.requests(), 1, "bytes without a key became a request");
}
