//! Settings that can't be used, with messages that say what to do, and ones that only warn.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use protocol::tls::{
    CertificateSettings, Config, ConfigError, ConfigErrorCode, KeyLogSink, Settings, Source, Warning,
};
use rcgen::PKCS_RSA_SHA256;

use crate::authority::{Authority, Leaf, NOW, Wanted, rsa_key, source};
use crate::pair::{BOTH, Pair, at, client, config, settings, visit};

fn made(certificate: CertificateSettings) -> Result<(Config, Vec<Warning>), ConfigError> {
    Config::new(&Settings { certificates: vec![certificate], ..Settings::default() }, at(NOW), None)
}

fn error(certificate: CertificateSettings) -> (ConfigErrorCode, String) {
    let error = made(certificate).unwrap_err();
    (error.code, error.message)
}

fn leaf() -> Leaf {
    Authority::new("authority").server(&["example.org"])
}

/// `openssl` with `input`; None where it is not installed.
fn openssl(arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut child = match Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
    {
        Ok(child) => child,
        Err(_) => {
            eprintln!("skipped: openssl is not installed");
            return None;
        }
    };
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}");
    Some(output.stdout)
}

#[test]
fn keys_of_every_kind_work() {
    let authority = Authority::new("authority");
    let client = Arc::new(client(&authority, &BOTH));
    let ecdsa = authority.server(&["example.org"]);
    let rsa =
        authority.sign(Wanted { names: &["example.org"], algorithm: &PKCS_RSA_SHA256, ..Wanted::default() });
    let works = |leaf: &Leaf, key: Vec<u8>, passphrase: Option<&str>| {
        let mut certificate = leaf.settings();
        certificate.key = source("key", key);
        certificate.passphrase = passphrase.map(|text| text.to_owned().into());
        let config = config(&Settings { certificates: vec![certificate], ..Settings::default() });
        visit(&config, &client, "example.org", NOW);
    };
    for leaf in [&ecdsa, &rsa] {
        let pem = leaf.key.serialize_pem().into_bytes();
        works(leaf, leaf.key.serialize_der(), None);
        works(leaf, pem.clone(), Some("of no use"));
        let conversions: [(&[&str], Option<&str>); 6] = [
            (&["pkey", "-traditional"], None),
            (&["pkey", "-traditional", "-outform", "DER"], None),
            (&["pkcs8", "-topk8", "-passout", "pass:secret"], Some("secret")),
            (&["pkcs8", "-topk8", "-passout", "pass:secret", "-v2", "des3"], Some("secret")),
            (&["pkcs8", "-topk8", "-passout", "pass:secret", "-v2prf", "hmacWithSHA1"], Some("secret")),
            (&["pkcs8", "-topk8", "-passout", "pass:secret", "-outform", "DER", "-scrypt"], Some("secret")),
        ];
        for (arguments, passphrase) in conversions {
            let Some(key) = openssl(arguments, &pem) else { return };
            works(leaf, key, passphrase);
        }
    }
}

#[test]
fn a_passphrase_that_is_missing_or_wrong_is_told_with_the_file() {
    let leaf = leaf();
    let pem = leaf.key.serialize_pem().into_bytes();
    for form in ["PEM", "DER"] {
        let arguments = ["pkcs8", "-topk8", "-passout", "pass:secret", "-outform", form];
        let Some(key) = openssl(&arguments, &pem) else { return };
        let mut certificate = leaf.settings();
        certificate.key = source("key.pem", key);
        let (code, message) = error(certificate.clone());
        assert_eq!(code.as_str(), "BUSBAR_TLS_PASSPHRASE");
        assert_eq!(
            message,
            "the key in key.pem is encrypted; give its passphrase by the option `passphrase`"
        );
        certificate.passphrase = Some("wrong".to_owned().into());
        let (code, message) = error(certificate);
        assert_eq!(code.as_str(), "BUSBAR_TLS_PASSPHRASE");
        assert!(
            message.starts_with("the key in key.pem can't be decrypted: the passphrase is wrong"),
            "{message}"
        );
    }
}

#[test]
fn formats_that_are_not_supported_are_refused_with_the_command_that_converts_them() {
    let leaf = leaf();
    let pem = leaf.key.serialize_pem().into_bytes();
    let arguments = ["ec", "-aes128", "-passout", "pass:secret"];
    let Some(old) = openssl(&arguments, &pem) else { return };
    let mut certificate = leaf.settings();
    certificate.key = source("old.pem", old);
    let (code, message) = error(certificate.clone());
    assert_eq!(code.as_str(), "BUSBAR_TLS_FILE");
    assert!(message.ends_with("openssl pkcs8 -topk8 -in old.pem -out new-key.pem"), "{message}");
    let mut both = pem.clone();
    both.extend_from_slice(leaf.pem.as_bytes());
    let Some(pfx) = openssl(&["pkcs12", "-export", "-passout", "pass:secret"], &both) else { return };
    let (code, message) = error(CertificateSettings { chain: source("a.pfx", pfx), ..certificate });
    assert_eq!(code.as_str(), "BUSBAR_TLS_FILE");
    assert!(message.contains("PKCS#12") && message.contains("openssl pkcs12 -in a.pfx"), "{message}");
}

