//! Records of every size, split anywhere, and floods of them.

use std::io::Write;
use std::sync::Arc;

use protocol::tls::{Config, Event};
use rustls::{ClientConfig, SupportedProtocolVersion, version};

use crate::authority::{Authority, NOW};
use crate::pair::{Pair, at, client, config, settings};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

fn world(version: &'static SupportedProtocolVersion) -> (Arc<Config>, Arc<ClientConfig>) {
    let authority = Authority::new("authority");
    (config(&settings(&authority.server(&["example.org"]))), Arc::new(client(&authority, &[version])))
}

/// The records that a client sends for `data`.
fn records(pair: &mut Pair, data: &[u8]) -> Vec<u8> {
    pair.client.writer().write_all(data).unwrap();
    let mut bytes = Vec::new();
    while pair.client.wants_write() {
        pair.client.write_tls(&mut bytes).unwrap();
    }
    bytes
}

#[test]
fn bytes_that_come_one_by_one_make_the_same_session() {
    for version in VERSIONS {
        let (config, client) = world(version);
        for step in [1, 2, 3, 5, 6, 17, 100, 1000] {
            let mut pair = Pair::new(&config, &client, "example.org", NOW);
            pair.step = step;
            pair.run();
            assert_eq!(pair.events, [Event::Established], "{step}");
            let data: Vec<u8> = (0..40_000).map(|at| (at % 253) as u8).collect();
            assert!(pair.request(&data) == data, "{step}");
        }
    }
}

#[test]
fn two_records_split_at_every_byte_give_the_same_data() {
    for version in VERSIONS {
        let (config, client) = world(version);
        let mut pair = Pair::established(&config, &client, "example.org", NOW);
        let mut length = records(&mut pair, b"first").len();
        drop(pair);
        length *= 2;
        for at in 0..=length {
            let mut pair = Pair::established(&config, &client, "example.org", NOW);
            let mut bytes = records(&mut pair, b"first");
            bytes.extend(records(&mut pair, b"other"));
            let (one, other) = bytes.split_at_mut(at);
            pair.deliver(one);
            pair.deliver(other);
            assert_eq!(pair.received, b"firstother", "{at}");
        }
    }
}

#[test]
fn a_handshake_in_records_of_one_byte_succeeds() {
    for version in VERSIONS {
        let authority = Authority::new("authority");
        let config = config(&settings(&authority.server(&["example.org"])));
        let mut client = client(&authority, &[version]);
        client.max_fragment_size = Some(33);
        let mut pair = Pair::new(&config, &Arc::new(client), "example.org", NOW);
        let mut hello = Vec::new();
        while pair.client.wants_write() {
            pair.client.write_tls(&mut hello).unwrap();
        }
        // Only the ClientHello is in plain text, so only it can be cut into other records.
        let mut bytes = Vec::new();
        let mut rest = &hello[..];
        while let [kind, major, minor, high, low, after @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            for byte in &after[..length] {
                bytes.extend_from_slice(&[*kind, *major, *minor, 0, 1, *byte]);
            }
            rest = &after[length..];
        }
        pair.deliver(&mut bytes);
        pair.run();
        assert_eq!(pair.events, [Event::Established], "{:?}", pair.client_error);
        assert_eq!(pair.request(b"hello"), b"hello");
    }
}

#[test]
fn an_answer_is_one_record_where_it_fits() {
    for version in VERSIONS {
        let (config, client) = world(version);
        let mut pair = Pair::established(&config, &client, "example.org", NOW);
        for (size, expected) in [(1, 1), (300, 1), (16_384, 1), (16_385, 2), (40_000, 3)] {
            let mut output = Vec::new();
            pair.session.write(&vec![b'a'; size], &mut output);
            assert_eq!(count(&output), expected, "{size}");
        }
    }
}

fn count(mut records: &[u8]) -> usize {
    let mut count = 0;
    while let [_, _, _, high, low, rest @ ..] = records {
        records = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
        count += 1;
    }
    count
}

#[test]
fn a_key_update_is_followed_and_answered() {
    let (config, client) = world(&version::TLS13);
    let mut pair = Pair::established(&config, &client, "example.org", NOW);
    for _ in 0..100 {
        pair.client.refresh_traffic_keys().unwrap();
        assert_eq!(pair.request(b"under new keys"), b"under new keys");
        assert_eq!(pair.respond(b"the answer too"), b"the answer too");
    }
    assert_eq!(pair.events, []);
}

