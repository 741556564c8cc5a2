//! Frames that a broken or hostile client sends. What is a flood is decided above; here frames are counted,
//! and what no client may send ends the stream or the session.

#![allow(clippy::expect_used, clippy::unwrap_used)]

mod frames;

use frames::*;
use nghttp2::{Content, Counts, ErrorCode, StreamId};

const OK: [(&[u8], &[u8]); 1] = [(b":status", b"200")];

/// Reads, then tells what is sent and why the session failed.
fn answer_to(input: &[u8]) -> (String, Option<ErrorCode>) {
    let mut server = Server::new();
    server.reads(input);
    (server.sends(), server.session.failure())
}

fn error(code: ErrorCode, last: u32) -> (String, Option<ErrorCode>) {
    (format!("0 GOAWAY after {last} {code}"), Some(code))
}

#[test]
fn frames_are_counted_by_kind() {
    let mut server = Server::new();
    let input = [
        get(1),
        post(3),
        data(3, b"x"),
        data(3, b""),
        ping(),
        ping(),
        settings(&[]),
        priority(7, 1),
        priority_update(3, "u=1"),
        window_update(0, 1),
        window_update(3, 1),
        rst_stream(3, 8),
        frame(0x55, 0, 0, b""),
        frame(1, 0, 5, b""),
        continuation(0, 5, &[]),
        continuation(END_HEADERS, 5, &[(":method", "GET")]),
    ];
    server.reads(&input.concat());
    assert_eq!(
        server.received.counts,
        Counts {
            requests: 3,
            data: 1,
            empty_data: 1,
            continuations: 3,
            pings: 2,
            settings: 1,
            resets: 1,
            priorities: 2,
            window_updates: 2,
            idle: 1,
            provoked: 0,
        }
    );
}

#[test]
fn an_endless_header_block_is_refused_cve_2024_27316() {
    let tiny = (0..20).flat_map(|_| continuation(0, 1, &[("a", "b")]));
    let input: Vec<u8> = headers(0, 1, &[(":method", "GET")]).into_iter().chain(tiny).collect();
    assert_eq!(answer_to(&input), error(ErrorCode::ENHANCE_YOUR_CALM, 1));
    let value = "x".repeat(16_000);
    let large = (0..20).flat_map(|_| continuation(0, 1, &[("a", &value)]));
    let input: Vec<u8> = headers(0, 1, &[(":method", "GET")]).into_iter().chain(large).collect();
    assert_eq!(answer_to(&input), error(ErrorCode::ENHANCE_YOUR_CALM, 1));
}

#[test]
fn a_header_list_over_its_limit_is_cut_and_the_table_stays_right() {
    let mut server = Server::new();
    // A literal with incremental indexing, which enters the table, behind the limit.
    let mut block = block(&[(":method", "GET"), ("large", &"x".repeat(16_300))]);
    block.extend(b"\x40\x03new\x05value");
    let (first, rest) = block.split_at(16_000);
    let input = [frame(1, END_STREAM, 1, first), frame(9, END_HEADERS, 1, rest)].concat();
    let events = server.reads(&input);
    assert!(events.starts_with("1 request :method=GET large=xxx") && events.ends_with("x over Bytes end"));
    // 62 is the youngest entry of the dynamic table.
    assert_eq!(server.reads(&frame(1, 5, 3, b"\xbe")), "3 request new=value end");
}

#[test]
fn what_is_kept_of_one_input_is_bounded() {
    let mut server = Server::new();
    // 4,000 bytes enter the table; each request behind repeats them three times.
    let entry = [b"\x40\x01x\x7f\xa1\x1e".as_slice(), &[b'v'; 4_000]].concat();
    let requests = (1..1_000).flat_map(|at| frame(1, 5, 2 * at + 1, &[0xbe; 3]));
    let input: Vec<u8> = frame(1, 5, 1, &entry).into_iter().chain(requests).collect();
    let events = server.reads(&input);
    assert_eq!(events.lines().filter(|line| !line.contains("over Call")).count(), 89);
    assert_eq!(events.lines().count(), 1_000);
}

#[test]
fn crumbs_have_a_limit_of_their_own_cve_2026_49975() {
    let mut server = Server::new();
    // `cookie` without a value enters the table once and then costs one byte each.
    let mut block = b"\x60\x00".to_vec();
    block.extend([0xbe; 100]);
    assert!(server.reads(&frame(1, 5, 1, &block)).ends_with("over Fields end"));
    let (bytes, fields) = match &server.received.events[0] {
        nghttp2::Event::Request { list, .. } => server.received.list(list),
        other => panic!("{other:?}"),
    };
    assert_eq!((bytes.len(), fields.len()), (50 * 6, 50));
}

#[test]
fn a_frame_for_a_stream_that_the_peer_ended_is_an_error() {
    for late in [data(1, b"x"), headers(END_HEADERS | END_STREAM, 1, &[("a", "b")])] {
        let mut server = Server::new();
        server.reads(&get(1));
        server.session.submit_response(StreamId(1), OK, Content::None).expect("it is open");
        server.sends();
        server.reads(&late);
        assert_eq!(server.sends(), "0 GOAWAY after 1 STREAM_CLOSED");
    }
    assert_eq!(
        answer_to(&[post(1), rst_stream(1, 8), data(1, b"x")].concat()),
        error(ErrorCode::STREAM_CLOSED, 1)
    );
    assert_eq!(answer_to(&[get(5), get(3)].concat()), error(ErrorCode::PROTOCOL_ERROR, 5));
}

