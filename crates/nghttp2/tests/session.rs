//! Requests, answers and the ends of streams. Bytes in, events and frames out.

#![allow(clippy::expect_used, clippy::unwrap_used)]

mod frames;

use frames::*;
use nghttp2::{Content, Error, ErrorCode, Priority, StreamId};
use proptest::prelude::*;

const OK: [(&[u8], &[u8]); 1] = [(b":status", b"200")];

#[test]
fn a_session_begins_with_its_settings() {
    let mut server = Server::silent();
    assert_eq!(server.sends(), "0 SETTINGS\n0 WINDOW_UPDATE +983041");
    let entries: Vec<_> = server.out[9..33].chunks(6).map(|entry| (entry[1], entry[2..].to_vec())).collect();
    assert_eq!(
        entries,
        [
            (4, 65_535_u32.to_be_bytes().to_vec()),
            (6, 16_384_u32.to_be_bytes().to_vec()),
            (9, 1_u32.to_be_bytes().to_vec()),
            (3, 100_u32.to_be_bytes().to_vec()),
        ]
    );
}

#[test]
fn what_is_no_http2_is_refused() {
    let mut server = Server::silent();
    let result = server.session.handle_input(b"GET / HTTP/1.1\r\n\r\n........", &mut server.received);
    assert_eq!(result, Err(Error::Preface));
    assert!(server.session.is_over());
}

#[test]
fn a_request_is_answered() {
    let mut server = Server::new();
    assert_eq!(server.reads(&get(1)), "1 request :method=GET :path=/ end");
    server.session.submit_response(StreamId(1), OK, Content::Full(b"hello")).expect("it is open");
    assert_eq!(server.sends(), "1 HEADERS\n1 DATA 5 bytes end");
    assert_eq!(server.text(b""), "1 sent 5, 0 wait\n1 closed NO_ERROR");
}

#[test]
fn an_answer_without_content_ends_with_its_header_list() {
    let mut server = Server::new();
    server.reads(&get(1));
    server.session.submit_response(StreamId(1), OK, Content::None).expect("it is open");
    assert_eq!(server.sends(), "1 HEADERS end");
}

#[test]
fn content_of_a_request_lies_in_the_input() {
    let mut server = Server::new();
    let input = [post(1), data(1, b"ab"), data(1, b"c"), last_data(1, b"")].concat();
    assert_eq!(server.reads(&input), "1 request :method=POST :path=/\n1 data ab\n1 data c\n1 end");
}

#[test]
fn padding_isnt_content() {
    let mut server = Server::new();
    let padded = frame(0, 8 | END_STREAM, 1, b"\x03ab\0\0\0");
    assert_eq!(server.reads(&[post(1), padded].concat()), "1 request :method=POST :path=/\n1 data ab\n1 end");
}

#[test]
fn trailers_follow_content() {
    let mut server = Server::new();
    let trailers = headers(END_HEADERS | END_STREAM, 1, &[("sum", "1")]);
    let input = [post(1), data(1, b"ab"), trailers].concat();
    assert_eq!(server.reads(&input), "1 request :method=POST :path=/\n1 data ab\n1 trailers sum=1 end");
}

#[test]
fn a_streamed_answer_waits_for_content() {
    let mut server = Server::new();
    server.reads(&get(1));
    let stream = StreamId(1);
    server.session.submit_inform(stream, [(&b":status"[..], &b"103"[..])]).expect("it is open");
    server.session.submit_response(stream, OK, Content::Stream).expect("it is open");
    assert_eq!(server.sends(), "1 HEADERS\n1 HEADERS");
    assert_eq!(server.session.push(stream, b"one"), Ok(3));
    assert_eq!(server.sends(), "1 DATA 3 bytes");
    server.session.push(stream, b"two").expect("it is open");
    server.session.finish_with_trailers(stream, [(&b"sum"[..], &b"6"[..])]).expect("it is open");
    assert_eq!(server.sends(), "1 DATA 3 bytes\n1 HEADERS end");
    assert!(server.session.push(stream, b"late").is_err());
}

