//! Records that no client of rustls makes: their secrets are taken out of it, and the records made by hand.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use protocol::tls::{Alert, Event, Session};
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::{ConnectionTrafficSecrets, version};

use crate::authority::{Authority, NOW};
use crate::pair::{Pair, at, client_with, config, provider, settings};

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;
/// A KeyUpdate that asks for one in return. RFC 8446 §4.6.3.
const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 1];

/// An established session of TLS 1.3, and the keys of its client.
struct RawClient {
    session: Session,
    key: LessSafeKey,
    iv: [u8; NONCE_LEN],
    sequence: u64,
    received: Vec<u8>,
    output: Vec<u8>,
}

impl RawClient {
    fn new() -> RawClient {
        let authority = Authority::new("authority");
        let mut only = provider();
        only.cipher_suites = vec![TLS13_AES_128_GCM_SHA256];
        let mut client = client_with(&authority, &[&version::TLS13], None, only);
        client.enable_secret_extraction = true;
        let config = config(&settings(&authority.server(&["example.org"])));
        let pair = Pair::established(&config, &Arc::new(client), "example.org", NOW);
        let (sequence, secrets) = pair.client.dangerous_extract_secrets().unwrap().tx;
        let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else { panic!("another suite") };
        RawClient {
            session: pair.session,
            key: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key.as_ref()).unwrap()),
            iv: iv.as_ref().try_into().unwrap(),
            sequence,
            received: Vec::new(),
            output: Vec::new(),
        }
    }

    /// A record with `content` of a kind, and `padding` bytes of zero behind it. RFC 8446 §5.2.
    fn record(&mut self, kind: u8, content: &[u8], padding: usize) -> Vec<u8> {
        let mut inner = content.to_vec();
        inner.push(kind);
        inner.resize(inner.len() + padding, 0);
        let length = u16::try_from(inner.len() + 16).unwrap().to_be_bytes();
        let header = [DATA, 3, 3, length[0], length[1]];
        let mut nonce = self.iv;
        for (byte, sequence) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= sequence;
        }
        self.sequence += 1;
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::from(header), &mut inner).unwrap();
        [&header[..], &inner].concat()
    }

    fn send(&mut self, kind: u8, content: &[u8], padding: usize) {
        let mut record = self.record(kind, content, padding);
        self.deliver(&mut record);
    }

    fn deliver(&mut self, bytes: &mut [u8]) {
        self.session.handle_input(at(NOW), bytes, &mut self.received, &mut self.output);
    }
}

#[test]
fn padded_and_empty_records_are_data_like_others() {
    let mut client = RawClient::new();
    for padding in [0, 1, 100, 16_000] {
        client.send(DATA, b"data", padding);
        client.send(DATA, b"", padding);
    }
    assert_eq!(client.received, b"datadatadatadata");
    assert_eq!(client.session.poll_event(), None);
}

#[test]
fn a_flood_of_empty_records_ends_the_session() {
    let mut client = RawClient::new();
    let mut sent = 0;
    while client.session.poll_event().is_none() && sent < 1000 {
        client.send(DATA, b"", 0);
        sent += 1;
    }
    assert!(client.session.is_over());
    assert!(sent < 100, "{sent}");
}

#[test]
fn a_key_update_in_two_records_may_be_followed_by_the_end_at_any_point() {
    for split in 1..KEY_UPDATE.len() {
        for delivered in 0..=2 {
            let mut client = RawClient::new();
            let (first, second) = KEY_UPDATE.split_at(split);
            let mut first = client.record(HANDSHAKE, first, 0);
            let mut second = client.record(HANDSHAKE, second, 0);
            client.deliver(&mut first);
            let half = second.len() * delivered / 2;
            for byte in &mut second[..half] {
                client.session.handle_input(
                    at(NOW),
                    std::slice::from_mut(byte),
                    &mut client.received,
                    &mut client.output,
                );
            }
            assert!(client.session.write(b"an answer in between", &mut client.output));
            client.session.handle_eof();
            assert_eq!(client.session.poll_event(), Some(Event::Truncated));
            assert!(client.session.write(b"an answer after the end", &mut client.output));
            client.session.close_notify(&mut client.output);
            assert!(!client.output.is_empty());
        }
    }
}

#[test]
fn handshake_messages_that_have_no_place_end_the_session() {
    for message in [[1, 0, 0, 0], [11, 0, 0, 0], [20, 0, 0, 0], [0, 0, 0, 0]] {
        let mut client = RawClient::new();
        client.send(HANDSHAKE, &message, 0);
        let Some(Event::Failed(failure)) = client.session.poll_event() else { panic!("{message:?}") };
        assert!(matches!(failure.alert, Some(Alert::Sent(_))), "{failure}");
        assert!(!client.output.is_empty());
    }
}

#[test]
fn an_alert_of_the_client_is_the_reason() {
    let mut client = RawClient::new();
    client.send(ALERT, &[2, 80], 0);
    let Some(Event::Failed(failure)) = client.session.poll_event() else { panic!("no failure") };
    assert_eq!(failure.code, "BUSBAR_TLS_ALERT_INTERNAL_ERROR");
    assert_eq!(failure.alert, Some(Alert::Received("internal_error")));
}

#[test]
fn close_notify_in_the_middle_of_an_input_ends_the_data() {
    let mut client = RawClient::new();
    let mut bytes = client.record(DATA, b"before", 0);
    bytes.extend(client.record(ALERT, &[1, 0], 0));
    bytes.extend(client.record(DATA, b"behind", 0));
    client.deliver(&mut bytes);
    assert_eq!(client.received, b"before");
    assert_eq!(client.session.poll_event(), Some(Event::PeerClosed));
    assert_eq!(client.session.poll_event(), None);
}
