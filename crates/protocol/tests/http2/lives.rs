//! How long connections live: PINGs, ages, requests, and which requests a connection is for.

use protocol::{CloseReason, Finish, Limits, Payload, Way};

use crate::server::Server;
use crate::wire::*;

fn request(stream: u32, scheme: &str) -> Vec<u8> {
    let list = [(":method", "GET"), (":scheme", scheme), (":authority", "a"), (":path", "/")];
    headers(END_HEADERS | END_STREAM, stream, &list)
}

fn pinging() -> Server {
    Server::with(Limits { http2_ping_interval: 10_000, ..Limits::default() })
}

#[test]
fn a_silent_client_is_asked_whether_it_is_there() {
    let mut server = pinging();
    server.waits(9_999);
    assert_eq!(server.sends(), "");
    server.waits(1);
    assert_eq!(server.sends(), "0 PING");
    server.reads(&frame(6, ACK, 0, b"are-you?"));
    server.waits(9_999);
    assert_eq!(server.sends(), "");
    server.waits(1);
    assert_eq!(server.sends(), "0 PING");
}

#[test]
fn one_that_doesnt_say_so_has_left() {
    let mut server = pinging();
    server.reads(&request(1, "http"));
    server.waits(19_999);
    assert_eq!(server.connection.finish(), None);
    server.waits(1);
    assert_eq!(server.connection.finish(), Some(Finish::Reset));
    assert_eq!(server.connection.close_reason(), CloseReason::ClientLeft);
    assert_eq!(server.connection.unanswered().count(), 1);
}

#[test]
fn frames_of_any_kind_say_that_a_client_is_there() {
    let mut server = pinging();
    for _ in 0..11 {
        server.waits(5_000);
        server.reads(&window_update(0, 1));
        assert_eq!(server.sends(), "");
    }
}

#[test]
fn local_clients_are_idle_for_longer() {
    for (is_exempt, millis) in [(false, 60_000), (true, 75_000)] {
        let mut server = Server::on(Limits::default(), Way { is_exempt, ..Way::default() });
        server.waits(millis - 1);
        assert_eq!(server.sends(), "");
        server.waits(1);
        assert_eq!(server.sends(), "0 GOAWAY after 0 NO_ERROR");
    }
}

#[test]
fn a_connection_that_has_served_enough_finishes_its_streams() {
    let mut server = Server::new();
    server.reads(&request(1, "http"));
    server.connection.handle_last();
    assert_eq!(server.sends(), "0 GOAWAY after 2147483647 NO_ERROR\n0 PING");
    assert_eq!(server.reads(&[request(3, "http"), frame(6, ACK, 0, b"goaway-1")].concat()), "2 GET / host=a");
    server.sends();
    assert!(server.answers(0, 200, Payload::Full(b"")) && server.answers(1, 200, Payload::Full(b"")));
    server.sends();
    assert_eq!(server.connection.finish(), Some(Finish::Linger));
    assert_eq!(server.connection.close_reason(), CloseReason::Done);
}

#[test]
fn origins_are_told_over_tls_alone() {
    let limits = Limits { origins: vec!["https://a.example".to_owned()], ..Limits::default() };
    let way = |is_encrypted| Way { is_encrypted, ..Way::default() };
    assert!(Server::greeting(&limits, way(true)).contains("\n0 0xc"));
    assert!(!Server::greeting(&limits, way(false)).contains("0xc"));
}

#[test]
fn an_answer_may_wait_for_longer_or_less_long_than_others() {
    for (millis, expected) in [(1_000, "1 RST_STREAM CANCEL"), (60_000, "")] {
        let mut server = Server::new();
        server.reads(&[settings(&[(4, 0)]), request(1, "http")].concat());
        let request_id = server.request(0);
        server.connection.handle_write_timeout(request_id, millis).unwrap();
        assert!(server.answers(0, 200, Payload::Full(b"unread")));
        server.sends();
        server.waits(20_000);
        assert_eq!(server.sends(), expected, "{millis}");
    }
}

#[test]
fn a_client_that_acknowledges_no_settings_is_given_up() {
    let mut server = Server::unacknowledged(Limits { header_timeout: 15_000, ..Limits::default() });
    server.reads(&request(1, "http"));
    server.waits(14_999);
    assert_eq!(server.connection.finish(), None);
    server.waits(1);
    assert_eq!(server.sends(), "0 GOAWAY after 1 SETTINGS_TIMEOUT");
    assert_eq!(server.connection.finish(), Some(Finish::Linger));
}

