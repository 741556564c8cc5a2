//! A bridge: what carries notices into JavaScript and commands out of it, wherever the reactor runs.
//!
//! ```text
//!  Driver ── JavaScript's memory and function, portions of a batch, the event loop, the end
//!    ├ InLoop    the reactor, on this thread
//!    └ Threaded  links to reactors on threads of their own
//! ```
//! JavaScript runs only inside `deliver`, and nothing is borrowed then, so whatever a handler calls
//! finds it free.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use napi::sys;
use protocol::Limits;
use reactor::{ConnectionLimits, RECORD_WORDS, Reactor};

use crate::attachment::Attachment;
use crate::in_loop::InLoop;
use crate::lent::Returned;
use crate::portion_size::PortionSize;
use crate::scope::CallbackScope;
use crate::threaded::Threaded;
use crate::uv::{OnLoop, Source};
use crate::value::{Reference, typed_array};

/// Size of a slab: memory of JavaScript's that heads and small bodies are written to, until it is
/// used up and another takes its place.
const SLAB: usize = 64 * 1024;
/// With less room than this left, a slab counts as used up.
const SLAB_REST: usize = 4 * 1024;

/// A handle to the slab that a batch was written to.
pub(crate) type Slab = sys::napi_value;

/// Where the reactor runs.
#[expect(clippy::large_enum_variant, reason = "there is one for each server, and one indirection less")]
pub(crate) enum Side {
    /// Here.
    InLoop(InLoop),
    /// On other threads.
    Threaded(Threaded),
}

/// One server's engine with everything it needs of its environment.
pub(crate) struct Bridge {
    pub(crate) env: sys::napi_env,
    pub(crate) side: Side,
    js: RefCell<Option<JavaScript>>,
    attachment: RefCell<Option<Attachment>>,
    pub(crate) large: RefCell<Vec<Option<Vec<u8>>>>,
    /// Buffers that were lent for bodies and have come back.
    pub(crate) returned: Arc<Returned>,
    /// Names of fields that JavaScript asks for, by the number it asks with.
    pub(crate) field_names: RefCell<Vec<Box<[u8]>>>,
    /// Memory for the strings of one call.
    pub(crate) scratch: RefCell<Vec<u8>>,
    portion_size: RefCell<PortionSize>,
    is_delivering: Cell<bool>,
    is_flush_planned: Cell<bool>,
    is_disposed: Cell<bool>,
    cleanup: Cell<sys::napi_async_cleanup_hook_handle>,
}

/// What JavaScript gave us, and its memory.
struct JavaScript {
    words: Reference,
    /// The last eight of the words.
    answer: *const [u32; RECORD_WORDS],
    on_notices: Reference,
    resource: Reference,
    slab: Reference,
    slab_used: usize,
    context: sys::napi_async_context,
}

/// The environment runs no JavaScript any more.
pub(crate) struct Terminated;

/// Says on stderr that a connection was closed because of a panic of ours, which has printed its own message.
pub(crate) fn report_panic(client: u64) {
    eprintln!(
        "busbar: client {client} was closed because of an internal error; please report the message above"
    );
}

impl Bridge {
    /// A bridge whose reactor runs on the loop of `env`.
    ///
    /// # Errors
    /// What is missing, in words.
    ///
    /// # Safety
    /// `env` must be live and of this thread, and of a runtime with libuv; `words` and `on_notices`
    /// handles of it.
    pub(crate) unsafe fn in_loop(
        env: sys::napi_env,
        reactor: Reactor,
        words: sys::napi_value,
        on_notices: sys::napi_value,
    ) -> Result<Rc<Bridge>, String> {
        let descriptor = reactor.poller_fd().ok_or("the reactor was released")?;
        // SAFETY: by contract.
        let bridge = unsafe { Bridge::new(env, Side::InLoop(InLoop::new(reactor)), words, on_notices)? };
        // SAFETY: as above.
        let attachment = unsafe { Attachment::libuv(env, Source::Descriptor(descriptor), &bridge) };
        *bridge.attachment.borrow_mut() =
            Some(attachment.ok_or("this runtime has no libuv to watch sockets with")?);
        bridge.watch_environment();
        Ok(bridge)
    }

