//! The attacks of recent years: each ends in ENHANCE_YOUR_CALM, or in bounded work.

use protocol::{CloseReason, ErrorCode, Limits, Payload};

use crate::server::Server;
use crate::wire::*;

const CALM: CloseReason = CloseReason::Http2(ErrorCode::ENHANCE_YOUR_CALM);

fn request(stream: u32) -> Vec<u8> {
    let list = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    headers(END_HEADERS | END_STREAM, stream, &list)
}

/// Sends one piece of a flood after the other and reads the answers. Returns how many it took.
fn flood(server: &mut Server, mut piece: impl FnMut(u32) -> Vec<u8>) -> Option<u32> {
    for at in 0..20_000 {
        let input = piece(at);
        server.reads(&input);
        server.sends();
        if server.connection.finish().is_some() {
            assert_eq!(server.connection.close_reason(), CALM);
            return Some(at);
        }
    }
    None
}

#[test]
fn rapid_reset_costs_a_client_its_connection_cve_2023_44487() {
    // Handlers that never settle keep their place.
    let mut server = Server::new();
    let ended = flood(&mut server, |at| [request(2 * at + 1), rst_stream(2 * at + 1, 8)].concat());
    assert!(ended.is_some_and(|at| at <= 1_000), "{ended:?}");
    // None of them has run: they were reset before their turn.
    assert_eq!(server.request_ids.len(), 0);
}

#[test]
fn streams_that_were_reset_keep_their_place_until_their_handlers_settle() {
    let mut server = Server::with(Limits { concurrent_stream_limit: 3, ..Limits::default() });
    for stream in [1, 3, 5] {
        server.reads(&request(stream));
        assert_eq!(server.reads(&rst_stream(stream, 8)), format!("{} reset CANCEL", stream.div_ceil(2)));
    }
    assert_eq!(server.reads(&request(7)), "");
    assert_eq!(server.sends(), "7 RST_STREAM REFUSED_STREAM");
    // One has settled.
    assert!(!server.answers(0, 200, Payload::Full(b"late")));
    assert_eq!(server.reads(&request(9)), "4 GET / host=a");
}

#[test]
fn streams_over_the_limit_are_refused_and_as_many_again_are_too_many() {
    let mut server = Server::with(Limits { concurrent_stream_limit: 10, ..Limits::default() });
    let ended = flood(&mut server, |at| request(2 * at + 1));
    assert_eq!(ended, Some(20));
    assert_eq!(server.request_ids.len(), 10);
}

#[test]
fn a_client_that_hasnt_seen_the_limit_may_go_over_it() {
    let limits = Limits { concurrent_stream_limit: 10, ..Limits::default() };
    let mut server = Server::unacknowledged(limits);
    let requests: Vec<u8> = (0..100).flat_map(|at| request(2 * at + 1)).collect();
    server.reads(&requests);
    assert_eq!(server.sends().matches("RST_STREAM REFUSED_STREAM").count(), 90);
    assert_eq!(server.connection.finish(), None);
}

#[test]
fn resets_that_we_are_made_to_send_are_counted_cve_2025_8671() {
    // A length that content contradicts.
    let mut server = Server::new();
    let list = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/"),
        ("content-length", "1"),
    ];
    let ended = flood(&mut server, |at| {
        let stream = 2 * at + 1;
        [headers(END_HEADERS, stream, &list), data(stream, b"ab")].concat()
    });
    assert!(ended.is_some_and(|at| at <= 200), "{ended:?}");
    // A window that overflows.
    let mut server = Server::new();
    let ended = flood(&mut server, |at| {
        let stream = 2 * at + 1;
        [request(stream), window_update(stream, 0x7fff_ffff)].concat()
    });
    assert!(ended.is_some_and(|at| at <= 200), "{ended:?}");
}

#[test]
fn pings_settings_and_priorities_are_floods_when_nothing_else_comes_cve_2019_9512() {
    for piece in
        [ping(), settings(&[(4, 65_535)]), priority(7, 1), priority_update(1, "u=1"), frame(0x77, 0, 0, b"")]
    {
        let mut server = Server::new();
        assert!(flood(&mut server, |_| piece.repeat(10)).is_some(), "{piece:?}");
    }
}

#[test]
fn pings_of_a_client_that_works_are_none() {
    let mut server = Server::new();
    for at in 0..5_000 {
        let told = server.reads(&[request(2 * at + 1), ping(), ping()].concat());
        assert!(told.ends_with("GET / host=a"), "{at}: {told}");
        assert!(server.answers(at as usize, 200, Payload::Full(b"ok")));
        server.sends();
    }
}

#[test]
fn empty_frames_are_a_flood_rustsec_2026_0258() {
    let mut server = Server::new();
    let list = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    server.reads(&headers(END_HEADERS, 1, &list));
    assert!(flood(&mut server, |_| data(1, b"").repeat(10)).is_some());
}

#[test]
fn a_continuation_flood_ends_at_once_cve_2024_27316() {
    let mut server = Server::new();
    let ended = flood(&mut server, |at| match at {
        0 => headers(0, 1, &[(":method", "GET")]),
        _ => continuation(0, 1, &[("a", "b")]),
    });
    assert!(ended.is_some_and(|at| at < 20), "{ended:?}");
}

#[test]
fn a_header_bomb_by_reference_is_bounded_cve_2026_49975() {
    let mut server = Server::new();
    // 4,000 bytes enter the compression table, and each byte behind repeats them.
    let mut bomb = block(&[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")]);
    bomb.extend(b"\x40\x01x\x7f\xa1\x1e");
    bomb.extend([b'v'; 4_000]);
    bomb.extend([0xbe; 10_000]);
    assert_eq!(server.reads(&frame(1, 5, 1, &bomb)), "");
    assert!(server.sends().starts_with("1 HEADERS\n1 DATA"));
    assert_eq!(server.reads(&request(3)), "2 GET / host=a");
}

#[test]
fn a_header_block_that_drips_has_a_deadline() {
    let mut server = Server::new();
    let list = headers(0, 1, &[(":method", "GET")]);
    let rest = continuation(0, 1, &[("a", &"b".repeat(100))]);
    server.reads(&list);
    for byte in rest.iter().take(20) {
        server.reads(&[*byte]);
        server.waits(1_000);
    }
    server.sends();
    assert!(server.connection.finish().is_some());
}

#[test]
fn refused_requests_whose_text_cant_leave_take_a_place_each() {
    let mut server = Server::with(Limits { concurrent_stream_limit: 10, ..Limits::default() });
    server.reads(&settings(&[(4, 0)]));
    let list = [(":method", "BREW"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    let ended = flood(&mut server, |at| headers(END_HEADERS | END_STREAM, 2 * at + 1, &list));
    assert_eq!(ended, Some(20));
}

#[test]
fn frames_that_a_client_makes_wait_and_doesnt_read_are_bounded() {
    // An answer lies before them that isn't read.
    let mut server = Server::new();
    server.reads(&[settings(&[(4, 1_000_000)]), window_update(0, 1_000_000), request(1)].concat());
    server.sends();
    assert!(server.answers(0, 200, Payload::Full(&[7; 300_000])));
    server.connection.flush(&mut server.cx);
    let malformed = |stream| headers(END_HEADERS | END_STREAM, stream, &[(":method", "GET")]);
    let flood = "too many frames or streams that bring nothing";
    let ended = (1..10_000).find(|at| {
        server.reads(&malformed(2 * at + 1));
        server.connection.flush(&mut server.cx);
        server.refusals().iter().any(|refusal| refusal == flood)
    });
    assert_eq!(ended, Some(2_401));
}
