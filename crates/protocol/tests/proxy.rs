//! A PROXY header gives the same however its bytes arrive, and takes none that follow it.

use proptest::prelude::*;
use protocol::proxy::{Announced, Header, MAX_HEADER, Progress, ProxyError};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Feeds the bytes in pieces of these lengths, and then the rest. Returns how many were taken and what came of them.
fn feed(bytes: &[u8], lengths: &[usize]) -> (usize, Result<Option<Announced>, ProxyError>) {
    let mut header = Header::default();
    let mut taken = 0;
    for length in lengths.iter().copied().chain([bytes.len()]) {
        let piece = &bytes[taken..bytes.len().min(taken + length)];
        match header.handle_input(piece) {
            Ok(Progress { taken: more, announced: None }) => {
                assert_eq!(more, piece.len(), "bytes of an incomplete header are all taken");
                taken += more;
            }
            Ok(Progress { taken: more, announced }) => {
                assert!(more <= piece.len());
                return (taken + more, Ok(announced));
            }
            Err(error) => return (taken, Err(error)),
        }
    }
    (taken, Ok(None))
}

/// Version 2 with any content, well-formed or not.
fn version_2() -> impl Strategy<Value = Vec<u8>> {
    let family = prop_oneof![Just(0x00), Just(0x11), Just(0x21), Just(0x31), any::<u8>()];
    let command = prop_oneof![Just(0x20), Just(0x21), any::<u8>()];
    let field = (prop_oneof![Just(0x03), Just(0x20), any::<u8>()], prop::collection::vec(any::<u8>(), 0..12));
    let fields = prop::collection::vec(field, 0..4).prop_map(|fields| {
        let bytes = fields.into_iter().flat_map(|(kind, value)| {
            let [high, low] = (value.len() as u16).to_be_bytes();
            [vec![kind, high, low], value].concat()
        });
        bytes.collect::<Vec<u8>>()
    });
    (command, family, prop::collection::vec(any::<u8>(), 0..40), fields).prop_map(
        |(command, family, mut addresses, fields)| {
            let length = match family {
                0x11 => 12,
                0x21 => 36,
                0x31 => 216,
                _ => addresses.len(),
            };
            addresses.resize(length, 0);
            let rest = [addresses, fields].concat();
            [SIGNATURE, &[command, family], &(rest.len() as u16).to_be_bytes(), &rest].concat()
        },
    )
}

fn version_1() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "PROXY TCP4 [0-9]{1,3}(\\.[0-9]{1,3}){3} 10\\.0\\.0\\.1 [0-9]{1,5} [0-9]{1,5}\r\n",
        "PROXY TCP6 [0-9a-f:]{2,20} ::1 [0-9]{1,5} [0-9]{1,5}\r\n",
        "PROXY UNKNOWN[ -~]{0,100}\r\n",
        "PROXY [ -~\r\n]{0,120}",
    ]
    .prop_map(String::into_bytes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_gives_the_same(
        header in prop_oneof![version_1(), version_2(), prop::collection::vec(any::<u8>(), 0..64)],
        behind in prop::collection::vec(any::<u8>(), 0..40),
        lengths in prop::collection::vec(1_usize..40, 0..300),
    ) {
        let bytes = [&header[..], &behind].concat();
        let (whole_taken, whole) = feed(&bytes, &[]);
        let (taken, split) = feed(&bytes, &lengths);
        prop_assert_eq!(&whole, &split);
        if matches!(whole, Ok(Some(_))) {
            prop_assert_eq!(whole_taken, taken);
            prop_assert!(taken <= MAX_HEADER);
        }
    }

    #[test]
    fn a_header_that_is_whole_ends_where_its_length_says(header in version_2(), behind in prop::collection::vec(any::<u8>(), 0..40)) {
        if let (taken, Ok(Some(_))) = feed(&[&header[..], &behind].concat(), &[]) {
            prop_assert_eq!(taken, header.len());
        }
    }
}