/// Lets time pass, and notes what is sent meanwhile.
fn sent_within(server: &mut Server, seconds: u64) -> String {
    let mut sent = server.sends();
    for _ in 0..seconds {
        server.waits(1_000);
        sent += &server.sends();
    }
    sent
}

#[test]
fn a_text_of_ours_that_isnt_taken_is_reset_like_an_answer_of_the_applications() {
    let brew = [(":method", "BREW"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    let refused = headers(END_HEADERS | END_STREAM, 1, &brew);
    let mut post = brew;
    post[0].1 = "POST";
    let large = [headers(END_HEADERS, 1, &post), data(1, &[0; 11])].concat();
    for (input, is_request) in [(refused, false), (large, true)] {
        let mut server = Server::with(Limits { body_size_limit: 10, ..Limits::default() });
        server.reads(&[settings(&[(4, 0)]), input].concat());
        if is_request {
            assert!(server.answers(0, 200, Payload::Full(b"fine")));
        }
        assert_eq!(server.connection.unanswered().count(), usize::from(is_request));
        assert!(!server.connection.is_idle());
        assert!(sent_within(&mut server, 30).ends_with("1 RST_STREAM CANCEL"));
        assert_eq!(server.events().len(), usize::from(is_request), "the application knows its own alone");
        // The connection is idle from then on.
        assert!(server.connection.is_idle());
        assert_eq!(sent_within(&mut server, 100), "0 GOAWAY after 1 NO_ERROR");
        assert_eq!(server.connection.finish(), Some(Finish::Linger));
    }
}

#[test]
fn an_upload_that_stands_still_or_drips_behind_its_answer_is_reset() {
    let list = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    for drips in [false, true] {
        for is_streamed in [false, true] {
            let mut server = Server::new();
            server.reads(&headers(END_HEADERS, 1, &list));
            if is_streamed {
                assert!(server.answers(0, 200, Payload::Stream { length: None }));
                let request_id = server.request(0);
                server.connection.handle_write(&server.cx, request_id, b"early").unwrap();
                server.connection.handle_end(request_id, b"").unwrap();
            } else {
                assert!(server.answers(0, 200, Payload::Full(b"early")));
            }
            assert_eq!(server.sends(), "1 HEADERS\n1 DATA 5 bytes end");
            let is_reset = (0..20).any(|_| {
                if drips {
                    server.reads(&data(1, b"x"));
                }
                server.waits(1_000);
                server.sends() == "1 RST_STREAM NO_ERROR"
            });
            assert!(is_reset, "{drips}, {is_streamed}");
            assert_eq!(server.refusals(), ["the request body came too slowly"]);
            assert!(server.connection.is_idle());
        }
    }
}

#[test]
fn a_client_that_waits_for_the_application_isnt_late() {
    let front = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    let expecting = [&front[..], &[("expect", "100-continue")]].concat();
    // The handler looks for long whether it wants the body.
    let mut server = Server::new();
    server.reads(&headers(END_HEADERS, 1, &expecting));
    server.waits(60_000);
    assert_eq!(server.asks(0, 100), "");
    assert_eq!(server.sends(), "1 HEADERS");
    assert_eq!(server.reads(&last_data(1, b"body")), "1 body 4 end");
    // It does something else between two pieces.
    let mut server = Server::new();
    server.reads(&[headers(END_HEADERS, 1, &front), data(1, &[0; 1_000])].concat());
    assert_eq!(server.asks(0, 1_000), "1 body 1000");
    server.waits(60_000);
    assert_eq!(server.asks(0, 100), "");
    assert_eq!(server.reads(&last_data(1, b"rest")), "1 body 4 end");
    assert!(server.refusals().is_empty());
}

#[test]
fn a_client_that_waits_for_its_100_behind_an_answer_has_its_time() {
    let list = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/"),
        ("expect", "100-continue"),
    ];
    for payload in [Payload::Full(b"no"), Payload::Stream { length: None }] {
        let mut server = Server::new();
        server.reads(&headers(END_HEADERS, 1, &list));
        assert!(server.answers(0, 200, payload));
        let request_id = server.request(0);
        // The other one has ended.
        let _ = server.connection.handle_end(request_id, b"");
        server.sends();
        server.waits(20_000);
        assert_eq!(server.sends(), "1 RST_STREAM NO_ERROR");
        assert!(server.connection.is_idle());
    }
}
