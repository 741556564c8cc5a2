//! What a client sends and an application does, read from bytes: for the fuzzer, and for the random ones here.
//!
//! ```text
//!   first byte   what follows
//!   0-9          a frame: type, flags, stream, and as many bytes of payload as the next one says
//!   10           so many bytes as they are
//!   11, 12, 13   the oldest request is answered: at once, as a stream, before its body, not at all or taken over
//!   14           its body is asked for
//!   15           time passes, output is read
//! ```

use std::collections::VecDeque;

use protocol::Way;
use protocol::http2::Connection;
use protocol::{Answer, Context, Credit, ErrorCode, Event, Limits, Own, Payload, RequestId};

const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0";

/// Plays a script. Panics, or fails within nghttp2, if a promise is broken.
pub(crate) fn play(script: &[u8]) {
    let limits = Limits {
        concurrent_stream_limit: 5,
        header_size_limit: 1_000,
        extended_connect: true,
        http2_ping_interval: 5_000,
        ..Limits::default()
    };
    let mut cx = Context::new(limits);
    cx.ask_for_pages(2);
    let Some(mut connection) = Connection::new(&cx, Way::default()) else { return };
    let mut requests = VecDeque::new();
    read(&mut connection, &mut cx, &mut requests, HELLO);
    let mut rest = script.iter().copied();
    while let Some(step) = rest.next() {
        let mut next = || rest.next().unwrap_or(0);
        match step % 16 {
            kind @ 0..=9 => {
                let (flags, stream, length) = (next(), next() % 16, next());
                let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, stream];
                frame.extend((0..length).map(|_| next()));
                read(&mut connection, &mut cx, &mut requests, &frame);
            }
            10 => {
                let length = next();
                let bytes: Vec<u8> = (0..length).map(|_| next()).collect();
                read(&mut connection, &mut cx, &mut requests, &bytes);
            }
            11 => {
                answer(&mut connection, &mut cx, requests.pop_front(), Payload::Full(&[7; 300]));
            }
            12 => {
                let request_id = requests.pop_front();
                if answer(&mut connection, &mut cx, request_id, Payload::Stream { length: None }) {
                    let request_id = request_id.unwrap_or(RequestId(0));
                    // Stale ones are refused, which is what is tested.
                    let piece = next();
                    let _ = connection.handle_write(&cx, request_id, &[piece; 40]);
                    if piece.is_multiple_of(2) {
                        let _ = connection.handle_end(request_id, b"a: b\r\n");
                    } else {
                        let _ = connection.handle_end_early(request_id, b"a: b\r\n");
                        // Its body is read, dropped or left by later steps.
                        requests.push_back(request_id);
                    }
                }
            }
            13 => {
                let request_id = requests.pop_front().unwrap_or(RequestId(0));
                match next() % 4 {
                    0 => {
                        let _ = connection.handle_upgrade(&cx, request_id, b"a: b\r\n");
                        let _ = connection.handle_credit(&mut cx, request_id, Credit::Bytes(100));
                        let _ = connection.handle_write(&cx, request_id, &[next(); 40]);
                        // It is ended, aborted or left open by later steps.
                        requests.push_back(request_id);
                    }
                    1 => {
                        let _ = connection.handle_end(request_id, b"");
                    }
                    2 => connection.handle_last(),
                    _ => {
                        let _ = connection.handle_abort(request_id, ErrorCode::CANCEL);
                    }
                }
            }
            14 => {
                let request_id = requests.front().copied().unwrap_or(RequestId(0));
                let _ = connection.handle_credit(&mut cx, request_id, Credit::Bytes(next().into()));
            }
            _ => {
                cx.now = cx.now.after_millis(u64::from(next()) * 100);
                cx.renew_pages();
                connection.handle_timeout(&mut cx);
                send(&mut connection, &mut cx);
            }
        }
    }
    send(&mut connection, &mut cx);
    connection.abandon_pages();
    while connection.poll_refusal().is_some() {}
    assert!(connection.open_request_ids().count() <= 5, "more requests run than may");
}

fn answer(
    connection: &mut Connection,
    cx: &mut Context,
    request_id: Option<RequestId>,
    payload: Payload<'_>,
) -> bool {
    let answer =
        Answer { status: 200, reason: None, fields: b"a: b\r\n", payload, close: false, own: Own::default() };
    request_id.is_some_and(|request_id| connection.handle_answer(cx, request_id, answer).is_ok())
}

fn read(connection: &mut Connection, cx: &mut Context, requests: &mut VecDeque<RequestId>, mut input: &[u8]) {
    loop {
        let step = connection.handle_input(cx, input);
        input = &input[step.taken..];
        match step.event {
            Some(Event::Request(request)) => requests.push_back(request.request_id),
            Some(Event::Unparsed { request_id, .. }) => requests.push_back(request_id),
            Some(_) => {}
            None if step.taken == 0 => break,
            None => {}
        }
    }
}

fn send(connection: &mut Connection, cx: &mut Context) {
    connection.flush(cx);
    while !connection.unsent().is_empty() {
        let count = connection.unsent().len();
        connection.handle_sent(cx, count);
    }
}
