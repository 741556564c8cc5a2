//! Answers that are sent from the application's memory, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod app;
mod held_memory;
mod memory;

use std::io::IoSlice;
use std::panic::{AssertUnwindSafe, catch_unwind};

use app::{App, GET, Peer, Seen};
use held_memory::held;
use protocol::{Answer, Limits, Payload};
use reactor::{Kind, SendBuffer};

/// Bytes that differ, so that an exchange of two would show; more than the kernel's buffers take.
fn long() -> Vec<u8> {
    (0..24_000_000_u32).map(|at| (at % 251) as u8).collect()
}

fn stream(app: &mut App, peer: &mut Peer, length: Option<u64>) -> Seen {
    peer.sends(GET);
    let request = app.next(Kind::Request);
    let answer = Answer {
        status: 200,
        reason: None,
        fields: b"",
        payload: Payload::Stream { length },
        close: false,
        own: protocol::Own::default(),
    };
    app.reactor.respond(request.slot, request.request_id(), answer).unwrap();
    request
}

fn body(peer: &Peer) -> &[u8] {
    let head = peer.received.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    &peer.received[head..]
}

#[test]
fn a_piece_is_sent_from_where_it_is_and_given_back_before_drained() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    let bytes = long();
    let request = stream(&mut app, &mut peer, Some(bytes.len() as u64 + 5));
    let (slot, request_id) = (request.slot, request.request_id());
    let (unsent, missing) = app.reactor.write_held(slot, request_id, &[IoSlice::new(&bytes)]).unwrap();
    assert!(missing > 0 && unsent >= missing);
    let (buffer, _, is_returned) = held(&bytes);
    app.reactor.hold(slot, request_id, [buffer]);
    app.round();
    assert!(is_returned.try_recv().is_err(), "the peer doesn't read");
    assert!(!app.inbox.iter().any(|notice| notice.is(Kind::Drained)));
    app.until("all but the last bytes", |_| {
        peer.read();
        (peer.received.len() > bytes.len()).then_some(())
    });
    app.next(Kind::Drained);
    is_returned.try_recv().unwrap();
    app.reactor.write(slot, request_id, b"after").unwrap();
    app.reactor.end(slot, request_id, b"").unwrap();
    app.receives(&mut peer, "after");
    assert!(body(&peer) == [&bytes[..], b"after"].concat(), "the bytes are unchanged");
}

#[test]
fn a_whole_answer_is_sent_from_where_it_is_and_the_next_request_served() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    let bytes = long();
    peer.sends(GET);
    let request = app.next(Kind::Request);
    let answer = Answer {
        status: 200,
        reason: None,
        fields: b"",
        payload: Payload::Full(&bytes),
        close: false,
        own: protocol::Own::default(),
    };
    let (slot, request_id) = (request.slot, request.request_id());
    assert!(app.reactor.respond_held(slot, request_id, answer).unwrap() > 0);
    let (buffer, _, is_returned) = held(&bytes);
    app.reactor.hold(slot, request_id, [buffer]);
    peer.sends(&GET.repeat(3));
    for _ in 0..10 {
        app.round();
    }
    assert!(
        !app.inbox.iter().any(|notice| notice.is(Kind::Request)),
        "none starts behind an answer that isn't read"
    );
    let next = app.until("the next request", |app| {
        peer.read();
        app.inbox.iter().position(|notice| notice.is(Kind::Request)).and_then(|at| app.inbox.remove(at))
    });
    is_returned.try_recv().unwrap();
    app.respond(&next, "next");
    app.receives(&mut peer, "next");
    assert!(body(&peer).starts_with(&bytes), "the bytes are unchanged");
}

#[test]
fn memory_that_has_become_shorter_aborts_its_answer() {
    for places in 1..=3 {
        let mut app = App::new(Limits::default());
        let mut peer = app.connect();
        let bytes = long();
        let request = stream(&mut app, &mut peer, None);
        let (slot, request_id) = (request.slot, request.request_id());
        let piece: Vec<_> = bytes.chunks(bytes.len() / places).map(IoSlice::new).collect();
        let last = piece.len() - 1;
        assert!(app.reactor.write_held(slot, request_id, &piece).unwrap().1 > piece[last].len() / 2);
        let (buffers, others): (Vec<_>, Vec<_>) = piece
            .iter()
            .map(|part| {
                let (buffer, length, is_returned) = held(part);
                (buffer, (length, is_returned))
            })
            .unzip();
        app.reactor.hold(slot, request_id, buffers);
        *others[last].0.lock().unwrap() -= 1;
        app.until("the end", |_| {
            peer.read();
            peer.has_ended.then_some(())
        });
        assert_eq!(app.next(Kind::FileFailed).request_id(), request_id);
        others.iter().for_each(|(_, is_returned)| is_returned.try_recv().unwrap());
        assert!(!peer.received.ends_with(b"0\r\n\r\n"));
    }
}

