//! Streams that the application takes over: extended CONNECT. RFC 8441.

use protocol::{AnswerError, ErrorCode, Limits, Payload, Taken};

use crate::server::Server;
use crate::wire::*;

fn server() -> Server {
    Server::with(Limits { extended_connect: true, ..Limits::default() })
}

fn connect(stream: u32, protocol: &str) -> Vec<u8> {
    let list = [
        (":method", "CONNECT"),
        (":protocol", protocol),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/chat"),
    ];
    headers(END_HEADERS, stream, &list)
}

/// A server that has taken over stream 1.
fn taken() -> Server {
    let mut server = server();
    server.reads(&connect(1, "echo"));
    assert_eq!(upgrade(&mut server, 0), Ok(Taken::Stream));
    assert_eq!(server.sends(), "1 HEADERS");
    server
}

fn upgrade(server: &mut Server, at: usize) -> Result<Taken, AnswerError> {
    let request_id = server.request(at);
    server.connection.handle_upgrade(&server.cx, request_id, b"x-of: upgrade\r\nupgrade: echo\r\n")
}

#[test]
fn it_is_malformed_where_it_isnt_offered() {
    let mut server = Server::new();
    assert_eq!(server.reads(&connect(1, "websocket")), "");
    assert_eq!(server.sends(), "1 RST_STREAM PROTOCOL_ERROR");
}

#[test]
fn bytes_go_both_ways_and_each_side_ends_alone() {
    let mut server = taken();
    let request_id = server.request(0);
    server.reads(&data(1, b"hello"));
    assert_eq!(server.asks(0, 100), "1 body 5");
    server.connection.handle_write(&server.cx, request_id, b"hi").unwrap();
    server.connection.handle_end(request_id, b"").unwrap();
    assert_eq!(server.sends(), "1 DATA 2 bytes end");
    assert!(server.connection.is_written(request_id));
    assert_eq!(server.reads(&last_data(1, b"later")), "1 body 5 end");
    assert!(server.connection.is_idle());
}

#[test]
fn its_bytes_have_no_limit_and_no_deadline() {
    let limits =
        Limits { extended_connect: true, body_size_limit: 3, request_timeout: 1_000, ..Limits::default() };
    let mut server = Server::with(limits);
    server.reads(&connect(1, "echo"));
    assert_eq!(upgrade(&mut server, 0), Ok(Taken::Stream));
    assert_eq!(server.asks(0, 1_000), "");
    server.waits(300_000);
    assert_eq!(server.reads(&data(1, b"hello")), "1 body 5");
}

#[test]
fn unread_bytes_wait_for_a_reader_behind_the_window() {
    let mut server = taken();
    for _ in 0..4 {
        server.reads(&data(1, &[7; 16_384]));
    }
    server.waits(60_000);
    assert_eq!(server.sends(), "");
    assert_eq!(server.asks(0, 65_536), "1 body 65536");
    assert!(server.sends().contains("1 WINDOW_UPDATE"));
}

#[test]
fn a_reset_is_told_even_when_our_side_has_ended() {
    let mut server = taken();
    server.connection.handle_end(server.request(0), b"").unwrap();
    server.sends();
    assert_eq!(server.reads(&rst_stream(1, 8)), "1 reset CANCEL");
    assert!(server.connection.is_idle());
}

#[test]
fn a_close_is_what_tcp_has_a_reset_for() {
    let mut server = taken();
    server.connection.handle_abort(server.request(0), ErrorCode::INTERNAL_ERROR).unwrap();
    assert_eq!(server.sends(), "1 RST_STREAM CANCEL");
    assert!(server.connection.is_idle());
}

#[test]
fn an_answer_of_success_that_takes_nothing_over_is_a_501() {
    let mut server = server();
    server.reads(&connect(1, "echo"));
    assert!(server.answers(0, 200, Payload::Full(b"hello")));
    let sent = server.sends();
    assert!(sent.starts_with("1 HEADERS\n1 DATA 50 bytes end"), "{sent}");
    assert!(sent.ends_with("1 RST_STREAM NO_ERROR"), "{sent}");
    assert!(!server.answers(0, 200, Payload::Full(b"again")));
}

#[test]
fn a_refusal_that_waits_for_the_window_is_sent_before_the_reset() {
    let mut server = server();
    server.reads(&[settings(&[(4, 0)]), connect(1, "echo")].concat());
    server.sends();
    assert!(server.answers(0, 403, Payload::Full(b"no")));
    assert_eq!(server.sends(), "1 HEADERS");
    server.reads(&window_update(1, 2));
    assert_eq!(server.sends(), "1 DATA 2 bytes end\n1 RST_STREAM NO_ERROR");
}

#[test]
fn any_other_stream_is_reset_so_that_the_client_tries_http1() {
    let mut server = server();
    let list = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    server.reads(&headers(END_HEADERS | END_STREAM, 1, &list));
    assert_eq!(upgrade(&mut server, 0), Ok(Taken::Nothing));
    assert_eq!(server.sends(), "1 RST_STREAM HTTP_1_1_REQUIRED");
}

#[test]
fn one_that_was_reset_before_is_gone() {
    let mut server = server();
    server.reads(&[connect(1, "echo"), rst_stream(1, 8)].concat());
    assert!(server.request_ids.is_empty() || upgrade(&mut server, 0).is_err());
}
