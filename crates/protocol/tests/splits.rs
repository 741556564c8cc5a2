//! However the network cuts the bytes, the application gets the same events and the client the same answers.

mod cut;
mod pair;

use cut::cut;
use pair::{Habit, Pair};
use proptest::prelude::*;
use protocol::Limits;

/// A request, valid or nearly so.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let method = prop_oneof![
        6 => Just("GET"),
        2 => Just("POST"),
        1 => Just("HEAD"),
        1 => Just("DELETE"),
        1 => Just("OPTIONS"),
        1 => Just("BREW"),
        1 => Just("G@T"),
    ];
    let target = prop_oneof![
        6 => "/[a-z]{0,8}(\\?[a-z=&]{0,6})?",
        1 => Just("*".to_owned()),
        1 => Just("http://a/b".to_owned()),
        1 => Just("/a#b".to_owned()),
    ];
    let version = prop_oneof![
        12 => Just("HTTP/1.1"),
        2 => Just("HTTP/1.0"),
        1 => Just("HTTP/2.0"),
        1 => Just("HTTP/1.10"),
        1 => Just("http/1.1"),
    ];
    let field = prop_oneof![
        6 => "[A-Za-z-]{1,8}: [ -~]{0,12}",
        1 => Just("Connection: close".to_owned()),
        1 => Just("Connection: keep-alive".to_owned()),
        1 => Just("Connection: upgrade\r\nUpgrade: thing".to_owned()),
        1 => Just("Host: b".to_owned()),
        1 => Just("X : y".to_owned()),
        1 => Just(" folded".to_owned()),
    ];
    let body = prop_oneof![
        6 => Just(String::from("\r\n")),
        2 => "[a-z]{0,40}".prop_map(|body| format!("Content-Length: {}\r\n\r\n{body}", body.len())),
        2 => prop::collection::vec("[a-z]{1,20}", 0..4).prop_map(|chunks| {
            let chunks: String = chunks.iter().map(|chunk| format!("{:x};x=y\r\n{chunk}\r\n", chunk.len())).collect();
            format!("Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\nA: b\r\n\r\n")
        }),
        1 => Just(String::from("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
        1 => Just(String::from("Transfer-Encoding: gzip\r\n\r\n")),
        1 => Just(String::from("Content-Length: +3\r\n\r\nabc")),
    ];
    (method, target, version, prop::collection::vec(field, 0..4), body).prop_map(
        |(method, target, version, fields, body)| {
            let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
            format!("{method} {target} {version}\r\nHost: a\r\n{fields}{body}").into_bytes()
        },
    )
}

/// Several of them, now and then with a byte changed.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let change = prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
    (prop::collection::vec(request(), 1..5), change).prop_map(|(requests, change)| {
        let mut bytes = requests.concat();
        if let Some((at, byte)) = change {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

/// What the client received, and the log of the application. A body that fails is an event only where its request
/// was one before the failure.
fn outcome(pieces: &[&[u8]]) -> (Vec<u8>, Vec<String>) {
    let mut pair = Pair::new(Limits::default(), Habit::Answer);
    pieces.iter().for_each(|piece| pair.client_sends(piece));
    pair.client_ends();
    (pair.received, pair.log)
}

/// The requests and whole bodies in a log.
fn requests_and_bodies(log: &[String]) -> Vec<&str> {
    log.iter()
        .map(String::as_str)
        .filter(|line| line.starts_with("request ") || line.starts_with("body \""))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_gives_the_same(bytes in stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let (whole_bytes, whole_log) = outcome(&[&bytes]);
        let (split_bytes, split_log) = outcome(&cut(&bytes, &cuts));
        prop_assert_eq!(String::from_utf8_lossy(&whole_bytes), String::from_utf8_lossy(&split_bytes));
        let (whole, split) = (requests_and_bodies(&whole_log), requests_and_bodies(&split_log));
        // A request whose malformed body comes in the same piece is refused before it becomes an event.
        let is_broken = split_log.iter().any(|line| line.starts_with("body failed"));
        let common = &split[..split.len() - usize::from(is_broken && split.len() > whole.len())];
        prop_assert_eq!(whole, common);
    }
}
