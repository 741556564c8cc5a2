//! Versions, suites, groups, ALPN: what is offered and what is agreed upon.

use std::sync::Arc;

use protocol::tls::{Alert, Event, MinVersion, Settings};
use rcgen::PKCS_RSA_SHA256;
use rustls::crypto::aws_lc_rs::{cipher_suite, kx_group};
use rustls::{AlertDescription, Error, version};

use crate::authority::{Authority, NOW, Wanted};
use crate::pair::{BOTH, Pair, client, client_with, config, provider, settings};

#[test]
fn data_flows_both_ways_in_both_versions() {
    let authority = Authority::new("authority");
    let config = config(&settings(&authority.server(&["example.org"])));
    for (version, name) in [(&version::TLS13, "TLSv1.3"), (&version::TLS12, "TLSv1.2")] {
        let client = Arc::new(client(&authority, &[version]));
        let mut pair = Pair::established(&config, &client, "example.org", NOW);
        assert_eq!(pair.session.info().unwrap().version, name);
        for size in [1, 100, 16_384, 16_385, 100_000] {
            let data: Vec<u8> = (0..size).map(|at| (at * 7 % 251) as u8).collect();
            assert!(pair.request(&data) == data, "{size} bytes to the server");
            assert!(pair.respond(&data) == data, "{size} bytes to the client");
        }
        assert_eq!(pair.events, []);
    }
}

