//! Buffers of JavaScript that bodies are received into.
//!
//! The thread that has the socket writes to a provided buffer. Until a notice gives the buffer back, only our
//! own JavaScript knows it, which doesn't read, transfer or resize it; the reference keeps it from being
//! collected. It is allocated in a way that keeps the runtime from moving it, as some do with short buffers.

use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

use napi::sys;
use reactor::RecvBuffer;

use crate::node::{Reference, typed_array};

/// A buffer that the reactor may write to until it drops this.
pub(crate) struct ProvidedBuffer {
    bytes: NonNull<[u8]>,
    reference: Option<Reference>,
    returned: Arc<ReturnedBuffers>,
}

/// References to buffers that the reactor has dropped. Only JavaScript's thread may delete a reference.
#[derive(Default)]
pub(crate) struct ReturnedBuffers(Mutex<Vec<Reference>>);

// SAFETY: the memory has one user at a time, as the module says, and the reference is used only on
// JavaScript's thread.
unsafe impl Send for ProvidedBuffer {}
// SAFETY: any thread may put a reference in; only JavaScript's thread takes one out and uses it.
unsafe impl Send for ReturnedBuffers {}
// SAFETY: the mutex admits one thread at a time.
unsafe impl Sync for ReturnedBuffers {}

impl ProvidedBuffer {
    /// Provides `buffer`; None when it isn't a typed array, or has no bytes.
    ///
    /// # Safety
    /// `env` must be live and of this thread, `buffer` a handle of it, to a buffer that only the caller knows
    /// until a notice gives it back.
    pub(crate) unsafe fn new(
        env: sys::napi_env,
        buffer: sys::napi_value,
        returned: &Arc<ReturnedBuffers>,
    ) -> Option<ProvidedBuffer> {
        // SAFETY: by contract.
        let (bytes, reference) = unsafe { (typed_array(env, buffer)?, Reference::new(env, buffer)?) };
        keep_freed_memory(bytes.len());
        use_huge_pages(bytes);
        let provided =
            ProvidedBuffer { bytes: bytes.into(), reference: Some(reference), returned: returned.clone() };
        (!provided.bytes.is_empty()).then_some(provided)
    }
}

/// Has glibc keep up to 64 MiB of freed memory for later, as it does by itself once a block of half that size
/// was freed. The collector frees the memory of some thirty long bodies at once. Without this, glibc returns
/// that memory to the system each time and gets it back page by page: a quarter of the time of an upload.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn keep_freed_memory(len: usize) {
    /// The largest block whose release raises glibc's threshold.
    const BLOCK: usize = 32 * 1024 * 1024 - 64 * 1024;
    static IS_DONE: std::sync::Once = std::sync::Once::new();
    if len >= 64 * 1024 {
        // SAFETY: the block is freed by the allocator that made it. It is never written to, so it takes no
        // memory.
        IS_DONE.call_once(|| unsafe { libc::free(std::hint::black_box(libc::malloc(BLOCK))) });
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn keep_freed_memory(_len: usize) {}

/// Has the kernel back a long buffer with huge pages where it can. Otherwise the first write to each 4 KiB of it is a fault
/// of its own: a third of the time of an upload of 100 MiB.
#[cfg(target_os = "linux")]
fn use_huge_pages(bytes: &mut [u8]) {
    /// Two huge pages of 2 MiB: in less there may be no whole one.
    const LONG: usize = 4 * 1024 * 1024;
    /// A multiple of the page size of every system.
    const ALIGNMENT: usize = 64 * 1024;
    let range = bytes.as_mut_ptr_range();
    let start = range.start.addr().next_multiple_of(ALIGNMENT);
    let length = range.end.addr().saturating_sub(start) / ALIGNMENT * ALIGNMENT;
    if bytes.len() >= LONG {
        // SAFETY: the range lies within the buffer. The call changes how its memory is backed and not what is in it; where
        // there are no huge pages it fails.
        unsafe { libc::madvise(range.start.with_addr(start).cast(), length, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn use_huge_pages(_bytes: &mut [u8]) {}

impl RecvBuffer for ProvidedBuffer {
    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the reference keeps the memory, of which this is the only user, as the module says.
        unsafe { self.bytes.as_mut() }
    }
}

impl Drop for ProvidedBuffer {
    fn drop(&mut self) {
        if let Some(reference) = self.reference.take() {
            self.returned.put(reference);
        }
    }
}

impl ReturnedBuffers {
    /// Puts a reference in; any thread may do that.
    pub(super) fn put(&self, reference: Reference) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(reference);
    }

    /// Deletes the references that were put in.
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
