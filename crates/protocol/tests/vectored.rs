//! Large answers and pieces: wherever the socket stops taking them, the bytes sent are those of a copied answer.

#![allow(clippy::unwrap_used, reason = "an unexpected result fails the test")]

use std::io::IoSlice;

use protocol::{Answer, Connection, Context, Event, Limits, Payload, RequestId, is_large};

const BODY: &[u8] = &[b'x'; 20_000];

fn asked(cx: &mut Context, head: &[u8]) -> (Connection, RequestId) {
    let mut connection = Connection::new(cx);
    let step = connection.handle_input(cx, head);
    let Some(Event::Request(request)) = step.event else { panic!("no request") };
    let request_id = request.request_id;
    (connection, request_id)
}

fn answer(payload: Payload<'_>) -> Answer<'_> {
    Answer { status: 200, reason: None, fields: b"", payload, close: false, has_own_date: false }
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