#[test]
fn a_key_of_another_certificate_is_told_with_both_files_and_the_subject() {
    let (leaf, other) = (leaf(), leaf());
    let mut certificate = leaf.settings();
    certificate.key.bytes = other.key.serialize_pem().into_bytes();
    let (code, message) = error(certificate);
    assert_eq!(code.as_str(), "BUSBAR_TLS_KEY_MISMATCH");
    assert!(
        message.starts_with(
            "the key in key.pem does not belong to the certificate in cert.pem (CN=example.org)"
        ),
        "{message}"
    );
}

#[test]
fn files_with_something_else_in_them_are_told() {
    let leaf = leaf();
    let good = leaf.settings();
    let with_chain = |bytes: &[u8]| CertificateSettings { chain: source("cert.pem", bytes), ..good.clone() };
    let with_key = |bytes: &[u8]| CertificateSettings { key: source("key.pem", bytes), ..good.clone() };
    let file = ConfigErrorCode::File;
    let cases = [
        (with_chain(b""), file, "cert.pem holds no certificate"),
        (with_chain(b"hello"), file, "cert.pem holds no certificate"),
        (
            with_chain(&good.key.bytes),
            file,
            "cert.pem holds no certificate; are certificate and key exchanged?",
        ),
        (
            with_key(&good.chain.bytes),
            file,
            "key.pem holds no private key; are certificate and key exchanged?",
        ),
        (with_key(b"hello"), file, "key.pem holds no private key"),
        (with_chain(b"-----BEGIN CERTIFICATE-----\nAAAA"), file, "cert.pem is damaged"),
        (
            with_key(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
            file,
            "the key in key.pem can't be used",
        ),
        (
            with_chain(b"-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n"),
            ConfigErrorCode::Certificate,
            "a certificate in cert.pem can't be read",
        ),
    ];
    for (certificate, code, start) in cases {
        let (given, message) = error(certificate);
        assert_eq!(given, code, "{message}");
        assert!(message.starts_with(start), "{message}");
    }
}

#[test]
fn a_chain_in_any_order_is_put_right() {
    let root = Authority::new("root");
    let middle = root.intermediate("middle");
    let low = middle.intermediate("low");
    let leaf = low.server(&["example.org"]);
    let client = Arc::new(client(&root, &BOTH));
    let certificates = [&leaf.certificate, &low.certificate, &middle.certificate];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let pem: String = order.iter().map(|index| to_pem(certificates[*index])).collect();
        let mut certificate = leaf.settings();
        certificate.chain.bytes = pem.into_bytes();
        let config = config(&Settings { certificates: vec![certificate], ..Settings::default() });
        let pair = Pair::established(&config, &client, "example.org", NOW);
        let shown: Vec<_> = pair.client.peer_certificates().unwrap().iter().collect();
        assert_eq!(shown, certificates, "{order:?}");
    }
}

fn to_pem(der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for three in der.chunks(3) {
        let bits =
            three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let shown = digit <= three.len();
            let value = DIGITS[(bits >> (18 - 6 * digit) & 63) as usize];
            text.push(if shown { char::from(value) } else { '=' });
        }
    }
    text.push_str("\n-----END CERTIFICATE-----\n");
    text
}

#[test]
fn an_expired_certificate_warns_and_is_used() {
    let authority = Authority::new("authority");
    let expired = authority.sign(Wanted {
        name: "old.org",
        names: &["old.org"],
        until: (2030, 1, 1),
        ..Wanted::default()
    });
    let (config, warnings) = made(expired.settings()).unwrap();
    assert_eq!(
        warnings,
        [Warning(
            "the certificate in cert.pem (CN=old.org) expired 10 days ago; clients refuse it until it is renewed".into()
        )]
    );
    assert_eq!(config.certificates()[0].facts().days_left(at(NOW)), -10);
}

#[test]
fn a_reload_refuses_an_expired_certificate_while_the_old_one_is_valid() {
    let authority = Authority::new("authority");
    let names = &["example.org"];
    let expired = settings(&authority.sign(Wanted { names, until: (2030, 1, 1), ..Wanted::default() }));
    let valid = settings(&authority.server(names));
    let (before, _) = Config::new(&valid, at(NOW), None).unwrap();
    let error = Config::new(&expired, at(NOW), Some(&before)).unwrap_err();
    assert_eq!(error.code.as_str(), "BUSBAR_TLS_CERTIFICATE");
    assert!(error.message.starts_with("the new certificate in cert.pem (CN=leaf) has expired"), "{error}");
    let (before, _) = Config::new(&expired, at(NOW), None).unwrap();
    assert!(Config::new(&expired, at(NOW), Some(&before)).is_ok());
    assert!(Config::new(&valid, at(NOW), Some(&before)).is_ok());
}