#[test]
fn frames_for_a_stream_that_we_reset_are_dropped_and_their_window_returns() {
    let mut server = Server::new();
    server.reads(&post(1));
    server.session.reset(StreamId(1), ErrorCode::NO_ERROR);
    server.sends();
    for _ in 0..40 {
        assert_eq!(server.reads(&data(1, &[0; 16_000])), "");
    }
    assert_eq!(server.reads(&headers(END_HEADERS | END_STREAM, 1, &[("a", "b")])), "");
    assert_eq!(server.sends(), "0 WINDOW_UPDATE +528000");
    assert_eq!(server.reads(&get(3)), "3 request :method=GET :path=/ end");
}

#[test]
fn a_stream_s_window_that_overflows_is_an_error_of_the_stream() {
    let mut server = Server::new();
    server.reads(&[post(1), window_update(1, 0x7fff_ffff), data(1, b"x")].concat());
    assert_eq!(server.sends(), "1 RST_STREAM FLOW_CONTROL_ERROR");
    assert_eq!(server.received.counts.provoked, 1);
    let mut server = Server::new();
    server.reads(&get(1));
    server.session.submit_response(StreamId(1), OK, Content::None).expect("it is open");
    server.sends();
    for _ in 0..2 {
        server.reads(&window_update(1, 0x7fff_ffff));
    }
    assert_eq!(server.sends(), "1 RST_STREAM FLOW_CONTROL_ERROR");
}

#[test]
fn errors_of_the_connection_end_it_cve_2026_21714() {
    let overflow = window_update(0, 0x7fff_ffff);
    assert_eq!(answer_to(&overflow), error(ErrorCode::FLOW_CONTROL_ERROR, 0));
    let protocol_error = error(ErrorCode::PROTOCOL_ERROR, 0);
    assert_eq!(answer_to(&priority(3, 3)), protocol_error);
    assert_eq!(answer_to(&priority(0, 3)), protocol_error);
    assert_eq!(answer_to(&window_update(0, 0)), protocol_error);
    assert_eq!(answer_to(&data(1, b"x")), protocol_error);
    assert_eq!(answer_to(&priority_update(2, "u=1")), protocol_error);
    assert_eq!(answer_to(&frame(16, 0, 0, b"abc")), error(ErrorCode::FRAME_SIZE_ERROR, 0));
    assert_eq!(answer_to(&frame(1, 5, 1, b"\xff\xff\xff\xff\xff")), error(ErrorCode::COMPRESSION_ERROR, 1));
}

#[test]
fn nothing_is_read_behind_the_end_cve_2026_27135() {
    let mut server = Server::new();
    server.session.terminate(ErrorCode::ENHANCE_YOUR_CALM);
    let bad_size = frame(6, 0, 0, b"1234567");
    assert_eq!(server.reads(&[get(1), bad_size.clone()].concat()), "");
    assert_eq!(server.sends(), "0 GOAWAY after 0 ENHANCE_YOUR_CALM");
    assert!(server.session.is_over());
    assert_eq!(server.reads(&bad_size), "");
    assert_eq!(server.sends(), "");
}

#[test]
fn pings_that_nobody_reads_the_answers_of_end_the_session_cve_2019_9512() {
    let flood: Vec<u8> = (0..1_100).flat_map(|_| ping()).collect();
    let mut server = Server::new();
    server.reads(&flood);
    assert_eq!(server.session.failure(), Some(ErrorCode::ENHANCE_YOUR_CALM));
    assert_eq!(server.session.waiting_frames(), 1_001);
}

#[test]
fn priorities_of_streams_to_come_are_bounded() {
    let mut server = Server::new();
    let updates: Vec<u8> = (0..1_000).flat_map(|at| priority_update(2 * at + 1, "u=1")).collect();
    server.reads(&updates);
    assert_eq!(server.reads(&get(1)), "1 request :method=GET :path=/ end");
    assert_eq!(server.reads(&get(1999)), "1999 request :method=GET :path=/ end u=1");
}

#[test]
fn a_session_that_fails_within_a_header_block_leaves_nothing_of_it_to_another() {
    let list = [(":method", "GET"), (":path", "/")];
    let begun = headers(0, 3, &list);
    let too_many: Vec<u8> = (0..20).flat_map(|_| continuation(0, 3, &[("a", "b")])).collect();
    let broken = [continuation(0, 3, &[]), frame(1, 0, 3, b"\xff\xff\xff\xff\xff")].concat();
    for failing in [too_many, broken, frame(6, 0, 0, b"")] {
        let (mut one, mut other) = (Server::new(), Server::new());
        // A part of a list has come on the other.
        other.reads(&headers(0, 1, &list));
        // The list that isn't complete lies behind one that is.
        one.reads(&[get(1), begun.clone(), failing].concat());
        one.sends();
        assert!(one.session.failure().is_some());
        // One `Received` serves both.
        std::mem::swap(&mut one.received, &mut other.received);
        assert_eq!(other.reads(&continuation(0, 1, &[("x", "y")])), "");
        let last = continuation(END_HEADERS, 1, &[("x", "z")]);
        assert_eq!(other.reads(&last), "1 request :method=GET :path=/ x=y x=z");
        assert_eq!(other.reads(&get(3)), "3 request :method=GET :path=/ end");
    }
}
