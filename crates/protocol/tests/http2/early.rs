//! Answers that end before the content of their requests, which is read on. RFC 9113 §8.1.

use protocol::{AnswerError, CloseReason, Credit, ErrorCode, Finish, Limits, Payload};

use crate::server::Server;
use crate::wire::*;

fn upload(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    let front = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    headers(END_HEADERS, stream, &[&front[..], fields].concat())
}

/// Answers a request whole, and keeps its body.
fn answer(server: &mut Server, at: usize) {
    assert!(server.answers(at, 200, Payload::Stream { length: None }));
    let request_id = server.request(at);
    server.connection.handle_write(&server.cx, request_id, b"early").unwrap();
    server.connection.handle_end_early(request_id, b"").unwrap();
    assert!(!server.connection.is_open(request_id));
}

/// A server that has answered stream 1, of which some content has come and was read.
fn answered(limits: Limits) -> Server {
    let mut server = Server::with(limits);
    server.reads(&[upload(1, &[]), data(1, b"ab")].concat());
    assert_eq!(server.asks(0, 1_000), "1 body 2");
    answer(&mut server, 0);
    assert_eq!(server.sends(), "1 HEADERS\n1 DATA 5 bytes end");
    assert!(server.connection.is_written(server.request(0)));
    server
}

/// Whether no more can be had of the first body.
fn is_stale(server: &mut Server) -> bool {
    let request_id = server.request(0);
    let result = server.connection.handle_credit(&mut server.cx, request_id, Credit::Bytes(1));
    result == Err(AnswerError::Stale)
}

#[test]
fn the_answer_ends_at_once_and_the_content_is_delivered() {
    let mut server = answered(Limits::default());
    assert_eq!(server.reads(&data(1, b"cd")), "1 body 2");
    assert!(!server.connection.is_idle());
    assert_eq!(server.connection.counts().receiving, 1);
    let trailers = headers(END_HEADERS | END_STREAM, 1, &[("sum", "4")]);
    assert_eq!(server.reads(&trailers), "1 body 0 sum=4 end");
    assert!(server.connection.is_idle());
    assert_eq!(server.sends(), "");
}

#[test]
fn its_window_opens_as_it_is_read() {
    let mut server = Server::with(Limits { body_size_limit: u64::MAX, ..Limits::default() });
    server.reads(&upload(1, &[]));
    answer(&mut server, 0);
    server.sends();
    for _ in 0..4 {
        server.reads(&data(1, &[0; 16_000]));
    }
    assert_eq!(server.sends(), "");
    assert_eq!(server.asks(0, 1_000_000), "1 body 64000");
    assert_eq!(server.sends(), "1 WINDOW_UPDATE +64000");
    assert_eq!(server.reads(&data(1, &[0; 16_000])), "1 body 16000");
    assert_eq!(server.sends(), "1 WINDOW_UPDATE +458752");
}

#[test]
fn content_that_has_come_whole_is_read_later() {
    let mut server = answered(Limits::default());
    server.connection.handle_revoke(&server.cx, server.request(0));
    assert_eq!(server.reads(&last_data(1, b"cdef")), "");
    assert_eq!(server.connection.kept_of_body(server.request(0)), Some(4));
    server.waits(100_000);
    assert_eq!(server.sends(), "");
    assert_eq!(server.asks(0, 3), "1 body 3");
    assert_eq!(server.asks(0, 3), "1 body 1 end");
    assert!(server.connection.is_idle());
    assert!(is_stale(&mut server));
}

#[test]
fn a_reset_reaches_the_application_while_content_is_due() {
    let mut server = answered(Limits::default());
    assert_eq!(server.reads(&[data(1, b"c"), rst_stream(1, 8)].concat()), "1 reset CANCEL");
    assert!(server.connection.is_idle());
    // Of one that has come whole, and that was answered, nothing is left to be reset.
    let mut server = answered(Limits::default());
    assert_eq!(server.reads(&last_data(1, b"c")), "1 body 1 end");
    assert_eq!(server.reads(&rst_stream(1, 8)), "");
}

