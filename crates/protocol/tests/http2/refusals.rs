//! What is refused is counted once, and the application may make its page.

use protocol::{Limits, Payload, Way};

use crate::server::Server;
use crate::wire::*;

const FRONT: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
const UNKNOWN_METHOD: &str = "unknown method";

/// A request with one pseudo-header changed, and more fields.
fn request(stream: u32, change: (usize, &str), more: &[(&str, &str)]) -> Vec<u8> {
    let mut front = FRONT;
    front[change.0].1 = change.1;
    headers(END_HEADERS | END_STREAM, stream, &[&front[..], more].concat())
}

fn upload(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut front = FRONT;
    front[0].1 = "POST";
    headers(END_HEADERS, stream, &[&front[..], fields].concat())
}

fn small() -> Limits {
    Limits { header_size_limit: 300, header_field_limit: 8, request_line_limit: 50, ..Limits::default() }
}

/// A request for a page.
fn brew(stream: u32) -> Vec<u8> {
    request(stream, (0, "BREW"), &[])
}

#[test]
fn a_head_that_is_refused_is_counted_once_with_its_answer() {
    let (large, path) = ("x".repeat(300), format!("/{}", "x".repeat(50)));
    let fields = [("a", "b"); 9];
    for (input, counted) in [
        (request(1, (0, "GET"), &[("a", &large)]), "the header section is too large: 431 with 32"),
        (request(1, (0, "GET"), &fields), "the header section is too large: 431 with 32"),
        (request(1, (3, &path), &[]), "the request line is too long: 414 with 29"),
        (request(1, (0, "BREW"), &[]), "unknown method: 501 with 15"),
        (request(1, (1, "https"), &[]), "a request for https must come over TLS: 421 with 39"),
    ] {
        let mut server = Server::on(small(), Way::default());
        assert_eq!(server.reads(&input), "");
        assert_eq!(server.refusals(), [counted]);
        assert!(server.sends().starts_with("1 HEADERS\n1 DATA"));
        assert!(server.refusals().is_empty());
    }
    let mut server = Server::with(Limits { header_size_limit: 30_000, ..small() });
    server.reads(&request(1, (0, "HEAD"), &fields));
    assert_eq!(server.refusals(), ["too many header fields: 431 with 0"]);
    assert_eq!(server.sends(), "1 HEADERS end");
}

#[test]
fn a_malformed_head_is_counted_with_its_rule() {
    let text = |input: &[u8]| {
        let mut server = Server::new();
        server.reads(input);
        assert_eq!(server.sends(), "1 RST_STREAM PROTOCOL_ERROR");
        server.refusals().join(", ")
    };
    for (change, rule) in [
        ((0, "GE T"), "invalid :method"),
        ((1, "ftp"), "unknown :scheme"),
        ((2, "user@a"), "invalid :authority"),
        ((3, "*"), "invalid :path"),
        ((3, "x"), "invalid :path"),
        ((3, ""), "a pseudo-header is empty or comes twice"),
        ((3, " /"), "a pseudo-header has an invalid value"),
    ] {
        assert_eq!(text(&request(1, change, &[])), format!("{rule}: unanswered"), "{change:?}");
    }
    for (field, rule) in [
        ((":late", "x"), "a pseudo-header is unknown or comes behind a field"),
        (("Upper", "x"), "a field has an invalid name or value"),
        (("a", "b\0"), "a field has an invalid name or value"),
        (("connection", "close"), "a field of HTTP/1 connections"),
        (("te", "gzip"), "a field of HTTP/1 connections"),
        (("host", "b"), ":authority and host differ, or host comes twice"),
        (("content-length", "x"), "content-length isn't a number, or not that of the content"),
        (("content-length", "1"), "content-length isn't a number, or not that of the content"),
    ] {
        assert_eq!(text(&request(1, (0, "GET"), &[field])), format!("{rule}: unanswered"), "{field:?}");
    }
    let without_path = headers(END_HEADERS | END_STREAM, 1, &FRONT[..3]);
    assert_eq!(text(&without_path), "the pseudo-headers aren't those of its method: unanswered");
}

#[test]
fn content_that_breaks_a_rule_is_counted_beside_its_request() {
    let with_trailers = |flags, fields: &[(&str, &str)]| [upload(1, &[]), headers(flags, 1, fields)].concat();
    for (input, counted) in [
        (
            [upload(1, &[("content-length", "3")]), last_data(1, b"ab")].concat(),
            "content-length isn't a number, or not that of the content",
        ),
        (
            [upload(1, &[("content-length", "3")]), data(1, b"abcd"), last_data(1, b"e")].concat(),
            "content-length isn't a number, or not that of the content",
        ),
        (with_trailers(END_HEADERS, &[("a", "b")]), "trailers must end the stream"),
        (with_trailers(5, &[(":path", "/")]), "a pseudo-header is unknown or comes behind a field"),
        (with_trailers(5, &[("a", &"x".repeat(300))]), "the trailer section is too large"),
    ] {
        let mut server = Server::with(small());
        server.reads(&input);
        assert_eq!(server.refusals(), [counted]);
    }
}

#[test]
fn a_body_that_comes_too_slowly_is_counted() {
    let none = Limits { minimum_body_rate: 0, ..Limits::default() };
    for (limits, counted) in [
        (Limits::default(), "the request body came too slowly"),
        (none.clone(), "no byte of the request body came for too long"),
        (Limits { request_timeout: 1_000, ..none }, "the request took too long"),
    ] {
        let mut server = Server::with(limits);
        server.reads(&upload(1, &[]));
        server.asks(0, 100);
        server.waits(20_000);
        assert_eq!(server.refusals(), [counted]);
    }
}

