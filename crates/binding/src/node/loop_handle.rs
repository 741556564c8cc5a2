//! A place in the event loop: the loop calls an [`OnLoop`] through it.
//!
//! On Node it is made of libuv's handles. Other runtimes get a threadsafe function of Node-API, which all of
//! them have. That one costs more and runs microtasks only after it returns, but threads call it at most once
//! a batch.

use std::ptr;
use std::rc::Rc;

use napi::sys;

use crate::node::on_loop::{OnLoop, Source};
use crate::node::threadsafe::{self, Threadsafe};
use crate::node::uv::{self, Handles};

/// A place in the event loop for one `D`, which it keeps alive until the loop has closed it.
pub(crate) enum LoopHandle<D: OnLoop> {
    /// Handles of libuv.
    Libuv(Handles<D>),
    /// A threadsafe function.
    Threadsafe(Threadsafe<D>),
}

impl<D: OnLoop> LoopHandle<D> {
    /// A place by libuv; None where the runtime has no libuv, or libuv refuses the source.
    ///
    /// # Safety
    /// `env` must be live and of this thread.
    pub(crate) unsafe fn libuv(env: sys::napi_env, source: Source, target: &Rc<D>) -> Option<LoopHandle<D>> {
        let mut event_loop = ptr::null_mut();
        // SAFETY: the loop belongs to the live environment of this thread.
        unsafe {
            sys::napi_get_uv_event_loop(env, &mut event_loop);
            Handles::open(event_loop.cast(), source, target.clone()).map(LoopHandle::Libuv)
        }
    }

    /// A place by a threadsafe function, whose source is a bell; None when Node-API fails.
    ///
    /// # Safety
    /// As for [`LoopHandle::libuv`].
    pub(crate) unsafe fn threadsafe(env: sys::napi_env, target: &Rc<D>) -> Option<LoopHandle<D>> {
        // SAFETY: by contract.
        unsafe { Threadsafe::open(env, target.clone()).map(LoopHandle::Threadsafe) }
    }

    /// The bell that makes the loop call `on_source`, from any thread.
    pub(crate) fn bell(&self) -> Bell {
        match self {
            LoopHandle::Libuv(handles) => Bell::Libuv(handles.bell()),
            LoopHandle::Threadsafe(function) => Bell::Threadsafe(function.bell()),
        }
    }

    /// Sets whether the source keeps the process alive; at first it doesn't.
    pub(crate) fn keep_alive(&self, yes: bool) {
        match self {
            LoopHandle::Libuv(handles) => handles.keep_alive(yes),
            LoopHandle::Threadsafe(function) => function.keep_alive(yes),
        }
    }

    /// Has `on_prepare` called before the loop waits; without libuv `on_source` is called soon instead.
    pub(crate) fn start_prepare(&self) {
        match self {
            LoopHandle::Libuv(handles) => handles.set_prepare(true),
            // SAFETY: closing consumes the handle, so it is still open.
            LoopHandle::Threadsafe(function) => unsafe { function.bell().ring() },
        }
    }

    /// Ends the calls of `on_prepare`.
    pub(crate) fn stop_prepare(&self) {
        if let LoopHandle::Libuv(handles) = self {
            handles.set_prepare(false);
        }
    }

    /// Has `on_timer` called once in `millis`; None stops the timer. Without libuv there is no timer.
    pub(crate) fn set_timer(&self, millis: Option<u64>) {
        if let LoopHandle::Libuv(handles) = self {
            handles.set_timer(millis);
        }
    }

    /// Closes the handle; the loop calls `on_closed` later.
    pub(crate) fn close(self) {
        match self {
            LoopHandle::Libuv(handles) => handles.close(),
            LoopHandle::Threadsafe(function) => function.close(),
        }
    }
}

/// Makes the event loop call `on_source`, from any thread.
pub(crate) enum Bell {
    Libuv(uv::Bell),
    Threadsafe(threadsafe::Bell),
}

impl Bell {
    /// Asks for one call of `on_source`. Several rings before the call may be answered by one call.
    ///
    /// # Safety
    /// The handle that the bell came from must not have been closed.
    pub(crate) unsafe fn ring(&self) {
        // SAFETY: by contract.
        unsafe {
            match self {
                Bell::Libuv(bell) => bell.ring(),
                Bell::Threadsafe(bell) => bell.ring(),
            }
        }
    }
}
