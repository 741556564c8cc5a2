//! An accepted Host makes a URL, and a refused one has something that a Host can't have: compared with the WHATWG
//! URL parser.

#![allow(clippy::unwrap_used, reason = "an invalid expression fails the test")]

mod pair;

use pair::{Habit, Pair};
use proptest::prelude::*;
use proptest::string::{RegexGeneratorStrategy, string_regex};
use protocol::Limits;
use url::Url;

fn is_accepted(host: &str) -> bool {
    let mut pair = Pair::new(Limits::default(), Habit::Answer);
    pair.client_sends(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
    pair.received.starts_with(b"HTTP/1.1 200")
}

/// A URL parser takes what a Host can't have: user parts, paths, percent escapes, characters that it encodes,
/// ports with leading zeros, lists, the DNS root, and empty labels.
fn is_more_than_a_host(host: &str) -> bool {
    let name_end = host.rfind(']').unwrap_or(0);
    let port = host[name_end..].split_once(':').map(|(_, port)| port);
    host.starts_with('.')
        || host.contains("..")
        || host
            .contains(|character: char| "@/?#%\\,\t\"`{}|^<> ".contains(character) || !character.is_ascii())
        || port.is_some_and(|port| port.len() > 1 && port.starts_with('0'))
}

/// Texts that match an expression, which is parsed once; a string as a strategy would be parsed for each text.
fn matching(expression: &str) -> RegexGeneratorStrategy<String> {
    string_regex(expression).unwrap()
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        matching("[a-zA-Z0-9._~-]{1,16}(:[0-9]{0,6})?"),
        matching("[0-9]{1,4}(\\.[0-9a-fx]{1,4}){0,4}\\.?"),
        matching("0x[0-9a-f]{0,9}"),
        matching("\\[[0-9a-f:.]{2,20}\\](:[0-9]{0,5})?"),
        matching("xn--[a-z0-9-]{0,10}(\\.[a-z]{2,3})?"),
        matching("[!-~]{1,12}"),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hosts_agree_with_the_url_parser(host in host()) {
        let url = Url::parse(&format!("http://{host}/"));
        if is_accepted(&host) {
            prop_assert!(url.is_ok(), "{host} is accepted and no URL can be made of it");
        } else if url.is_ok() {
            prop_assert!(is_more_than_a_host(&host), "{host} is refused and the URL parser takes it");
        }
    }

    #[test]
    fn targets_that_are_accepted_make_a_url(target in matching("[/!-~]{1,20}")) {
        let mut pair = Pair::new(Limits::default(), Habit::Answer);
        pair.client_sends(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        if pair.received.starts_with(b"HTTP/1.1 200") {
            let whole = if target.starts_with('/') { format!("http://a{target}") } else { target.clone() };
            let url = Url::parse(&whole);
            prop_assert!(url.is_ok(), "{target} is accepted and no URL can be made of it");
            prop_assert_eq!(url.map(|url| url.host_str().map(str::to_owned)), Ok(Some("a".to_owned())));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn absolute_targets_agree_with_the_url_parser(
        scheme in matching("https?"),
        host in host(),
        rest in matching("(/[!-~&&[^#]]{0,10})?(\\?[!-~&&[^#]]{0,5})?"),
    ) {
        let target = format!("{scheme}://{host}{rest}");
        let mut pair = Pair::new(Limits::default(), Habit::Answer);
        pair.client_sends(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        if pair.received.starts_with(b"HTTP/1.1 200") {
            let (one, other) = (Url::parse(&target), Url::parse(&format!("{scheme}://{host}/")));
            prop_assert!(one.is_ok() && other.is_ok(), "{target} is accepted and no URL can be made of it");
            let authority = |url: Result<Url, _>| url.map(|url| (url.host_str().map(str::to_owned), url.port()));
            prop_assert_eq!(authority(one), authority(other));
        }
    }
}
