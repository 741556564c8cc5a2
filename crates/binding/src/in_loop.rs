//! The in-loop driver: the reactor on Node's own event loop, on the thread that runs JavaScript.
//!
//! The poller's descriptor is watched by one `uv_poll_t`. When it is readable a round begins: turn,
//! hand the notices to JavaScript, flush; until nothing is left or the round's budget is spent.
//! Answers given at other times are flushed once before the loop sleeps.
//!
//! JavaScript runs only inside `deliver`, and the reactor is not borrowed then, so whatever a handler
//! calls finds it free.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;
use std::time::Instant;

use napi::sys;
use reactor::{Batch, RECORD_WORDS, Reactor};

use crate::pace::Pace;
use crate::scope::{CallbackScope, HandleScope};
use crate::uv::{Handles, OnLoop};
use crate::value::{Reference, typed_array};

/// Size of a slab: memory of JavaScript's that heads and small bodies are written to, until it is
/// used up and another takes its place.
const SLAB: usize = 64 * 1024;
/// With less room than this left, a slab counts as used up.
const SLAB_REST: usize = 4 * 1024;
/// Turns in one round, before other work of the loop has its turn.
const TURNS_PER_ROUND: usize = 8;

/// One server's reactor with everything it needs of its environment.
pub(crate) struct Driver {
    env: sys::napi_env,
    pub(crate) reactor: RefCell<Reactor>,
    js: RefCell<Option<JavaScript>>,
    handles: RefCell<Option<Handles<Driver>>>,
    pub(crate) large: RefCell<Vec<Option<Vec<u8>>>>,
    /// Memory for the strings of one call.
    pub(crate) scratch: RefCell<Vec<u8>>,
    pace: RefCell<Pace>,
    is_delivering: Cell<bool>,
    is_flush_planned: Cell<bool>,
    is_disposed: Cell<bool>,
    timer: Cell<Option<u64>>,
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
struct Terminated;

impl Driver {
    /// A driver whose reactor is watched by the loop of `env`.
    ///
    /// # Errors
    /// What is missing, in words.
    ///
    /// # Safety
    /// `env` must be live and of this thread; `words` and `on_notices` handles of it.
    pub(crate) unsafe fn open(
        env: sys::napi_env,
        reactor: Reactor,
        words: sys::napi_value,
        on_notices: sys::napi_value,
    ) -> Result<Rc<Driver>, &'static str> {
        let descriptor = reactor.poller_fd().ok_or("the reactor was released")?;
        // SAFETY: by contract; all handles are made in the scope of the running call.
        let js = unsafe { JavaScript::new(env, words, on_notices) }.ok_or("Node-API failed")?;
        let driver = Rc::new(Driver {
            env,
            reactor: RefCell::new(reactor),
            js: RefCell::new(Some(js)),
            handles: RefCell::new(None),
            large: RefCell::new(Vec::new()),
            scratch: RefCell::new(Vec::with_capacity(16 * 1024)),
            pace: RefCell::new(Pace::new()),
            is_delivering: Cell::new(false),
            is_flush_planned: Cell::new(false),
            is_disposed: Cell::new(false),
            timer: Cell::new(None),
            cleanup: Cell::new(ptr::null_mut()),
        });
        let mut event_loop = ptr::null_mut();
        // SAFETY: the loop belongs to the live environment of this thread.
        let handles = unsafe {
            sys::napi_get_uv_event_loop(env, &mut event_loop);
            Handles::open(event_loop.cast(), descriptor, driver.clone())
        };
        *driver.handles.borrow_mut() =
            Some(handles.ok_or("this runtime has no libuv to watch sockets with")?);
        let mut cleanup = ptr::null_mut();
        // SAFETY: the hook is removed when the handles are closed, and they keep the driver alive.
        unsafe {
            let data = Rc::as_ptr(&driver).cast_mut().cast();
            sys::napi_add_async_cleanup_hook(env, Some(on_environment_end), data, &mut cleanup);
        }
        driver.cleanup.set(cleanup);
        Ok(driver)
    }

    /// Whether an open server keeps the process alive.
    pub(crate) fn keep_alive(&self, yes: bool) {
        if let Some(handles) = &*self.handles.borrow() {
            handles.keep_alive(yes);
        }
    }

    /// Closes everything. Nothing is called back afterwards; the last memory goes when the loop has
    /// closed the handles.
    pub(crate) fn dispose(&self) {
        if self.is_disposed.replace(true) {
            return;
        }
        if let Ok(mut reactor) = self.reactor.try_borrow_mut() {
            reactor.stop_listening();
            reactor.close_all();
        }
        if let Some(js) = self.js.borrow_mut().take() {
            // SAFETY: disposal runs on the environment's thread, at the latest in its cleanup hook.
            unsafe { js.delete(self.env) };
        }
        if let Some(handles) = self.handles.borrow_mut().take() {
            handles.close();
        }
    }

    /// To be called before a command that JavaScript gives: the clock is read for the first one
    /// outside of a round.
    #[inline]
    pub(crate) fn before_command(&self) {
        if !self.is_delivering.get() && !self.is_flush_planned.get() && !self.is_disposed.get() {
            self.plan_flush();
        }
    }