#[test]
fn malformed_content_resets_the_stream() {
    let mut server = Server::new();
    server.reads(&upload(1, &[("content-length", "3")]));
    assert_eq!(server.asks(0, 100), "");
    answer(&mut server, 0);
    server.sends();
    server.reads(&data(1, b"four"));
    assert_eq!(server.sends(), "1 RST_STREAM PROTOCOL_ERROR");
    assert_eq!(server.events(), ["1 reset PROTOCOL_ERROR"]);
    assert!(server.connection.is_idle());
    assert_eq!(server.refusals().len(), 1);
}

#[test]
fn a_client_that_stands_still_or_drips_is_told_to_send_no_more() {
    for drips in [false, true] {
        for is_grpc in [false, true] {
            let mut server = Server::new();
            let fields: &[_] = if is_grpc { &[("content-type", "application/grpc")] } else { &[] };
            server.reads(&upload(1, fields));
            server.asks(0, u64::MAX);
            answer(&mut server, 0);
            assert_eq!(server.sends(), "1 HEADERS\n1 DATA 5 bytes end");
            let mut told = String::new();
            let is_reset = (0..20).any(|_| {
                if drips {
                    server.reads(&data(1, b"x"));
                }
                server.waits(1_000);
                told += &server.events().concat();
                server.sends() == "1 RST_STREAM NO_ERROR"
            });
            assert!(is_reset, "{drips}");
            assert_eq!(told, "1 failed: the request body came too slowly");
            assert_eq!(server.refusals(), ["the request body came too slowly"]);
            assert!(server.connection.is_idle());
        }
    }
}

#[test]
fn the_time_of_the_whole_request_counts_on() {
    let limits = Limits {
        request_timeout: 30_000,
        body_timeout: 1_000_000,
        minimum_body_rate: 0,
        ..Limits::default()
    };
    let mut server = answered(limits);
    server.waits(29_000);
    assert_eq!(server.sends(), "");
    server.waits(2_000);
    assert_eq!(server.events().len(), 1);
    assert_eq!(server.sends(), "1 RST_STREAM NO_ERROR");
    assert!(server.connection.is_idle());
}

#[test]
fn an_application_that_pauses_keeps_its_stream() {
    let mut server = answered(Limits::default());
    server.connection.handle_revoke(&server.cx, server.request(0));
    server.waits(100_000);
    assert_eq!((server.sends(), server.events().len()), (String::new(), 0));
    assert_eq!(server.asks(0, 100), "");
    assert_eq!(server.reads(&last_data(1, b"c")), "1 body 1 end");
}

#[test]
fn content_that_is_never_asked_for_has_its_time() {
    let mut server = Server::new();
    server.reads(&[upload(1, &[]), data(1, b"ab")].concat());
    answer(&mut server, 0);
    server.sends();
    server.waits(20_000);
    assert_eq!(server.sends(), "1 RST_STREAM NO_ERROR");
    assert!(server.connection.is_idle());
    assert!(is_stale(&mut server));
    assert!(server.events().is_empty());
}

#[test]
fn the_rest_is_dropped_once_it_isnt_wanted() {
    let mut server = answered(Limits { body_size_limit: 40_000, ..Limits::default() });
    let request_id = server.request(0);
    server.connection.handle_end(request_id, b"").unwrap();
    assert_eq!(server.reads(&data(1, &[0; 16_000])), "");
    assert!(is_stale(&mut server));
    assert_eq!(server.connection.handle_end(request_id, b""), Err(AnswerError::Stale));
    for _ in 0..2 {
        server.reads(&data(1, &[0; 16_000]));
    }
    assert!(server.sends().ends_with("1 RST_STREAM NO_ERROR"), "it is larger than its limit");
    assert!(server.connection.is_idle());
    // One that has come whole leaves nothing behind.
    let mut server = answered(Limits::default());
    server.connection.handle_revoke(&server.cx, server.request(0));
    server.reads(&last_data(1, b"c"));
    server.connection.handle_end(server.request(0), b"").unwrap();
    assert!(server.connection.is_idle());
}

