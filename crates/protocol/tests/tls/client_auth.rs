//! Client certificates: asked for, verified, and verified again when a session is resumed.

use std::sync::Arc;

use protocol::tls::{Alert, ClientAuthMode, ClientAuthSettings, Config, CrlPolicy, Event, Settings, Source};
use rustls::{AlertDescription, ClientConfig, Error, SupportedProtocolVersion, version};

use crate::authority::{Authority, DAY, Leaf, NOW, Wanted, source};
use crate::pair::{Pair, at, client_with, config, provider, settings, visit};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
const KEY: [u8; 32] = [9; 32];

/// An authority for servers, one for clients, and a server's certificate.
struct World {
    servers: Authority,
    clients: Authority,
    leaf: Leaf,
}

impl World {
    fn new() -> World {
        let servers = Authority::new("servers");
        let leaf = servers.server(&["example.org"]);
        World { servers, clients: Authority::new("clients"), leaf }
    }

    fn config(&self, mode: ClientAuthMode, crl: Vec<Source>) -> Arc<Config> {
        let ca = vec![self.clients.source()];
        self.config_with(ClientAuthSettings { mode, ca, crl, crl_policy: CrlPolicy::Strict })
    }

    /// Ticket keys are equal in all, so that only the settings keep sessions apart.
    fn config_with(&self, client_auth: ClientAuthSettings) -> Arc<Config> {
        config(&Settings { client_auth, ticket_keys: vec![source("tickets", KEY)], ..settings(&self.leaf) })
    }

    fn client(&self, version: &'static SupportedProtocolVersion, leaf: Option<&Leaf>) -> Arc<ClientConfig> {
        Arc::new(client_with(&self.servers, &[version], leaf, provider()))
    }
}

/// Code of the failure that a handshake at `now` ends with, and the alert that the client gets.
fn refusal(config: &Arc<Config>, client: &Arc<ClientConfig>, now: u64) -> (&'static str, Option<Error>) {
    let mut pair = Pair::new(config, client, "example.org", now);
    pair.run();
    assert_eq!(pair.received, b"");
    (pair.failure().code, pair.client_error)
}

#[test]
fn a_good_certificate_is_told_with_all_that_stands_in_it() {
    let world = World::new();
    let leaf = world.clients.sign(Wanted {
        name: "device 1",
        names: &["device.example"],
        serial: 0x1f,
        ..Wanted::default()
    });
    for mode in [ClientAuthMode::Request, ClientAuthMode::Require, ClientAuthMode::RequestUnverified] {
        let config = world.config(mode, vec![]);
        for version in VERSIONS {
            let client = world.client(version, Some(&leaf));
            for resumed in [false, true] {
                let mut pair = Pair::established(&config, &client, "example.org", NOW);
                assert_eq!(pair.request(b"ping"), b"ping");
                let info = pair.session.info().unwrap();
                assert_eq!(info.is_resumed, resumed);
                assert_eq!(info.verify_peer(&config, at(NOW)), Ok(()));
                assert_eq!(info.peer_certificates, [leaf.certificate.to_vec()]);
                let facts = &info.peer_facts()[0];
                assert_eq!((facts.subject.as_str(), facts.issuer.as_str()), ("CN=device 1", "CN=clients"));
                assert_eq!((facts.serial.as_str(), facts.days_left(at(NOW))), ("1F", 355));
            }
        }
    }
}

#[test]
fn no_certificate_is_fine_unless_one_is_required() {
    let world = World::new();
    for version in VERSIONS {
        for mode in [ClientAuthMode::Request, ClientAuthMode::RequestUnverified] {
            let config = world.config(mode, vec![]);
            let pair = Pair::established(&config, &world.client(version, None), "example.org", NOW);
            let info = pair.session.info().unwrap();
            assert_eq!(info.peer_certificates, Vec::<Vec<u8>>::new());
            assert_eq!(info.verify_peer(&config, at(NOW)).unwrap_err().code, "certificate_required");
        }
        let config = world.config(ClientAuthMode::Require, vec![]);
        let (code, error) = refusal(&config, &world.client(version, None), NOW);
        assert_eq!(code, "BUSBAR_TLS_CERTIFICATE_REQUIRED");
        assert_eq!(error, Some(Error::AlertReceived(AlertDescription::CertificateRequired)));
    }
}

