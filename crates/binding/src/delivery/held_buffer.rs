//! Buffers of JavaScript that answers are sent from.
//!
//! The application may use its buffer while it is being sent: change it, shrink it, or transfer it away. So the engine keeps
//! a reference and no pointer, and asks where the bytes are, and how many, right before each write. That is possible only on
//! JavaScript's thread: the threaded mode copies.

use std::sync::Arc;

use napi::sys;
use reactor::SendBuffer;

use super::provided_buffer::ReturnedBuffers;
use crate::node::{HandleScope, Reference, unshared_bytes};

/// A buffer that is sent from until the reactor drops this.
pub(crate) struct HeldBuffer {
    env: sys::napi_env,
    reference: Option<Reference>,
    returned: Arc<ReturnedBuffers>,
}

// SAFETY: it is given to the reactor of the in-loop mode alone, which never leaves JavaScript's thread. A reactor as such
// may be moved to another thread, which is why the trait asks for this.
unsafe impl Send for HeldBuffer {}

impl HeldBuffer {
    /// Holds `buffer`; None when Node-API fails.
    ///
    /// # Safety
    /// `env` must be live and of this thread, and `buffer` a handle of it. The result must stay on this thread, and be
    /// dropped before the environment ends.
    pub(super) unsafe fn new(
        env: sys::napi_env,
        buffer: sys::napi_value,
        returned: &Arc<ReturnedBuffers>,
    ) -> Option<HeldBuffer> {
        // SAFETY: by contract.
        let reference = unsafe { Reference::new(env, buffer)? };
        Some(HeldBuffer { env, reference: Some(reference), returned: returned.clone() })
    }
}

impl SendBuffer for HeldBuffer {
    fn bytes(&mut self) -> &[u8] {
        // SAFETY: by the contract of `new` environment and reference are live, and this is JavaScript's thread. The
        // reference keeps the memory, and the slice, borrowed from `self`, is used within the write that asked for it:
        // no JavaScript runs before.
        unsafe {
            let scope = HandleScope::open(self.env);
            let value = scope.as_ref().zip(self.reference.as_ref()).map(|(_, reference)| reference.get());
            value.and_then(|value| unshared_bytes(self.env, value).ok().flatten()).unwrap_or(&[])
        }
    }
}

impl Drop for HeldBuffer {
    fn drop(&mut self) {
        if let Some(reference) = self.reference.take() {
            self.returned.put(reference);
        }
    }
}
