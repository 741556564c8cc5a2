//! Content both ways, its windows and its limits.

use std::io::IoSlice;

use protocol::{Answer, Limits, Payload};

use crate::server::Server;
use crate::wire::*;

fn upload(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    let front = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    headers(END_HEADERS, stream, &[&front[..], fields].concat())
}

fn head(stream: u32, method: &str) -> Vec<u8> {
    let list = [(":method", method), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    headers(END_HEADERS | END_STREAM, stream, &list)
}

#[test]
fn content_comes_as_it_is_asked_for() {
    let mut server = Server::new();
    assert_eq!(server.reads(&[upload(1, &[]), data(1, &[0; 30])].concat()), "1 POST / host=a + body");
    assert_eq!(server.asks(0, 10), "1 body 10");
    assert_eq!(server.asks(0, 100), "1 body 20");
    let trailers = headers(END_HEADERS | END_STREAM, 1, &[("sum", "30"), ("host", "evil")]);
    assert_eq!(server.reads(&trailers), "1 body 0 sum=30 end");
}

#[test]
fn content_that_comes_with_its_head_is_handed_over_with_it() {
    let mut server = Server::with(Limits { body_size_limit: 5, ..Limits::default() });
    assert_eq!(
        server.reads(&[upload(1, &[]), data(1, b"he"), last_data(1, b"llo")].concat()),
        "1 POST / host=a + hello"
    );
    assert_eq!(server.connection.kept_of_body(server.request(0)), None);
    assert_eq!(server.connection.counts().waiting, 1);
    assert_eq!(server.reads(&[upload(3, &[]), last_data(3, b"")].concat()), "2 POST / host=a + ");
    // One that is too large, has trailers or isn't whole is asked for.
    assert_eq!(server.reads(&[upload(5, &[]), last_data(5, b"hello!")].concat()), "3 POST / host=a + body");
    let trailers = headers(END_HEADERS | END_STREAM, 7, &[("a", "b")]);
    assert_eq!(server.reads(&[upload(7, &[]), trailers].concat()), "4 POST / host=a + body");
    assert_eq!(server.reads(&[upload(9, &[]), data(9, b"he")].concat()), "5 POST / host=a + body");
    assert_eq!(server.asks(4, 100), "5 body 2");
    assert!(server.answers(0, 200, Payload::Full(b"on")));
    assert_eq!(server.sends(), "1 HEADERS\n1 DATA 2 bytes end");
}

#[test]
fn a_length_that_content_contradicts_resets_the_stream() {
    for content in [vec![data(1, b"abcd")], vec![data(1, b"ab"), last_data(1, b"")]] {
        let mut server = Server::new();
        server.reads(&[upload(1, &[("content-length", "3")]), content.concat()].concat());
        assert_eq!(server.sends(), "1 RST_STREAM PROTOCOL_ERROR");
        assert_eq!(server.events(), ["1 reset PROTOCOL_ERROR"]);
    }
}

#[test]
fn trailers_that_dont_end_the_stream_reset_it() {
    let mut server = Server::new();
    server.reads(&[upload(1, &[]), headers(END_HEADERS, 1, &[("a", "b")])].concat());
    assert_eq!(server.sends(), "1 RST_STREAM PROTOCOL_ERROR");
    let mut server = Server::new();
    server.reads(&[upload(1, &[]), headers(5, 1, &[(":path", "/")])].concat());
    assert_eq!(server.sends(), "1 RST_STREAM PROTOCOL_ERROR");
}

#[test]
fn a_window_opens_as_the_application_reads_and_grows_while_it_keeps_up() {
    let mut server = Server::with(Limits { body_size_limit: u64::MAX, ..Limits::default() });
    server.reads(&upload(1, &[]));
    for _ in 0..4 {
        server.reads(&data(1, &[0; 16_000]));
    }
    // Nothing is read: neither stream nor connection is given anything.
    assert_eq!(server.sends(), "");
    assert_eq!(server.asks(0, 1_000_000), "1 body 64000");
    assert_eq!(server.sends(), "1 WINDOW_UPDATE +64000");
    server.reads(&data(1, &[0; 16_000]));
    // A whole window was read, so it grows fourfold, and the client gets twice as much: 524,288 from 65,536.
    assert_eq!(server.sends(), "1 WINDOW_UPDATE +458752");
}

#[test]
fn an_upload_that_is_left_unread_doesnt_hold_up_another() {
    let mut server = Server::with(Limits { body_size_limit: u64::MAX, ..Limits::default() });
    server.reads(&[upload(1, &[]), upload(3, &[])].concat());
    for _ in 0..4 {
        server.reads(&data(1, &[0; 16_000]));
    }
    server.asks(1, u64::MAX);
    // More than the connection's window of 16 MiB.
    let mut window: i64 = 65_535;
    let mut received = 0;
    while received < 20_000_000 {
        for line in server.sends().lines() {
            if let Some(more) = line.strip_prefix("3 WINDOW_UPDATE +") {
                window += more.parse::<i64>().unwrap();
            }
        }
        assert!(window >= 16_000, "the window has stayed shut after {received} bytes");
        assert_eq!(server.reads(&data(3, &[0; 16_000])), "2 body 16000");
        window -= 16_000;
        received += 16_000;
    }
}

#[test]
fn what_lies_unread_on_a_connection_is_capped() {
    let limits = Limits { body_size_limit: u64::MAX, http2_window_limit: 65_536, ..Limits::default() };
    let mut server = Server::with(limits);
    let streams = [1, 3, 5, 7, 9, 11];
    for stream in streams {
        server.reads(&upload(stream, &[]));
    }
    server.receives_much(&streams);
    assert!(server.sends().contains("RST_STREAM ENHANCE_YOUR_CALM"));
    assert_eq!(server.events().len(), 1);
}

#[test]
fn a_body_over_its_limit_that_nobody_asks_for_is_a_413() {
    let mut server = Server::with(Limits { body_size_limit: 10, ..Limits::default() });
    server.reads(&[upload(1, &[]), data(1, &[0; 11])].concat());
    assert!(server.answers(0, 200, Payload::Full(b"fine")));
    assert_eq!(server.sends(), "1 HEADERS\n1 DATA 22 bytes end\n1 RST_STREAM NO_ERROR");
}

#[test]
fn an_early_answer_drops_what_still_comes_up_to_the_limit() {
    let mut server = Server::with(Limits { body_size_limit: 100_000, ..Limits::default() });
    server.reads(&[upload(1, &[]), data(1, &[0; 16_000])].concat());
    assert!(server.answers(0, 200, Payload::Full(b"early")));
    assert_eq!(server.sends(), "1 HEADERS\n1 DATA 5 bytes end");
    for _ in 0..3 {
        server.reads(&data(1, &[0; 16_000]));
    }
    assert_eq!(server.sends(), "1 WINDOW_UPDATE +48000");
    for _ in 0..3 {
        server.reads(&data(1, &[0; 16_000]));
    }
    assert!(server.sends().ends_with("1 RST_STREAM NO_ERROR"));
}

#[test]
fn a_100_goes_out_when_the_body_is_asked_for() {
    let mut server = Server::new();
    server.reads(&upload(1, &[("expect", "100-continue")]));
    assert_eq!(server.sends(), "");
    server.asks(0, 10);
    assert_eq!(server.sends(), "1 HEADERS");
}

#[test]
fn answers_without_content_end_with_their_head() {
    for (method, status) in [("HEAD", 200), ("GET", 204), ("GET", 205), ("GET", 304)] {
        let mut server = Server::new();
        server.reads(&head(1, method));
        assert!(server.answers(0, status, Payload::Full(b"hello")));
        assert_eq!(server.sends(), "1 HEADERS end", "{method} {status}");
        assert_eq!(server.connection.open_request_ids().count(), 0);
    }
}

#[test]
fn a_streamed_answer_to_head_ends_in_silence() {
    let mut server = Server::new();
    server.reads(&head(1, "HEAD"));
    assert!(server.answers(0, 200, Payload::Stream { length: Some(5) }));
    assert_eq!(server.sends(), "1 HEADERS end");
    assert_eq!(server.events(), [""; 0]);
    let request_id = server.request(0);
    server.connection.handle_write(&server.cx, request_id, b"hello").unwrap();
    server.connection.handle_end(request_id, b"").unwrap();
    assert!(server.connection.is_written(request_id));
}

#[test]
fn content_shorter_than_declared_resets_the_stream() {
    let mut server = Server::new();
    server.reads(&head(1, "GET"));
    assert!(server.answers(0, 200, Payload::Stream { length: Some(5) }));
    let request_id = server.request(0);
    server.connection.handle_write(&server.cx, request_id, b"abc").unwrap();
    server.sends();
    server.connection.handle_end(request_id, b"").unwrap();
    assert_eq!(server.sends(), "1 RST_STREAM INTERNAL_ERROR");
}

#[test]
fn trailers_follow_a_streamed_answer() {
    let mut server = Server::new();
    server.reads(&head(1, "GET"));
    server.connection.handle_inform(server.request(0), 103, b"link: </a>; rel=preload\r\n").unwrap();
    assert!(server.answers(0, 200, Payload::Stream { length: None }));
    let request_id = server.request(0);
    server.connection.handle_write(&server.cx, request_id, b"abc").unwrap();
    server.connection.handle_end(request_id, b"grpc-status: 0\r\n").unwrap();
    assert_eq!(server.sends(), "1 HEADERS\n1 HEADERS\n1 DATA 3 bytes\n1 HEADERS end");
}

#[test]
fn a_stream_whose_window_stays_shut_is_reset_and_others_go_on_cve_2019_9517() {
    let mut server = Server::new();
    server.reads(&[settings(&[(4, 0)]), head(1, "GET"), head(3, "GET")].concat());
    for at in [0, 1] {
        assert!(server.answers(at, 200, Payload::Full(&[7; 100_000])));
    }
    server.sends();
    let mut told = String::new();
    for _ in 0..20 {
        // Opened byte by byte on one, and as it should be on the other.
        told +=
            &server.reads(&[window_update(1, 1), window_update(3, 5_000), window_update(0, 5_001)].concat());
        server.waits(1_000);
        server.sends();
    }
    assert_eq!(told, "1 reset CANCEL");
    assert!(server.connection.is_written(server.request(1)), "the other has had its answer");
    assert_eq!(server.connection.finish(), None);
}

/// A long answer of which the socket takes so many bytes at once; what it has taken, and what waits behind it.
fn vectored(method: &str, takes: usize, window: u32, bytes: &[u8]) -> (Server, Vec<u8>) {
    let mut server = Server::new();
    server.reads(&[settings(&[(4, window)]), window_update(0, 1_000_000), head(1, method)].concat());
    server.sends();
    let request_id = server.request(0);
    let payload = Payload::Full(bytes);
    let answer = Answer {
        status: 200,
        reason: None,
        fields: b"a: b\r\n",
        payload,
        close: false,
        own: protocol::Own::default(),
    };
    let mut taken = Vec::new();
    let mut left = takes;
    let mut send = |parts: &[IoSlice<'_>]| {
        let offered: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let count = offered.len().min(left);
        taken.extend_from_slice(&offered[..count]);
        left -= count;
        count
    };
    server.connection.handle_answer_vectored(&mut server.cx, request_id, answer, &mut send).unwrap();
    (server, taken)
}

/// The content in frames of DATA.
fn content(mut frames: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while let [a, b, c, kind, rest @ ..] = frames {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        if *kind == 0 {
            content.extend_from_slice(&rest[5..5 + length]);
        }
        frames = &rest[5 + length..];
    }
    content
}

#[test]
fn a_long_answer_leaves_whole_however_little_the_socket_takes_of_it_at_once() {
    let bytes: Vec<u8> = (0..300_000_u32).map(|at| at as u8).collect();
    for takes in [0, 1, 50, 16_384, 100_000, usize::MAX] {
        let (mut server, mut taken) = vectored("GET", takes, 1_000_000, &bytes);
        assert_eq!(taken.len() < takes, takes == usize::MAX, "it is offered as long as it is taken");
        server.sends_to(&mut taken);
        assert!(content(&taken) == bytes, "{takes}");
        assert!(describe(&taken).ends_with("bytes end"));
        assert!(server.connection.is_written(server.request(0)));
    }
}

#[test]
fn a_long_answer_waits_for_its_window_and_one_to_head_has_none() {
    let bytes = vec![7; 200_000];
    let (mut server, mut taken) = vectored("GET", usize::MAX, 100_000, &bytes);
    assert_eq!(content(&taken).len(), 100_000);
    assert_eq!(server.connection.backlog(server.request(0)), 100_000);
    server.reads(&window_update(1, 50_000));
    server.sends_to(&mut taken);
    assert_eq!(content(&taken).len(), 150_000);
    server.reads(&window_update(1, 50_000));
    server.sends_to(&mut taken);
    assert!(content(&taken) == bytes);
    let (mut server, taken) = vectored("HEAD", usize::MAX, 100_000, &bytes);
    assert_eq!(describe(&taken), "1 HEADERS end");
    assert_eq!(server.sends(), "");
}

#[test]
fn a_long_answer_leaves_behind_more_urgent_ones() {
    let bytes = vec![7; 200_000];
    let mut server = Server::new();
    let urgent =
        [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/"), ("priority", "u=0")];
    let windows = [settings(&[(4, 1_000_000)]), window_update(0, 1_000_000)].concat();
    server.reads(&[windows, head(1, "GET"), headers(5, 3, &urgent)].concat());
    assert!(server.answers(1, 200, Payload::Full(&[1; 20_000])));
    let request_id = server.request(0);
    let payload = Payload::Full(&bytes);
    let answer = Answer {
        status: 200,
        reason: None,
        fields: b"",
        payload,
        close: false,
        own: protocol::Own::default(),
    };
    let mut taken = Vec::new();
    let mut send = |parts: &[IoSlice<'_>]| {
        parts.iter().for_each(|part| taken.extend_from_slice(part));
        parts.iter().map(|part| part.len()).sum()
    };
    server.connection.handle_answer_vectored(&mut server.cx, request_id, answer, &mut send).unwrap();
    let described = describe(&taken);
    let at = |wanted: &str| described.lines().position(|line| line.starts_with(wanted)).unwrap();
    assert!(at("3 DATA") < at("1 DATA"), "{described}");
    assert_eq!(content(&taken).len(), 220_000);
}
