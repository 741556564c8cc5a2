//! The TLS of a listener.

use std::sync::{Arc, PoisonError, RwLock};

use protocol::tls::Config;

/// The TLS configuration for new connections, which can be replaced from any thread. Connections keep the one with
/// which they were accepted.
#[derive(Debug)]
pub struct TlsSetup(RwLock<Arc<Config>>);

impl TlsSetup {
    /// Begins with `config`.
    pub fn new(config: Config) -> TlsSetup {
        TlsSetup(RwLock::new(Arc::new(config)))
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Connections are accepted with `config` from now on.
    pub fn replace(&self, config: Config) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }
}
