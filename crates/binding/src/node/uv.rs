//! libuv's handles as a place in the event loop.
//!
//! Node exports libuv's functions from its executable. They are looked up by name at run time, so that the
//! addon also loads into runtimes without libuv. The running libuv tells the size of each kind of handle;
//! this file uses no struct of libuv.

use std::alloc::{Layout, alloc_zeroed, dealloc};
#[cfg(windows)]
use std::ffi::c_char;
use std::ffi::{CStr, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::OnceLock;

use crate::node::on_loop::{OnLoop, Source};

/// Values of `uv_handle_type`, and below of `uv_poll_event`: part of libuv's stable ABI.
const UV_ASYNC: c_int = 1;
const UV_POLL: c_int = 8;
const UV_PREPARE: c_int = 9;
const UV_TIMER: c_int = 13;

const UV_READABLE: c_int = 1;

type Loop = *mut c_void;
type RawHandle = *mut c_void;
type PollCallback = unsafe extern "C" fn(RawHandle, c_int, c_int);
type HandleCallback = unsafe extern "C" fn(RawHandle);

struct Functions {
    handle_size: unsafe extern "C" fn(c_int) -> usize,
    set_data: unsafe extern "C" fn(RawHandle, *mut c_void),
    get_data: unsafe extern "C" fn(RawHandle) -> *mut c_void,
    close: unsafe extern "C" fn(RawHandle, HandleCallback),
    reference: unsafe extern "C" fn(RawHandle),
    unreference: unsafe extern "C" fn(RawHandle),
    async_init: unsafe extern "C" fn(Loop, RawHandle, HandleCallback) -> c_int,
    async_send: unsafe extern "C" fn(RawHandle) -> c_int,
    poll_init: unsafe extern "C" fn(Loop, RawHandle, c_int) -> c_int,
    poll_start: unsafe extern "C" fn(RawHandle, c_int, PollCallback) -> c_int,
    timer_init: unsafe extern "C" fn(Loop, RawHandle) -> c_int,
    timer_start: unsafe extern "C" fn(RawHandle, HandleCallback, u64, u64) -> c_int,
    timer_stop: unsafe extern "C" fn(RawHandle) -> c_int,
    prepare_init: unsafe extern "C" fn(Loop, RawHandle) -> c_int,
    prepare_start: unsafe extern "C" fn(RawHandle, HandleCallback) -> c_int,
    prepare_stop: unsafe extern "C" fn(RawHandle) -> c_int,
}

/// The address of a function that the process exports; null where it has none of this name.
#[cfg(unix)]
fn find_symbol(name: &CStr) -> *mut c_void {
    // SAFETY: the name is a C string; the default scope can always be searched.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
}

/// The address of a function that the executable exports; null where it has none of this name.
#[cfg(windows)]
fn find_symbol(name: &CStr) -> *mut c_void {
    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetModuleHandleW(name: *const u16) -> *mut c_void;
        fn GetProcAddress(module: *mut c_void, name: *const c_char) -> *mut c_void;
    }
    // SAFETY: null stands for the executable, which is never unloaded; the name is a C string.
    unsafe { GetProcAddress(GetModuleHandleW(std::ptr::null()), name.as_ptr()) }
}

static FUNCTIONS: OnceLock<Option<Functions>> = OnceLock::new();

fn functions() -> Option<&'static Functions> {
    FUNCTIONS.get_or_init(look_up).as_ref()
}

fn look_up() -> Option<Functions> {
    /// Finds one function. The field that takes it must have the type of the C declaration.
    macro_rules! find {
        ($name:literal) => {{
            let symbol = NonNull::new(find_symbol($name))?;
            // SAFETY: the fields of `Functions` repeat the declarations in uv.h, which are the same in
            // all of libuv 1.x; function pointers and data pointers have one size on these systems.
            unsafe { std::mem::transmute_copy(&symbol.as_ptr()) }
        }};
    }
    Some(Functions {
        handle_size: find!(c"uv_handle_size"),
        set_data: find!(c"uv_handle_set_data"),
        get_data: find!(c"uv_handle_get_data"),
        close: find!(c"uv_close"),
        reference: find!(c"uv_ref"),
        unreference: find!(c"uv_unref"),
        async_init: find!(c"uv_async_init"),
        async_send: find!(c"uv_async_send"),
        poll_init: find!(c"uv_poll_init"),
        poll_start: find!(c"uv_poll_start"),
        timer_init: find!(c"uv_timer_init"),
        timer_start: find!(c"uv_timer_start"),
        timer_stop: find!(c"uv_timer_stop"),
        prepare_init: find!(c"uv_prepare_init"),
        prepare_start: find!(c"uv_prepare_start"),
        prepare_stop: find!(c"uv_prepare_stop"),
    })
}

