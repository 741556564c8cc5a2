//! A request whose header section the client has sent before is the same to the application as one whose section is new.

mod cut;
mod pair;

use cut::cut;
use pair::{Habit, Pair};
use proptest::prelude::*;
use protocol::Limits;

/// A header section behind which the connection stays open.
fn section() -> impl Strategy<Value = String> {
    let field = prop_oneof![
        6 => "[A-Za-z-]{1,8}: [!-~]{1,12}[ \t]{0,2}",
        1 => "x-[a-z]{1,6}:",
        1 => Just("Connection: keep-alive".to_owned()),
        1 => Just("Content-Length: 0".to_owned()),
        1 => Just("Expect: 100-continue".to_owned()),
        1 => Just("Upgrade: thing".to_owned()),
    ];
    let fields = prop::collection::vec(field, 0..6);
    fields.prop_map(|fields| {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        format!("Host: a\r\n{fields}\r\n")
    })
}

fn request_line() -> impl Strategy<Value = String> {
    let method = prop_oneof![6 => Just("GET"), 2 => Just("HEAD"), 1 => Just("DELETE"), 1 => Just("GETS")];
    let target = prop_oneof![
        6 => "/[a-z]{0,8}(\\?[a-z=&]{0,6})?",
        1 => "/[ -~]{0,4}",
        1 => Just("/ö".to_owned()),
        1 => Just("http://b/c".to_owned()),
        1 => "/[a-z]{60,80}",
    ];
    let version = prop_oneof![8 => Just("HTTP/1.1"), 1 => Just("HTTP/1.0"), 1 => Just("HTTP/1.1 ")];
    (method, target, version).prop_map(|(method, target, version)| format!("{method} {target} {version}\r\n"))
}

/// What happens when a client sends `second`, in pieces, behind a request with the header section `before`.
fn behind(before: &str, second: &[u8], places: &[prop::sample::Index]) -> Vec<String> {
    let limits = Limits { request_line_limit: 80, ..Limits::default() };
    let mut pair = Pair::new(limits, Habit::Answer);
    pair.client_sends(format!("GET /first HTTP/1.1\r\n{before}").as_bytes());
    let logged = pair.log.len();
    for piece in cut(second, places) {
        pair.client_sends(piece);
    }
    pair.log.split_off(logged)
}

/// Whether another request may follow one with this header section.
fn stays_open(section: &str) -> bool {
    let mut pair = Pair::new(Limits::default(), Habit::Answer);
    pair.client_sends(format!("GET / HTTP/1.1\r\n{section}GET / HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    pair.log.iter().filter(|line| line.contains("HTTP/1.1 200")).count() == 2
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_repeated_section_means_what_it_meant(
        section in section(),
        line in request_line(),
        end in prop_oneof![4 => Just(""), 1 => Just("x"), 1 => Just("GET /third HTTP/1.1\r\nHost: b\r\n\r\n")],
        changed in prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>())),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
    ) {
        prop_assume!(stays_open(&section));
        let mut second = format!("{line}{section}{end}").into_bytes();
        if let Some((at, byte)) = changed {
            let at = at.index(second.len());
            second[at] = byte;
        }
        prop_assert_eq!(behind(&section, &second, &places), behind("Host: other\r\n\r\n", &second, &places));
    }
}

#[test]
fn limits_that_were_changed_hold_for_a_section_that_was_sent_before() {
    let mut pair = Pair::new(Limits::default(), Habit::Answer);
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    pair.client_sends(&request.repeat(2));
    pair.cx.replace_limits(Limits { header_field_limit: 1, ..Limits::default() });
    let logged = pair.log.len();
    pair.client_sends(request);
    let log = pair.log.split_off(logged);
    assert!(log.iter().any(|line| line.contains("431")), "{log:?}");
}