#[test]
fn trailers_without_content_make_no_empty_frame() {
    let mut server = Server::new();
    server.reads(&get(1));
    server.session.submit_response(StreamId(1), OK, Content::Stream).expect("it is open");
    server.session.finish_with_trailers(StreamId(1), [(&b"a"[..], &b"b"[..])]).expect("it is open");
    assert_eq!(server.sends(), "1 HEADERS\n1 HEADERS end");
}

#[test]
fn content_waits_for_the_windows() {
    let mut server = Server::new();
    server.reads(&[settings(&[(4, 10)]), get(1)].concat());
    server.session.submit_response(StreamId(1), OK, Content::Full(&[7; 25])).expect("it is open");
    assert_eq!(server.sends(), "0 SETTINGS ack\n1 HEADERS\n1 DATA 10 bytes");
    assert_eq!(server.text(b""), "1 sent 10, 15 wait");
    server.reads(&window_update(1, 100));
    assert_eq!(server.sends(), "1 DATA 15 bytes end");
}

#[test]
fn urgent_answers_go_first() {
    let mut server = Server::new();
    server.reads(&[get(1), get(3)].concat());
    for stream in [1, 3] {
        server.session.submit_response(StreamId(stream), OK, Content::Full(b"x")).expect("it is open");
    }
    server.session.set_priority(StreamId(3), Priority { urgency: 0, incremental: false });
    assert_eq!(server.sends(), "1 HEADERS\n3 HEADERS\n3 DATA 1 bytes end\n1 DATA 1 bytes end");
}

#[test]
fn a_priority_may_come_ahead_of_its_request() {
    let mut server = Server::new();
    let input = [priority_update(1, "u=1"), get(1), priority_update(1, "u=6, i")].concat();
    assert_eq!(server.reads(&input), "1 request :method=GET :path=/ end u=1\n1 u=6");
}

#[test]
fn a_window_opens_as_it_is_consumed() {
    let mut server = Server::new();
    server.reads(&[post(1), data(1, &[0; 16_000]), data(1, &[0; 16_000]), data(1, &[0; 4_000])].concat());
    assert_eq!(server.sends(), "");
    server.session.consume_stream(StreamId(1), 36_000);
    assert_eq!(server.sends(), "1 WINDOW_UPDATE +36000");
    server.session.set_window(Some(StreamId(1)), 131_072);
    assert_eq!(server.sends(), "1 WINDOW_UPDATE +65537");
    assert_eq!(server.session.receive_window(StreamId(1)), 131_072);
}

#[test]
fn either_side_may_reset_a_stream() {
    let mut server = Server::new();
    let input = [post(1), post(3), post(5), rst_stream(1, 8)].concat();
    assert!(server.reads(&input).ends_with("1 reset CANCEL\n1 closed CANCEL"));
    server.session.reset(StreamId(3), ErrorCode::REFUSED_STREAM);
    assert_eq!(server.sends(), "3 RST_STREAM REFUSED_STREAM");
    assert_eq!(server.text(b""), "3 closed REFUSED_STREAM");
    server.session.reset(StreamId(5), ErrorCode::INTERNAL_ERROR);
    assert_eq!(server.sends(), "5 RST_STREAM INTERNAL_ERROR");
    assert_eq!(server.received.counts.provoked, 0);
    assert!(server.session.submit_response(StreamId(3), OK, Content::None).is_err());
}

#[test]
fn an_orderly_end_takes_two_goaways() {
    let mut server = Server::new();
    server.reads(&get(1));
    server.session.announce_shutdown();
    assert_eq!(server.sends(), "0 GOAWAY after 2147483647 NO_ERROR");
    server.session.ping(*b"shutdown");
    assert_eq!(server.sends(), "0 PING");
    assert_eq!(
        server.reads(&[get(3), frame(6, ACK, 0, b"shutdown")].concat()),
        "3 request :method=GET :path=/ end\nPong { data: [115, 104, 117, 116, 100, 111, 119, 110] }"
    );
    server.session.shut_down(ErrorCode::NO_ERROR);
    assert_eq!(server.sends(), "0 GOAWAY after 3 NO_ERROR");
    assert_eq!(server.reads(&get(5)), "");
    for stream in [1, 3] {
        server.session.submit_response(StreamId(stream), OK, Content::None).expect("it is open");
    }
    assert!(!server.session.is_over());
    assert_eq!(server.sends(), "1 HEADERS end\n3 HEADERS end");
    assert!(server.session.is_over());
}