#[test]
fn a_bad_certificate_is_refused_with_its_alert() {
    let world = World::new();
    let good = world.clients.client("good");
    let foreign = Authority::new("foreign").client("foreign");
    let expired = world.clients.sign(Wanted { until: (2030, 1, 9), ..Wanted::default() });
    let revoked = world.clients.sign(Wanted { serial: 13, ..Wanted::default() });
    for version in VERSIONS {
        for mode in [ClientAuthMode::Request, ClientAuthMode::Require] {
            let config = world.config(mode, vec![world.clients.revocation_list(&[13])]);
            for (leaf, code, alert) in [
                (&foreign, "BUSBAR_TLS_UNKNOWN_CA", AlertDescription::UnknownCA),
                (&expired, "BUSBAR_TLS_CERTIFICATE_EXPIRED", AlertDescription::CertificateExpired),
                (&revoked, "BUSBAR_TLS_CERTIFICATE_REVOKED", AlertDescription::CertificateRevoked),
            ] {
                let client = world.client(version, Some(leaf));
                assert_eq!(refusal(&config, &client, NOW), (code, Some(Error::AlertReceived(alert))));
            }
            assert!(!visit(&config, &world.client(version, Some(&good)), "example.org", NOW));
        }
    }
}

#[test]
fn an_unverified_certificate_is_served_and_told_why() {
    let world = World::new();
    let leaf = Authority::new("foreign").client("foreign");
    for version in VERSIONS {
        let config = world.config(ClientAuthMode::RequestUnverified, vec![]);
        let client = world.client(version, Some(&leaf));
        for _ in 0..2 {
            let pair = Pair::established(&config, &client, "example.org", NOW);
            let error = pair.session.info().unwrap().verify_peer(&config, at(NOW)).unwrap_err();
            assert_eq!(error.code, "unknown_ca");
        }
        let mode = ClientAuthMode::RequestUnverified;
        let without_ca = world.config_with(ClientAuthSettings { mode, ..ClientAuthSettings::default() });
        let pair = Pair::established(&without_ca, &client, "example.org", NOW);
        assert_eq!(
            pair.session.info().unwrap().verify_peer(&without_ca, at(NOW)).unwrap_err().code,
            "unknown_ca"
        );
    }
}

#[test]
fn unknown_status_and_an_expired_list_refuse_unless_the_policy_is_lenient() {
    let world = World::new();
    let leaf = world.clients.client("good");
    let other = Authority::new("other").revocation_list(&[]);
    let strict = |crl| ClientAuthSettings {
        mode: ClientAuthMode::Require,
        ca: vec![world.clients.source()],
        crl,
        crl_policy: CrlPolicy::Strict,
    };
    let lenient = |crl| ClientAuthSettings { crl_policy: CrlPolicy::Lenient, ..strict(crl) };
    for version in VERSIONS {
        let client = world.client(version, Some(&leaf));
        assert_eq!(
            refusal(&world.config_with(strict(vec![other.clone()])), &client, NOW).0,
            "BUSBAR_TLS_UNKNOWN_CA"
        );
        visit(&world.config_with(lenient(vec![other.clone()])), &client, "example.org", NOW);
        let own = world.clients.revocation_list(&[]);
        let client = world.client(version, Some(&leaf));
        assert_eq!(
            refusal(&world.config_with(strict(vec![own.clone()])), &client, NOW + 30 * DAY).0,
            "BUSBAR_TLS_UNKNOWN_CA"
        );
        visit(&world.config_with(lenient(vec![own])), &client, "example.org", NOW + 30 * DAY);
    }
    let crl = vec![other];
    let settings = Settings { client_auth: lenient(crl), ..settings(&world.leaf) };
    let (_, warnings) = Config::new(&settings, at(NOW), None).unwrap();
    assert!(warnings.iter().any(|warning| warning.0.contains("lenient")));
}

