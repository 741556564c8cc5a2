//! A certificate for one's own machine, to develop with.

use std::time::Duration;

use rcgen::{
    CertificateParams, DnType, Error, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::UnixTime;

const DAY: u64 = 86_400;
/// It is valid for 397 days together: browsers refuse one that is valid for longer than 398.
const DAYS_BEFORE: u64 = 1;
const DAYS_AFTER: u64 = 396;

/// What the certificate is for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A certificate and its key, both as PEM text.
pub struct DevelopmentCertificate {
    /// It signs itself and may sign nothing else.
    pub certificate: String,
    /// P-256, as PKCS#8.
    pub key: String,
}

impl DevelopmentCertificate {
    /// A new key, and a certificate for `localhost`, `127.0.0.1` and `::1`. None when the system gives no random
    /// bytes.
    pub fn new(now: UnixTime) -> Option<DevelopmentCertificate> {
        Self::make(now.as_secs()).ok()
    }

    fn make(now: u64) -> Result<DevelopmentCertificate, Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
        params.distinguished_name.push(DnType::CommonName, "localhost");
        params.distinguished_name.push(DnType::OrganizationName, "busbar development certificate");
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let at = |seconds| date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
        params.not_before = at(now.saturating_sub(DAYS_BEFORE * DAY));
        params.not_after = at(now + DAYS_AFTER * DAY);
        let certificate = params.self_signed(&key)?.pem();
        Ok(DevelopmentCertificate { certificate, key: key.serialize_pem() })
    }
}
