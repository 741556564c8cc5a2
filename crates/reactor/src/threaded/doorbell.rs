//! How threads tell the application that there are notices.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::AcqRel;

/// Rung by I/O threads behind every batch, answered by the application before it looks for batches.
/// However often it is rung meanwhile, the application is called once.
pub struct Doorbell {
    is_rung: AtomicBool,
    call: Box<dyn Fn() + Send + Sync>,
}

impl Doorbell {
    /// A doorbell that calls the application's thread by `call`, which must not block.
    pub fn new(call: impl Fn() + Send + Sync + 'static) -> Doorbell {
        Doorbell { is_rung: AtomicBool::new(false), call: Box::new(call) }
    }

    /// Calls the application, unless it is called already.
    pub fn ring(&self) {
        if !self.is_rung.swap(true, AcqRel) {
            (self.call)();
        }
    }

    /// To be called before looking for batches: what is put into a queue from now on rings again.
    pub fn answer(&self) {
        self.is_rung.swap(false, AcqRel);
    }
}