#[test]
fn a_certificate_revoked_after_the_first_visit_is_refused_on_the_second() {
    let world = World::new();
    let leaf = world.clients.sign(Wanted { serial: 13, ..Wanted::default() });
    for version in VERSIONS {
        let client = world.client(version, Some(&leaf));
        let before = world.config(ClientAuthMode::Require, vec![world.clients.revocation_list(&[])]);
        let after = world.config(ClientAuthMode::Require, vec![world.clients.revocation_list(&[13])]);
        assert!(!visit(&before, &client, "example.org", NOW));
        assert!(visit(&before, &client, "example.org", NOW));
        let expected = Some(Error::AlertReceived(AlertDescription::CertificateRevoked));
        assert_eq!(refusal(&after, &client, NOW), ("BUSBAR_TLS_CERTIFICATE_REVOKED", expected));
    }
}

#[test]
fn a_certificate_that_expires_after_the_first_visit_is_refused_on_the_second() {
    let world = World::new();
    // Midnight, twelve hours after the first visit.
    let leaf = world.clients.sign(Wanted { until: (2030, 1, 11), ..Wanted::default() });
    let config = world.config(ClientAuthMode::Require, vec![]);
    for version in VERSIONS {
        let client = world.client(version, Some(&leaf));
        assert!(!visit(&config, &client, "example.org", NOW));
        assert!(visit(&config, &client, "example.org", NOW + DAY / 2 - 1));
        let expected = Some(Error::AlertReceived(AlertDescription::CertificateExpired));
        assert_eq!(
            refusal(&config, &client, NOW + DAY / 2 + 1),
            ("BUSBAR_TLS_CERTIFICATE_EXPIRED", expected)
        );
    }
}

#[test]
fn a_list_that_expires_after_the_first_visit_ends_the_resumed_session_before_its_first_request() {
    let world = World::new();
    let leaf = world.clients.client("good");
    let config = world.config(ClientAuthMode::Require, vec![world.clients.revocation_list(&[])]);
    // The list ends with January; the ticket is an hour old then.
    let midnight = NOW - DAY / 2 + 22 * DAY;
    for version in VERSIONS {
        let client = world.client(version, Some(&leaf));
        assert!(!visit(&config, &client, "example.org", midnight - 1800));
        let mut pair = Pair::new(&config, &client, "example.org", midnight + 1800);
        std::io::Write::write_all(&mut pair.client.writer(), b"GET / HTTP/1.1\r\n\r\n").unwrap();
        pair.run();
        assert_eq!(pair.failure().code, "BUSBAR_TLS_UNKNOWN_CA");
        assert_eq!(pair.received, b"");
        assert!(pair.session.is_over());
    }
}

#[test]
fn sessions_never_cross_between_settings_that_differ() {
    let world = World::new();
    let leaf = world.clients.client("good");
    let (none, request) = (ClientAuthMode::None, ClientAuthMode::Request);
    let (require, unverified) = (ClientAuthMode::Require, ClientAuthMode::RequestUnverified);
    let lists = || vec![world.clients.revocation_list(&[])];
    let other_ca = |mode| {
        let ca = vec![world.clients.source(), Authority::new("more").source()];
        world.config_with(ClientAuthSettings { mode, ca, ..ClientAuthSettings::default() })
    };
    let pairs = [
        (world.config(none, vec![]), world.config(request, vec![])),
        (world.config(none, vec![]), world.config(require, vec![])),
        (world.config(request, vec![]), world.config(require, vec![])),
        (world.config(unverified, vec![]), world.config(request, vec![])),
        (world.config(unverified, vec![]), world.config(require, vec![])),
        (world.config(require, vec![]), world.config(require, lists())),
        (world.config(require, vec![]), other_ca(require)),
    ];
    for version in VERSIONS {
        for (one, other) in &pairs {
            for (first, second) in [(one, other), (other, one)] {
                let client = world.client(version, Some(&leaf));
                assert!(!visit(first, &client, "example.org", NOW));
                assert!(!visit(second, &client, "example.org", NOW));
            }
        }
    }
}

