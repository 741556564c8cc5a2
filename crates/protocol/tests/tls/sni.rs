//! Certificates by server name, and names that the application is asked about.

use std::sync::Arc;

use protocol::tls::{Answer, CertificateSettings, Config, Event, Settings};
use rcgen::PKCS_RSA_SHA256;
use rustls::crypto::aws_lc_rs::cipher_suite;
use rustls::{AlertDescription, ClientConfig, Error, version};

use crate::authority::{Authority, NOW, Wanted};
use crate::pair::{BOTH, Pair, at, client, client_with, config, provider, settings};

/// The label of the certificate that a client gets for `name`.
fn chosen(config: &Arc<Config>, client: &Arc<ClientConfig>, name: &str) -> String {
    let mut pair = Pair::new(config, client, name, NOW);
    pair.run();
    pair.session.certificate().map(|certificate| certificate.label().to_owned()).unwrap_or_default()
}

fn labelled(mut settings: CertificateSettings, label: &str) -> CertificateSettings {
    settings.chain.label = label.to_owned();
    settings
}

#[test]
fn an_exact_name_goes_before_a_wildcard_and_the_default_serves_the_rest() {
    let authority = Authority::new("authority");
    let all = ["example.org", "a.example.org", "b.example.org", "x.b.example.org", "other.net"];
    let leaf = || authority.server(&all).settings();
    let named = |label: &str, names: &[&str]| CertificateSettings {
        server_names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..labelled(leaf(), label)
    };
    let config = config(&Settings {
        certificates: vec![
            named("default", &["example.org"]),
            named("wildcard", &["*.example.org"]),
            named("exact", &["A.example.org."]),
        ],
        ..Settings::default()
    });
    let client = Arc::new(client(&authority, &BOTH));
    for (name, label) in [
        ("example.org", "default"),
        ("a.example.org", "exact"),
        ("A.EXAMPLE.ORG", "exact"),
        ("b.example.org", "wildcard"),
        ("x.b.example.org", "default"),
        ("other.net", "default"),
    ] {
        assert_eq!(chosen(&config, &client, name), label, "{name}");
    }
}

#[test]
fn names_come_from_the_certificate_where_none_are_given() {
    let authority = Authority::new("authority");
    let config = config(&Settings {
        certificates: vec![
            labelled(authority.server(&["first.org"]).settings(), "first"),
            labelled(authority.server(&["second.org", "*.second.org"]).settings(), "second"),
        ],
        ..Settings::default()
    });
    let client = Arc::new(client(&authority, &BOTH));
    for (name, label) in [("first.org", "first"), ("second.org", "second"), ("www.second.org", "second")] {
        assert_eq!(chosen(&config, &client, name), label, "{name}");
    }
}

#[test]
fn of_two_certificates_for_a_name_the_client_gets_the_one_it_can_check() {
    let authority = Authority::new("authority");
    let names = &["example.org"];
    let rsa = authority.sign(Wanted { names, algorithm: &PKCS_RSA_SHA256, ..Wanted::default() });
    let config = config(&Settings {
        certificates: vec![
            labelled(authority.server(names).settings(), "ecdsa"),
            labelled(rsa.settings(), "rsa"),
        ],
        ..Settings::default()
    });
    let only = |suite| {
        let mut provider = provider();
        provider.cipher_suites = vec![suite];
        Arc::new(client_with(&authority, &[&version::TLS12], None, provider))
    };
    let ecdsa = only(cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256);
    let rsa = only(cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256);
    assert_eq!(chosen(&config, &ecdsa, "example.org"), "ecdsa");
    assert_eq!(chosen(&config, &rsa, "example.org"), "rsa");
}

#[test]
fn without_a_default_an_unknown_name_gets_its_alert() {
    let authority = Authority::new("authority");
    let settings = Settings { default_certificate: None, ..settings(&authority.server(&["example.org"])) };
    let mut pair = Pair::new(&config(&settings), &Arc::new(client(&authority, &BOTH)), "other.net", NOW);
    pair.run();
    assert_eq!(pair.failure().code, "BUSBAR_TLS_UNRECOGNIZED_NAME");
    assert_eq!(pair.client_error, Some(Error::AlertReceived(AlertDescription::UnrecognisedName)));
}

