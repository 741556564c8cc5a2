//! Answers of HTTP/2 that are sent from the application's memory, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod app;
mod held_memory;
mod memory;

use std::io::IoSlice;
use std::io::Write;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};

use app::{App, Peer, Seen};
use held_memory::held;
use protocol::{Answer, Limits, Own, Payload};
use reactor::Kind;

/// One answer of which a piece is held.
struct Piece {
    request: Seen,
    length: Arc<Mutex<usize>>,
    is_returned: Receiver<()>,
}

/// Bytes that differ, so that an exchange of two would show; more than the kernel's buffers take.
fn long(seed: u8) -> Vec<u8> {
    (0..12_000_000_u32).map(|at| (at % 251) as u8 ^ seed).collect()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A client that has opened all windows and sent two requests, each answered by a stream of which `bytes` are held.
fn two_pieces(app: &mut App, bytes: [&[u8]; 2]) -> (Peer, [Piece; 2]) {
    let mut peer = app.connect();
    let windows = [frame(4, 0, 0, &[0, 4, 0x40, 0, 0, 0]), frame(8, 0, 0, &[0x40, 0, 0, 0])].concat();
    // `:method: GET`, `:scheme: http` and `:path: /` of the static table, and an authority. RFC 7541.
    let head = [0x82, 0x86, 0x84, 0x41, 1, b'a'];
    let requests = [frame(1, 5, 1, &head), frame(1, 5, 3, &head)].concat();
    let input = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &windows, &requests].concat();
    peer.stream.write_all(&input).unwrap();
    let pieces = bytes.map(|bytes| {
        let request = app.next(Kind::Request);
        let (slot, request_id) = (request.slot, request.request_id());
        let payload = Payload::Stream { length: None };
        let answer =
            Answer { status: 200, reason: None, fields: b"", payload, close: false, own: Own::default() };
        app.reactor.respond(slot, request_id, answer).unwrap();
        let (unsent, missing) = app.reactor.write_held(slot, request_id, &[IoSlice::new(bytes)]).unwrap();
        assert!(unsent >= missing && missing == bytes.len());
        let (buffer, length, is_returned) = held(bytes);
        app.reactor.hold(slot, request_id, [buffer]);
        Piece { request, length, is_returned }
    });
    (peer, pieces)
}

fn received(peer: &Peer, wanted: u32) -> Vec<u8> {
    let mut content = Vec::new();
    let mut wire = &peer.received[..];
    while let Some((header, rest)) = wire.split_at_checked(9) {
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        if header[3] == 0 && header[5..9] == wanted.to_be_bytes() {
            content.extend_from_slice(&rest[..length]);
        }
        let Some(behind) = rest.get(length..) else { break };
        wire = behind;
    }
    content
}

fn http2() -> App {
    App::new(Limits { http2_cleartext: true, ..Limits::default() })
}

#[test]
fn pieces_of_two_answers_are_sent_from_where_they_are_and_given_back_before_drained() {
    let mut app = http2();
    let bytes = [long(0), long(7)];
    let (mut peer, pieces) = two_pieces(&mut app, [&bytes[0], &bytes[1]]);
    for _ in 0..10 {
        app.round();
    }
    assert!(pieces.iter().all(|piece| piece.is_returned.try_recv().is_err()), "the peer doesn't read");
    assert!(!app.inbox.iter().any(|notice| notice.is(Kind::Drained)));
    let mut drained = 0;
    app.until("both pieces", |app| {
        peer.read();
        while let Some(at) = app.inbox.iter().position(|notice| notice.is(Kind::Drained)) {
            let notice = app.inbox.remove(at)?;
            let piece = pieces.iter().find(|piece| piece.request.id == notice.id).unwrap();
            assert!(piece.is_returned.try_recv().is_ok(), "the memory is free");
            app.reactor.end(notice.slot, notice.request_id(), b"").unwrap();
            drained += 1;
        }
        (drained == 2 && peer.received.len() > 24_000_000).then_some(())
    });
    for _ in 0..300 {
        peer.read();
        app.round();
    }
    assert!(received(&peer, 1) == bytes[0] && received(&peer, 3) == bytes[1], "the bytes are unchanged");
}

#[test]
fn memory_that_has_become_shorter_resets_its_stream_alone() {
    let mut app = http2();
    let bytes = [long(0), long(7)];
    let (mut peer, pieces) = two_pieces(&mut app, [&bytes[0], &bytes[1]]);
    app.round();
    *pieces[0].length.lock().unwrap() -= 1;
    let failed = app.until("the failure", |app| {
        peer.read();
        let at = app.inbox.iter().position(|notice| notice.is(Kind::FileFailed))?;
        app.inbox.remove(at)
    });
    assert_eq!(failed.id, pieces[0].request.id);
    pieces[0].is_returned.try_recv().unwrap();
    app.until("the other piece", |app| {
        peer.read();
        app.inbox.iter().any(|notice| notice.is(Kind::Drained)).then_some(())
    });
    for _ in 0..300 {
        peer.read();
        app.round();
    }
    assert!(received(&peer, 3) == bytes[1], "the bytes of the other are unchanged");
    let reset = frame(3, 0, 1, &2_u32.to_be_bytes());
    assert!(peer.received.windows(reset.len()).any(|window| window == reset));
    assert!(!peer.has_ended);
}

#[test]
fn memory_is_given_back_when_the_client_leaves() {
    let mut app = http2();
    let bytes = [long(0), long(7)];
    let (peer, pieces) = two_pieces(&mut app, [&bytes[0], &bytes[1]]);
    app.round();
    drop(peer);
    app.next(Kind::Aborted);
    app.round();
    pieces.iter().for_each(|piece| piece.is_returned.try_recv().unwrap());
}
