//! Large answers and pieces: wherever the socket stops taking them, the bytes sent are those of a copied answer.

#![allow(clippy::unwrap_used, reason = "an unexpected result fails the test")]

mod pair;

use std::io::IoSlice;

use pair::{Habit, Pair, Tunnel};
use protocol::{
    Answer, Connection, Context, Event, External, Finish, Limits, Own, Payload, RequestId, is_large,
};

const BODY: &[u8] = &[b'x'; 20_000];

fn asked(cx: &mut Context, head: &[u8]) -> (Connection, RequestId) {
    let mut connection = Connection::new(cx);
    let step = connection.handle_input(cx, head);
    let Some(Event::Request(request)) = step.event else { panic!("no request") };
    let request_id = request.request_id;
    (connection, request_id)
}

fn answer(payload: Payload<'_>) -> Answer<'_> {
    Answer { status: 200, reason: None, fields: b"", payload, close: false, own: Own::default() }
}

/// Takes `limit` bytes in all, into `wire`.
fn socket<'a>(limit: usize, wire: &'a mut Vec<u8>) -> impl FnMut(&[IoSlice<'_>]) -> usize + 'a {
    move |parts| {
        let offered = parts.iter().flat_map(|part| part.iter().copied());
        let before = wire.len();
        wire.extend(offered.take(limit));
        wire.len() - before
    }
}

fn drain(cx: &mut Context, connection: &mut Connection, wire: &mut Vec<u8>) {
    let rest = connection.poll_transmit(cx).to_vec();
    wire.extend_from_slice(&rest);
    if !rest.is_empty() {
        connection.handle_sent(cx, rest.len());
    }
}

/// Where the socket stops: everywhere near the ends of the parts, and at some points between.
fn stops() -> impl Iterator<Item = usize> {
    (0..400).chain((400..20_000).step_by(997)).chain(19_900..20_400)
}

#[test]
fn a_whole_answer_is_the_same_wherever_the_socket_stops() {
    assert!(is_large(BODY));
    let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut cx = Context::new(Limits::default());
    let (mut connection, request_id) = asked(&mut cx, head);
    connection.handle_answer(&mut cx, request_id, answer(Payload::Full(BODY))).unwrap();
    let copied = connection.poll_transmit(&mut cx).to_vec();
    for stop in stops() {
        let (mut connection, request_id) = asked(&mut cx, head);
        let mut wire = Vec::new();
        let mut send = socket(stop, &mut wire);
        connection
            .handle_answer_vectored(&mut cx, request_id, answer(Payload::Full(BODY)), &mut send)
            .unwrap();
        drop(send);
        assert_eq!(wire.len(), stop.min(copied.len()), "nothing is offered twice");
        drain(&mut cx, &mut connection, &mut wire);
        assert_eq!(wire, copied, "stopped at {stop}");
    }
}

#[test]
fn no_body_leaves_in_answer_to_head() {
    let mut cx = Context::new(Limits::default());
    let (mut connection, request_id) = asked(&mut cx, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut wire = Vec::new();
    let mut send = socket(usize::MAX, &mut wire);
    connection.handle_answer_vectored(&mut cx, request_id, answer(Payload::Full(BODY)), &mut send).unwrap();
    drop(send);
    assert!(wire.ends_with(b"content-length: 20000\r\n\r\n"), "{}", String::from_utf8_lossy(&wire));
}

#[test]
fn a_piece_is_the_same_wherever_the_socket_stops() {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for length in [None, Some(20_000), Some(19_000)] {
        let mut cx = Context::new(Limits::default());
        let (mut connection, request_id) = asked(&mut cx, head);
        connection.handle_answer(&mut cx, request_id, answer(Payload::Stream { length })).unwrap();
        let result = connection.handle_write(&mut cx, request_id, BODY);
        let copied = connection.poll_transmit(&mut cx).to_vec();
        for stop in stops() {
            let (mut connection, request_id) = asked(&mut cx, head);
            connection.handle_answer(&mut cx, request_id, answer(Payload::Stream { length })).unwrap();
            let mut wire = Vec::new();
            let mut send = socket(stop, &mut wire);
            assert_eq!(connection.handle_write_vectored(&mut cx, request_id, BODY, &mut send), result);
            drop(send);
            drain(&mut cx, &mut connection, &mut wire);
            assert_eq!(wire, copied, "stopped at {stop}, length {length:?}");
        }
    }
}

#[test]
fn an_answer_that_must_wait_is_kept() {
    let mut cx = Context::new(Limits::default());
    let (mut connection, first) = asked(&mut cx, b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    let step = connection.handle_input(&mut cx, b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    let Some(Event::Request(request)) = step.event else { panic!("no request") };
    let second = request.request_id;
    let mut refuse = |_: &[IoSlice<'_>]| -> usize { panic!("an answer that waits for its turn is offered") };
    connection.handle_answer_vectored(&mut cx, second, answer(Payload::Full(BODY)), &mut refuse).unwrap();
    connection.handle_answer(&mut cx, first, answer(Payload::Full(b"one"))).unwrap();
    let wire = connection.poll_transmit(&mut cx).to_vec();
    assert!(wire.ends_with(BODY));
}

/// A connection under TLS with a request.
fn asked_over_tls(cx: &mut Context) -> (Connection, RequestId, Tunnel) {
    let (mut tunnel, config) = Tunnel::new();
    let mut connection = Connection::secured(cx, config, false);
    tunnel.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut plaintext = Vec::new();
    while plaintext.is_empty() {
        connection.decrypt(cx, &mut tunnel.outgoing(), &mut plaintext);
        while connection.poll_security(cx).is_some() {}
        let output = connection.poll_transmit(cx).to_vec();
        connection.handle_sent(cx, output.len());
        tunnel.incoming(&output);
    }
    let step = connection.handle_input(cx, &plaintext);
    let Some(Event::Request(request)) = step.event else { panic!("no request") };
    let request_id = request.request_id;
    (connection, request_id, tunnel)
}

fn drain_all(cx: &mut Context, connection: &mut Connection, wire: &mut Vec<u8>) {
    while !connection.is_all_sent() {
        drain(cx, connection, wire);
    }
}

/// Lengths of the records in `wire`.
fn records(wire: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    let mut rest = wire;
    while let [_, _, _, high, low, behind @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        lengths.push(length);
        rest = &behind[length..];
    }
    lengths
}

#[test]
fn over_tls_an_answer_and_its_pieces_are_the_same_wherever_the_socket_stops() {
    let body = (0..150_000_u32).map(|at| at.to_be_bytes()[3]).collect::<Vec<_>>();
    for length in [16 * 1024, 65_000, 65_536, 150_000] {
        let body = &body[..length];
        for stop in (0..500).step_by(99).chain((500..160_000).step_by(8191)).chain([usize::MAX]) {
            for is_stream in [false, true] {
                let mut cx = Context::new(Limits::default());
                let (mut connection, request_id, mut tunnel) = asked_over_tls(&mut cx);
                if is_stream {
                    let begun = answer(Payload::Stream { length: None });
                    connection.handle_answer(&mut cx, request_id, begun).unwrap();
                }
                assert!(connection.takes_vectored());
                let mut wire = Vec::new();
                let mut left = stop;
                let mut send = |parts: &[IoSlice<'_>]| {
                    let offered = parts.iter().flat_map(|part| part.iter().copied());
                    let before = wire.len();
                    wire.extend(offered.take(left));
                    left -= wire.len() - before;
                    wire.len() - before
                };
                if is_stream {
                    connection.handle_write_vectored(&mut cx, request_id, body, &mut send).unwrap();
                } else {
                    let whole = answer(Payload::Full(body));
                    connection.handle_answer_vectored(&mut cx, request_id, whole, &mut send).unwrap();
                }
                if stop == usize::MAX {
                    let lengths = records(&wire);
                    assert!(connection.is_all_sent(), "nothing is copied that the socket takes");
                    assert_eq!(lengths.len(), length / (16 * 1024) + 1, "records are full: {lengths:?}");
                }
                drain_all(&mut cx, &mut connection, &mut wire);
                if is_stream {
                    connection.handle_end(&mut cx, request_id, b"").unwrap();
                    drain_all(&mut cx, &mut connection, &mut wire);
                }
                let received = tunnel.incoming(&wire);
                let end: &[u8] = if is_stream { b"\r\n0\r\n\r\n" } else { b"" };
                let framed = received.strip_suffix(end).expect("the end of the answer");
                assert!(framed.ends_with(body), "stopped at {stop}, {length} bytes, stream: {is_stream}");
            }
        }
    }
}

#[test]
fn over_tls_a_client_that_reads_late_gets_everything_in_order() {
    let mut pair = Pair::secured(Limits::default(), Habit::Hold);
    pair.client_sends(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    pair.is_client_stuck = true;
    let body = "y".repeat(100_000);
    pair.respond(1, 200, &body);
    pair.respond(2, 200, "last");
    assert!(pair.received.is_empty());
    pair.client_reads_again();
    let text = String::from_utf8(pair.received.clone()).unwrap();
    assert!(text.contains(&body) && text.ends_with("last"));
}

/// Gives the file that comes next in portions, as a reactor does, to a socket that takes `limit` bytes of each.
fn send_file(cx: &mut Context, connection: &mut Connection, file: &[u8], limit: usize, wire: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(External { missing, .. }) = connection.poll_external() {
        assert_eq!(missing as usize, file.len() - at, "what is given isn't asked for again");
        let portion = &file[at..file.len().min(at + 65_536)];
        connection.handle_external_bytes(cx, portion, &mut socket(limit, wire));
        at += portion.len();
        drain_all(cx, connection, wire);
    }
    assert_eq!(at, file.len());
}

#[test]
fn over_tls_a_file_is_the_same_wherever_the_socket_stops_and_the_next_answer_follows() {
    let file = (0..150_000_u32).map(|at| at.to_be_bytes()[3]).collect::<Vec<_>>();
    for length in [1, 16 * 1024, 65_536, 150_000] {
        let file = &file[..length];
        for limit in (0..500).step_by(99).chain((500..70_000).step_by(8191)).chain([usize::MAX]) {
            let mut cx = Context::new(Limits::default());
            let (mut connection, first, mut tunnel) = asked_over_tls(&mut cx);
            let step = connection.handle_input(&mut cx, b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
            let Some(Event::Request(request)) = step.event else { panic!("no request") };
            let second = request.request_id;
            let begun = answer(Payload::Stream { length: Some(length as u64 + 2) });
            connection.handle_answer(&mut cx, first, begun).unwrap();
            assert!(connection.takes_files());
            connection.handle_write(&mut cx, first, b"<<").unwrap();
            assert_eq!(connection.handle_file(&mut cx, first, length as u64), Ok(true));
            connection.handle_end(&mut cx, first, b"").unwrap();
            connection.handle_answer(&mut cx, second, answer(Payload::Full(b"second"))).unwrap();
            assert_eq!(connection.poll_external(), None, "the bytes before it are sent first");
            let mut wire = Vec::new();
            drain_all(&mut cx, &mut connection, &mut wire);
            send_file(&mut cx, &mut connection, file, limit, &mut wire);
            let received = tunnel.incoming(&wire);
            let head = received.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
            assert_eq!(&received[head..head + 2], b"<<");
            assert!(received[head + 2..].starts_with(file), "{length} bytes, {limit} at once");
            let behind = &received[head + 2 + length..];
            assert!(behind.starts_with(b"HTTP/1.1 200 OK\r\n") && behind.ends_with(b"second"));
        }
    }
}

#[test]
fn over_tls_a_file_that_is_too_short_ends_the_connection_without_close_notify() {
    let mut cx = Context::new(Limits::default());
    let (mut connection, request_id, mut tunnel) = asked_over_tls(&mut cx);
    let begun = answer(Payload::Stream { length: Some(10) });
    connection.handle_answer(&mut cx, request_id, begun).unwrap();
    connection.handle_file(&mut cx, request_id, 10).unwrap();
    connection.handle_end(&mut cx, request_id, b"").unwrap();
    let mut wire = Vec::new();
    drain_all(&mut cx, &mut connection, &mut wire);
    connection.handle_external_bytes(&mut cx, b"short", &mut socket(usize::MAX, &mut wire));
    connection.handle_external_failed(&mut cx);
    assert_eq!(connection.poll_transmit(&mut cx), b"", "no close_notify says that the answer is whole");
    assert_eq!(connection.finish(), Some(Finish::Reset));
    assert!(connection.is_all_sent() && connection.poll_external().is_none());
    assert!(tunnel.incoming(&wire).ends_with(b"\r\n\r\nshort"));
}