    /// A bridge with `count` reactors on threads of their own. They call it by libuv if the runtime has it.
    ///
    /// # Errors
    /// What is missing, in words.
    ///
    /// # Safety
    /// As for [`Bridge::in_loop`], but for libuv, which `has_libuv` tells of.
    pub(crate) unsafe fn threaded(
        env: sys::napi_env,
        limits: (&Limits, ConnectionLimits),
        count: usize,
        has_libuv: bool,
        words: sys::napi_value,
        on_notices: sys::napi_value,
    ) -> Result<Rc<Bridge>, String> {
        // SAFETY: by contract.
        let bridge = unsafe { Bridge::new(env, Side::Threaded(Threaded::new()), words, on_notices)? };
        // SAFETY: as above.
        let attachment = unsafe {
            if has_libuv {
                Attachment::libuv(env, Source::Bell, &bridge)
            } else {
                Attachment::threadsafe(env, &bridge)
            }
        };
        let attachment = attachment.ok_or("the runtime can't be called from other threads")?;
        let bell = attachment.bell();
        *bridge.attachment.borrow_mut() = Some(attachment);
        bridge.watch_environment();
        if let Side::Threaded(threaded) = &bridge.side
            // SAFETY: the threads, which alone ring, are joined before the attachment is closed.
            && let Err(error) = threaded.start(limits, count, move || unsafe { bell.ring() })
        {
            bridge.dispose();
            return Err(format!("no threads for I/O: {error}"));
        }
        Ok(bridge)
    }

    unsafe fn new(
        env: sys::napi_env,
        side: Side,
        words: sys::napi_value,
        on_notices: sys::napi_value,
    ) -> Result<Rc<Bridge>, String> {
        // SAFETY: by the caller's contract; all handles are made in the scope of the running call.
        let js = unsafe { JavaScript::new(env, words, on_notices) }.ok_or("Node-API failed")?;
        Ok(Rc::new(Bridge {
            env,
            side,
            js: RefCell::new(Some(js)),
            attachment: RefCell::new(None),
            large: RefCell::new(Vec::new()),
            returned: Arc::default(),
            field_names: RefCell::default(),
            scratch: RefCell::new(Vec::with_capacity(16 * 1024)),
            portion_size: RefCell::new(PortionSize::new()),
            is_delivering: Cell::new(false),
            is_flush_planned: Cell::new(false),
            is_disposed: Cell::new(false),
            cleanup: Cell::new(ptr::null_mut()),
        }))
    }

    /// Has the end of the environment dispose the bridge.
    fn watch_environment(self: &Rc<Bridge>) {
        let mut cleanup = ptr::null_mut();
        // SAFETY: the hook is removed when the attachment is closed, which keeps the bridge alive till then.
        unsafe {
            let data = Rc::as_ptr(self).cast_mut().cast();
            sys::napi_add_async_cleanup_hook(self.env, Some(on_environment_end), data, &mut cleanup);
        }
        self.cleanup.set(cleanup);
    }

    /// Whether an open server keeps the process alive.
    pub(crate) fn keep_alive(&self, yes: bool) {
        if let Some(attachment) = &*self.attachment.borrow() {
            attachment.keep_alive(yes);
        }
    }

    /// Has the loop call `on_timer` in `millis`; None calls it off.
    pub(crate) fn set_timer(&self, millis: Option<u64>) {
        if let Some(attachment) = &*self.attachment.borrow() {
            attachment.set_timer(millis);
        }
    }

    /// Whether it was disposed of.
    pub(crate) fn is_disposed(&self) -> bool {
        self.is_disposed.get()
    }

    /// Closes everything. Nothing is called back afterwards; the last memory goes when the loop has
    /// closed the handles.
    pub(crate) fn dispose(&self) {
        if self.is_disposed.replace(true) {
            return;
        }
        match &self.side {
            Side::InLoop(side) => {
                if let Ok(mut reactor) = side.reactor.try_borrow_mut() {
                    reactor.stop_listening();
                    reactor.close_all();
                }
            }
            Side::Threaded(side) => side.close(),
        }
        self.let_go();
        if let Some(js) = self.js.borrow_mut().take() {
            // SAFETY: disposal runs on the environment's thread, at the latest in its cleanup hook.
            unsafe { js.delete(self.env) };
        }
        if let Some(attachment) = self.attachment.borrow_mut().take() {
            attachment.close();
        }
    }

