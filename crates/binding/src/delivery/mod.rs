//! How notices get into JavaScript: the memory that a batch is written to, and the call that delivers it.
//!
//! ```text
//!  Delivery ── begin ──► Round ── write ──► records in the shared words, bytes in a slab
//!                          └───── deliver ─► onNotices(first, count, slab), a portion at a time
//!  portion_size      how many notices go into one call
//!  memory            the words, the slab and the function
//!  provided_buffer   buffers of JavaScript that bodies are received into
//!  held_buffer       buffers of JavaScript that answers are sent from
//! ```
//! JavaScript runs only inside [`Round::deliver`]. Nothing is borrowed then, so a handler may give any
//! command. Where the batches come from is decided above: both modes are given the same `Delivery`.

mod held_buffer;
mod memory;
mod portion_size;
mod provided_buffer;

use std::cell::{Cell, RefCell};
use std::ptr;
use std::sync::Arc;
use std::time::Instant;

use napi::sys;
use reactor::RECORD_WORDS;

use crate::delivery::held_buffer::HeldBuffer;
use crate::delivery::memory::Memory;
use crate::delivery::portion_size::PortionSize;
pub(crate) use crate::delivery::provided_buffer::ProvidedBuffer;
use crate::delivery::provided_buffer::ReturnedBuffers;
use crate::node::{CallbackScope, HandleScope};

/// Pieces of a batch that didn't fit into its slab, by the index that its records give.
pub(crate) type LargePieces = Vec<Option<Vec<u8>>>;

/// One server's way into JavaScript.
pub(crate) struct Delivery {
    env: sys::napi_env,
    memory: RefCell<Option<Memory>>,
    phase: Cell<Phase>,
    portion_size: RefCell<PortionSize>,
    large: RefCell<LargePieces>,
    returned: Arc<ReturnedBuffers>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No JavaScript of ours is running.
    Idle,
    /// `onNotices` is running.
    Delivering,
    /// The server was disposed of: JavaScript isn't called again.
    Closed,
}

/// A handle scope in which batches are written and delivered.
pub(crate) struct Round<'a> {
    delivery: &'a Delivery,
    _scope: HandleScope,
}

/// A batch that was written: how many records it has, and a handle to its slab.
pub(crate) struct Written {
    records: u32,
    slab: sys::napi_value,
}

/// The environment has ended: it runs no JavaScript any more.
pub(crate) struct Terminated;

impl Delivery {
    /// Takes the shared words, a `Uint32Array`, and the function `onNotices`. None when Node-API fails.
    ///
    /// # Safety
    /// `env` must be live and of this thread, the values handles of it. The environment must outlive the
    /// delivery, or close it before it ends.
    pub(crate) unsafe fn new(
        env: sys::napi_env,
        words: sys::napi_value,
        on_notices: sys::napi_value,
    ) -> Option<Delivery> {
        // SAFETY: by contract.
        let memory = unsafe { Memory::new(env, words, on_notices)? };
        Some(Delivery {
            env,
            memory: RefCell::new(Some(memory)),
            phase: Cell::new(Phase::Idle),
            portion_size: RefCell::new(PortionSize::new()),
            large: RefCell::default(),
            returned: Arc::default(),
        })
    }

