//! Certificates that an application has given for names unknown at start.
//!
//! Names that have none are kept apart, so that a client that asks for many such names can't push out the
//! certificates.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::UnixTime;

use super::certificate::Certificate;

/// Names that each of the two caches holds.
const CAPACITY: usize = 1000;
/// Seconds for which a certificate is kept if the application does not say.
const KEPT: u64 = 3600;
/// Seconds for which it is remembered that a name has no certificate.
const KEPT_NONE: u64 = 10;

/// An application's answer about a name.
#[derive(Clone)]
pub struct Answer {
    /// None: the default certificate.
    pub certificate: Option<Arc<Certificate>>,
    /// Seconds for which the answer holds; None: an hour, or ten seconds if there is no certificate.
    pub kept: Option<u64>,
}

/// Answers by name.
pub(super) struct Answers {
    caches: Mutex<Caches>,
}

struct Caches {
    found: Cache<Arc<Certificate>>,
    none: Cache<()>,
}

impl Answers {
    pub(super) fn new() -> Answers {
        Answers { caches: Mutex::new(Caches { found: Cache::default(), none: Cache::default() }) }
    }

    /// The answer that holds for `name`; None if there is none.
    pub(super) fn get(&self, name: &str, now: UnixTime) -> Option<Option<Arc<Certificate>>> {
        let caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(certificate) = caches.found.get(name, now) {
            return Some(Some(certificate.clone()));
        }
        caches.none.get(name, now).map(|()| None)
    }

    pub(super) fn put(&self, name: &str, answer: &Answer, now: UnixTime) {
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        let until = |kept: u64| now.as_secs().saturating_add(answer.kept.unwrap_or(kept));
        match &answer.certificate {
            Some(certificate) => caches.found.put(name, certificate.clone(), until(KEPT)),
            None => caches.none.put(name, (), until(KEPT_NONE)),
        }
    }
}

/// A map that forgets its oldest entry when it is full.
struct Cache<T> {
    entries: HashMap<String, (T, u64)>,
    order: VecDeque<String>,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Cache { entries: HashMap::new(), order: VecDeque::new() }
    }
}

impl<T> Cache<T> {
    fn get(&self, name: &str, now: UnixTime) -> Option<&T> {
        let (value, until) = self.entries.get(name)?;
        (now.as_secs() < *until).then_some(value)
    }

    fn put(&mut self, name: &str, value: T, until: u64) {
        if self.entries.insert(name.to_owned(), (value, until)).is_none() {
            self.order.push_back(name.to_owned());
        }
        if self.entries.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
    }
}