#[test]
fn an_abort_behind_the_answer_has_the_client_send_no_more() {
    let mut server = Server::new();
    server.reads(&[upload(1, &[]), data(1, b"ab")].concat());
    server.asks(0, 100);
    assert!(server.answers(0, 200, Payload::Stream { length: None }));
    let request_id = server.request(0);
    server.connection.handle_end_early(request_id, b"sum: 1\r\n").unwrap();
    server.connection.handle_abort(request_id, ErrorCode::INTERNAL_ERROR).unwrap();
    assert_eq!(server.sends(), "1 HEADERS\n1 HEADERS end\n1 RST_STREAM NO_ERROR");
    assert!(server.events().is_empty());
    assert!(server.connection.is_idle());
    let mut server = answered(Limits::default());
    server.connection.handle_abort(server.request(0), ErrorCode::INTERNAL_ERROR).unwrap();
    assert_eq!(server.sends(), "1 RST_STREAM NO_ERROR");
    // An answer that isn't all sent breaks off.
    let mut server = Server::new();
    server.reads(&[settings(&[(4, 3)]), upload(1, &[])].concat());
    answer(&mut server, 0);
    server.sends();
    server.connection.handle_abort(server.request(0), ErrorCode::INTERNAL_ERROR).unwrap();
    assert_eq!(server.sends(), "1 RST_STREAM INTERNAL_ERROR");
    assert!(server.connection.is_idle());
}

#[test]
fn an_answer_that_falls_short_is_reset_with_its_request() {
    let mut server = Server::new();
    server.reads(&upload(1, &[]));
    server.asks(0, 100);
    assert!(server.answers(0, 200, Payload::Stream { length: Some(5) }));
    server.connection.handle_end_early(server.request(0), b"").unwrap();
    assert_eq!(server.sends(), "1 RST_STREAM INTERNAL_ERROR");
    assert_eq!(server.events(), ["1 reset INTERNAL_ERROR"]);
    assert!(server.connection.is_idle());
}