#[test]
fn the_application_is_asked_once_about_a_name() {
    let authority = Authority::new("authority");
    let config =
        config(&Settings { asks_for_certificates: true, ..settings(&authority.server(&["example.org"])) });
    let mut client = client(&authority, &BOTH);
    client.resumption = rustls::client::Resumption::disabled();
    let client = Arc::new(client);
    let given = labelled(authority.server(&["other.net"]).settings(), "given");
    let (certificate, _) = config.certificate(&given, at(NOW)).unwrap();
    for step in [1, 7, usize::MAX] {
        let name = format!("{step}.other.net");
        let mut pair = Pair::new(&config, &client, &name, NOW);
        pair.step = step;
        pair.run();
        assert_eq!(pair.events, [Event::NeedsCertificate(name)]);
        assert_eq!(pair.output, b"");
    }
    let mut pair = Pair::new(&config, &client, "Other.net", NOW);
    pair.run();
    pair.answer(Some(&Answer { certificate: Some(certificate), kept: None }));
    assert_eq!(pair.events, [Event::NeedsCertificate("other.net".into()), Event::Established]);
    assert_eq!(pair.session.certificate().unwrap().label(), "given");
    assert_eq!(pair.request(b"hello"), b"hello");
    // Kept for an hour.
    let again = Pair::established(&config, &client, "other.net", NOW + 3599);
    assert_eq!(again.session.certificate().unwrap().label(), "given");
    let mut late = Pair::new(&config, &client, "other.net", NOW + 3600);
    late.run();
    assert_eq!(late.events, [Event::NeedsCertificate("other.net".into())]);
}

#[test]
fn a_name_without_a_certificate_gets_the_default_and_is_asked_about_again_soon() {
    let authority = Authority::new("authority");
    let leaf = authority.server(&["example.org", "other.net"]).settings();
    let leaf = CertificateSettings { server_names: vec!["example.org".into()], ..leaf };
    let config =
        config(&Settings { asks_for_certificates: true, certificates: vec![leaf], ..Settings::default() });
    let client = Arc::new(client(&authority, &BOTH));
    let mut pair = Pair::new(&config, &client, "other.net", NOW);
    pair.run();
    pair.answer(Some(&Answer { certificate: None, kept: None }));
    assert_eq!(pair.events.last(), Some(&Event::Established));
    Pair::established(&config, &client, "other.net", NOW + 9);
    let mut later = Pair::new(&config, &client, "other.net", NOW + 10);
    later.run();
    assert_eq!(later.events, [Event::NeedsCertificate("other.net".into())]);
    // No answer in time: the default serves, and nothing is kept.
    later.answer(None);
    assert_eq!(later.events.last(), Some(&Event::Established));
    let mut after = Pair::new(&config, &client, "other.net", NOW + 10);
    after.run();
    assert_eq!(after.events, [Event::NeedsCertificate("other.net".into())]);
}

#[test]
fn known_names_and_names_that_are_no_host_names_are_not_asked_about() {
    let authority = Authority::new("authority");
    let leaf = authority.server(&["example.org", "a_b.net"]);
    let config = config(&Settings { asks_for_certificates: true, ..settings(&leaf) });
    let client = Arc::new(client(&authority, &BOTH));
    for name in ["example.org", "a_b.net"] {
        Pair::established(&config, &client, name, NOW);
    }
    let mut by_address = Pair::new(&config, &client, "127.0.0.1", NOW);
    by_address.run();
    assert!(!matches!(by_address.events.first(), Some(Event::NeedsCertificate(_))));
}

#[test]
fn a_hello_that_cannot_be_read_fails_as_it_would_without_being_gathered() {
    let authority = Authority::new("authority");
    let config =
        config(&Settings { asks_for_certificates: true, ..settings(&authority.server(&["example.org"])) });
    let client = Arc::new(client(&authority, &BOTH));
    let mut pair = Pair::new(&config, &client, "example.org", NOW);
    pair.deliver(&mut [22, 3, 1, 0, 4, 1, 0, 0, 0]);
    pair.take_events();
    assert_eq!(pair.failure().code, "BUSBAR_TLS_DECODE_ERROR");
    assert!(!pair.output.is_empty());
}
