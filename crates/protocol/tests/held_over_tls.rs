//! Memory that is held and encrypted from where it is: wherever the socket stops taking ciphertext, the client gets the
//! bytes of a copied answer.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "an unexpected result fails the test")]

#[path = "../../nghttp2/tests/frames/wire.rs"]
mod wire;

mod pair;

use std::io::IoSlice;

use pair::Tunnel;
use protocol::{
    Answer, Connection, Context, Event, External, Finish, Limits, Own, Payload, RequestId, Way, is_large,
};

/// Bytes that differ, so that an exchange of two would show.
fn body(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

fn answer(payload: Payload<'_>) -> Answer<'_> {
    Answer { status: 200, reason: None, fields: b"", payload, close: false, own: Own::default() }
}

/// Takes `limit` bytes of each call.
fn socket<'a>(limit: usize, wire: &'a mut Vec<u8>) -> impl FnMut(&[IoSlice<'_>]) -> usize + 'a {
    move |parts| {
        let before = wire.len();
        wire.extend(parts.iter().flat_map(|part| part.iter().copied()).take(limit));
        wire.len() - before
    }
}

/// A connection that has shaken hands and read `input`, and its requests.
fn asked(cx: &mut Context, is_http2: bool, input: &[u8]) -> (Connection, Vec<RequestId>, Tunnel) {
    let (mut tunnel, config) = Tunnel::new();
    let mut connection = Connection::secured(cx, config, false);
    let mut plaintext = Vec::new();
    let mut has_written = false;
    while plaintext.len() < input.len() {
        connection.decrypt(cx, &mut tunnel.outgoing(), &mut plaintext);
        while connection.poll_security(cx).is_some() {}
        let output = connection.poll_transmit(cx).to_vec();
        connection.handle_sent(cx, output.len());
        tunnel.incoming(&output);
        if !connection.is_handshaking() && !std::mem::replace(&mut has_written, true) {
            if is_http2 {
                connection.handle_choose_http2(cx, Way::default()).unwrap();
            }
            tunnel.write(input);
        }
    }
    let mut requests = Vec::new();
    let mut rest = &plaintext[..];
    loop {
        let step = connection.handle_input(cx, rest);
        let is_done = step.taken == 0 && step.event.is_none();
        rest = &rest[step.taken..];
        requests.extend(step.event.map(|event| match event {
            Event::Request(request) => request.request_id,
            other => panic!("{other:?}"),
        }));
        if is_done {
            return (connection, requests, tunnel);
        }
    }
}

/// Sends ciphertext that waits, all of it.
fn flush(cx: &mut Context, connection: &mut Connection, wire: &mut Vec<u8>) {
    loop {
        let unsent = connection.poll_transmit(cx).to_vec();
        if unsent.is_empty() {
            return;
        }
        wire.extend_from_slice(&unsent);
        connection.handle_sent(cx, unsent.len());
    }
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Gives the part in portions, as a reactor does, to a socket that takes `limit` bytes of each.
fn send_part(cx: &mut Context, connection: &mut Connection, held: &[u8], limit: usize, wire: &mut Vec<u8>) {
    flush(cx, connection, wire);
    while let Some(External { missing, .. }) = connection.poll_external() {
        let at = held.len() - missing as usize;
        let portion = &held[at..held.len().min(at + 100_000)];
        let sent = connection.handle_external_held(cx, &[IoSlice::new(portion)], &mut socket(limit, wire));
        assert!(sent <= portion.len());
        flush(cx, connection, wire);
    }
}

#[test]
fn http1_is_the_same_wherever_the_socket_stops() {
    let body = body(250_000);
    for limit in (0..500).step_by(99).chain((500..65_000).step_by(8191)).chain([65_536, usize::MAX]) {
        for is_stream in [false, true] {
            let mut cx = Context::new(Limits::default());
            let (mut connection, requests, mut tunnel) = asked(&mut cx, false, GET);
            let request_id = requests[0];
            assert!(connection.takes_external());
            let mut wire = Vec::new();
            let held = if is_stream {
                connection
                    .handle_answer(&mut cx, request_id, answer(Payload::Stream { length: None }))
                    .unwrap();
                connection
                    .handle_write_held(
                        &mut cx,
                        request_id,
                        &[IoSlice::new(&body)],
                        &mut socket(limit, &mut wire),
                    )
                    .unwrap()
            } else {
                let whole = answer(Payload::Full(&body));
                connection
                    .handle_answer_held(&mut cx, request_id, whole, &mut socket(limit, &mut wire))
                    .unwrap()
            };
            assert!(held == 0 || is_large(&body[..held]));
            assert_eq!(held > 0, limit < usize::MAX, "the socket takes {limit}");
            assert_eq!(connection.holds(request_id), held > 0);
            if is_stream {
                connection.handle_write(&mut cx, request_id, b"behind").unwrap();
                connection.handle_end(&mut cx, request_id, b"").unwrap();
            }
            send_part(&mut cx, &mut connection, &body, limit, &mut wire);
            assert!(connection.is_all_sent() && connection.is_written(request_id));
            assert!(!connection.holds(request_id));
            let received = tunnel.incoming(&wire);
            let end: &[u8] = if is_stream { b"\r\n6\r\nbehind\r\n0\r\n\r\n" } else { b"" };
            let framed = received.strip_suffix(end).expect("the end of the answer");
            assert!(framed.ends_with(&body), "stopped at {limit}, stream: {is_stream}");
        }
    }
}

#[test]
fn http1_has_its_next_answer_behind_a_part() {
    let body = body(200_000);
    let mut cx = Context::new(Limits::default());
    let (mut connection, requests, mut tunnel) = asked(&mut cx, false, &GET.repeat(2));
    let whole = answer(Payload::Full(&body));
    let held =
        connection.handle_answer_held(&mut cx, requests[1], whole, &mut |_| panic!("its turn isn't come"));
    assert_eq!(held, Ok(body.len()));
    connection.handle_answer(&mut cx, requests[0], answer(Payload::Full(b"first"))).unwrap();
    let mut wire = Vec::new();
    send_part(&mut cx, &mut connection, &body, 5000, &mut wire);
    let received = tunnel.incoming(&wire);
    assert!(received.ends_with(&body));
    assert!(received.windows(5).any(|window| window == b"first"));
}

#[test]
fn http1_ends_without_close_notify_where_memory_is_gone() {
    let body = body(200_000);
    let mut cx = Context::new(Limits::default());
    let (mut connection, requests, mut tunnel) = asked(&mut cx, false, GET);
    let mut wire = Vec::new();
    let whole = answer(Payload::Full(&body));
    let held =
        connection.handle_answer_held(&mut cx, requests[0], whole, &mut socket(30_000, &mut wire)).unwrap();
    assert!(held > 0);
    flush(&mut cx, &mut connection, &mut wire);
    connection.handle_external_failed(&mut cx);
    assert_eq!(connection.poll_transmit(&mut cx), b"", "no close_notify says that the answer is whole");
    assert_eq!(connection.finish(), Some(Finish::Reset));
    assert!(!tunnel.incoming(&wire).ends_with(&body));
}

fn http2_input() -> Vec<u8> {
    let list = [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/")];
    let flags = wire::END_HEADERS | wire::END_STREAM;
    let get = |stream| wire::headers(flags, stream, &list);
    let windows = [wire::settings(&[(4, 1 << 30)]), wire::window_update(0, 1 << 30)].concat();
    [wire::PREFACE, &windows, &get(1), &get(3)].concat()
}

/// What has come on a stream, joined.
fn received(mut plaintext: &[u8], wanted: u32) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some((header, rest)) = plaintext.split_at_checked(9) {
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        if header[3] == 0 && u32::from_be_bytes([header[5], header[6], header[7], header[8]]) == wanted {
            content.extend_from_slice(&rest[..length]);
        }
        plaintext = &rest[length..];
    }
    content
}

#[test]
fn http2_is_the_same_wherever_the_socket_stops() {
    let bodies = [body(150_000), body(333_333)];
    let input = http2_input();
    for limit in (1..500).step_by(99).chain((500..70_000).step_by(8191)).chain([65_536, usize::MAX]) {
        let mut cx = Context::new(Limits::default());
        let (mut connection, requests, mut tunnel) = asked(&mut cx, true, &input);
        assert!(connection.is_http2() && connection.takes_external());
        for (request_id, body) in requests.iter().zip(&bodies) {
            let whole = answer(Payload::Full(body));
            let held =
                connection.handle_answer_held(&mut cx, *request_id, whole, &mut |_| panic!("not at once"));
            assert_eq!(held, Ok(body.len()));
        }
        let memory: Vec<_> = requests.iter().copied().zip(bodies.iter().map(Vec::as_slice)).collect();
        let mut wire = Vec::new();
        while requests.iter().any(|request_id| connection.holds(*request_id)) {
            connection.send_held(&mut cx, &memory, 200_000, &mut socket(limit, &mut wire));
        }
        flush(&mut cx, &mut connection, &mut wire);
        let plaintext = tunnel.incoming(&wire);
        assert_eq!(received(&plaintext, 1), bodies[0], "{limit} bytes at once");
        assert_eq!(received(&plaintext, 3), bodies[1], "{limit} bytes at once");
        assert!(connection.is_all_sent());
    }
}

#[test]
fn http2_gives_the_socket_no_short_records() {
    let body = body(600_000);
    let mut cx = Context::new(Limits::default());
    let (mut connection, requests, _tunnel) = asked(&mut cx, true, &http2_input());
    let whole = answer(Payload::Full(&body));
    connection.handle_answer_held(&mut cx, requests[0], whole, &mut |_| 0).unwrap();
    let mut sent = Vec::new();
    connection.send_held(&mut cx, &[(requests[0], &body[..])], usize::MAX, &mut |parts| {
        sent.push(parts.iter().map(|part| part.len()).sum::<usize>());
        sent[sent.len() - 1]
    });
    assert!(sent.iter().all(|length| (65_536..90_000).contains(length)), "{sent:?}");
}

#[test]
fn http2_forgets_memory_whose_ciphertext_waits() {
    let bodies = [body(600_000), body(100_000)];
    let mut cx = Context::new(Limits::default());
    let (mut connection, requests, mut tunnel) = asked(&mut cx, true, &http2_input());
    for (request_id, body) in requests.iter().zip(&bodies) {
        let whole = answer(Payload::Full(body));
        connection.handle_answer_held(&mut cx, *request_id, whole, &mut |_| 0).unwrap();
    }
    let memory: Vec<_> = requests.iter().copied().zip(bodies.iter().map(Vec::as_slice)).collect();
    let mut wire = Vec::new();
    connection.send_held(&mut cx, &memory, 200_000, &mut socket(30_000, &mut wire));
    connection.handle_held_lost(requests[0]);
    assert!(!connection.holds(requests[0]));
    while connection.holds(requests[1]) {
        connection.send_held(&mut cx, &memory[1..], 200_000, &mut socket(30_000, &mut wire));
    }
    flush(&mut cx, &mut connection, &mut wire);
    let plaintext = tunnel.incoming(&wire);
    assert_eq!(received(&plaintext, 3), bodies[1]);
    let lost = received(&plaintext, 1);
    let same = lost.iter().zip(&bodies[0]).take_while(|(sent, byte)| sent == byte).count();
    assert!(same > 16_000 && same < 70_000 && lost[same..].iter().all(|byte| *byte == 0));
    assert!(wire::describe(&plaintext).contains("1 RST_STREAM INTERNAL_ERROR"));
}