#[test]
fn a_piece_in_several_places_is_sent_from_these() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    let bytes = long();
    let request = stream(&mut app, &mut peer, Some(bytes.len() as u64));
    let (slot, request_id) = (request.slot, request.request_id());
    let parts: Vec<_> = bytes.chunks(1_700_000).collect();
    let piece: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
    assert!(app.reactor.write_held(slot, request_id, &piece).unwrap().1 > 0);
    let (buffers, others): (Vec<_>, Vec<_>) = parts
        .iter()
        .map(|part| {
            let (buffer, _, is_returned) = held(part);
            (buffer, is_returned)
        })
        .unzip();
    app.reactor.hold(slot, request_id, buffers);
    app.until("all bytes", |_| {
        peer.read();
        (peer.received.len() > bytes.len()).then_some(())
    });
    app.next(Kind::Drained);
    others.iter().for_each(|is_returned| is_returned.try_recv().unwrap());
    app.reactor.end(slot, request_id, b"").unwrap();
    assert!(body(&peer) == bytes, "the bytes are unchanged");
}

#[test]
fn memory_is_given_back_when_the_client_leaves() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    let bytes = long();
    let request = stream(&mut app, &mut peer, None);
    let (slot, request_id) = (request.slot, request.request_id());
    assert!(app.reactor.write_held(slot, request_id, &[IoSlice::new(&bytes)]).unwrap().1 > 0);
    let (buffer, _, is_returned) = held(&bytes);
    app.reactor.hold(slot, request_id, [buffer]);
    drop(peer);
    app.next(Kind::Aborted);
    app.round();
    is_returned.try_recv().unwrap();
}

/// With MSG_MORE the kernel keeps an end that fills no packet for 200 ms. In two hundred rounds that would be longer than
/// `until` waits.
#[test]
fn the_end_of_the_last_of_several_pieces_is_sent_though_none_follows() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    let request = stream(&mut app, &mut peer, None);
    let piece = vec![b'x'; 16 * 1024];
    let framed = [b"4000\r\n", &piece[..], b"\r\n"].concat();
    let mut written = 0;
    app.until("all pieces", |app| {
        peer.read();
        let head = peer.received.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |at| at + 4);
        if peer.received.len() == head + written * framed.len() {
            if written == 400 {
                return Some(());
            }
            for _ in 0..2 {
                app.reactor.write_held(request.slot, request.request_id(), &[IoSlice::new(&piece)]).unwrap();
            }
            written += 2;
        }
        None
    });
    assert!(body(&peer) == framed.repeat(400));
}

/// Memory that is there when its length is asked for, and panics when it is to be sent.
struct Panicking {
    bytes: Vec<u8>,
    is_known: bool,
}

impl SendBuffer for Panicking {
    fn bytes(&mut self) -> &[u8] {
        assert!(!std::mem::replace(&mut self.is_known, true), "a fault");
        &self.bytes
    }
}

#[test]
fn a_panic_while_a_client_is_flushed_closes_it_alone_and_once() {
    let mut app = App::new(Limits::default());
    let (mut bad, mut good) = (app.connect(), app.connect());
    let bytes = long();
    let request = stream(&mut app, &mut bad, Some(bytes.len() as u64));
    let (slot, request_id) = (request.slot, request.request_id());
    assert!(app.reactor.write_held(slot, request_id, &[IoSlice::new(&bytes)]).unwrap().1 > 0);
    app.reactor.hold(slot, request_id, [Box::new(Panicking { bytes, is_known: false })]);
    // It is sent from there as soon as the client has read what is before it.
    app.until("the panic", |app| {
        bad.read();
        catch_unwind(AssertUnwindSafe(|| app.round())).is_err().then_some(())
    });
    assert_eq!(app.reactor.recover(), Some(request.client));
    assert_eq!(app.reactor.client_count(), 1);
    good.sends(GET);
    let other = app.next(Kind::Request);
    app.respond(&other, "served");
    app.receives(&mut good, "served");
}