#[test]
fn an_answer_to_head_ends_early_as_well() {
    let list = [(":method", "HEAD"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    for is_whole in [false, true] {
        let mut server = Server::new();
        server.reads(&[headers(END_HEADERS, 1, &list), data(1, b"ab")].concat());
        server.asks(0, 1);
        assert!(server.answers(0, 200, Payload::Stream { length: None }));
        assert_eq!(server.sends(), "1 HEADERS end");
        if is_whole {
            server.reads(&last_data(1, b"cd"));
        }
        server.connection.handle_end_early(server.request(0), b"").unwrap();
        if !is_whole {
            server.reads(&last_data(1, b"cd"));
        }
        assert_eq!(server.asks(0, 100), "1 body 3 end");
        assert!(server.connection.is_idle());
    }
}

#[test]
fn streams_that_are_read_on_take_their_places() {
    let mut server = Server::with(Limits { concurrent_stream_limit: 2, ..Limits::default() });
    server.reads(&[upload(1, &[]), upload(3, &[])].concat());
    for at in [0, 1] {
        server.asks(at, 100);
        answer(&mut server, at);
    }
    server.sends();
    assert_eq!(server.reads(&upload(5, &[])), "");
    assert_eq!(server.sends(), "5 RST_STREAM REFUSED_STREAM");
    assert_eq!(server.reads(&last_data(1, b"c")), "1 body 1 end");
    assert_eq!(server.reads(&upload(7, &[])), "3 POST / host=a + body");
}

#[test]
fn an_upload_of_which_most_lies_unread_is_reset_behind_its_answer_as_well() {
    let limits = Limits { body_size_limit: u64::MAX, http2_window_limit: 65_536, ..Limits::default() };
    let mut server = Server::with(limits);
    let streams = [1, 3, 5, 7, 9, 11];
    for (at, stream) in streams.into_iter().enumerate() {
        server.reads(&upload(stream, &[]));
        answer(&mut server, at);
    }
    server.receives_much(&streams);
    assert!(server.sends().contains("RST_STREAM ENHANCE_YOUR_CALM"));
    assert_eq!(server.events().len(), 1);
}

#[test]
fn of_uploads_that_have_come_whole_none_is_reset() {
    let limits = Limits { body_size_limit: u64::MAX, http2_window_limit: 65_536, ..Limits::default() };
    let mut server = Server::with(limits);
    for (at, stream) in [1, 3, 5, 7, 9].into_iter().enumerate() {
        server.reads(&upload(stream, &[]));
        answer(&mut server, at);
    }
    for stream in [1, 3, 5, 7] {
        for _ in 0..3 {
            server.reads(&data(stream, &[0; 15_000]));
        }
        server.reads(&last_data(stream, &[0; 15_000]));
        server.sends();
    }
    server.reads(&data(9, &[0; 15_000]));
    server.reads(&data(9, &[0; 15_000]));
    assert!(server.sends().contains("9 RST_STREAM ENHANCE_YOUR_CALM"));
    assert_eq!(server.asks(0, 100_000), "5 reset ENHANCE_YOUR_CALM\n1 body 60000 end");
}

#[test]
fn content_that_was_late_before_the_answer_ended_and_wasnt_asked_for_leaves_nothing_behind() {
    let mut server = Server::new();
    server.reads(&[upload(1, &[]), data(1, b"ab")].concat());
    assert!(server.answers(0, 200, Payload::Stream { length: None }));
    assert_eq!(server.sends(), "1 HEADERS");
    server.waits(20_000);
    server.connection.handle_end_early(server.request(0), b"").unwrap();
    assert_eq!(server.sends(), "1 DATA 0 bytes end\n1 RST_STREAM NO_ERROR");
    assert!(server.connection.is_idle());
}

#[test]
fn a_connection_that_closes_cuts_what_is_due_alone() {
    let mut server = answered(Limits::default());
    assert_eq!(server.connection.unanswered().count(), 1);
    server.connection.handle_eof(&mut server.cx);
    assert_eq!(server.connection.finish(), Some(Finish::Close));
    assert_eq!(server.connection.close_reason(), CloseReason::ClientLeft);
    assert_eq!(server.connection.unanswered().count(), 1);
}

#[test]
fn what_has_come_whole_is_read_though_the_client_has_left() {
    for has_goaway in [false, true] {
        let mut server = answered(Limits { http2_ping_interval: 1_000, ..Limits::default() });
        server.connection.handle_revoke(&server.cx, server.request(0));
        server.reads(&[upload(3, &[]), upload(5, &[]), upload(7, &[])].concat());
        server.asks(2, 100);
        answer(&mut server, 2);
        assert!(server.answers(3, 200, Payload::Full(b"whole")));
        server.sends();
        server.reads(&last_data(1, b"cdef"));
        if has_goaway {
            server.reads(&frame(7, 0, 0, &[0; 8]));
        }
        server.connection.handle_eof(&mut server.cx);
        // One handler runs, one reads on; the last one has answered.
        assert_eq!(server.events(), ["2 reset CANCEL", "3 reset CANCEL"]);
        assert!(!server.connection.wants_input());
        server.waits(10_000);
        assert_eq!((server.sends(), server.connection.finish()), (String::new(), None));
        assert_eq!(server.asks(0, 3), "1 body 3");
        assert_eq!(server.connection.finish(), None);
        if has_goaway {
            server.connection.handle_end(server.request(0), b"").unwrap();
        } else {
            assert_eq!(server.asks(0, 3), "1 body 1 end");
        }
        assert_eq!(server.connection.finish(), Some(Finish::Close));
    }
}

#[test]
fn a_client_that_has_said_goodbye_or_a_stop_waits_for_what_is_read_on() {
    for is_stop in [false, true] {
        let mut server = answered(Limits::default());
        server.connection.handle_revoke(&server.cx, server.request(0));
        if is_stop {
            server.connection.handle_stop();
            server.sends();
            server.waits(1_000);
            assert_eq!(server.sends(), "0 GOAWAY after 1 NO_ERROR");
        } else {
            server.reads(&frame(7, 0, 0, &[0; 8]));
        }
        server.reads(&last_data(1, b"cd"));
        assert_eq!((server.sends(), server.connection.finish()), (String::new(), None));
        assert_eq!(server.asks(0, 100), "1 body 2 end");
        assert_eq!(server.connection.finish(), Some(Finish::Linger));
    }
}

#[test]
fn a_stop_that_leaves_the_rest_waits_for_nothing() {
    let mut server = answered(Limits::default());
    server.connection.leave_rest();
    server.connection.handle_stop();
    assert_eq!(server.events(), ["1 reset NO_ERROR"]);
    server.sends();
    server.waits(1_000);
    server.sends();
    assert_eq!(server.connection.finish(), Some(Finish::Linger));
    assert_eq!(server.connection.unanswered().count(), 0);
}
