//! How connections and streams end.

use protocol::{AnswerError, CloseReason, ErrorCode, Finish, Limits, Payload};

use crate::server::Server;
use crate::wire::*;

fn request(stream: u32) -> Vec<u8> {
    let list = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    headers(END_HEADERS | END_STREAM, stream, &list)
}

#[test]
fn a_stop_takes_two_goaways_and_serves_what_came_before_the_second() {
    let mut server = Server::new();
    server.reads(&request(1));
    server.connection.handle_stop();
    assert_eq!(server.sends(), "0 GOAWAY after 2147483647 NO_ERROR\n0 PING");
    assert_eq!(server.reads(&[request(3), frame(6, ACK, 0, b"goaway-1")].concat()), "2 GET / host=a");
    assert_eq!(server.sends(), "0 GOAWAY after 3 NO_ERROR");
    assert_eq!(server.reads(&request(5)), "");
    assert!(server.answers(0, 200, Payload::Full(b"one")));
    assert!(server.answers(1, 200, Payload::Full(b"two")));
    assert_eq!(server.sends(), "1 HEADERS\n3 HEADERS\n1 DATA 3 bytes end\n3 DATA 3 bytes end");
    assert_eq!(server.connection.finish(), Some(Finish::Linger));
    assert_eq!(server.connection.close_reason(), CloseReason::Stopped);
}

#[test]
fn a_client_that_doesnt_acknowledge_has_a_second() {
    let mut server = Server::new();
    server.connection.handle_stop();
    server.sends();
    server.waits(999);
    assert_eq!(server.sends(), "");
    server.waits(1);
    assert_eq!(server.sends(), "0 GOAWAY after 0 NO_ERROR");
    assert_eq!(server.connection.finish(), Some(Finish::Linger));
}

#[test]
fn an_idle_connection_ends_and_one_with_a_stream_doesnt() {
    let mut server = Server::with(Limits { http2_timeout: 60_000, ..Limits::default() });
    server.reads(&request(1));
    server.waits(120_000);
    assert_eq!(server.sends(), "");
    assert!(server.answers(0, 200, Payload::Full(b"at last")));
    server.sends();
    // PINGs put nothing off.
    for _ in 0..6 {
        server.waits(9_990);
        server.reads(&ping());
        server.sends();
    }
    assert_eq!(server.sends(), "");
    server.waits(100);
    assert_eq!(server.sends(), "0 GOAWAY after 1 NO_ERROR");
    assert_eq!(server.connection.close_reason(), CloseReason::IdleTimeout);
    assert_eq!(server.connection.finish(), Some(Finish::Linger));
}

#[test]
fn a_reset_reaches_the_handler_and_its_answer_goes_nowhere() {
    let mut server = Server::new();
    server.reads(&request(1));
    assert_eq!(server.reads(&rst_stream(1, 8)), "1 reset CANCEL");
    assert!(!server.answers(0, 200, Payload::Full(b"late")));
    assert_eq!(server.sends(), "");
    // It has settled.
    assert!(server.connection.is_written(server.request(0)));
}

#[test]
fn an_answer_that_breaks_off_resets_its_stream_alone() {
    let mut server = Server::new();
    server.reads(&[request(1), request(3)].concat());
    assert!(server.answers(0, 200, Payload::Stream { length: None }));
    server.connection.handle_write(&server.cx, server.request(0), b"abc").unwrap();
    server.sends();
    server.connection.handle_abort(server.request(0), ErrorCode::INTERNAL_ERROR).unwrap();
    assert_eq!(server.sends(), "1 RST_STREAM INTERNAL_ERROR");
    assert_eq!(server.connection.handle_write(&server.cx, server.request(0), b"d"), Err(AnswerError::Stale));
    assert!(server.answers(1, 200, Payload::Full(b"fine")));
    assert_eq!(server.sends(), "3 HEADERS\n3 DATA 4 bytes end");
}

#[test]
fn an_answer_that_is_the_last_is_followed_by_goaway() {
    let mut server = Server::new();
    server.reads(&request(1));
    let answer = protocol::Answer {
        status: 200,
        reason: None,
        fields: b"",
        payload: Payload::Full(b"x"),
        close: true,
        own: protocol::Own::default(),
    };
    let request_id = server.request(0);
    server.connection.handle_answer(&mut server.cx, request_id, answer).unwrap();
    assert_eq!(server.sends(), "1 HEADERS\n0 GOAWAY after 2147483647 NO_ERROR\n1 DATA 1 bytes end\n0 PING");
}

#[test]
fn what_isnt_http2_closes_the_connection() {
    let mut server = Server::new();
    server.reads(&frame(0, 0, 0, b"x"));
    assert_eq!(server.sends(), "0 GOAWAY after 0 PROTOCOL_ERROR");
    assert_eq!(server.connection.finish(), Some(Finish::Linger));
    assert_eq!(server.connection.close_reason(), CloseReason::Http2(ErrorCode::PROTOCOL_ERROR));
}

#[test]
fn a_slow_upload_fails_and_its_handler_is_told() {
    let mut server = Server::new();
    let list = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    server.reads(&headers(END_HEADERS, 1, &list));
    server.asks(0, 1_000);
    server.waits(16_000);
    assert_eq!(server.events().len(), 1);
}