    /// Lets go of what was lent for bodies and isn't used any more.
    pub(crate) fn let_go(&self) {
        // SAFETY: it is called on the environment's thread, at the latest in its cleanup hook.
        unsafe { self.returned.release() };
    }

    /// To be called before a command that JavaScript gives: outside of a round the first one has the
    /// loop call before it sleeps, when they all take effect.
    #[inline]
    pub(crate) fn before_command(&self) {
        if !self.is_delivering.get() && !self.is_flush_planned.get() && !self.is_disposed.get() {
            self.plan_flush();
        }
    }

    fn plan_flush(&self) {
        self.is_flush_planned.set(true);
        if let Side::InLoop(side) = &self.side {
            side.reactor.borrow_mut().tick();
        }
        if let Some(attachment) = &*self.attachment.borrow() {
            attachment.call_before_sleep();
        }
    }

    /// The words that carry the numbers of the answer being given; zeros once the server is disposed of,
    /// which no request has.
    #[inline]
    pub(crate) fn answer_words(&self) -> [u32; RECORD_WORDS] {
        match &*self.js.borrow() {
            // SAFETY: the words' memory is held by a reference as long as `js` is, never moves, and is
            // never detached: it is a private field of our own JavaScript, which neither transfers nor
            // shows it. Both sides run on this thread.
            Some(js) => unsafe { js.answer.read() },
            None => [0; RECORD_WORDS],
        }
    }

    /// Has `write` put a batch into JavaScript's memory: it is given the words for records, the slab,
    /// and how much of that is used, and returns how many records there are and how much is used then.
    /// At least `room` bytes are left. None when that memory has gone.
    ///
    /// # Safety
    /// A handle scope must be open, and `write` must not run JavaScript.
    pub(crate) unsafe fn with_memory(
        &self,
        room: usize,
        write: impl FnOnce(&mut [u32], &mut [u8], usize) -> (u32, usize),
    ) -> Option<(u32, Slab)> {
        let mut js = self.js.borrow_mut();
        let js = js.as_mut()?;
        // SAFETY: a scope is open by contract.
        let (words, slab) = unsafe { js.memory(self.env, room)? };
        // SAFETY: fetched right here, and JavaScript doesn't run before `write` has returned.
        let (words, bytes) = unsafe { (typed_array(self.env, words)?, typed_array(self.env, slab)?) };
        // SAFETY: a Uint32Array's memory is aligned for its elements.
        let (_, words, _) = unsafe { words.align_to_mut::<u32>() };
        let records = words.len() - RECORD_WORDS;
        let (records, used) = write(words.get_mut(..records)?, bytes, js.slab_used);
        js.slab_used = used;
        Some((records, slab))
    }

    /// Hands records to JavaScript, in portions that keep early answers from waiting for slow handlers.
    pub(crate) fn deliver(&self, records: u32, slab: Slab) -> Result<(), Terminated> {
        self.is_delivering.set(true);
        let result = self.deliver_portions(records, slab);
        self.is_delivering.set(false);
        result
    }

    fn deliver_portions(&self, records: u32, slab: Slab) -> Result<(), Terminated> {
        let mut first = 0;
        while first < records {
            let count = self.portion_size.borrow().portion().min(records - first);
            let begun = Instant::now();
            self.call_on_notices(first, count, slab)?;
            self.portion_size.borrow_mut().learn(begun.elapsed(), count);
            first += count;
            if self.is_disposed.get() {
                return Ok(());
            }
            if first < records {
                self.flush();
            }
        }
        Ok(())
    }

    fn flush(&self) {
        match &self.side {
            Side::InLoop(side) => side.flush(),
            Side::Threaded(side) => side.hand_over(),
        }
    }

