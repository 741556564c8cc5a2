//! How sessions end: by close_notify, by the end of the connection, by alerts.

use std::sync::Arc;

use protocol::tls::{Alert, Config, Event};
use rustls::{ClientConfig, SupportedProtocolVersion, version};

use crate::authority::{Authority, NOW};
use crate::pair::{Pair, client, config, settings};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

fn world(version: &'static SupportedProtocolVersion) -> (Arc<Config>, Arc<ClientConfig>) {
    let authority = Authority::new("authority");
    (config(&settings(&authority.server(&["example.org"]))), Arc::new(client(&authority, &[version])))
}

#[test]
fn a_client_that_has_said_its_end_is_still_answered() {
    for version in VERSIONS {
        let (config, client) = world(version);
        let mut pair = Pair::established(&config, &client, "example.org", NOW);
        pair.client.send_close_notify();
        pair.run();
        assert_eq!(pair.events, [Event::PeerClosed]);
        assert_eq!(pair.respond(b"the last answer"), b"the last answer");
        pair.session.handle_eof();
        pair.take_events();
        assert_eq!(pair.events, [Event::PeerClosed]);
    }
}

#[test]
fn after_our_close_notify_the_client_may_send_on() {
    for version in VERSIONS {
        let (config, client) = world(version);
        let mut pair = Pair::established(&config, &client, "example.org", NOW);
        pair.session.close_notify(&mut pair.output);
        let once = pair.output.len();
        pair.session.close_notify(&mut pair.output);
        assert_eq!(pair.output.len(), once);
        pair.give_output();
        assert!(pair.client.process_new_packets().unwrap().peer_has_closed());
        assert!(!pair.session.write(b"too late", &mut pair.output));
        assert_eq!(pair.output, b"");
        assert_eq!(pair.request(b"still here"), b"still here");
    }
}

#[test]
fn a_connection_that_ends_without_close_notify_is_told_apart() {
    for version in VERSIONS {
        let (config, client) = world(version);
        let mut pair = Pair::established(&config, &client, "example.org", NOW);
        assert_eq!(pair.request(b"half"), b"half");
        for _ in 0..2 {
            pair.session.handle_eof();
            pair.take_events();
        }
        assert_eq!(pair.events, [Event::Truncated]);
        assert_eq!(pair.respond(b"answer"), b"answer");
    }
}

#[test]
fn data_behind_close_notify_is_ignored() {
    for version in VERSIONS {
        let (config, client) = world(version);
        let mut pair = Pair::established(&config, &client, "example.org", NOW);
        pair.client.send_close_notify();
        let mut bytes = Vec::new();
        pair.client.write_tls(&mut bytes).unwrap();
        bytes.extend_from_slice(&[23, 3, 3, 0, 40, 1, 2, 3]);
        pair.deliver(&mut bytes);
        pair.deliver(&mut [0xff; 100]);
        assert_eq!(pair.events, [Event::PeerClosed]);
        assert_eq!(pair.respond(b"answer"), b"answer");
    }
}

#[test]
fn a_probe_without_a_byte_is_no_failure() {
    let (config, client) = world(&version::TLS13);
    let mut pair = Pair::new(&config, &client, "example.org", NOW);
    assert!(!pair.session.has_begun());
    pair.session.handle_eof();
    pair.take_events();
    assert_eq!(pair.events, [Event::PeerClosed]);
}

#[test]
fn a_handshake_cut_after_any_byte_fails_once() {
    for version in VERSIONS {
        let (config, client) = world(version);
        let mut whole = Pair::new(&config, &client, "example.org", NOW);
        let mut hello = Vec::new();
        whole.client.write_tls(&mut hello).unwrap();
        for length in 1..=hello.len() {
            let mut pair = Pair::new(&config, &client, "example.org", NOW);
            pair.deliver(&mut hello[..length].to_vec());
            assert!(pair.session.has_begun() && pair.session.is_handshaking());
            pair.session.handle_eof();
            pair.session.handle_eof();
            pair.take_events();
            assert_eq!(pair.events.len(), 1);
            assert_eq!((pair.failure().code, pair.failure().is_handshake), ("BUSBAR_TLS_CUT", true));
        }
    }
}

#[test]
fn a_record_that_was_tampered_with_ends_the_session_with_its_alert() {
    for version in VERSIONS {
        let (config, client) = world(version);
        let mut pair = Pair::established(&config, &client, "example.org", NOW);
        std::io::Write::write_all(&mut pair.client.writer(), b"transfer 100").unwrap();
        let mut bytes = Vec::new();
        pair.client.write_tls(&mut bytes).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        pair.deliver(&mut bytes);
        assert_eq!(pair.received, b"");
        assert_eq!(pair.failure().code, "BUSBAR_TLS_BAD_RECORD_MAC");
        assert_eq!(pair.failure().alert, Some(Alert::Sent("bad_record_mac")));
        assert!(!pair.failure().is_handshake);
        pair.give_output();
        assert_eq!(pair.client_error.as_ref().unwrap().to_string(), "received fatal alert: BadRecordMac");
        // Whatever comes now is without effect.
        pair.session.handle_input(crate::pair::at(NOW), &mut [1; 100], &mut pair.received, &mut pair.output);
        assert!(!pair.session.write(b"more", &mut pair.output));
        pair.session.close_notify(&mut pair.output);
        pair.session.handle_eof();
        pair.take_events();
        assert_eq!((pair.events.len(), pair.output.len()), (1, 0));
    }
}

#[test]
fn nothing_is_written_before_the_handshake_is_done() {
    let (config, client) = world(&version::TLS13);
    let mut pair = Pair::new(&config, &client, "example.org", NOW);
    assert!(!pair.session.write(b"early", &mut pair.output));
    pair.session.close_notify(&mut pair.output);
    assert_eq!(pair.output, b"");
    assert_eq!(pair.session.info(), None);
}
