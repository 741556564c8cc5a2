//! Handle and callback scopes as guards, which close them on every way out, a panic included.

use napi::sys;

/// A handle scope: handles made while it is open are freed when it closes.
pub(crate) struct HandleScope {
    env: sys::napi_env,
    scope: sys::napi_handle_scope,
}

impl HandleScope {
    /// Opens a scope; None when the environment has ended.
    ///
    /// # Safety
    /// `env` must be live and of this thread.
    pub(crate) unsafe fn open(env: sys::napi_env) -> Option<HandleScope> {
        let mut scope = std::ptr::null_mut();
        // SAFETY: by contract.
        let status = unsafe { sys::napi_open_handle_scope(env, &mut scope) };
        (status == sys::Status::napi_ok).then_some(HandleScope { env, scope })
    }
}

impl Drop for HandleScope {
    fn drop(&mut self) {
        // SAFETY: it was opened on this environment and is closed once; the order of drops nests scopes.
        unsafe { sys::napi_close_handle_scope(self.env, self.scope) };
    }
}

/// A callback scope: JavaScript called while it is open runs as if called by the event loop. Microtasks and
/// `nextTick` callbacks run when it closes.
pub(crate) struct CallbackScope {
    env: sys::napi_env,
    scope: sys::napi_callback_scope,
}

impl CallbackScope {
    /// Opens a scope; None when the environment has ended.
    ///
    /// # Safety
    /// `env` must be live and of this thread; `resource` and `context` must be of this environment.
    pub(crate) unsafe fn open(
        env: sys::napi_env,
        resource: sys::napi_value,
        context: sys::napi_async_context,
    ) -> Option<CallbackScope> {
        let mut scope = std::ptr::null_mut();
        // SAFETY: by contract.
        let status = unsafe { sys::napi_open_callback_scope(env, resource, context, &mut scope) };
        (status == sys::Status::napi_ok).then_some(CallbackScope { env, scope })
    }
}

impl Drop for CallbackScope {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { sys::napi_close_callback_scope(self.env, self.scope) };
    }
}
