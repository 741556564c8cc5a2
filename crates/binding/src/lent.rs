//! Buffers of JavaScript's that are lent for the bytes of bodies.
//!
//! A lent buffer is written to by whichever thread has the socket, while nobody else knows of it: our own
//! JavaScript makes it, and shows it to no one before it has come back. So it is neither read, transferred
//! nor resized meanwhile, and the reference keeps it from being collected. It is made so that the runtime doesn't
//! move it either, which some do with short ones.

use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

use napi::sys;
use reactor::RecvBuffer;

use crate::value::{Reference, typed_array};

/// Such a buffer.
pub(crate) struct LentBuffer {
    bytes: NonNull<[u8]>,
    reference: Option<Reference>,
    returned: Arc<Returned>,
}

/// Buffers that have come back, whose references only JavaScript's thread may delete.
#[derive(Default)]
pub(crate) struct Returned(Mutex<Vec<Reference>>);

// SAFETY: the memory has one user at a time, as the module says, and the reference isn't touched before it is
// back on JavaScript's thread.
unsafe impl Send for LentBuffer {}
// SAFETY: as above: references are put in from anywhere and taken out on JavaScript's thread only.
unsafe impl Send for Returned {}
// SAFETY: the mutex lets in one at a time.
unsafe impl Sync for Returned {}

impl LentBuffer {
    /// Lends `buffer`; None when it isn't one, or has no bytes.
    ///
    /// # Safety
    /// `env` must be live and of this thread, `buffer` a handle of it, to a buffer that nobody but the
    /// caller knows of until a notice gives it back.
    pub(crate) unsafe fn new(
        env: sys::napi_env,
        buffer: sys::napi_value,
        returned: &Arc<Returned>,
    ) -> Option<LentBuffer> {
        // SAFETY: by contract.
        let (bytes, reference) = unsafe { (typed_array(env, buffer)?, Reference::new(env, buffer)?) };
        keep_freed_memory(bytes.len());
        let lent = LentBuffer { bytes: bytes.into(), reference: Some(reference), returned: returned.clone() };
        (!lent.bytes.is_empty()).then_some(lent)
    }
}

/// Has glibc keep up to 64 MiB of freed memory for what comes next, as it does by itself once a block of half
/// that size was freed. The collector frees the memory of some thirty long bodies at once, and without that it
/// goes back to the system each time, to be asked for page by page: a quarter of the time of an upload.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn keep_freed_memory(len: usize) {
    /// The largest block from which glibc learns.
    const BLOCK: usize = 32 * 1024 * 1024 - 64 * 1024;
    static IS_DONE: std::sync::Once = std::sync::Once::new();
    if len >= 64 * 1024 {
        // SAFETY: the block is freed as it was made. Nothing is written to it, so no memory is taken.
        IS_DONE.call_once(|| unsafe { libc::free(std::hint::black_box(libc::malloc(BLOCK))) });
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn keep_freed_memory(_len: usize) {}

impl RecvBuffer for LentBuffer {
    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the reference keeps the memory, which nobody else uses meanwhile, as the module says.
        unsafe { self.bytes.as_mut() }
    }
}

impl Drop for LentBuffer {
    fn drop(&mut self) {
        if let Some(reference) = self.reference.take() {
            self.returned.0.lock().unwrap_or_else(PoisonError::into_inner).push(reference);
        }
    }
}

impl Returned {
    /// Lets go of what has come back.
    ///
    /// # Safety
    /// The environment of the buffers must be live and of this thread.
    pub(crate) unsafe fn release(&self) {
        for reference in self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // SAFETY: by contract.
            unsafe { reference.delete() };
        }
    }
}
