//! The memory that JavaScript shares with the engine, and the function that reads it: `onNotices`.

use std::ptr;

use napi::sys;
use reactor::RECORD_WORDS;

use crate::node::{Reference, typed_array};

/// Bytes of a slab: a Buffer that heads and small bodies are written to until it is used up.
const SLAB: usize = 64 * 1024;
/// A slab with fewer free bytes counts as used up: another typical head would hardly fit.
const SLAB_REST: usize = 4 * 1024;

/// References to JavaScript's values, and what they point to.
pub(crate) struct Memory {
    words: Reference,
    /// The words for records: all but the last eight.
    records: *mut [u32],
    /// The last eight of the words.
    answer: *mut [u32; RECORD_WORDS],
    on_notices: Reference,
    resource: Reference,
    slab: Reference,
    slab_used: usize,
    context: sys::napi_async_context,
}

impl Memory {
    /// None when Node-API fails, or `words` is too short.
    ///
    /// # Safety
    /// `env` must be live and of this thread, the values handles of it. `words` must be a `Uint32Array` that
    /// JavaScript neither transfers nor shows to others.
    pub(crate) unsafe fn new(
        env: sys::napi_env,
        words: sys::napi_value,
        on_notices: sys::napi_value,
    ) -> Option<Memory> {
        // SAFETY: by contract; each handle is of the running call's scope.
        unsafe {
            // Every bit pattern is a valid u32, and the memory of a Uint32Array is aligned for them.
            let (_, all, _) = typed_array(env, words)?.align_to_mut::<u32>();
            let (records, answer) = all.split_last_chunk_mut()?;
            let mut resource = ptr::null_mut();
            sys::napi_create_object(env, &mut resource);
            let mut name = ptr::null_mut();
            let text = c"busbar.Server";
            sys::napi_create_string_latin1(env, text.as_ptr(), text.count_bytes() as isize, &mut name);
            let mut context = ptr::null_mut();
            sys::napi_async_init(env, resource, name, &mut context);
            Some(Memory {
                words: Reference::new(env, words)?,
                records,
                answer,
                on_notices: Reference::new(env, on_notices)?,
                resource: Reference::new(env, resource)?,
                slab: Reference::new(env, new_slab(env)?)?,
                slab_used: 0,
                context,
            })
        }
    }

    /// The last eight of the words.
    #[inline]
    pub(crate) fn answer_words(&self) -> [u32; RECORD_WORDS] {
        // SAFETY: the reference keeps the words' memory, which never moves, and is never detached by the
        // contract of `new`. JavaScript writes it on this thread only.
        unsafe { self.answer.read() }
    }

    /// Counts one more wait of the loop in the last word, which JavaScript reads.
    pub(crate) fn count_wait(&self) {
        // SAFETY: as for `answer_words`; no reference to the words is held while JavaScript could read them.
        unsafe {
            let [.., waits] = &mut *self.answer;
            *waits = waits.wrapping_add(1);
        }
    }

    /// Handles to `onNotices` and the async resource, and the async context.
    ///
    /// # Safety
    /// A handle scope must be open on this thread.
    pub(crate) unsafe fn callee(&self) -> (sys::napi_value, sys::napi_value, sys::napi_async_context) {
        // SAFETY: by contract.
        unsafe { (self.on_notices.get(), self.resource.get(), self.context) }
    }

    /// Has `write` fill the words and the slab: it gets both and how much of the slab is used, at least
    /// `room` bytes being free, and returns the number of records and how much is used then. The result is
    /// that number and a handle to the slab; None when Node-API fails.
    ///
    /// # Safety
    /// A handle scope must be open on this thread, and `write` must not run JavaScript.
    pub(crate) unsafe fn with(
        &mut self,
        env: sys::napi_env,
        room: usize,
        write: impl FnOnce(&mut [u32], &mut [u8], usize) -> (u32, usize),
    ) -> Option<(u32, sys::napi_value)> {
        // SAFETY: a scope is open by contract.
        let slab = unsafe {
            if self.slab_used + room.max(SLAB_REST) > SLAB {
                let fresh = Reference::new(env, new_slab(env)?)?;
                std::mem::replace(&mut self.slab, fresh).delete();
                self.slab_used = 0;
            }
            self.slab.get()
        };
        // SAFETY: no JavaScript runs before `write` has returned. The words stay where they are, as for `answer_words`; the
        // slab, of which bodies are shown to handlers, is fetched anew.
        let (words, bytes) = unsafe { (&mut *self.records, typed_array(env, slab)?) };
        let (records, used) = write(words, bytes, self.slab_used);
        self.slab_used = used;
        Some((records, slab))
    }

    /// Deletes the references.
    ///
    /// # Safety
    /// The environment must be live.
    pub(crate) unsafe fn delete(self, env: sys::napi_env) {
        // SAFETY: by contract.
        unsafe {
            for reference in [self.words, self.on_notices, self.resource, self.slab] {
                reference.delete();
            }
            sys::napi_async_destroy(env, self.context);
        }
    }
}

unsafe fn new_slab(env: sys::napi_env) -> Option<sys::napi_value> {
    let mut slab = ptr::null_mut();
    // SAFETY: the environment is live by the caller's contract.
    let status = unsafe { sys::napi_create_buffer(env, SLAB, ptr::null_mut(), &mut slab) };
    (status == sys::Status::napi_ok).then_some(slab)
}
