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