/// One handle of libuv, in memory allocated here.
struct Handle {
    raw: NonNull<c_void>,
    layout: Layout,
}

impl Handle {
    fn allocate(functions: &Functions, kind: c_int) -> Option<Handle> {
        // SAFETY: every libuv 1.x knows the kinds above.
        let size = unsafe { (functions.handle_size)(kind) };
        let layout = Layout::from_size_align(size, 16).ok()?;
        if layout.size() == 0 {
            return None;
        }
        // SAFETY: the layout's size isn't zero.
        let raw = NonNull::new(unsafe { alloc_zeroed(layout) }.cast())?;
        Some(Handle { raw, layout })
    }

    fn free(&self) {
        // SAFETY: it was allocated with this layout; the caller doesn't use it afterwards.
        unsafe { dealloc(self.raw.as_ptr().cast(), self.layout) };
    }
}

/// Makes the loop of a [`Source::Bell`] call `on_source`, from any thread.
pub(crate) struct Bell {
    functions: &'static Functions,
    handle: RawHandle,
}

// SAFETY: `uv_async_send`, the only use of the handle, may be called on any thread.
unsafe impl Send for Bell {}
// SAFETY: as above, and on several threads at the same time.
unsafe impl Sync for Bell {}

impl Bell {
    /// Asks for one call of `on_source`; one call answers all rings before it.
    ///
    /// # Safety
    /// The handles that the bell came from must not have been closed.
    pub(crate) unsafe fn ring(&self) {
        // SAFETY: the handle is open by contract.
        unsafe { (self.functions.async_send)(self.handle) };
    }
}

/// Three handles for one `D`: its source, a timer, and a hook that runs before the loop waits.
pub(crate) struct Handles<D: OnLoop> {
    functions: &'static Functions,
    source: Handle,
    timer: Handle,
    prepare: Handle,
    target: PhantomData<D>,
}

/// What the data of all three handles points to: freed when the last of them is closed.
struct Share<D> {
    target: Rc<D>,
    handles: [(RawHandle, Layout); 3],
    open: usize,
}

impl<D: OnLoop> Handles<D> {
    /// Has the loop call `target` when `source` is ready. None where the runtime has no libuv, or libuv
    /// refuses the source.
    ///
    /// # Safety
    /// `event_loop` must be the loop of the calling thread, and live.
    pub(crate) unsafe fn open(event_loop: Loop, wanted: Source, target: Rc<D>) -> Option<Handles<D>> {
        let functions = functions()?;
        let kind = if matches!(wanted, Source::Bell) { UV_ASYNC } else { UV_POLL };
        let source = Handle::allocate(functions, kind)?;
        let timer = Handle::allocate(functions, UV_TIMER)?;
        let prepare = Handle::allocate(functions, UV_PREPARE)?;
        let handles = [&source, &timer, &prepare].map(|handle| (handle.raw.as_ptr(), handle.layout));
        let share = NonNull::from(Box::leak(Box::new(Share { target, handles, open: 3 })));
        // SAFETY: the memory has the size that libuv told; the loop is live by contract. Data is set after
        // init, which may clear it, and before a start or a ring, so every callback finds it set.
        unsafe {
            let raw = source.raw.as_ptr();
            let status = match wanted {
                Source::Descriptor(descriptor) => (functions.poll_init)(event_loop, raw, descriptor),
                Source::Bell => (functions.async_init)(event_loop, raw, on_bell::<D>),
            };
            if status != 0 {
                drop(Box::from_raw(share.as_ptr()));
                [&source, &timer, &prepare].into_iter().for_each(Handle::free);
                return None;
            }
            (functions.timer_init)(event_loop, timer.raw.as_ptr());
            (functions.prepare_init)(event_loop, prepare.raw.as_ptr());
            for handle in [&source, &timer, &prepare] {
                (functions.set_data)(handle.raw.as_ptr(), share.as_ptr().cast());
                (functions.unreference)(handle.raw.as_ptr());
            }
            if let Source::Descriptor(_) = wanted {
                (functions.poll_start)(raw, UV_READABLE, on_poll::<D>);
            }
        }
        Some(Handles { functions, source, timer, prepare, target: PhantomData })
    }