    /// Whether a round may begin: none is being delivered, and the server is open.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.phase.get() == Phase::Idle
    }

    /// Whether the server was disposed of.
    pub(crate) fn is_closed(&self) -> bool {
        self.phase.get() == Phase::Closed
    }

    /// Gives JavaScript's memory back; nothing is delivered afterwards. False when it was closed before.
    pub(crate) fn close(&self) -> bool {
        if self.phase.replace(Phase::Closed) == Phase::Closed {
            return false;
        }
        if let Some(memory) = self.memory.borrow_mut().take() {
            // SAFETY: the environment is live: at the latest, its own cleanup hook closes the delivery.
            unsafe { memory.delete(self.env) };
        }
        true
    }

    /// Begins a round. None when the server is closed or the environment has ended.
    pub(crate) fn begin(&self) -> Option<Round<'_>> {
        if self.is_closed() {
            return None;
        }
        // SAFETY: the environment is live until the delivery is closed.
        let scope = unsafe { HandleScope::open(self.env)? };
        Some(Round { delivery: self, _scope: scope })
    }

    /// The last eight of the shared words, which carry the numbers of the answer that is being given. Zeros
    /// once the server is closed: no request has the id 0.
    #[inline]
    pub(crate) fn answer_words(&self) -> [u32; RECORD_WORDS] {
        self.memory.borrow().as_ref().map_or([0; RECORD_WORDS], Memory::answer_words)
    }

    /// The loop has waited for events, and what it woke for is delivered: what follows comes behind the next wait.
    pub(crate) fn count_wait(&self) {
        if let Some(memory) = &*self.memory.borrow() {
            memory.count_wait();
        }
    }

    /// Takes a large piece of the batch that is being delivered; empty when there is none, or it was taken.
    pub(crate) fn take_large(&self, index: usize) -> Vec<u8> {
        self.large.borrow_mut().get_mut(index).and_then(Option::take).unwrap_or_default()
    }

    /// Provides a buffer of JavaScript for the bytes of a body; None when it isn't one, or has no bytes.
    ///
    /// # Safety
    /// `buffer` must be a handle of this environment, to a buffer that only the caller knows until a notice
    /// gives it back.
    pub(crate) unsafe fn provided_buffer(&self, buffer: sys::napi_value) -> Option<ProvidedBuffer> {
        // SAFETY: by contract; the environment is live until the delivery is closed.
        unsafe { ProvidedBuffer::new(self.env, buffer, &self.returned) }
    }

    /// Holds a buffer of JavaScript until the reactor has sent it; None when Node-API fails.
    ///
    /// # Safety
    /// `buffer` must be a handle of this environment. The result may be given to the reactor of the in-loop mode alone.
    pub(crate) unsafe fn hold(&self, buffer: sys::napi_value) -> Option<HeldBuffer> {
        // SAFETY: by contract; the environment is live until the delivery is closed, behind the reactor.
        unsafe { HeldBuffer::new(self.env, buffer, &self.returned) }
    }

    /// Releases the provided and the held buffers that the reactor has dropped.
    pub(crate) fn release_buffers(&self) {
        // SAFETY: this runs on the environment's thread, at the latest in its cleanup hook.
        unsafe { self.returned.release() };
    }

    fn call_on_notices(&self, first: u32, count: u32, slab: sys::napi_value) -> Result<(), Terminated> {
        let (on_notices, resource, context) = match &*self.memory.borrow() {
            // SAFETY: the round holds a handle scope open.
            Some(memory) => unsafe { memory.callee() },
            None => return Ok(()),
        };
        // SAFETY: environment, handles and context are live and of this thread; the arguments are handles of
        // the open scope. A pending exception is taken before the callback scope closes.
        unsafe {
            let scope = CallbackScope::open(self.env, resource, context).ok_or(Terminated)?;
            let mut args = [ptr::null_mut(), ptr::null_mut(), slab];
            sys::napi_create_uint32(self.env, first, &mut args[0]);
            sys::napi_create_uint32(self.env, count, &mut args[1]);
            let mut receiver = ptr::null_mut();
            sys::napi_get_undefined(self.env, &mut receiver);
            let mut result = ptr::null_mut();
            let status =
                sys::napi_call_function(self.env, receiver, on_notices, 3, args.as_ptr(), &mut result);
            if status != sys::Status::napi_ok {
                self.report_exception()?;
            }
            drop(scope);
        }
        Ok(())
    }

    /// Makes an exception of `onNotices` an uncaught one. The function catches those of handlers, so this one
    /// is our own fault.
    #[cold]
    fn report_exception(&self) -> Result<(), Terminated> {
        let mut is_pending = false;
        // SAFETY: environment and scope are those of the failed call.
        unsafe {
            sys::napi_is_exception_pending(self.env, &mut is_pending);
            if !is_pending {
                return Err(Terminated);
            }
            let mut exception = ptr::null_mut();
            sys::napi_get_and_clear_last_exception(self.env, &mut exception);
            sys::napi_fatal_exception(self.env, exception);
        }
        Ok(())
    }
}

impl Round<'_> {
    /// Has `write` put a batch into JavaScript's memory. It gets the words for records, the slab, how much of
    /// that is used (at least `room` bytes are free), and the place for large pieces; it returns the number
    /// of records and how much of the slab is used then. None when the server is closed or Node-API fails.
    pub(crate) fn write(
        &self,
        room: usize,
        write: impl FnOnce(&mut [u32], &mut [u8], usize, &mut LargePieces) -> (u32, usize),
    ) -> Option<Written> {
        let mut memory = self.delivery.memory.borrow_mut();
        let mut large = self.delivery.large.borrow_mut();
        // SAFETY: the round's scope is open. `write` runs no JavaScript: `deliver` would find the memory
        // borrowed.
        unsafe {
            memory
                .as_mut()?
                .with(self.delivery.env, room, |words, slab, used| write(words, slab, used, &mut large))
        }
        .map(|(records, slab)| Written { records, slab })
    }

    /// Delivers a batch in portions, and returns their number. `flush` runs between two of them, so that an early answer
    /// doesn't wait for slow handlers. Returns early when a handler disposes of the server.
    pub(crate) fn deliver(&self, batch: &Written, flush: impl Fn()) -> Result<u32, Terminated> {
        let delivery = self.delivery;
        delivery.phase.set(Phase::Delivering);
        let result = self.deliver_portions(batch, flush);
        if !delivery.is_closed() {
            delivery.phase.set(Phase::Idle);
        }
        result
    }

    fn deliver_portions(&self, batch: &Written, flush: impl Fn()) -> Result<u32, Terminated> {
        let delivery = self.delivery;
        let (mut first, mut portions) = (0, 0);
        while first < batch.records {
            let count = delivery.portion_size.borrow().portion().min(batch.records - first);
            let begun = Instant::now();
            delivery.call_on_notices(first, count, batch.slab)?;
            delivery.portion_size.borrow_mut().learn(begun.elapsed(), count);
            first += count;
            portions += 1;
            if delivery.is_closed() {
                break;
            }
            if first < batch.records {
                flush();
            }
        }
        Ok(portions)
    }
}