#[test]
fn a_flood_of_key_updates_ends_the_session() {
    let (config, client) = world(&version::TLS13);
    let mut pair = Pair::established(&config, &client, "example.org", NOW);
    for _ in 0..40 {
        pair.client.refresh_traffic_keys().unwrap();
        let mut bytes = Vec::new();
        while pair.client.wants_write() {
            pair.client.write_tls(&mut bytes).unwrap();
        }
        pair.deliver(&mut bytes);
    }
    assert!(matches!(pair.events[..], [Event::Failed(_)]), "{:?}", pair.events);
}

#[test]
fn a_flood_of_key_updates_between_bytes_of_data_ends_the_session() {
    let (config, client) = world(&version::TLS13);
    let mut pair = Pair::established(&config, &client, "example.org", NOW);
    let mut sent = 0;
    while pair.events.is_empty() && sent < 50_000 {
        let mut bytes = Vec::new();
        for _ in 0..100 {
            pair.client.refresh_traffic_keys().unwrap();
            bytes.extend(records(&mut pair, b"x"));
        }
        pair.deliver(&mut bytes);
        sent += 100;
    }
    assert_eq!(pair.failure().code, "BUSBAR_TLS_FLOOD");
}

#[test]
fn a_flood_of_records_with_next_to_nothing_ends_the_session() {
    for version in VERSIONS {
        let (config, client) = world(version);
        let mut pair = Pair::established(&config, &client, "example.org", NOW);
        let mut sent = 0;
        while pair.events.is_empty() && sent < 100_000 {
            let mut bytes = Vec::new();
            for _ in 0..500 {
                bytes.extend(records(&mut pair, b"x"));
            }
            pair.deliver(&mut bytes);
            sent += 500;
        }
        assert_eq!(pair.failure().code, "BUSBAR_TLS_FLOOD");
        assert!((16_000..40_000).contains(&sent), "{sent}");
    }
}

#[test]
fn small_records_at_the_pace_of_a_person_are_no_flood() {
    let (config, client) = world(&version::TLS13);
    let mut pair = Pair::established(&config, &client, "example.org", NOW);
    for second in 0..60 {
        pair.now = NOW + second;
        let mut bytes = Vec::new();
        for _ in 0..1000 {
            bytes.extend(records(&mut pair, b"x"));
        }
        pair.deliver(&mut bytes);
    }
    assert_eq!((pair.events.len(), pair.received.len()), (0, 60_000));
}

#[test]
fn a_handshake_of_more_than_64_kib_ends_the_session() {
    let (config, client) = world(&version::TLS13);
    for asks in [false, true] {
        let config = if asks {
            let authority = Authority::new("authority");
            let leaf = authority.server(&["example.org"]);
            crate::pair::config(&protocol::tls::Settings { asks_for_certificates: true, ..settings(&leaf) })
        } else {
            config.clone()
        };
        let mut pair = Pair::new(&config, &client, "example.org", NOW);
        // A ClientHello of 65,535 bytes that never ends.
        let mut record = vec![22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff];
        record.resize(5 + 0x4000, 0);
        pair.deliver(&mut record);
        let mut sent = record.len();
        while pair.events.is_empty() && sent < 1_000_000 {
            let mut more = vec![22, 3, 3, 0x3f, 0];
            more.resize(5 + 0x3f00, 0);
            sent += more.len();
            pair.deliver(&mut more);
        }
        assert!(pair.failure().is_handshake);
        assert!(sent < 100_000, "{sent}");
    }
}

#[test]
fn any_input_is_taken_without_a_panic() {
    // Bytes of a good session, each changed in turn.
    for version in VERSIONS {
        let (config, client) = world(version);
        let mut whole = Pair::new(&config, &client, "example.org", NOW);
        let mut hello = Vec::new();
        whole.client.write_tls(&mut hello).unwrap();
        for at_byte in 0..hello.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut bytes = hello.clone();
                bytes[at_byte] ^= change;
                let mut pair = Pair::new(&config, &client, "example.org", NOW);
                pair.deliver(&mut bytes);
                pair.session.close_notify(&mut pair.output);
                pair.session.handle_eof();
                pair.session.handle_input(
                    at(NOW),
                    &mut [22, 3, 3, 0, 0],
                    &mut pair.received,
                    &mut pair.output,
                );
                pair.take_events();
                assert!(!pair.events.is_empty());
            }
        }
    }
}
