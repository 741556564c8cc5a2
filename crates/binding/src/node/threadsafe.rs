//! A threadsafe function of Node-API as a place in the event loop.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr;
use std::rc::Rc;

use napi::sys;

use crate::node::on_loop::OnLoop;

/// A threadsafe function whose context is one strong reference to a `D`.
pub(crate) struct Threadsafe<D: OnLoop> {
    env: sys::napi_env,
    raw: sys::napi_threadsafe_function,
    target: PhantomData<D>,
}

/// Calls a threadsafe function from any thread.
pub(crate) struct Bell(sys::napi_threadsafe_function);

// SAFETY: `napi_call_threadsafe_function`, the only use of the pointer, may be called on any thread.
unsafe impl Send for Bell {}
// SAFETY: as above, and on several threads at the same time.
unsafe impl Sync for Bell {}

impl Bell {
    /// # Safety
    /// The function must not have been closed.
    pub(crate) unsafe fn ring(&self) {
        let mode = sys::ThreadsafeFunctionCallMode::nonblocking;
        // SAFETY: by contract; `on_call` ignores the data.
        unsafe { sys::napi_call_threadsafe_function(self.0, ptr::null_mut(), mode) };
    }
}

impl<D: OnLoop> Threadsafe<D> {
    /// A function that doesn't keep the process alive; None when Node-API fails.
    ///
    /// # Safety
    /// `env` must be live and of this thread.
    pub(crate) unsafe fn open(env: sys::napi_env, target: Rc<D>) -> Option<Threadsafe<D>> {
        let mut raw = ptr::null_mut();
        let share = Rc::into_raw(target).cast_mut().cast();
        // SAFETY: the environment is live by contract; the finalizer takes the reference back, once, after
        // the last call.
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
                Some(on_end::<D>),
                share,
                Some(on_call::<D>),
                &mut raw,
            );
            if status != sys::Status::napi_ok {
                drop(Rc::from_raw(share.cast_const().cast::<D>()));
                return None;
            }
        }
        let function = Threadsafe { env, raw, target: PhantomData };
        function.keep_alive(false);
        Some(function)
    }

    pub(crate) fn bell(&self) -> Bell {
        Bell(self.raw)
    }

    pub(crate) fn keep_alive(&self, yes: bool) {
        // SAFETY: this runs on the environment's thread, and closing consumes the function.
        unsafe {
            if yes {
                sys::napi_ref_threadsafe_function(self.env, self.raw);
            } else {
                sys::napi_unref_threadsafe_function(self.env, self.raw);
            }
        }
    }

    pub(crate) fn close(self) {
        let mode = sys::ThreadsafeFunctionReleaseMode::abort;
        // SAFETY: it is consumed, so it is released once; the threads that ring have ended.
        unsafe { sys::napi_release_threadsafe_function(self.raw, mode) };
    }
}

unsafe extern "C" fn on_call<D: OnLoop>(
    env: sys::napi_env,
    _function: sys::napi_value,
    context: *mut c_void,
    _data: *mut c_void,
) {
    // The environment is null for calls that were still queued when it ended.
    if !env.is_null() {
        // SAFETY: the context is the reference of `open`, which only the finalizer takes back.
        let target = unsafe {
            Rc::increment_strong_count(context.cast_const().cast::<D>());
            Rc::from_raw(context.cast_const().cast::<D>())
        };
        target.on_source();
    }
}

unsafe extern "C" fn on_end<D: OnLoop>(_env: sys::napi_env, data: *mut c_void, _hint: *mut c_void) {
    // SAFETY: this is the reference of `open`; a finalizer runs once.
    let target = unsafe { Rc::from_raw(data.cast_const().cast::<D>()) };
    target.on_closed();
}
