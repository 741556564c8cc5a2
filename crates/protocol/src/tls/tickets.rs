//! Session tickets: sealed by the server, kept by the client. RFC 5077, RFC 8446 §4.6.1.
//!
//! ```text
//!   key id (16) │ random (16) │ AES-256-GCM of: version (1) │ begun (8) │ ends (8) │ what rustls keeps
//! ```
//! `begun` is the time of the handshake from which all later ones resumed, `ends` the end of the client's
//! certificate: both are carried on from ticket to ticket, so that resuming again and again doesn't outlive
//! 24 hours or the certificate.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::SecureRandom;
use rustls::pki_types::UnixTime;
use zeroize::Zeroizing;

use super::crypto::{aead, hkdf};
use super::ticket_keys::{Material, TicketKeys};

/// Seconds after a full handshake in which its session may be resumed.
pub(super) const LIFETIME: u64 = 24 * 3600;

const ID: usize = 16;
const RANDOM: usize = 16;
const VERSION: u8 = 1;
const HEADER: usize = 1 + 8 + 8;

/// What is carried on from ticket to ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lineage {
    /// Unix seconds of the full handshake.
    pub(super) begun: u64,
    /// Unix seconds at which the client's certificate ends; `u64::MAX` without one.
    pub(super) ends: u64,
}

impl Lineage {
    /// Seconds for which it may still be resumed; 0 if it may not.
    pub(super) fn left(self, now: UnixTime) -> u64 {
        let now = now.as_secs();
        // A clock that was set back makes no ticket older.
        if now < self.begun {
            return LIFETIME.min(self.ends.saturating_sub(now));
        }
        self.begun.saturating_add(LIFETIME).min(self.ends).saturating_sub(now)
    }
}

/// Seals and opens the tickets of one set of client-auth settings.
pub(super) struct Tickets {
    keys: Arc<TicketKeys>,
    /// Digest of the client-auth settings.
    settings: [u8; 32],
    /// Ids of the materials, made when the materials change.
    ids: RwLock<Option<Ids>>,
}

struct Ids {
    materials: Arc<Vec<Material>>,
    ids: Vec<[u8; ID]>,
}

impl Tickets {
    pub(super) fn new(keys: Arc<TicketKeys>, settings: [u8; 32]) -> Tickets {
        Tickets { keys, settings, ids: RwLock::new(None) }
    }

    pub(super) fn keys(&self) -> &Arc<TicketKeys> {
        &self.keys
    }

    /// A ticket with `content` for `server_name`; None if the system gives no random bytes.
    pub(super) fn seal(
        &self,
        lineage: Lineage,
        content: &[u8],
        server_name: &str,
        random: &dyn SecureRandom,
        now: UnixTime,
    ) -> Option<Vec<u8>> {
        let materials = self.keys.materials_for_sealing(random, now);
        let material = materials.first()?;
        let mut ticket =
            Vec::with_capacity(ID + RANDOM + HEADER + content.len() + aead::AES_256_GCM.tag_len());
        ticket.extend_from_slice(&self.id_of(&materials, 0)?);
        let mut salt = [0; RANDOM];
        random.fill(&mut salt).ok()?;
        ticket.extend_from_slice(&salt);
        let mut sealed = Vec::with_capacity(HEADER + content.len() + aead::AES_256_GCM.tag_len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&lineage.begun.to_be_bytes());
        sealed.extend_from_slice(&lineage.ends.to_be_bytes());
        sealed.extend_from_slice(content);
        let key = self.key(material, &salt, server_name)?;
        key.seal_in_place_append_tag(nonce(), aead::Aad::from(&ticket), &mut sealed).ok()?;
        ticket.extend_from_slice(&sealed);
        Some(ticket)
    }

    /// What a ticket holds; None if it was not sealed for `server_name` under these settings by a key that is
    /// still kept.
    pub(super) fn open(&self, ticket: &[u8], server_name: &str) -> Option<(Lineage, Vec<u8>)> {
        let (head, sealed) = ticket.split_at_checked(ID + RANDOM)?;
        let (id, salt) = head.split_at_checked(ID)?;
        let materials = self.keys.materials();
        let at = (0..materials.len()).find(|at| self.id_of(&materials, *at).is_some_and(|own| own == id))?;
        let key = self.key(materials.get(at)?, salt, server_name)?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let opened = key.open_in_place(nonce(), aead::Aad::from(head), &mut sealed).ok()?;
        let (header, content) = opened.split_at_checked(HEADER)?;
        let (version, times) = header.split_first()?;
        let (begun, ends) = times.split_at_checked(8)?;
        if *version != VERSION {
            return None;
        }
        let lineage = Lineage {
            begun: u64::from_be_bytes(begun.try_into().ok()?),
            ends: u64::from_be_bytes(ends.try_into().ok()?),
        };
        Some((lineage, content.to_vec()))
    }

    fn id_of(&self, materials: &Arc<Vec<Material>>, at: usize) -> Option<[u8; ID]> {
        if let Some(ids) = &*self.ids.read().unwrap_or_else(PoisonError::into_inner)
            && Arc::ptr_eq(&ids.materials, materials)
        {
            return ids.ids.get(at).copied();
        }
        let ids: Vec<_> = materials.iter().filter_map(|material| self.make_id(material)).collect();
        let found = ids.get(at).copied();
        *self.ids.write().unwrap_or_else(PoisonError::into_inner) =
            Some(Ids { materials: materials.clone(), ids });
        found
    }

    fn make_id(&self, material: &Material) -> Option<[u8; ID]> {
        let mut id = [0; ID];
        let info: [&[u8]; 2] = [b"id", &self.settings];
        material.secret().expand(&info, IdLength).ok()?.fill(&mut id).ok()?;
        Some(id)
    }

    fn key(&self, material: &Material, salt: &[u8], server_name: &str) -> Option<aead::LessSafeKey> {
        let info: [&[u8]; 4] = [b"key", &self.settings, salt, server_name.as_bytes()];
        let key = material.secret().expand(&info, &aead::AES_256_GCM).ok()?;
        Some(aead::LessSafeKey::new(aead::UnboundKey::from(key)))
    }
}

/// A key seals one ticket, so that its nonce may be constant.
fn nonce() -> aead::Nonce {
    aead::Nonce::assume_unique_for_key([0; aead::NONCE_LEN])
}

struct IdLength;

impl hkdf::KeyType for IdLength {
    fn len(&self) -> usize {
        ID
    }
}
