//! What a client sends instead of TLS, or behind its handshake without its keys.

#![allow(clippy::unwrap_used, reason = "an unexpected result fails the test")]

mod pair;
mod records;

use proptest::prelude::*;

/// A record, or what looks like one.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![20_u8..=24, any::<u8>()];
    let version = prop_oneof![Just([3, 1]), Just([3, 3]), any::<[u8; 2]>()];
    (kind, version, prop::collection::vec(any::<u8>(), 0..80), prop::option::weighted(0.2, any::<u16>()))
        .prop_map(|(kind, version, content, claimed)| {
            let length = claimed.unwrap_or(u16::try_from(content.len()).unwrap());
            [&[kind], &version[..], &length.to_be_bytes(), &content].concat()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_without_a_key_never_become_data(first in any::<u8>(), records in prop::collection::vec(record(), 1..5)) {
        records::play(&[vec![first], records.concat()].concat());
    }
}