    fn call_on_notices(&self, first: u32, count: u32, slab: sys::napi_value) -> Result<(), Terminated> {
        let (on_notices, resource, context) = {
            let js = self.js.borrow();
            let Some(js) = js.as_ref() else { return Ok(()) };
            // SAFETY: `round` holds a handle scope open.
            unsafe { (js.on_notices.get(), js.resource.get(), js.context) }
        };
        // SAFETY: environment, handles and context are live and of this thread; the arguments are
        // handles of the open scope. What the call left pending is taken before the scope closes.
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

    /// An exception came out of our own JavaScript, which catches those of handlers: it is uncaught.
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

impl OnLoop for Bridge {
    fn on_source(&self) {
        if self.is_disposed.get() || self.is_delivering.get() {
            return;
        }
        match &self.side {
            Side::InLoop(side) => side.round(self),
            Side::Threaded(side) => {
                // Where the bell also stands in for the hook before the loop sleeps.
                if self.is_flush_planned.replace(false) {
                    side.hand_over();
                }
                side.round(self);
            }
        }
        self.let_go();
    }

    fn on_timer(&self) {
        if let Side::InLoop(side) = &self.side {
            side.on_timer();
        }
        self.on_source();
    }

    fn on_prepare(&self) {
        if let Some(attachment) = &*self.attachment.borrow() {
            attachment.called_before_sleep();
        }
        self.is_flush_planned.set(false);
        if self.is_disposed.get() {
            return;
        }
        match &self.side {
            Side::InLoop(side) => side.before_sleep(self),
            Side::Threaded(side) => side.hand_over(),
        }
        self.let_go();
    }

    fn on_closed(&self) {
        if let Side::InLoop(side) = &self.side
            && let Ok(mut reactor) = side.reactor.try_borrow_mut()
        {
            reactor.release();
        }
        let cleanup = self.cleanup.replace(ptr::null_mut());
        if !cleanup.is_null() {
            // SAFETY: the handle was given by the hook's registration and is removed once.
            unsafe { sys::napi_remove_async_cleanup_hook(cleanup) };
        }
    }
}

impl JavaScript {
    unsafe fn new(
        env: sys::napi_env,
        words: sys::napi_value,
        on_notices: sys::napi_value,
    ) -> Option<JavaScript> {
        // SAFETY: by the caller's contract; each handle is of the running call's scope.
        unsafe {
            let answer = typed_array(env, words)?.last_chunk_mut::<{ 4 * RECORD_WORDS }>()?.as_ptr().cast();
            let mut resource = ptr::null_mut();
            sys::napi_create_object(env, &mut resource);
            let mut name = ptr::null_mut();
            let text = c"busbar.Server";
            sys::napi_create_string_latin1(env, text.as_ptr(), text.count_bytes() as isize, &mut name);
            let mut context = ptr::null_mut();
            sys::napi_async_init(env, resource, name, &mut context);
            Some(JavaScript {
                words: Reference::new(env, words)?,
                answer,
                on_notices: Reference::new(env, on_notices)?,
                resource: Reference::new(env, resource)?,
                slab: Reference::new(env, new_slab(env)?)?,
                slab_used: 0,
                context,
            })
        }
    }

    /// Handles to the words and to a slab with room in it.
    unsafe fn memory(
        &mut self,
        env: sys::napi_env,
        room: usize,
    ) -> Option<(sys::napi_value, sys::napi_value)> {
        // SAFETY: the caller holds a handle scope open.
        unsafe {
            if self.slab_used + room.max(SLAB_REST) > SLAB {
                let fresh = Reference::new(env, new_slab(env)?)?;
                std::mem::replace(&mut self.slab, fresh).delete();
                self.slab_used = 0;
            }
            Some((self.words.get(), self.slab.get()))
        }
    }

    unsafe fn delete(self, env: sys::napi_env) {
        // SAFETY: the environment is live by the caller's contract.
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

/// The environment ends: a worker was terminated, or the process winds down in order.
unsafe extern "C" fn on_environment_end(_hook: sys::napi_async_cleanup_hook_handle, data: *mut c_void) {
    // SAFETY: the hook is removed when the attachment is closed, which keeps the bridge alive till then.
    let bridge = unsafe { &*data.cast_const().cast::<Bridge>() };
    bridge.dispose();
}
