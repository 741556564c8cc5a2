//! Arguments, results, typed arrays and references, by raw Node-API.
//!
//! A slice of JavaScript memory is valid only in the native call that fetched it: as soon as JavaScript runs
//! again, a buffer can be detached or collected.

use std::ffi::c_void;
use std::ptr;

use napi::sys;

const OK: sys::napi_status = sys::Status::napi_ok;

/// One call of a native function: its arguments, filled up with `undefined`, and the function's data.
pub(crate) struct Call<const N: usize> {
    pub(crate) env: sys::napi_env,
    pub(crate) args: [sys::napi_value; N],
    pub(crate) data: *mut c_void,
}

impl<const N: usize> Call<N> {
    /// Fetches the arguments.
    ///
    /// # Safety
    /// `env` and `info` must be those of the running callback.
    #[inline]
    pub(crate) unsafe fn of(env: sys::napi_env, info: sys::napi_callback_info) -> Call<N> {
        let mut call = Call { env, args: [ptr::null_mut(); N], data: ptr::null_mut() };
        let mut count = N;
        // SAFETY: by contract; `args` has room for `count` values, and missing ones become undefined.
        unsafe {
            sys::napi_get_cb_info(
                env,
                info,
                &mut count,
                call.args.as_mut_ptr(),
                ptr::null_mut(),
                &mut call.data,
            );
        }
        call
    }

    /// Argument `at` as an unsigned integer; 0 for anything else.
    #[inline]
    pub(crate) fn u32(&self, at: usize) -> u32 {
        let mut value = 0;
        // SAFETY: the argument belongs to this call; for a wrong type the function only returns a status.
        unsafe { sys::napi_get_value_uint32(self.env, self.args[at], &mut value) };
        value
    }

    /// Argument `at` as a number; NaN for anything else.
    #[inline]
    pub(crate) fn f64(&self, at: usize) -> f64 {
        let mut value = f64::NAN;
        // SAFETY: as above.
        unsafe { sys::napi_get_value_double(self.env, self.args[at], &mut value) };
        value
    }

    /// Argument `at` as a count, exact up to 2^53; 0 for anything else.
    #[inline]
    pub(crate) fn u64(&self, at: usize) -> u64 {
        // The cast saturates and turns NaN into 0.
        self.f64(at) as u64
    }

    /// The type of argument `at`.
    #[inline]
    pub(crate) fn kind(&self, at: usize) -> sys::napi_valuetype {
        let mut kind = sys::ValueType::napi_undefined;
        // SAFETY: as above.
        unsafe { sys::napi_typeof(self.env, self.args[at], &mut kind) };
        kind
    }

    /// Appends the string argument `at` to `out` as latin1.
    #[inline]
    pub(crate) fn latin1(&self, at: usize, out: &mut Vec<u8>) {
        self.string(at, out, read_latin1, 1);
    }

    /// Appends the string argument `at` to `out` as UTF-8, with U+FFFD for lone surrogates.
    #[inline]
    pub(crate) fn utf8(&self, at: usize, out: &mut Vec<u8>) {
        // A string is cut between characters, so up to three bytes of room can stay unused.
        self.string(at, out, read_utf8, 4);
    }

    #[inline]
    fn string(&self, at: usize, out: &mut Vec<u8>, read: ReadString, slack: usize) {
        let used = out.len();
        out.reserve(1024);
        let room = out.capacity() - used;
        let mut copied = 0;
        // SAFETY: the vector owns `room` bytes behind the used ones; the function writes at most that many,
        // with a closing zero, and tells how many it wrote without that.
        unsafe {
            let place = out.as_mut_ptr().add(used).cast();
            if read(self.env, self.args[at], place, room, &mut copied) != OK {
                return;
            }
            out.set_len(used + copied);
        }
        if copied + slack >= room {
            self.long_string(at, out, used, read);
        }
    }

    /// Reads again a string that may have been cut, with room for all of it.
    #[cold]
    fn long_string(&self, at: usize, out: &mut Vec<u8>, used: usize, read: ReadString) {
        let mut len = 0;
        out.truncate(used);
        // SAFETY: with a null buffer the function tells only the length; then as in `string`.
        unsafe {
            if read(self.env, self.args[at], ptr::null_mut(), 0, &mut len) != OK {
                return;
            }
            out.reserve(len + 1);
            let place = out.as_mut_ptr().add(used).cast();
            let mut copied = 0;
            if read(self.env, self.args[at], place, len + 1, &mut copied) == OK {
                out.set_len(used + copied);
            }
        }
    }

    /// Appends the bytes of the typed array argument `at` to `out`; anything else counts as empty.
    #[inline]
    pub(crate) fn put_bytes(&self, at: usize, out: &mut Vec<u8>) {
        // SAFETY: the bytes are copied before this function returns.
        if let Some(bytes) = unsafe { self.bytes(at) } {
            out.extend_from_slice(bytes);
        }
    }

