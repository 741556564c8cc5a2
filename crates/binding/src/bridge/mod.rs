//! The bridge of one server: it joins the reactor, JavaScript and the event loop.
//!
//! ```text
//!  event loop ──► LoopHandle ──► Bridge ──► Mode ──► Delivery ──► JavaScript
//!  JavaScript ──► hot, engine ──► Bridge::commands ──► Mode ──► reactor
//! ```
//! `commands` are the methods that JavaScript's calls end in. This file is the other way: the event loop
//! calls, a round runs, and the timer is set to what the round returns.

mod commands;

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr;
use std::rc::Rc;

use napi::sys;
use protocol::Limits;
use reactor::ConnectionLimits;

use crate::delivery::Delivery;
use crate::mode::{InLoop, Mode, NextTimer, Threaded};
use crate::node::{LoopHandle, OnLoop, Source};

/// One server's reactor with everything that joins it to its environment.
pub(crate) struct Bridge {
    env: sys::napi_env,
    mode: Mode,
    delivery: Delivery,
    loop_handle: RefCell<Option<LoopHandle<Bridge>>>,
    is_flush_planned: Cell<bool>,
    cleanup: Cell<sys::napi_async_cleanup_hook_handle>,
}

impl Bridge {
    /// A bridge whose reactor runs on the event loop of `env`.
    ///
    /// # Errors
    /// A text that says what is missing.
    ///
    /// # Safety
    /// `env` must be live, of this thread, and of a runtime with libuv. `words` and `on_notices` must be
    /// handles of it, and `words` a `Uint32Array` that JavaScript neither transfers nor shows to others.
    pub(crate) unsafe fn in_loop(
        env: sys::napi_env,
        in_loop: InLoop,
        words: sys::napi_value,
        on_notices: sys::napi_value,
    ) -> Result<Rc<Bridge>, String> {
        let descriptor =
            in_loop.descriptor().ok_or("the event loop can't watch sockets here; set ioThreads to 1")?;
        // SAFETY: by contract.
        let bridge = unsafe { Bridge::new(env, Mode::InLoop(in_loop), words, on_notices)? };
        // SAFETY: as above.
        let handle = unsafe { LoopHandle::libuv(env, Source::Descriptor(descriptor), &bridge) };
        let handle = handle.ok_or("this runtime has no libuv to watch sockets with")?;
        *bridge.loop_handle.borrow_mut() = Some(handle);
        bridge.watch_environment();
        Ok(bridge)
    }

    /// A bridge with `count` reactors on threads of their own. They call the loop by libuv if `has_libuv`,
    /// else by a threadsafe function.
    ///
    /// # Errors
    /// A text that says what is missing.
    ///
    /// # Safety
    /// As for [`Bridge::in_loop`]; a runtime without libuv is allowed where `has_libuv` is false.
    pub(crate) unsafe fn threaded(
        env: sys::napi_env,
        limits: (&Limits, ConnectionLimits),
        count: usize,
        has_libuv: bool,
        words: sys::napi_value,
        on_notices: sys::napi_value,
    ) -> Result<Rc<Bridge>, String> {
        // SAFETY: by contract.
        let bridge = unsafe { Bridge::new(env, Mode::Threaded(Threaded::new()), words, on_notices)? };
        // SAFETY: as above.
        let handle = unsafe {
            if has_libuv {
                LoopHandle::libuv(env, Source::Bell, &bridge)
            } else {
                LoopHandle::threadsafe(env, &bridge)
            }
        };
        let handle = handle.ok_or("the runtime can't be called from other threads")?;
        let bell = handle.bell();
        *bridge.loop_handle.borrow_mut() = Some(handle);
        bridge.watch_environment();
        if let Mode::Threaded(threaded) = &bridge.mode
            // SAFETY: only the threads ring, and they are joined before the handle is closed.
            && let Err(error) = threaded.start(limits, count, move || unsafe { bell.ring() })
        {
            bridge.dispose();
            return Err(format!("no threads for I/O: {error}"));
        }
        Ok(bridge)
    }

