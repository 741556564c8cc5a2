//! What a header list must be.

use protocol::{Limits, Way};

use crate::server::Server;
use crate::wire::*;

const MALFORMED: &str = "1 RST_STREAM PROTOCOL_ERROR";

fn get_with(fields: &[(&str, &str)]) -> Vec<u8> {
    let front = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    headers(END_HEADERS | END_STREAM, 1, &[&front[..], fields].concat())
}

fn outcome(limits: Limits, way: Way, input: &[u8]) -> String {
    let mut server = Server::on(limits, way);
    let told = server.reads(input);
    if told.is_empty() { server.sends() } else { told }
}

fn of(fields: &[(&str, &str)]) -> String {
    let list = headers(END_HEADERS | END_STREAM, 1, fields);
    outcome(Limits::default(), Way::default(), &list)
}

#[test]
fn a_head_is_what_http1_would_give() {
    assert_eq!(
        outcome(Limits::default(), Way::default(), &get_with(&[("accept", "*/*")])),
        "1 GET / host=a accept=*/*"
    );
    let by_host = [(":method", "GET"), (":scheme", "http"), (":path", "/x?y"), ("host", "a:80")];
    assert_eq!(of(&by_host), "1 GET /x?y host=a:80");
    let options = [(":method", "OPTIONS"), (":scheme", "http"), (":authority", "a"), (":path", "*")];
    assert_eq!(of(&options), "1 OPTIONS * host=a");
}

#[test]
fn crumbs_of_cookies_are_joined() {
    let crumbs = [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("cookie", "c=3")];
    assert_eq!(
        outcome(Limits::default(), Way::default(), &get_with(&crumbs)),
        "1 GET / host=a x=y cookie=a=1; b=2; c=3"
    );
    assert_eq!(
        outcome(Limits::default(), Way::default(), &get_with(&crumbs[..1])),
        "1 GET / host=a cookie=a=1"
    );
}

#[test]
fn malformed_fields_reset_their_stream_cve_2025_59465() {
    for (name, value) in [
        ("Upper", "a"),
        ("", "a"),
        ("a b", "c"),
        ("a:b", "c"),
        ("a\u{7f}", "b"),
        ("a", "b\r\nc: d"),
        ("a", "b\0c"),
        ("a", " b"),
        ("a", "b\t"),
        ("connection", "close"),
        ("keep-alive", "5"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        (":path", "/"),
        (":late", "x"),
        ("host", "b"),
        ("content-length", "+0"),
        ("content-length", "1"),
        ("content-length", "99999999999999999999"),
    ] {
        let input = get_with(&[("x", "y"), (name, value)]);
        assert_eq!(outcome(Limits::default(), Way::default(), &input), MALFORMED, "{name:?}: {value:?}");
    }
    let twice = get_with(&[("content-length", "0"), ("content-length", "0")]);
    assert_eq!(outcome(Limits::default(), Way::default(), &twice), MALFORMED);
}

#[test]
fn pseudo_headers_come_once_first_and_whole() {
    let front = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    for without in [0, 1, 2, 3] {
        let mut fields = front.to_vec();
        fields.remove(without);
        assert_eq!(of(&fields), MALFORMED, "{fields:?}");
        let mut fields = front.to_vec();
        fields[without].1 = "";
        assert_eq!(of(&fields), MALFORMED, "{fields:?}");
        let mut fields = front.to_vec();
        fields.push(front[without]);
        assert_eq!(of(&fields), MALFORMED, "{fields:?}");
    }
    for (at, value) in [
        (0, "GE T"),
        (1, "ftp"),
        (2, "user@a"),
        (2, "a b"),
        (2, "999.999.999.999"),
        (3, "x"),
        (3, "*"),
        (3, "/a b"),
        (3, "/a#b"),
        (3, "/\u{e9}"),
        (3, "http://a/"),
    ] {
        let mut fields = front.to_vec();
        fields[at].1 = value;
        assert_eq!(of(&fields), MALFORMED, "{fields:?}");
    }
    assert_eq!(of(&[&front[..], &[(":status", "200")]].concat()), MALFORMED);
}

#[test]
fn what_cant_be_served_is_answered_on_its_stream() {
    let path = format!("/{}", "x".repeat(100));
    for (at, value) in [(0, "BREW"), (1, "https"), (3, &path)] {
        let mut fields = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
        let next = headers(END_HEADERS | END_STREAM, 3, &fields);
        fields[at].1 = value;
        let mut server = Server::with(Limits { request_line_limit: 100, ..Limits::default() });
        assert_eq!(server.reads(&headers(END_HEADERS | END_STREAM, 1, &fields)), "");
        let sent = server.sends();
        assert!(sent.starts_with("1 HEADERS\n1 DATA"), "{fields:?}: {sent}");
        assert_eq!(server.reads(&next), "2 GET / host=a");
    }
}

#[test]
fn https_over_cleartext_is_for_those_behind_a_proxy() {
    let secure = [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/")];
    let list = headers(END_HEADERS | END_STREAM, 1, &secure);
    let behind = Way { is_exempt: true, ..Way::default() };
    assert_eq!(outcome(Limits::default(), behind, &list), "1 GET / host=a claims https");
    for is_exempt in [false, true] {
        let way = Way { is_encrypted: true, is_exempt };
        assert_eq!(outcome(Limits::default(), way, &list), "1 GET / host=a");
    }
}

#[test]
fn a_head_over_its_limit_is_a_431_and_the_next_is_served() {
    let mut server = Server::with(Limits { header_size_limit: 200, ..Limits::default() });
    let mut block = block(&[(":method", "GET"), ("large", &"x".repeat(200))]);
    // Enters the compression table behind the limit.
    block.extend(b"\x40\x0a:authority\x01a");
    assert_eq!(server.reads(&frame(1, 5, 1, &block)), "");
    assert!(server.sends().starts_with("1 HEADERS\n1 DATA"));
    let mut block = crate::wire::block(&[(":method", "GET"), (":scheme", "http"), (":path", "/")]);
    block.push(0xbe);
    assert_eq!(server.reads(&frame(1, 5, 3, &block)), "2 GET / host=a");
}

#[test]
fn connect_has_an_authority_alone() {
    assert_eq!(of(&[(":method", "CONNECT"), (":authority", "a:443")]), "1 CONNECT a:443 host=a:443");
    assert_eq!(of(&[(":method", "CONNECT"), (":authority", "a")]), MALFORMED);
    assert_eq!(of(&[(":method", "CONNECT"), (":authority", "a:443"), (":path", "/")]), MALFORMED);
}

#[test]
fn extended_connect_is_an_upgrade_where_it_is_on() {
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/chat"),
    ];
    assert_eq!(of(&fields), MALFORMED);
    let limits = Limits { extended_connect: true, ..Limits::default() };
    let list = headers(END_HEADERS, 1, &fields);
    assert_eq!(
        outcome(limits, Way::default(), &list),
        "1 GET /chat host=a connection=upgrade upgrade=websocket"
    );
}