    /// Bytes of the typed array argument `at`, empty when it is detached; None for anything else.
    ///
    /// # Safety
    /// The slice must not be used after the native call, nor after a call into JavaScript.
    #[inline]
    pub(crate) unsafe fn bytes<'a>(&self, at: usize) -> Option<&'a [u8]> {
        // SAFETY: the caller keeps the contract.
        unsafe { typed_array(self.env, self.args[at]).map(|bytes| &*bytes) }
    }

    /// The same, unless another thread may be writing to them.
    ///
    /// # Safety
    /// As for [`Call::bytes`].
    #[inline]
    pub(crate) unsafe fn unshared_bytes<'a>(&self, at: usize) -> Result<Option<&'a [u8]>, Shared> {
        // SAFETY: the caller keeps the contract.
        unsafe { unshared_bytes(self.env, self.args[at]) }
    }

    /// The elements of the array argument `at`; none of anything else.
    pub(crate) fn elements(&self, at: usize) -> impl Iterator<Item = sys::napi_value> {
        let (env, array) = (self.env, self.args[at]);
        let mut count = 0;
        // SAFETY: the argument belongs to this call; for anything else than an array the function only returns a status.
        unsafe { sys::napi_get_array_length(env, array, &mut count) };
        (0..count).filter_map(move |index| {
            let mut element = ptr::null_mut();
            // SAFETY: as above.
            let status = unsafe { sys::napi_get_element(env, array, index, &mut element) };
            (status == OK).then_some(element)
        })
    }

    /// A number.
    #[inline]
    pub(crate) fn number(&self, value: f64) -> sys::napi_value {
        let mut result = ptr::null_mut();
        // SAFETY: the environment is that of the running callback.
        unsafe { sys::napi_create_double(self.env, value, &mut result) };
        result
    }

    /// An integer, which JavaScript stores unboxed when it is small.
    #[inline]
    pub(crate) fn integer(&self, value: u32) -> sys::napi_value {
        let mut result = ptr::null_mut();
        // SAFETY: as above.
        unsafe { sys::napi_create_uint32(self.env, value, &mut result) };
        result
    }

    /// A string from latin1 bytes.
    #[inline]
    pub(crate) fn string_of(&self, latin1: &[u8]) -> sys::napi_value {
        let mut result = ptr::null_mut();
        // SAFETY: pointer and length come from one slice; the runtime copies the bytes.
        unsafe {
            let bytes = latin1.as_ptr().cast();
            sys::napi_create_string_latin1(self.env, bytes, latin1.len() as isize, &mut result);
        }
        result
    }

    /// `null`.
    pub(crate) fn null(&self) -> sys::napi_value {
        let mut result = ptr::null_mut();
        // SAFETY: as above.
        unsafe { sys::napi_get_null(self.env, &mut result) };
        result
    }

    /// A Buffer with a copy of `bytes`.
    pub(crate) fn buffer_of(&self, bytes: &[u8]) -> sys::napi_value {
        let mut result = ptr::null_mut();
        // SAFETY: as for `string_of`.
        unsafe {
            let data = bytes.as_ptr().cast();
            sys::napi_create_buffer_copy(self.env, bytes.len(), data, ptr::null_mut(), &mut result);
        }
        result
    }

    /// Throws a JavaScript error.
    #[cold]
    pub(crate) fn throw(&self, message: &std::ffi::CStr) {
        // SAFETY: the message is a C string, and the environment that of the running callback.
        unsafe { sys::napi_throw_error(self.env, ptr::null(), message.as_ptr()) };
    }
}

type ReadString =
    unsafe fn(sys::napi_env, sys::napi_value, *mut std::ffi::c_char, usize, *mut usize) -> sys::napi_status;

// Functions of our own: where Node-API is looked up at run time, its names stand for functions of another kind.

/// # Safety
/// As for the function of Node-API.
#[inline]
unsafe fn read_latin1(
    env: sys::napi_env,
    value: sys::napi_value,
    place: *mut std::ffi::c_char,
    room: usize,
    copied: *mut usize,
) -> sys::napi_status {
    // SAFETY: by contract.
    unsafe { sys::napi_get_value_string_latin1(env, value, place, room, copied) }
}

/// # Safety
/// As for the function of Node-API.
#[inline]
unsafe fn read_utf8(
    env: sys::napi_env,
    value: sys::napi_value,
    place: *mut std::ffi::c_char,
    room: usize,
    copied: *mut usize,
) -> sys::napi_status {
    // SAFETY: by contract.
    unsafe { sys::napi_get_value_string_utf8(env, value, place, room, copied) }
}

/// Bytes of a typed array, empty when it is detached; None for anything else.
///
/// # Safety
/// `env` must be live and of this thread, `value` a handle of it. The slice may be used until JavaScript runs
/// again, and must be the only one of this memory that is in use.
#[inline]
pub(crate) unsafe fn typed_array<'a>(env: sys::napi_env, value: sys::napi_value) -> Option<&'a mut [u8]> {
    // SAFETY: by contract.
    unsafe { view(env, value).map(|view| view.bytes()) }
}