#[test]
fn every_suite_and_group_is_agreed_upon_and_told_by_name() {
    let authority = Authority::new("authority");
    let ecdsa = config(&settings(&authority.server(&["example.org"])));
    let rsa =
        authority.sign(Wanted { names: &["example.org"], algorithm: &PKCS_RSA_SHA256, ..Wanted::default() });
    let rsa = config(&settings(&rsa));
    let suites = [
        (&ecdsa, cipher_suite::TLS13_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256", 128, "TLSv1.3"),
        (&ecdsa, cipher_suite::TLS13_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384", 256, "TLSv1.3"),
        (&rsa, cipher_suite::TLS13_CHACHA20_POLY1305_SHA256, "TLS_CHACHA20_POLY1305_SHA256", 256, "TLSv1.3"),
        (
            &ecdsa,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            128,
            "TLSv1.2",
        ),
        (
            &rsa,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            "ECDHE-RSA-AES256-GCM-SHA384",
            256,
            "TLSv1.2",
        ),
        (
            &rsa,
            cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
            "ECDHE-RSA-CHACHA20-POLY1305",
            256,
            "TLSv1.2",
        ),
    ];
    for (config, suite, name, bits, family) in suites {
        let mut only = provider();
        only.cipher_suites = vec![suite];
        let version: &[_] = if family == "TLSv1.3" { &[&version::TLS13] } else { &[&version::TLS12] };
        let client = Arc::new(client_with(&authority, version, None, only));
        let info = Pair::established(config, &client, "example.org", NOW).session.info().unwrap();
        assert_eq!((info.cipher_name, info.cipher_bits, info.cipher_version), (name, bits, family));
        assert_eq!(info.version, family);
    }
    for (group, name) in [
        (kx_group::X25519MLKEM768, "X25519MLKEM768"),
        (kx_group::X25519, "X25519"),
        (kx_group::SECP256R1, "P-256"),
        (kx_group::SECP384R1, "P-384"),
    ] {
        let mut only = provider();
        only.kx_groups = vec![group];
        let client = Arc::new(client_with(&authority, &[&version::TLS13], None, only));
        let info = Pair::established(&ecdsa, &client, "example.org", NOW).session.info().unwrap();
        assert_eq!(info.group, Some(name));
    }
}

#[test]
fn the_group_for_which_the_client_has_no_share_is_asked_for() {
    let authority = Authority::new("authority");
    let leaf = authority.server(&["example.org"]);
    let settings = Settings { groups: vec!["prime256v1".into()], ..settings(&leaf) };
    let mut provider = provider();
    provider.kx_groups = vec![kx_group::X25519, kx_group::SECP256R1];
    let client = Arc::new(client_with(&authority, &BOTH, None, provider));
    let pair = Pair::established(&config(&settings), &client, "example.org", NOW);
    assert_eq!(pair.session.info().unwrap().group, Some("P-256"));
}

#[test]
fn suites_and_groups_are_restricted_by_any_of_their_names() {
    let authority = Authority::new("authority");
    let leaf = authority.server(&["example.org"]);
    let client = Arc::new(client(&authority, &BOTH));
    for name in ["ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"] {
        let settings = Settings { cipher_suites: vec![name.into()], ..settings(&leaf) };
        let info = Pair::established(&config(&settings), &client, "example.org", NOW).session.info().unwrap();
        assert_eq!((info.version, info.cipher_name), ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"));
    }
    for name in ["P-384", "secp384r1"] {
        let settings = Settings { groups: vec![name.into()], ..settings(&leaf) };
        let info = Pair::established(&config(&settings), &client, "example.org", NOW).session.info().unwrap();
        assert_eq!(info.group, Some("P-384"));
    }
}

#[test]
fn a_client_of_tls_1_2_is_refused_where_1_3_is_the_lowest_version() {
    let authority = Authority::new("authority");
    let settings =
        Settings { min_version: MinVersion::Tls13, ..settings(&authority.server(&["example.org"])) };
    let client = Arc::new(client(&authority, &[&version::TLS12]));
    let mut pair = Pair::new(&config(&settings), &client, "example.org", NOW);
    pair.run();
    assert_eq!(pair.failure().code, "BUSBAR_TLS_PROTOCOL_VERSION");
    assert_eq!(pair.failure().alert, Some(Alert::Sent("protocol_version")));
    assert_eq!(pair.client_error, Some(Error::AlertReceived(AlertDescription::ProtocolVersion)));
}

#[test]
fn the_servers_order_decides_between_protocols_and_none_in_common_is_an_alert() {
    let authority = Authority::new("authority");
    let alpn = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let config = config(&Settings { alpn, ..settings(&authority.server(&["example.org"])) });
    let offered = |protocols: &[&str]| {
        let mut client = client(&authority, &BOTH);
        client.alpn_protocols = protocols.iter().map(|one| one.as_bytes().to_vec()).collect();
        let mut pair = Pair::new(&config, &Arc::new(client), "example.org", NOW);
        pair.run();
        pair
    };
    assert_eq!(offered(&["http/1.1", "h2"]).session.info().unwrap().alpn, Some(b"h2".to_vec()));
    assert_eq!(offered(&["http/1.1"]).session.info().unwrap().alpn, Some(b"http/1.1".to_vec()));
    assert_eq!(offered(&[]).session.info().unwrap().alpn, None);
    let refused = offered(&["spdy/3"]);
    assert_eq!(refused.failure().code, "BUSBAR_TLS_NO_APPLICATION_PROTOCOL");
    assert_eq!(refused.client_error, Some(Error::AlertReceived(AlertDescription::NoApplicationProtocol)));
}

#[test]
fn a_client_that_does_not_trust_the_certificate_is_counted_by_its_alert() {
    let config = config(&settings(&Authority::new("unknown").server(&["example.org"])));
    let client = Arc::new(client(&Authority::new("authority"), &BOTH));
    let mut pair = Pair::new(&config, &client, "example.org", NOW);
    pair.run();
    assert_eq!(pair.failure().code, "BUSBAR_TLS_ALERT_UNKNOWN_CA");
    assert_eq!(pair.failure().alert, Some(Alert::Received("unknown_ca")));
    assert!(pair.failure().is_handshake);
}

#[test]
fn plain_http_is_told_from_a_handshake_by_its_first_byte() {
    let config = config(&settings(&Authority::new("authority").server(&["example.org"])));
    let client = Arc::new(client(&Authority::new("authority"), &BOTH));
    for bytes in ["GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "p"] {
        let mut pair = Pair::new(&config, &client, "example.org", NOW);
        pair.step = 1;
        pair.deliver(&mut bytes.as_bytes().to_vec());
        assert!(
            matches!(&pair.events[..], [Event::PlainHttp(failure)] if failure.code == "BUSBAR_TLS_PLAIN_HTTP")
        );
        assert_eq!(pair.output, b"");
        assert!(pair.session.is_over());
    }
}

#[test]
fn bytes_that_are_neither_tls_nor_http_end_the_session() {
    let config = config(&settings(&Authority::new("authority").server(&["example.org"])));
    let client = Arc::new(client(&Authority::new("authority"), &BOTH));
    for first in (0..=255u8).filter(|byte| !byte.is_ascii_alphabetic()) {
        let mut pair = Pair::new(&config, &client, "example.org", NOW);
        pair.deliver(&mut [first; 300]);
        pair.session.handle_eof();
        pair.take_events();
        assert!(pair.failure().is_handshake, "{first}");
    }
}