#[test]
fn names_that_a_certificate_is_not_for_warn_and_bad_ones_are_refused() {
    let leaf = leaf();
    let named = |name: &str| CertificateSettings { server_names: vec![name.into()], ..leaf.settings() };
    assert_eq!(made(named("example.org")).unwrap().1, []);
    assert_eq!(made(named("EXAMPLE.org.")).unwrap().1, []);
    assert!(
        made(named("other.org")).unwrap().1[0].0.contains("used for other.org, which is not among its names")
    );
    for bad in ["", "*", "*.", "a.*.org", "exa mple.org"] {
        assert_eq!(error(named(bad)).0, ConfigErrorCode::Option, "{bad}");
    }
}

#[test]
fn unknown_suites_and_groups_are_told_with_those_there_are() {
    let leaf = leaf();
    let made = |settings| Config::new(&settings, at(NOW), None).unwrap_err().message;
    let message = made(Settings { cipher_suites: vec!["RC4-SHA".into()], ..settings(&leaf) });
    assert!(
        message.starts_with("\"RC4-SHA\" is no cipher suite of these: TLS_AES_128_GCM_SHA256, "),
        "{message}"
    );
    let message = made(Settings { groups: vec!["P-192".into()], ..settings(&leaf) });
    assert_eq!(message, "\"P-192\" is no group of these: X25519MLKEM768, X25519, P-256, P-384");
    let only_old = vec!["ECDHE-RSA-AES128-GCM-SHA256".into()];
    let message = made(Settings {
        cipher_suites: only_old,
        min_version: protocol::tls::MinVersion::Tls13,
        ..settings(&leaf)
    });
    assert!(message.contains("minVersion"), "{message}");
    assert!(made(Settings::default()).contains("`cert` and `key`"));
}

#[test]
fn what_stands_in_a_certificate_is_read() {
    let authority = Authority::new("authority");
    let names = &["example.org", "*.example.org", "127.0.0.1", "::1"];
    let leaf = authority.sign(Wanted { name: "example.org", names, serial: 0xabcdef, ..Wanted::default() });
    let (config, _) = made(leaf.settings()).unwrap();
    let certificate = &config.certificates()[0];
    let facts = certificate.facts();
    assert_eq!(facts.subject_fields, [("CN".to_owned(), "example.org".to_owned())]);
    assert_eq!((facts.issuer.as_str(), facts.serial.as_str()), ("CN=authority", "00ABCDEF"));
    assert_eq!((facts.not_before, facts.not_after), (1_861_920_000, 1_924_992_000));
    assert_eq!(facts.names.len(), 4);
    assert_eq!(certificate.names(), ["example.org", "*.example.org"]);
    let Some(text) = openssl(&["x509", "-noout", "-fingerprint", "-sha256"], leaf.pem.as_bytes()) else {
        return;
    };
    let shown: Vec<_> = facts.fingerprint.iter().map(|byte| format!("{byte:02X}")).collect();
    assert!(String::from_utf8(text).unwrap().trim().ends_with(&shown.join(":")));
}

#[test]
fn a_response_that_is_no_ocsp_response_is_not_stapled() {
    let certificate = CertificateSettings { ocsp: Some(source("ocsp.der", *b"hello")), ..leaf().settings() };
    let (_, warnings) = made(certificate).unwrap();
    assert_eq!(
        warnings,
        [Warning("ocsp.der is not a successful OCSP response in DER; it is not stapled".into())]
    );
}

#[test]
fn secrets_are_logged_for_debugging_with_a_warning() {
    struct Lines(Mutex<Vec<String>>);
    impl KeyLogSink for Lines {
        fn write_line(&self, line: &str) {
            self.0.lock().unwrap().push(line.to_owned());
        }
    }
    let authority = Authority::new("authority");
    let lines = Arc::new(Lines(Mutex::new(Vec::new())));
    let settings = Settings { key_log: Some(lines.clone()), ..settings(&authority.server(&["example.org"])) };
    let (config, warnings) = Config::new(&settings, at(NOW), None).unwrap();
    assert!(warnings[0].0.contains("keyLog"));
    Pair::established(&Arc::new(config), &Arc::new(client(&authority, &BOTH)), "example.org", NOW);
    let lines = lines.0.lock().unwrap();
    let labels: Vec<_> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
    for label in ["CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"] {
        assert!(labels.contains(&label), "{labels:?}");
    }
    assert!(lines.iter().all(|line| line.split(' ').nth(1).unwrap().len() == 64));
}

#[test]
fn a_key_that_is_too_short_is_refused() {
    let Some(key) = openssl(&["genrsa", "1024"], b"") else { return };
    let _ = rsa_key();
    let (code, message) = error(CertificateSettings {
        key: Source { label: "key.pem".into(), bytes: key },
        ..leaf().settings()
    });
    assert_eq!(code, ConfigErrorCode::File);
    assert!(message.contains("RSA from 2048 bits"), "{message}");
}