#[test]
fn an_origin_frame_names_origins() {
    let mut server = Server::new();
    server.session.submit_origins(&["https://example.org"]);
    assert_eq!(server.sends(), "0 0xc");
    assert!(server.out.ends_with(b"\0\x13https://example.org"));
}

#[test]
fn an_answer_that_cant_be_sent_resets_its_stream() {
    let mut server = Server::new();
    server.reads(&get(1));
    let value = vec![b'a'; 2 * 1024 * 1024];
    let fields = [(&b":status"[..], &b"200"[..]), (b"a", &value)];
    server.session.submit_response(StreamId(1), fields, Content::None).expect("it is open");
    assert_eq!(server.sends(), "1 RST_STREAM INTERNAL_ERROR");
    assert_eq!(server.text(b""), "Unsendable { stream: StreamId(1) }\n1 closed INTERNAL_ERROR");
}

#[test]
fn output_stops_at_its_limit() {
    let mut server = Server::new();
    server.reads(&[window_update(0, 1 << 20), settings(&[(4, 1 << 20)]), get(1)].concat());
    server.session.submit_response(StreamId(1), OK, Content::Full(&[1; 200_000])).expect("it is open");
    server.session.poll_transmit(&mut server.out, 40_000, &mut server.received).expect("it continues");
    assert!((40_000..60_000).contains(&server.out.len()));
    assert!(server.session.wants_write());
    assert!(server.session.queued(StreamId(1)) > 140_000);
}

/// A conversation with everything that a split could tear.
fn conversation() -> Vec<u8> {
    [
        PREFACE.to_vec(),
        settings(&[(4, 1000)]),
        headers(0, 1, &[(":method", "POST"), ("cookie", "a=b")]),
        continuation(0, 1, &[("cookie", "c=d"), (":path", "/")]),
        continuation(END_HEADERS, 1, &[]),
        data(1, b"some content"),
        window_update(1, 5),
        window_update(0, 7),
        priority_update(3, "u=2"),
        get(3),
        ping(),
        frame(0, 8, 1, b"\x02padded\0\0"),
        priority(5, 3),
        frame(0x42, 0, 0, b"unknown"),
        headers(END_HEADERS | END_STREAM, 1, &[("sum", "12")]),
        get(5),
        rst_stream(5, 8),
    ]
    .concat()
}

/// Events with content put together, and the frames that follow.
fn outcome(pieces: &[&[u8]]) -> (String, String) {
    let mut server = Server::silent();
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces {
        for line in server.reads(piece).lines() {
            match (lines.last_mut(), line.strip_prefix("1 data ")) {
                (Some(last), Some(more)) if last.starts_with("1 data ") => last.push_str(more),
                _ => lines.push(line.into()),
            }
        }
    }
    (lines.join("\n"), server.sends())
}

proptest! {
    #[test]
    fn a_split_changes_nothing(mut cuts in prop::collection::vec(0_usize..400, 0..20)) {
        let bytes = conversation();
        cuts.extend([0, bytes.len()]);
        cuts.retain(|cut| *cut <= bytes.len());
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        prop_assert_eq!(outcome(&pieces), outcome(&[&bytes]));
    }
}

#[test]
fn bytes_one_by_one_mean_the_same() {
    let bytes = conversation();
    let (events, sent) = outcome(&[&bytes]);
    assert_eq!(
        events,
        "1 request :method=POST cookie=a=b cookie=c=d :path=/\n1 data some content\n\
         3 request :method=GET :path=/ end u=2\n1 data padded\n1 trailers sum=12 end\n\
         5 request :method=GET :path=/ end\n5 reset CANCEL\n5 closed CANCEL"
    );
    assert_eq!((events, sent), outcome(&bytes.chunks(1).collect::<Vec<_>>()));
}