    /// The bell of a [`Source::Bell`].
    pub(crate) fn bell(&self) -> Bell {
        Bell { functions: self.functions, handle: self.source.raw.as_ptr() }
    }

    /// Sets whether the source keeps the loop alive.
    pub(crate) fn keep_alive(&self, yes: bool) {
        let set = if yes { self.functions.reference } else { self.functions.unreference };
        // SAFETY: the handle is open as long as `self` exists.
        unsafe { set(self.source.raw.as_ptr()) };
    }

    /// Has `on_timer` called once in `millis`; None stops the timer.
    pub(crate) fn set_timer(&self, millis: Option<u64>) {
        let timer = self.timer.raw.as_ptr();
        // SAFETY: the handle is open as long as `self` exists.
        unsafe {
            match millis {
                Some(millis) => (self.functions.timer_start)(timer, on_timer::<D>, millis, 0),
                None => (self.functions.timer_stop)(timer),
            };
        }
    }

    /// Starts or stops the calls of `on_prepare` before each wait of the loop.
    pub(crate) fn set_prepare(&self, yes: bool) {
        let prepare = self.prepare.raw.as_ptr();
        // SAFETY: the handle is open as long as `self` exists.
        unsafe {
            if yes {
                (self.functions.prepare_start)(prepare, on_prepare::<D>);
            } else {
                (self.functions.prepare_stop)(prepare);
            }
        }
    }

    /// Closes all three; the loop calls `on_closed` after the last.
    pub(crate) fn close(self) {
        for handle in [&self.source, &self.timer, &self.prepare] {
            // SAFETY: each is open, and closed once since `self` is consumed.
            unsafe { (self.functions.close)(handle.raw.as_ptr(), on_close::<D>) };
        }
    }
}

/// The target of a handle, kept alive for the length of a callback.
///
/// # Safety
/// The handle must be one of a [`Handles<D>`], and open.
unsafe fn target_of<D: OnLoop>(handle: RawHandle) -> Option<Rc<D>> {
    let functions = functions()?;
    // SAFETY: data points to the share, which lives until the last close callback.
    unsafe {
        let share = (functions.get_data)(handle).cast::<Share<D>>();
        share.as_ref().map(|share| share.target.clone())
    }
}

unsafe extern "C" fn on_poll<D: OnLoop>(handle: RawHandle, _status: c_int, _events: c_int) {
    // SAFETY: libuv passes the handle that the callback was registered for.
    if let Some(target) = unsafe { target_of::<D>(handle) } {
        target.on_source();
    }
}

unsafe extern "C" fn on_bell<D: OnLoop>(handle: RawHandle) {
    // SAFETY: as above.
    if let Some(target) = unsafe { target_of::<D>(handle) } {
        target.on_source();
    }
}

unsafe extern "C" fn on_timer<D: OnLoop>(handle: RawHandle) {
    // SAFETY: as above.
    if let Some(target) = unsafe { target_of::<D>(handle) } {
        target.on_timer();
    }
}

unsafe extern "C" fn on_prepare<D: OnLoop>(handle: RawHandle) {
    // SAFETY: as above.
    if let Some(target) = unsafe { target_of::<D>(handle) } {
        target.on_prepare();
    }
}

unsafe extern "C" fn on_close<D: OnLoop>(handle: RawHandle) {
    let Some(functions) = functions() else { return };
    // SAFETY: the share lives until its third handle is closed, which is counted here; libuv uses no handle
    // after its close callback, and the last callback frees all three.
    unsafe {
        let share = (functions.get_data)(handle).cast::<Share<D>>();
        (*share).open -= 1;
        if (*share).open == 0 {
            let share = Box::from_raw(share);
            for (raw, layout) in share.handles {
                dealloc(raw.cast(), layout);
            }
            share.target.on_closed();
        }
    }
}
