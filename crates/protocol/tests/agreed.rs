//! A connection on which HTTP/2 was agreed on: nothing is said on it before it is known who speaks.

#![allow(clippy::unwrap_used, reason = "an unexpected result fails the test")]

mod pair;

use pair::Tunnel;
use protocol::{Connection, Context, Limits, SecurityEvent, Way};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

/// A connection that has shaken hands, after which its client has received nothing.
fn established(cx: &mut Context) -> (Connection, Tunnel) {
    let (mut tunnel, config) = Tunnel::of_http2();
    let mut connection = Connection::secured(cx, config, false);
    let mut plaintext = Vec::new();
    let mut events = Vec::new();
    while events.is_empty() {
        connection.decrypt(cx, &mut tunnel.outgoing(), &mut plaintext);
        events.extend(std::iter::from_fn(|| connection.poll_security(cx)));
        assert_eq!(
            received(cx, &mut connection, &mut tunnel),
            b"",
            "the application has not asked for bytes"
        );
    }
    assert_eq!(events, [SecurityEvent::Established]);
    (connection, tunnel)
}

/// Sends what the connection has to say; returns what the client reads.
fn received(cx: &mut Context, connection: &mut Connection, tunnel: &mut Tunnel) -> Vec<u8> {
    let mut plaintext = Vec::new();
    loop {
        let output = connection.poll_transmit(cx).to_vec();
        if output.is_empty() {
            return plaintext;
        }
        connection.handle_sent(cx, output.len());
        plaintext.extend(tunnel.incoming(&output));
    }
}

/// The types of the frames that `bytes` are.
fn frames(mut bytes: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    while let [a, b, c, kind, ..] = *bytes {
        types.push(kind);
        bytes = &bytes[9 + (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c))..];
    }
    types
}

#[test]
fn the_preface_is_sent_once_it_is_spoken_though_the_client_says_nothing() {
    let mut cx = Context::new(Limits::default());
    let (mut connection, mut tunnel) = established(&mut cx);
    connection.handle_agreed(&cx);
    assert!(connection.is_http2());
    assert_eq!(frames(&received(&mut cx, &mut connection, &mut tunnel))[0], SETTINGS);
}

#[test]
fn the_application_can_have_the_bytes_instead() {
    let mut cx = Context::new(Limits::default());
    let (mut connection, mut tunnel) = established(&mut cx);
    connection.handle_take_raw().unwrap();
    connection.handle_raw_write(&mut cx, b"raw").unwrap();
    assert_eq!(received(&mut cx, &mut connection, &mut tunnel), b"raw");
}

#[test]
fn the_application_can_have_http2_spoken_after_it_has_looked_at_the_first_bytes() {
    let mut cx = Context::new(Limits::default());
    let (mut connection, mut tunnel) = established(&mut cx);
    connection.handle_take_raw().unwrap();
    tunnel.write(PREFACE);
    let mut plaintext = Vec::new();
    connection.decrypt(&mut cx, &mut tunnel.outgoing(), &mut plaintext);
    assert_eq!(plaintext, PREFACE);
    assert_eq!(connection.handle_serve_http2(&cx, Way::default()), Ok(Vec::new()));
    let mut rest = &plaintext[..];
    while !rest.is_empty() {
        rest = &rest[connection.handle_input(&mut cx, rest).taken..];
    }
    let frames = frames(&received(&mut cx, &mut connection, &mut tunnel));
    assert!(frames[0] == SETTINGS && !frames.contains(&GOAWAY), "{frames:?}");
}

#[test]
fn http2_can_be_chosen_where_it_was_agreed_on() {
    let mut cx = Context::new(Limits::default());
    let (mut connection, mut tunnel) = established(&mut cx);
    connection.handle_choose_http2(&cx, Way::default()).unwrap();
    assert_eq!(frames(&received(&mut cx, &mut connection, &mut tunnel))[0], SETTINGS);
}
