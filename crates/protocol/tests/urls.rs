//! A Host that we accept makes a URL, and one that we refuse is refused with reason: the WHATWG URL
//! parser is the judge.

#![allow(clippy::unwrap_used, reason = "an expression that is none fails the test")]

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

/// A URL parser takes more than a Host may hold: user parts, paths, percent escapes, characters that it
/// encodes, ports with zeros before them, lists, and the root of all names.
fn is_more_than_a_host(host: &str) -> bool {
    let name_end = host.rfind(']').unwrap_or(0);
    let port = host[name_end..].split_once(':').map(|(_, port)| port);
    host.trim_end_matches(|character: char| character == ':' || character.is_ascii_digit()) == "."
        || host
            .contains(|character: char| "@/?#%\\,\t\"`{}|^<> ".contains(character) || !character.is_ascii())
        || port.is_some_and(|port| port.len() > 1 && port.starts_with('0'))
}

/// Texts that match an expression. A bare string would be one, too, and parse its expression each time.
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
    fn hosts_are_what_the_url_parser_says(host in host()) {
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
    fn absolute_targets_are_what_the_url_parser_says(
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
