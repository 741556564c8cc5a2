//! Key material for session tickets: given by the application and shared between processes, or made here and
//! rotated.
//!
//! ```text
//!   material ──HKDF──► one key a ticket, from material + client-auth settings + server name + 16 random bytes
//! ```
//! A ticket has a key of its own, so that no count of nonces bounds how many replicas may share the material.
//! Material outlives a reload: what changes with the settings is what is derived from it.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::SecureRandom;
use rustls::pki_types::UnixTime;
use zeroize::Zeroizing;

use super::crypto::{digest_of, hkdf};
use super::error::{ConfigError, ConfigErrorCode, Warning};
use super::settings::Source;

/// Bytes that given material has at least.
const SHORTEST: usize = 32;
/// Seconds after which material made here stops sealing.
const ROTATION: u64 = 8 * 3600;
/// How many of them are kept: what the last of them sealed is 24 hours old when it goes.
const KEPT: usize = 4;
/// Seconds for which one given key should seal at most.
const SEALS_AT_MOST: u64 = 24 * 3600;

/// Material, the sealing one first.
#[derive(Debug)]
pub(super) struct TicketKeys {
    materials: RwLock<Arc<Vec<Material>>>,
    is_given: bool,
}

/// One secret in the form that HKDF expands.
#[derive(Clone)]
pub(super) struct Material {
    secret: hkdf::Prk,
    /// Tells materials apart without telling what they are.
    digest: [u8; 32],
    /// Unix seconds since which it seals.
    since: u64,
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Material").field("since", &self.since).finish_non_exhaustive()
    }
}

impl Material {
    fn new(bytes: &[u8], since: u64) -> Material {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"busbar session tickets 1");
        Material { secret: salt.extract(bytes), digest: digest_of([bytes]), since }
    }

    /// The secret to expand.
    pub(super) fn secret(&self) -> &hkdf::Prk {
        &self.secret
    }
}

impl TicketKeys {
    /// Keys that are made here and rotate.
    pub(super) fn made(random: &dyn SecureRandom, now: UnixTime) -> Result<TicketKeys, ConfigError> {
        let first = make(random, now.as_secs()).ok_or_else(|| {
            ConfigError::new(ConfigErrorCode::Option, "the system gives no random bytes for ticket keys")
        })?;
        Ok(TicketKeys { materials: RwLock::new(Arc::new(vec![first])), is_given: false })
    }

    /// Keys that are given. `previous` tells since when the first one seals already.
    pub(super) fn given(
        sources: &[Source],
        now: UnixTime,
        previous: Option<&TicketKeys>,
    ) -> Result<TicketKeys, ConfigError> {
        let before = previous.map(TicketKeys::materials);
        let mut materials = Vec::new();
        for source in sources {
            if source.bytes.len() < SHORTEST {
                return Err(ConfigError::new(
                    ConfigErrorCode::Option,
                    format!(
                        "a ticket key must have at least {SHORTEST} bytes; {} has {}",
                        source.label,
                        source.bytes.len()
                    ),
                ));
            }
            let mut material = Material::new(&source.bytes, now.as_secs());
            if let Some(same) = before.as_ref().and_then(|before| before.first())
                && same.digest == material.digest
            {
                material.since = same.since;
            }
            materials.push(material);
        }
        Ok(TicketKeys { materials: RwLock::new(Arc::new(materials)), is_given: true })
    }

    /// They were given, and don't rotate here.
    pub(super) fn is_given(&self) -> bool {
        self.is_given
    }

    /// The present material, the sealing one first.
    pub(super) fn materials(&self) -> Arc<Vec<Material>> {
        self.materials.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The present material after rotation, if that is due.
    pub(super) fn materials_for_sealing(
        &self,
        random: &dyn SecureRandom,
        now: UnixTime,
    ) -> Arc<Vec<Material>> {
        let present = self.materials();
        if self.is_given || !is_due(&present, now) {
            return present;
        }
        let mut materials = self.materials.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been first.
        if is_due(&materials, now)
            && let Some(fresh) = make(random, now.as_secs())
        {
            let kept = materials.iter().take(KEPT - 1).cloned();
            *materials = Arc::new(std::iter::once(fresh).chain(kept).collect());
        }
        materials.clone()
    }

    /// A given key that has sealed for too long, which makes recorded traffic readable by all who get it.
    pub(super) fn overdue(&self, now: UnixTime) -> Option<Warning> {
        let since = self.materials().first()?.since;
        (self.is_given && now.as_secs().saturating_sub(since) > SEALS_AT_MOST).then(|| {
            Warning(
                "the first of `ticketKeys` has sealed tickets for more than 24 hours; put a new one before it"
                    .to_owned(),
            )
        })
    }
}

fn is_due(materials: &[Material], now: UnixTime) -> bool {
    materials.first().is_none_or(|first| now.as_secs().saturating_sub(first.since) >= ROTATION)
}

fn make(random: &dyn SecureRandom, since: u64) -> Option<Material> {
    let mut bytes = Zeroizing::new([0; SHORTEST]);
    random.fill(bytes.as_mut_slice()).ok()?;
    Some(Material::new(bytes.as_slice(), since))
}
