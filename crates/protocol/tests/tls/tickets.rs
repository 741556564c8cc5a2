//! Which sessions are resumed, and which are not.

use std::sync::Arc;

use protocol::tls::{Config, Settings};
use rustls::{ClientConfig, version};

use crate::authority::{Authority, DAY, Leaf, NOW, source};
use crate::pair::{at, client, config, settings, visit};

const HOUR: u64 = 3600;

fn both(authority: &Authority) -> [Arc<ClientConfig>; 2] {
    [&version::TLS13, &version::TLS12].map(|version| Arc::new(client(authority, &[version])))
}

fn with_keys(leaf: &Leaf, keys: &[&[u8]]) -> Arc<Config> {
    config(&keyed(leaf, keys))
}

fn keyed(leaf: &Leaf, keys: &[&[u8]]) -> Settings {
    Settings { ticket_keys: keys.iter().map(|key| source("tickets", *key)).collect(), ..settings(leaf) }
}

#[test]
fn a_client_that_comes_back_resumes() {
    let authority = Authority::new("authority");
    let config = config(&settings(&authority.server(&["example.org"])));
    for client in both(&authority) {
        assert!(!visit(&config, &client, "example.org", NOW));
        assert!(visit(&config, &client, "example.org", NOW + 1));
        assert!(visit(&config, &client, "example.org", NOW + 2));
    }
}

#[test]
fn a_ticket_is_for_the_name_it_was_made_for() {
    let authority = Authority::new("authority");
    let config = config(&settings(&authority.server(&["example.org", "other.org"])));
    for client in both(&authority) {
        assert!(!visit(&config, &client, "example.org", NOW));
        assert!(!visit(&config, &client, "other.org", NOW));
        assert!(visit(&config, &client, "example.org", NOW));
    }
}

#[test]
fn resuming_again_and_again_ends_24_hours_after_the_full_handshake() {
    let authority = Authority::new("authority");
    let config = config(&settings(&authority.server(&["example.org"])));
    for client in both(&authority) {
        assert!(!visit(&config, &client, "example.org", NOW));
        for hour in 1..24 {
            assert!(visit(&config, &client, "example.org", NOW + hour * HOUR), "{hour}");
        }
        assert!(!visit(&config, &client, "example.org", NOW + DAY));
        assert!(visit(&config, &client, "example.org", NOW + DAY + HOUR));
    }
}

#[test]
fn keys_rotate_and_the_last_ones_open() {
    let authority = Authority::new("authority");
    let config = config(&settings(&authority.server(&["example.org"])));
    let [client, other] = both(&authority);
    assert!(!visit(&config, &client, "example.org", NOW));
    // Each visit of the other client makes a new key.
    for rotation in 1..=2 {
        visit(&config, &other, "example.org", NOW + rotation * 8 * HOUR);
    }
    assert!(visit(&config, &client, "example.org", NOW + 17 * HOUR));
}

#[test]
fn equal_keys_resume_on_another_server_and_other_keys_do_not() {
    let authority = Authority::new("authority");
    let leaf = authority.server(&["example.org"]);
    let renewed = authority.server(&["example.org"]);
    let (old, new): (&[u8], &[u8]) = (&[1; 48], &[2; 32]);
    for client in both(&authority) {
        assert!(!visit(&with_keys(&leaf, &[old]), &client, "example.org", NOW));
        assert!(visit(&with_keys(&renewed, &[old]), &client, "example.org", NOW));
        // A new key is put before the old one: what the old one sealed is opened still.
        assert!(visit(&with_keys(&leaf, &[new, old]), &client, "example.org", NOW));
        assert!(visit(&with_keys(&leaf, &[new]), &client, "example.org", NOW));
        assert!(!visit(&with_keys(&leaf, &[old]), &client, "example.org", NOW));
    }
}

#[test]
fn keys_that_are_made_go_on_across_a_reload() {
    let authority = Authority::new("authority");
    let config = config(&settings(&authority.server(&["example.org"])));
    let renewed = settings(&authority.server(&["example.org"]));
    let (reloaded, _) = Config::new(&renewed, at(NOW), Some(&config)).unwrap();
    let reloaded = Arc::new(reloaded);
    for client in both(&authority) {
        assert!(!visit(&config, &client, "example.org", NOW));
        assert!(visit(&reloaded, &client, "example.org", NOW));
    }
}

#[test]
fn a_given_key_that_seals_for_more_than_a_day_warns() {
    let leaf = Authority::new("authority").server(&["example.org"]);
    let (old, new): (&[u8], &[u8]) = (&[1; 32], &[2; 32]);
    let first = with_keys(&leaf, &[old]);
    assert_eq!(first.overdue(at(NOW + DAY)), None);
    assert!(first.overdue(at(NOW + DAY + 1)).is_some());
    // Reading the same key again does not make it younger; a new one is young.
    let (same, _) = Config::new(&keyed(&leaf, &[old]), at(NOW + DAY), Some(&first)).unwrap();
    assert!(same.overdue(at(NOW + DAY + 1)).is_some());
    let (fresh, _) = Config::new(&keyed(&leaf, &[new, old]), at(NOW + DAY), Some(&first)).unwrap();
    assert_eq!(fresh.overdue(at(NOW + DAY + 1)), None);
    let made = config(&settings(&leaf));
    assert_eq!(made.overdue(at(NOW + 30 * DAY)), None);
}

#[test]
fn a_short_key_is_refused() {
    let leaf = Authority::new("authority").server(&["example.org"]);
    let error = Config::new(&keyed(&leaf, &[&[0; 31]]), at(NOW), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "BUSBAR_INVALID_OPTION: a ticket key must have at least 32 bytes; tickets has 31"
    );
}
