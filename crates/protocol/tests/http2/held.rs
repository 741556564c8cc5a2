//! Content that stays in the application's memory until it is sent.

use std::io::IoSlice;

use protocol::{Answer, AnswerError, Own, Payload, RequestId};

use crate::server::Server;
use crate::wire::*;

const MEBIBYTE: usize = 1024 * 1024;
/// SETTINGS_INITIAL_WINDOW_SIZE. RFC 9113 §6.5.2.
const INITIAL_WINDOW: u16 = 4;

/// Bytes that differ, so that an exchange of two would show.
fn content(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8 ^ seed).collect()
}

fn head(stream: u32, method: &str) -> Vec<u8> {
    let list = [(":method", method), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    headers(END_HEADERS | END_STREAM, stream, &list)
}

/// A server whose client has opened all windows and sent `count` requests.
fn asked(count: u32) -> Server {
    let mut server = Server::new();
    let windows = [settings(&[(INITIAL_WINDOW, 1 << 30)]), window_update(0, 1 << 30)].concat();
    server.reads(&windows);
    server.sends();
    for at in 0..count {
        server.reads(&head(2 * at + 1, "GET"));
    }
    server
}

fn answer(payload: Payload<'_>) -> Answer<'_> {
    Answer { status: 200, reason: None, fields: b"", payload, close: false, own: Own::default() }
}

fn holds(server: &mut Server, at: usize, bytes: &[u8]) {
    let request_id = server.request(at);
    let held = server.connection.handle_answer_held(&mut server.cx, request_id, answer(Payload::Full(bytes)));
    assert_eq!(held, Ok(bytes.len()));
    assert!(server.connection.holds(request_id));
}

/// Takes `limit` bytes of each call.
fn socket<'a>(limit: usize, wire: &'a mut Vec<u8>) -> impl FnMut(&[IoSlice<'_>]) -> usize + 'a {
    move |parts| {
        let before = wire.len();
        wire.extend(parts.iter().flat_map(|part| part.iter().copied()).take(limit));
        wire.len() - before
    }
}

/// Sends until nothing is left, to a socket that takes `limit` bytes of each call.
fn drain(server: &mut Server, memory: &[(RequestId, &[u8])], limit: usize, wire: &mut Vec<u8>) {
    let mut send = socket(limit, wire);
    while server.connection.send_held(&mut server.cx, memory, MEBIBYTE, &mut send) > 0 {}
}

/// What has come on a stream, joined, and whether it has ended.
fn received(mut wire: &[u8], wanted: u32) -> (Vec<u8>, bool) {
    let (mut content, mut has_ended) = (Vec::new(), false);
    while let Some((header, rest)) = wire.split_at_checked(9) {
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
        if stream == wanted && header[3] == 0 {
            content.extend_from_slice(&rest[..length]);
            has_ended |= header[4] & END_STREAM != 0;
        }
        wire = &rest[length..];
    }
    (content, has_ended)
}

#[test]
fn answers_are_the_same_wherever_the_socket_stops() {
    let (one, two) = (content(0, 150_000), content(7, 90_001));
    for limit in [1000, 4099, 16_384, 16_393, 65_536, 100_001, usize::MAX] {
        let mut server = asked(2);
        holds(&mut server, 0, &one);
        holds(&mut server, 1, &two);
        let ids = [server.request(0), server.request(1)];
        let mut wire = Vec::new();
        drain(&mut server, &[(ids[0], &one), (ids[1], &two)], limit, &mut wire);
        assert_eq!(received(&wire, 1), (one.clone(), true), "{limit} bytes at once");
        assert_eq!(received(&wire, 3), (two.clone(), true), "{limit} bytes at once");
        assert!(server.connection.is_all_sent());
        assert!(ids.iter().all(|id| !server.connection.holds(*id) && server.connection.is_written(*id)));
    }
}

#[test]
fn one_write_has_the_head_and_frames_of_all_answers() {
    let body = content(0, 50_000);
    let mut server = asked(3);
    (0..3).for_each(|at| holds(&mut server, at, &body));
    let memory: Vec<_> = (0..3).map(|at| (server.request(at), &body[..])).collect();
    let mut writes = Vec::new();
    server.connection.send_held(&mut server.cx, &memory, MEBIBYTE, &mut |parts| {
        let length = parts.iter().map(|part| part.len()).sum();
        writes.push((parts.len(), length));
        assert!(
            parts.iter().filter(|part| part.len() > 1000).all(|part| is_of(&body, part)),
            "nothing is copied"
        );
        length
    });
    let [(parts, length)] = writes[..] else { panic!("one write: {writes:?}") };
    assert!(length > 150_000 && parts == 2 * 12, "{parts} parts, {length} bytes");
}

fn is_of(body: &[u8], part: &[u8]) -> bool {
    body.as_ptr_range().contains(&part.as_ptr())
}

#[test]
fn content_waits_for_windows_where_it_is() {
    let body = content(0, 100_000);
    let mut server = Server::new();
    server.reads(&head(1, "GET"));
    holds(&mut server, 0, &body);
    let memory = [(server.request(0), &body[..])];
    let mut wire = Vec::new();
    drain(&mut server, &memory, usize::MAX, &mut wire);
    assert_eq!(received(&wire, 1).0.len(), 65_535);
    assert_eq!(server.connection.backlog(server.request(0)), 100_000 - 65_535);
    assert!(server.connection.is_all_sent() && server.connection.holds(server.request(0)));
    server.reads(&[window_update(0, 100_000), window_update(1, 100_000)].concat());
    drain(&mut server, &memory, usize::MAX, &mut wire);
    assert_eq!(received(&wire, 1), (body.clone(), true));
}

#[test]
fn windows_that_open_byte_by_byte_make_no_write_of_too_many_parts() {
    let body = content(0, 20_000);
    let mut server = Server::new();
    server.reads(&head(1, "GET"));
    server.reads(&settings(&[(INITIAL_WINDOW, 0)]));
    server.sends();
    holds(&mut server, 0, &body);
    let memory = [(server.request(0), &body[..])];
    for _ in 0..2000 {
        server.reads(&window_update(1, 1));
        server.connection.send_held(&mut server.cx, &memory, MEBIBYTE, &mut |parts| {
            assert!(parts.len() <= 200, "{} parts", parts.len());
            0
        });
    }
    server.reads(&window_update(1, 100_000));
    let mut wire = Vec::new();
    drain(&mut server, &memory, usize::MAX, &mut wire);
    assert_eq!(received(&wire, 1), (body.clone(), true));
}

#[test]
fn memory_of_an_answer_that_is_reset_is_not_sent_any_more() {
    let (one, two) = (content(0, 600_000), content(7, 100_000));
    type End = fn(&mut Server);
    let by_client: End = |server| {
        server.reads(&rst_stream(1, 8));
    };
    let by_application: End = |server| {
        let request_id = server.request(0);
        let _ = server.connection.handle_abort(request_id, protocol::ErrorCode::INTERNAL_ERROR);
    };
    let lost: End = |server| {
        let request_id = server.request(0);
        server.connection.handle_held_lost(request_id);
    };
    for (end, is_ours) in [(by_client, false), (by_application, true), (lost, true)] {
        let mut server = asked(2);
        holds(&mut server, 0, &one);
        holds(&mut server, 1, &two);
        let ids = [server.request(0), server.request(1)];
        let mut wire = Vec::new();
        let mut left = 20_000;
        server.connection.send_held(
            &mut server.cx,
            &[(ids[0], &one), (ids[1], &two)],
            MEBIBYTE,
            &mut |parts| {
                let before = wire.len();
                wire.extend(parts.iter().flat_map(|part| part.iter().copied()).take(left));
                left -= wire.len() - before;
                wire.len() - before
            },
        );
        assert_eq!(wire.len(), 20_000, "a frame is cut");
        end(&mut server);
        assert!(!server.connection.holds(ids[0]));
        drain(&mut server, &[(ids[1], &two)], 30_000, &mut wire);
        assert_eq!(received(&wire, 3), (two.clone(), true), "the other answer is sent whole");
        let (sent, has_ended) = received(&wire, 1);
        let same = sent.iter().zip(&one).take_while(|(sent, byte)| sent == byte).count();
        assert!(!has_ended && same < 20_000 && sent[same..].iter().all(|byte| *byte == 0));
        assert_eq!(describe(&wire).contains("1 RST_STREAM"), is_ours);
    }
}

#[test]
fn zeros_in_place_of_lost_memory_need_no_memory() {
    let one = content(0, 600_000);
    let mut server = asked(1);
    holds(&mut server, 0, &one);
    let memory = [(server.request(0), &one[..])];
    server.connection.send_held(&mut server.cx, &memory, MEBIBYTE, &mut |_| 0);
    server.reads(&rst_stream(1, 8));
    let mut wire = Vec::new();
    server.sends_to(&mut wire);
    assert!(server.connection.is_all_sent());
    assert!(received(&wire, 1).0.iter().all(|byte| *byte == 0));
    assert_eq!(server.sends(), "");
}

#[test]
fn pieces_are_held_one_at_a_time_and_what_is_written_behind_them_follows() {
    let piece = content(0, 60_000);
    for limit in [1000, 16_393, usize::MAX] {
        let mut server = asked(1);
        let request_id = server.request(0);
        assert!(server.answers(0, 200, Payload::Stream { length: None }));
        let Server { connection, cx, .. } = &mut server;
        assert_eq!(connection.handle_write_held(cx, request_id, &piece), Ok(60_000));
        assert_eq!(connection.backlog(request_id), 60_000);
        connection.handle_write(cx, request_id, b"behind").unwrap();
        assert_eq!(connection.handle_write_held(cx, request_id, &piece), Ok(0), "it is copied");
        let mut wire = Vec::new();
        drain(&mut server, &[(request_id, &piece)], limit, &mut wire);
        let Server { connection, cx, .. } = &mut server;
        assert_eq!((connection.backlog(request_id), connection.holds(request_id)), (0, false));
        assert_eq!(connection.handle_write_held(cx, request_id, &piece), Ok(60_000));
        connection.handle_end(request_id, b"sum: 1\r\n").unwrap();
        drain(&mut server, &[(request_id, &piece)], limit, &mut wire);
        let all = [&piece[..], b"behind", &piece, &piece].concat();
        assert_eq!(received(&wire, 1), (all, false), "{limit} bytes at once");
        assert!(describe(&wire).ends_with("1 HEADERS end"), "trailers are the end");
    }
}

#[test]
fn what_a_socket_leaves_of_memory_that_isnt_held_is_copied() {
    for (stop, is_stream) in
        [0, 5000, 40_000, 70_000].into_iter().flat_map(|stop| [(stop, false), (stop, true)])
    {
        let mut body = content(0, 100_000);
        let other = content(7, 50_000);
        let mut server = asked(2);
        let (one, two) = (server.request(0), server.request(1));
        holds(&mut server, 0, &other);
        let mut wire = Vec::new();
        let mut left = stop;
        let mut send = |parts: &[IoSlice<'_>]| {
            let before = wire.len();
            wire.extend(parts.iter().flat_map(|part| part.iter().copied()).take(left));
            left -= wire.len() - before;
            wire.len() - before
        };
        let Server { connection, cx, .. } = &mut server;
        if is_stream {
            connection.handle_answer(cx, two, answer(Payload::Stream { length: None })).unwrap();
            connection.handle_write_vectored(cx, two, &body, &mut send).unwrap();
            connection.handle_end(two, b"").unwrap();
        } else {
            connection.handle_answer_vectored(cx, two, answer(Payload::Full(&body)), &mut send).unwrap();
        }
        assert!(!connection.holds(two));
        let expected = body.clone();
        body.fill(9);
        drain(&mut server, &[(one, &other)], 30_000, &mut wire);
        assert_eq!(received(&wire, 3), (expected, true), "stopped at {stop}, stream: {is_stream}");
        assert_eq!(received(&wire, 1), (other, true));
    }
}

#[test]
fn content_under_its_own_length_is_held_and_under_another_it_is_copied() {
    let body = content(0, 60_000);
    let mut server = asked(3);
    let ids = [0, 1, 2].map(|at| server.request(at));
    for (id, length, held) in [(ids[0], 60_000, 60_000), (ids[1], 59_000, 0), (ids[2], 61_000, 0)] {
        let payload = Payload::Declared { length, bytes: &body };
        let Server { connection, cx, .. } = &mut server;
        assert_eq!(connection.handle_answer_held(cx, id, answer(payload)), Ok(held));
        assert_eq!(connection.holds(id), held > 0);
    }
    let mut wire = Vec::new();
    drain(&mut server, &[(ids[0], &body)], usize::MAX, &mut wire);
    assert!(received(&wire, 1) == (body.clone(), true));
    assert!(received(&wire, 3) == (body[..59_000].to_vec(), true));
    assert!(!received(&wire, 5).1, "it is shorter than it says");
}

#[test]
fn nothing_is_held_of_what_isnt_sent() {
    let body = content(0, 40_000);
    let mut server = asked(0);
    server.reads(&[head(1, "HEAD"), head(3, "GET")].concat());
    let (one, two) = (server.request(0), server.request(1));
    let Server { connection, cx, .. } = &mut server;
    assert_eq!(connection.handle_answer_held(cx, one, answer(Payload::Full(&body))), Ok(0));
    connection.handle_answer(cx, two, answer(Payload::Stream { length: Some(39_000) })).unwrap();
    assert_eq!(connection.handle_write_held(cx, two, &body), Err(AnswerError::TooLong));
    let mut wire = Vec::new();
    drain(&mut server, &[], usize::MAX, &mut wire);
    assert_eq!(received(&wire, 3).0, &body[..39_000]);
    assert_eq!(received(&wire, 1), (Vec::new(), false));
}