    unsafe fn new(
        env: sys::napi_env,
        mode: Mode,
        words: sys::napi_value,
        on_notices: sys::napi_value,
    ) -> Result<Rc<Bridge>, String> {
        // SAFETY: by the caller's contract; the environment's end disposes of the bridge.
        let delivery = unsafe { Delivery::new(env, words, on_notices) }.ok_or("Node-API failed")?;
        Ok(Rc::new(Bridge {
            env,
            mode,
            delivery,
            loop_handle: RefCell::new(None),
            is_flush_planned: Cell::new(false),
            cleanup: Cell::new(ptr::null_mut()),
        }))
    }

    /// Has the end of the environment dispose of the bridge.
    fn watch_environment(self: &Rc<Bridge>) {
        let mut cleanup = ptr::null_mut();
        // SAFETY: the hook is removed once the loop handle is closed, which keeps the bridge alive until
        // then.
        unsafe {
            let data = Rc::as_ptr(self).cast_mut().cast();
            sys::napi_add_async_cleanup_hook(self.env, Some(on_environment_end), data, &mut cleanup);
        }
        self.cleanup.set(cleanup);
    }

    /// What delivers this server's notices.
    #[inline]
    pub(crate) fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// Sets whether the open server keeps the process alive.
    pub(crate) fn keep_alive(&self, yes: bool) {
        if let Some(handle) = &*self.loop_handle.borrow() {
            handle.keep_alive(yes);
        }
    }

    /// Closes everything; JavaScript isn't called again. The rest of the memory is freed when the loop has
    /// closed its handles.
    pub(crate) fn dispose(&self) {
        if !self.delivery.close() {
            return;
        }
        self.mode.close();
        self.delivery.release_buffers();
        if let Some(handle) = self.loop_handle.borrow_mut().take() {
            handle.close();
        }
    }

    /// To be called before each command. The first one outside of a round has the loop call before it waits
    /// for events, and all of them take effect then.
    #[inline]
    fn before_command(&self) {
        if self.delivery.is_idle() && !self.is_flush_planned.get() {
            self.plan_flush();
        }
    }

    fn plan_flush(&self) {
        self.is_flush_planned.set(true);
        self.mode.before_commands();
        if let Some(handle) = &*self.loop_handle.borrow() {
            handle.start_prepare();
        }
    }

    fn set_timer(&self, timer: NextTimer) {
        if let NextTimer::Set(millis) = timer
            && let Some(handle) = &*self.loop_handle.borrow()
        {
            handle.set_timer(millis);
        }
    }

    /// Takes what is ready, and delivers it.
    fn take_ready(&self) {
        // Without libuv no call comes before the loop waits; this one stands in for it.
        if matches!(self.mode, Mode::Threaded(_)) && self.is_flush_planned.replace(false) {
            self.mode.before_wait(&self.delivery);
        }
        self.set_timer(self.mode.round(&self.delivery));
        self.delivery.release_buffers();
    }
}

impl OnLoop for Bridge {
    fn on_source(&self) {
        if self.delivery.is_idle() {
            self.take_ready();
            self.delivery.count_wait();
        }
    }

    fn on_timer(&self) {
        self.mode.on_timer();
        if self.delivery.is_idle() {
            self.take_ready();
        }
    }

    fn on_prepare(&self) {
        if let Some(handle) = &*self.loop_handle.borrow() {
            handle.stop_prepare();
        }
        self.is_flush_planned.set(false);
        // A loop that a handler runs inside a round leaves the flush to that round.
        if !self.delivery.is_idle() {
            return;
        }
        self.set_timer(self.mode.before_wait(&self.delivery));
        self.delivery.release_buffers();
    }

    fn on_closed(&self) {
        self.mode.release();
        let cleanup = self.cleanup.replace(ptr::null_mut());
        if !cleanup.is_null() {
            // SAFETY: the handle comes from the registration of the hook, and is removed once.
            unsafe { sys::napi_remove_async_cleanup_hook(cleanup) };
        }
    }
}

/// The environment ends: its worker was terminated, or the process exits in order.
unsafe extern "C" fn on_environment_end(_hook: sys::napi_async_cleanup_hook_handle, data: *mut c_void) {
    // SAFETY: the hook is removed once the loop handle is closed, which keeps the bridge alive until then.
    let bridge = unsafe { &*data.cast_const().cast::<Bridge>() };
    bridge.dispose();
}