    /// Has the loop call `on_prepare` before it sleeps.
    fn plan_flush(&self) {
        self.is_flush_planned.set(true);
        self.reactor.borrow_mut().tick();
        if let Some(handles) = &*self.handles.borrow() {
            handles.set_prepare(true);
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

    /// Turns until nothing is left to do, or the budget is spent.
    fn round(&self) {
        // SAFETY: the environment is live: its end disposes the driver, after which no round begins.
        let Some(_scope) = (unsafe { HandleScope::open(self.env) }) else { return };
        for _ in 0..TURNS_PER_ROUND {
            let Ok(turn) = catch_unwind(AssertUnwindSafe(|| self.turn())) else {
                self.recover();
                break;
            };
            let Some((records, slab)) = turn else { return };
            if records > 0 && self.deliver(records, slab).is_err() {
                // The environment is being torn down; its cleanup hook closes the rest.
                self.reactor.borrow_mut().close_all();
                return;
            }
            if self.is_disposed.get() {
                return;
            }
            let mut reactor = self.reactor.borrow_mut();
            if catch_unwind(AssertUnwindSafe(|| reactor.flush())).is_err() {
                drop(reactor);
                self.recover();
                break;
            }
            if !reactor.has_work() {
                break;
            }
        }
        self.after_round();
    }

    /// Sees to it that the next round comes when it is due.
    fn after_round(&self) {
        let reactor = self.reactor.borrow();
        if reactor.has_work() {
            reactor.wake();
        }
        let timeout = reactor.next_timeout();
        // The timer is coarse: only a change by more than its own grain is worth telling.
        let due = timeout.map(|millis| reactor.now_millis() + millis);
        let is_same = match (self.timer.get(), due) {
            (None, None) => true,
            (Some(set), Some(due)) => set.abs_diff(due) < 50,
            _ => false,
        };
        if !is_same {
            self.timer.set(due);
            if let Some(handles) = &*self.handles.borrow() {
                handles.set_timer(timeout);
            }
        }
    }

    /// One turn into JavaScript's memory. None when that memory has gone.
    fn turn(&self) -> Option<(u32, sys::napi_value)> {
        let mut js = self.js.borrow_mut();
        let js = js.as_mut()?;
        // SAFETY: `round` holds a handle scope open.
        let (words, slab) = unsafe { js.memory(self.env)? };
        // SAFETY: fetched right here, and JavaScript doesn't run before the batch is dropped.
        let (words, bytes) = unsafe { (typed_array(self.env, words)?, typed_array(self.env, slab)?) };
        // SAFETY: a Uint32Array's memory is aligned for its elements.
        let (_, words, _) = unsafe { words.align_to_mut::<u32>() };
        let records = words.len() - RECORD_WORDS;
        let words = words.get_mut(..records)?;
        let mut large = self.large.borrow_mut();
        let mut batch = Batch::new(words, bytes, js.slab_used, &mut large);
        let mut reactor = self.reactor.borrow_mut();
        // A poller that fails is as good as one with nothing ready: connections are found again by
        // the next readiness or their deadline.
        let _ = reactor.turn(&mut batch);
        js.slab_used = batch.used();
        Some((batch.records() as u32, slab))
    }

    /// Hands records to JavaScript, in portions that keep early answers from waiting for slow handlers.
    fn deliver(&self, records: u32, slab: sys::napi_value) -> Result<(), Terminated> {
        self.is_delivering.set(true);
        let result = self.deliver_portions(records, slab);
        self.is_delivering.set(false);
        result
    }

    fn deliver_portions(&self, records: u32, slab: sys::napi_value) -> Result<(), Terminated> {
        let mut first = 0;
        while first < records {
            let count = self.pace.borrow().portion().min(records - first);
            let begun = Instant::now();
            self.call_on_notices(first, count, slab)?;
            self.pace.borrow_mut().learn(begun.elapsed(), count);
            first += count;
            if self.is_disposed.get() {
                return Ok(());
            }
            if first < records {
                self.reactor.borrow_mut().flush();
            }
        }
        Ok(())
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

    /// After a panic of ours: closes the connection it came from and goes on.
    #[cold]
    fn recover(&self) {
        if let Some(id) = self.reactor.borrow_mut().recover() {
            eprintln!(
                "busbar: client {id} was closed because of an internal error; please report the message above"
            );
        }
        self.reactor.borrow().wake();
    }
}

impl OnLoop for Driver {
    fn on_readable(&self) {
        if !self.is_disposed.get() && !self.is_delivering.get() {
            self.round();
        }
    }

    fn on_timer(&self) {
        self.timer.set(None);
        self.on_readable();
    }

    fn on_prepare(&self) {
        if let Some(handles) = &*self.handles.borrow() {
            handles.set_prepare(false);
        }
        self.is_flush_planned.set(false);
        if self.is_disposed.get() {
            return;
        }
        let has_work = {
            let mut reactor = self.reactor.borrow_mut();
            if catch_unwind(AssertUnwindSafe(|| reactor.flush())).is_err() {
                drop(reactor);
                return self.recover();
            }
            reactor.has_work()
        };
        if has_work {
            self.round();
        } else {
            self.after_round();
        }
    }

    fn on_closed(&self) {
        if let Ok(mut reactor) = self.reactor.try_borrow_mut() {
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
    unsafe fn memory(&mut self, env: sys::napi_env) -> Option<(sys::napi_value, sys::napi_value)> {
        // SAFETY: the caller holds a handle scope open.
        unsafe {
            if self.slab_used + SLAB_REST > SLAB {
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
    // SAFETY: the hook is removed when the handles are closed, and until then they keep the driver alive.
    let driver = unsafe { &*data.cast_const().cast::<Driver>() };
    driver.dispose();
}