#[test]
fn the_stream_of_a_body_that_is_refused_is_reset_behind_its_answer() {
    let slow = [upload(1, &[]), data(1, &[0; 10])].concat();
    for (input, status) in [(slow, 408), (upload(1, &[("content-length", "9999999")]), 413)] {
        for is_streamed in [false, true] {
            let mut server = Server::new();
            server.reads(&input);
            if status == 408 {
                server.asks(0, 100);
                server.waits(20_000);
                server.events();
            }
            let payload = if is_streamed { Payload::Stream { length: None } } else { Payload::Full(b"no") };
            assert!(server.answers(0, status, payload));
            if is_streamed {
                assert_eq!(server.sends(), "1 HEADERS", "the answer continues");
                let request_id = server.request(0);
                server.connection.handle_write(&server.cx, request_id, b"no").unwrap();
                server.connection.handle_end(request_id, b"").unwrap();
            }
            let sent = server.sends();
            assert!(sent.ends_with("1 RST_STREAM NO_ERROR"), "{status}, {is_streamed}: {sent}");
            assert!(sent.contains("1 DATA 2 bytes end"), "{status}, {is_streamed}: {sent}");
        }
    }
}

#[test]
fn the_end_of_a_connection_is_counted_with_its_reason() {
    let mut server = Server::new();
    server.reads(&frame(6, 0, 0, &[0; 8]).repeat(3_000));
    server.sends();
    assert_eq!(server.refusals(), ["too many frames or streams that bring nothing"]);
    let mut server = Server::new();
    server.reads(&frame(0, 0, 0, b"x"));
    server.sends();
    assert_eq!(server.refusals(), ["a frame breaks a rule of HTTP/2"]);
    let mut server = Server::new();
    server.reads(&frame(7, 0, 0, &[0; 8]));
    server.connection.handle_eof(&mut server.cx);
    server.sends();
    assert!(server.refusals().is_empty());
}

#[test]
fn the_application_makes_the_page_of_what_is_refused() {
    let mut server = Server::new().asks_for_pages();
    assert_eq!(
        server.reads(&[brew(1), request(3, (0, "GET"), &[])].concat()),
        "1 is no request: unknown method\n2 GET / host=a"
    );
    assert_eq!((server.sends(), server.refusals()), (String::new(), Vec::new()));
    assert_eq!(server.connection.counts().running, 2);
    assert!(server.answers(0, 418, Payload::Full(b"the page")));
    assert_eq!(server.sends(), "1 HEADERS\n1 DATA 8 bytes end");
    assert_eq!(server.refusals(), ["unknown method: 418 with 8"]);
    assert!(!server.answers(0, 418, Payload::Full(b"again")));
    assert_eq!(server.connection.counts().running, 1);
    // What is malformed has no page.
    server.reads(&request(5, (2, "user@a"), &[]));
    assert_eq!(server.sends(), "5 RST_STREAM PROTOCOL_ERROR");
}

#[test]
fn the_page_of_a_head_has_no_content() {
    let mut server = Server::with(small()).asks_for_pages();
    let large = "x".repeat(300);
    server.reads(&request(1, (0, "HEAD"), &[("a", &large)]));
    assert!(server.answers(0, 431, Payload::Full(b"the page")));
    assert_eq!(server.sends(), "1 HEADERS end");
    assert_eq!(server.refusals(), ["the header section is too large: 431 with 0"]);
}

#[test]
fn a_page_ends_the_upload_that_it_refuses() {
    let mut server = Server::new().asks_for_pages();
    let mut front = FRONT;
    front[0].1 = "BREW";
    server.reads(&[headers(END_HEADERS, 1, &front), data(1, &[0; 100])].concat());
    assert!(server.answers(0, 501, Payload::Full(b"the page")));
    assert_eq!(server.sends(), "1 HEADERS\n1 DATA 8 bytes end\n1 RST_STREAM NO_ERROR");
}

#[test]
fn a_page_that_doesnt_come_within_a_second_is_replaced() {
    let mut server = Server::new().asks_for_pages();
    server.reads(&brew(1));
    server.waits(999);
    assert_eq!(server.sends(), "");
    server.waits(1);
    assert_eq!(server.sends(), "1 HEADERS\n1 DATA 15 bytes end");
    assert!(!server.answers(0, 418, Payload::Full(b"late")));
    assert_eq!(server.refusals(), [format!("{UNKNOWN_METHOD}: 501 with 15")]);
}

#[test]
fn a_page_whose_stream_or_connection_ends_is_counted_as_unanswered() {
    let mut server = Server::new().asks_for_pages();
    server.reads(&[brew(1), brew(3)].concat());
    assert_eq!(server.reads(&rst_stream(1, 8)), "");
    assert_eq!(server.refusals(), [format!("{UNKNOWN_METHOD}: unanswered")]);
    assert!(!server.answers(0, 418, Payload::Full(b"late")));
    server.connection.abandon_pages();
    assert_eq!(server.refusals(), [format!("{UNKNOWN_METHOD}: unanswered")]);
}

#[test]
fn pages_count_against_the_limit_of_streams_and_are_asked_for_a_few_at_a_time() {
    let limits = Limits { concurrent_stream_limit: 3, ..Limits::default() };
    let mut server = Server::with(limits).asks_for_pages();
    server.reads(&(0..4).map(|at| brew(2 * at + 1)).collect::<Vec<_>>().concat());
    assert_eq!(server.request_ids.len(), 3);
    assert_eq!(server.sends(), "7 RST_STREAM REFUSED_STREAM");
    let mut server = Server::new().asks_for_pages();
    server.reads(&(0..10).map(|at| brew(2 * at + 1)).collect::<Vec<_>>().concat());
    // The other two have the short text.
    assert_eq!((server.request_ids.len(), server.refusals().len()), (8, 2));
}