/// Where the bytes of a typed array are.
struct View {
    data: *mut u8,
    len: usize,
    /// A handle to the buffer that they are in.
    buffer: sys::napi_value,
}

impl View {
    /// # Safety
    /// As for [`typed_array`].
    #[inline]
    unsafe fn bytes<'a>(self) -> &'a mut [u8] {
        if self.data.is_null() || self.len == 0 {
            return &mut [];
        }
        // SAFETY: the runtime has just told the address and the length; the rest by contract.
        unsafe { std::slice::from_raw_parts_mut(self.data, self.len) }
    }

    /// The bytes, of which other slices may be in use.
    ///
    /// # Safety
    /// The caller uses the slice only until JavaScript runs again, and no thread writes to the memory before.
    #[inline]
    unsafe fn read_only<'a>(self) -> &'a [u8] {
        if self.data.is_null() || self.len == 0 {
            return &[];
        }
        // SAFETY: the runtime has just told the address and the length; the rest by contract.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

/// None for a value that isn't a typed array.
///
/// # Safety
/// `env` must be live and of this thread, `value` a handle of it.
#[inline]
unsafe fn view(env: sys::napi_env, value: sys::napi_value) -> Option<View> {
    let mut kind = 0;
    let mut len = 0;
    let mut data = ptr::null_mut();
    let mut buffer = ptr::null_mut();
    // SAFETY: by contract; for any other value the function only returns a status.
    let status = unsafe {
        let none = ptr::null_mut();
        sys::napi_get_typedarray_info(env, value, &mut kind, &mut len, &mut data, &mut buffer, none)
    };
    if status != OK {
        return None;
    }
    let width = match kind {
        sys::TypedarrayType::int8_array
        | sys::TypedarrayType::uint8_array
        | sys::TypedarrayType::uint8_clamped_array => 1,
        sys::TypedarrayType::int16_array | sys::TypedarrayType::uint16_array => 2,
        sys::TypedarrayType::int32_array
        | sys::TypedarrayType::uint32_array
        | sys::TypedarrayType::float32_array => 4,
        sys::TypedarrayType::float64_array
        | sys::TypedarrayType::bigint64_array
        | sys::TypedarrayType::biguint64_array => 8,
        // A kind newer than this code, whose elements have an unknown size.
        _ => return None,
    };
    Some(View { data: data.cast(), len: len * width, buffer })
}

/// Bytes of a typed array, empty when it is detached, unless another thread may be writing to them; None for anything else.
///
/// # Safety
/// `env` must be live and of this thread, `value` a handle of it. The slice must not be used when JavaScript runs again.
#[inline]
pub(crate) unsafe fn unshared_bytes<'a>(
    env: sys::napi_env,
    value: sys::napi_value,
) -> Result<Option<&'a [u8]>, Shared> {
    // SAFETY: by contract.
    let Some(view) = (unsafe { view(env, value) }) else { return Ok(None) };
    let mut is_own = false;
    // SAFETY: the buffer is a handle of the running call.
    unsafe { sys::napi_is_arraybuffer(env, view.buffer, &mut is_own) };
    // SAFETY: as above.
    if is_own { Ok(Some(unsafe { view.read_only() })) } else { Err(Shared) }
}

/// The memory is shared with other threads of JavaScript.
pub(crate) struct Shared;

/// A strong reference to a JavaScript value, deleted by [`Reference::delete`].
pub(crate) struct Reference {
    env: sys::napi_env,
    raw: sys::napi_ref,
}

impl Reference {
    /// A reference to `value`; None when Node-API fails.
    ///
    /// # Safety
    /// `env` must be live and of this thread, `value` a handle of it.
    pub(crate) unsafe fn new(env: sys::napi_env, value: sys::napi_value) -> Option<Reference> {
        let mut raw = ptr::null_mut();
        // SAFETY: by contract.
        let status = unsafe { sys::napi_create_reference(env, value, 1, &mut raw) };
        (status == OK).then_some(Reference { env, raw })
    }

    /// A handle to the value in the current scope.
    ///
    /// # Safety
    /// A handle scope must be open on this thread.
    #[inline]
    pub(crate) unsafe fn get(&self) -> sys::napi_value {
        let mut value = ptr::null_mut();
        // SAFETY: deleting consumes `self`, so the reference exists.
        unsafe { sys::napi_get_reference_value(self.env, self.raw, &mut value) };
        value
    }

    /// Deletes the reference: the value may be collected.
    ///
    /// # Safety
    /// The environment must be live.
    pub(crate) unsafe fn delete(self) {
        // SAFETY: by contract; it is consumed, so it is deleted once.
        unsafe { sys::napi_delete_reference(self.env, self.raw) };
    }
}
