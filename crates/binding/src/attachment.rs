//! How a bridge is called by the event loop that it belongs to.
//!
//! Where the runtime is Node, by libuv. Elsewhere by a threadsafe function of Node-API, the one thing that
//! every runtime has: it is dearer, and runs microtasks only when it returns, but it is called by threads
//! once a batch at most.

use std::ffi::c_void;
use std::ptr;
use std::rc::Rc;

use napi::sys;

use crate::bridge::Bridge;
use crate::uv::{self, Handles, OnLoop, Source};

const OK: sys::napi_status = sys::Status::napi_ok;

/// A bridge's place in its event loop. It holds a share in the bridge until it is closed and the loop has
/// noticed.
pub(crate) enum Attachment {
    /// Handles of libuv's.
    Libuv(Handles<Bridge>),
    /// A threadsafe function.
    Threadsafe(Threadsafe),
}

impl Attachment {
    /// An attachment by libuv. None where there is none.
    ///
    /// # Safety
    /// `env` must be live and of this thread.
    pub(crate) unsafe fn libuv(
        env: sys::napi_env,
        source: Source,
        bridge: &Rc<Bridge>,
    ) -> Option<Attachment> {
        let mut event_loop = ptr::null_mut();
        // SAFETY: the loop belongs to the live environment of this thread.
        unsafe {
            sys::napi_get_uv_event_loop(env, &mut event_loop);
            Handles::open(event_loop.cast(), source, bridge.clone()).map(Attachment::Libuv)
        }
    }

    /// An attachment by a threadsafe function.
    ///
    /// # Safety
    /// As above.
    pub(crate) unsafe fn threadsafe(env: sys::napi_env, bridge: &Rc<Bridge>) -> Option<Attachment> {
        // SAFETY: by contract.
        unsafe { Threadsafe::open(env, bridge.clone()).map(Attachment::Threadsafe) }
    }

    /// What calls `on_source`, from any thread.
    pub(crate) fn bell(&self) -> Bell {
        match self {
            Attachment::Libuv(handles) => Bell::Libuv(handles.bell()),
            Attachment::Threadsafe(function) => Bell::Threadsafe(*function),
        }
    }

    /// Whether it keeps the loop alive.
    pub(crate) fn keep_alive(&self, yes: bool) {
        match self {
            Attachment::Libuv(handles) => handles.keep_alive(yes),
            Attachment::Threadsafe(function) => function.keep_alive(yes),
        }
    }

    /// Has `on_prepare`, or `on_source` where there is no libuv, called before the loop sleeps.
    pub(crate) fn call_before_sleep(&self) {
        match self {
            Attachment::Libuv(handles) => handles.set_prepare(true),
            // SAFETY: it isn't closed yet.
            Attachment::Threadsafe(function) => unsafe { function.call() },
        }
    }

    /// It was called, and once is enough.
    pub(crate) fn called_before_sleep(&self) {
        if let Attachment::Libuv(handles) = self {
            handles.set_prepare(false);
        }
    }

    /// Asks for `on_timer`, where there is libuv.
    pub(crate) fn set_timer(&self, millis: Option<u64>) {
        if let Attachment::Libuv(handles) = self {
            handles.set_timer(millis);
        }
    }

    /// Closes it; `on_closed` follows from the loop.
    pub(crate) fn close(self) {
        match self {
            Attachment::Libuv(handles) => handles.close(),
            Attachment::Threadsafe(function) => function.close(),
        }
    }
}

/// Calls a bridge's `on_source` from any thread.
pub(crate) enum Bell {
    Libuv(uv::Bell),
    Threadsafe(Threadsafe),
}

impl Bell {
    /// Rings; rings that weren't answered yet count once, or more often.
    ///
    /// # Safety
    /// The attachment must not have been closed.
    pub(crate) unsafe fn ring(&self) {
        // SAFETY: by contract.
        unsafe {
            match self {
                Bell::Libuv(bell) => bell.ring(),
                Bell::Threadsafe(function) => function.call(),
            }
        }
    }
}

/// A threadsafe function whose context is a share in the bridge.
#[derive(Clone, Copy)]
pub(crate) struct Threadsafe {
    env: sys::napi_env,
    raw: sys::napi_threadsafe_function,
}

// SAFETY: `call`, the only method used on other threads, may be called from any.
unsafe impl Send for Threadsafe {}
// SAFETY: as above, and from several at once.
unsafe impl Sync for Threadsafe {}

impl Threadsafe {
    unsafe fn open(env: sys::napi_env, bridge: Rc<Bridge>) -> Option<Threadsafe> {
        let mut raw = ptr::null_mut();
        let share = Rc::into_raw(bridge).cast_mut().cast();
        // SAFETY: the environment is live by the caller's contract; the share is given back by the finalizer, which
        // runs once, after the last call.
        unsafe {
            let mut name = ptr::null_mut();
            let text = c"busbar.Server";
            sys::napi_create_string_latin1(env, text.as_ptr(), text.count_bytes() as isize, &mut name);
            let none = ptr::null_mut;
            let status = sys::napi_create_threadsafe_function(
                env,
                none(),
                none(),
                name,
                0,
                1,
                share,
                Some(on_end),
                share,
                Some(on_call),
                &mut raw,
            );
            if status != OK {
                drop(Rc::from_raw(share.cast_const().cast::<Bridge>()));
                return None;
            }
        }
        let function = Threadsafe { env, raw };
        function.keep_alive(false);
        Some(function)
    }

    fn keep_alive(self, yes: bool) {
        // SAFETY: called on the environment's thread, before the function is closed.
        unsafe {
            if yes {
                sys::napi_ref_threadsafe_function(self.env, self.raw);
            } else {
                sys::napi_unref_threadsafe_function(self.env, self.raw);
            }
        }
    }

    /// # Safety
    /// It must not have been closed.
    unsafe fn call(self) {
        let mode = sys::ThreadsafeFunctionCallMode::nonblocking;
        // SAFETY: by contract; the data is not looked at.
        unsafe { sys::napi_call_threadsafe_function(self.raw, ptr::null_mut(), mode) };
    }

    fn close(self) {
        let mode = sys::ThreadsafeFunctionReleaseMode::abort;
        // SAFETY: consumed together with the attachment, so released once; its threads have ended.
        unsafe { sys::napi_release_threadsafe_function(self.raw, mode) };
    }
}

unsafe extern "C" fn on_call(
    env: sys::napi_env,
    _function: sys::napi_value,
    context: *mut c_void,
    _data: *mut c_void,
) {
    // Without an environment the call was left over when that ended.
    if !env.is_null() {
        // SAFETY: the context is the share, which the finalizer alone gives back.
        let bridge = unsafe {
            Rc::increment_strong_count(context.cast_const().cast::<Bridge>());
            Rc::from_raw(context.cast_const().cast::<Bridge>())
        };
        bridge.on_source();
    }
}

unsafe extern "C" fn on_end(_env: sys::napi_env, data: *mut c_void, _hint: *mut c_void) {
    // SAFETY: the share that `open` gave away; a finalizer runs once.
    let bridge = unsafe { Rc::from_raw(data.cast_const().cast::<Bridge>()) };
    bridge.on_closed();
}