#[test]
fn a_client_unverified_before_is_verified_where_certificates_are_requested() {
    let world = World::new();
    let leaf = Authority::new("foreign").client("foreign");
    for version in VERSIONS {
        let client = world.client(version, Some(&leaf));
        let unverified = world.config(ClientAuthMode::RequestUnverified, vec![]);
        assert!(!visit(&unverified, &client, "example.org", NOW));
        let (code, _) = refusal(&world.config(ClientAuthMode::Request, vec![]), &client, NOW);
        assert_eq!(code, "BUSBAR_TLS_UNKNOWN_CA");
    }
}

#[test]
fn the_order_of_authorities_does_not_part_replicas() {
    let world = World::new();
    let leaf = world.clients.client("good");
    let more = Authority::new("more");
    let config = |ca: Vec<Source>| {
        world.config_with(ClientAuthSettings {
            mode: ClientAuthMode::Require,
            ca,
            ..ClientAuthSettings::default()
        })
    };
    let (one, other) = (
        config(vec![world.clients.source(), more.source()]),
        config(vec![more.source(), world.clients.source()]),
    );
    let client = world.client(&version::TLS13, Some(&leaf));
    assert!(!visit(&one, &client, "example.org", NOW));
    assert!(visit(&other, &client, "example.org", NOW));
}

#[test]
fn verifying_needs_authorities() {
    let world = World::new();
    for mode in [ClientAuthMode::Request, ClientAuthMode::Require] {
        let client_auth = ClientAuthSettings { mode, ..ClientAuthSettings::default() };
        let settings = Settings { client_auth, ..settings(&world.leaf) };
        let error = Config::new(&settings, at(NOW), None).unwrap_err();
        assert!(error.to_string().contains("only with `ca`"), "{error}");
    }
}

#[test]
fn a_client_that_refuses_to_sign_is_no_peer() {
    // The certificate is another's: the client can't sign with its key.
    let world = World::new();
    let (leaf, other) = (world.clients.client("good"), world.clients.client("other"));
    let forged = Leaf { certificate: leaf.certificate.clone(), pem: leaf.pem.clone(), key: other.key };
    for mode in [ClientAuthMode::Request, ClientAuthMode::RequestUnverified] {
        let config = world.config(mode, vec![]);
        for version in VERSIONS {
            let client = Arc::new(unchecked_client(&world, version, &forged));
            let mut pair = Pair::new(&config, &client, "example.org", NOW);
            pair.run();
            assert!(matches!(pair.events[..], [Event::Failed(_)]), "{:?}", pair.events);
            assert!(matches!(pair.failure().alert, Some(Alert::Sent(_))));
        }
    }
}

/// A client whose key doesn't belong to its certificate, which the usual way of making one refuses.
fn unchecked_client(world: &World, version: &'static SupportedProtocolVersion, leaf: &Leaf) -> ClientConfig {
    #[derive(Debug)]
    struct Always(Arc<rustls::sign::CertifiedKey>);
    impl rustls::client::ResolvesClientCert for Always {
        fn resolve(
            &self,
            _: &[&[u8]],
            _: &[rustls::SignatureScheme],
        ) -> Option<Arc<rustls::sign::CertifiedKey>> {
            Some(self.0.clone())
        }
        fn has_certs(&self) -> bool {
            true
        }
    }
    let key = provider().key_provider.load_private_key(leaf.private_key()).unwrap();
    let certified = rustls::sign::CertifiedKey::new(vec![leaf.certificate.clone()], key);
    let mut config = client_with(&world.servers, &[version], None, provider());
    config.client_auth_cert_resolver = Arc::new(Always(Arc::new(certified)));
    config
}
