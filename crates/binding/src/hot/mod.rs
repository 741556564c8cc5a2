//! The functions on the path of every request, as raw Node-API functions.
//!
//! Each is a plain function whose data points to a [`Hot`], so that a call has no object to unwrap. An
//! argument of a wrong type counts as 0 or as empty: the callers are our own TypeScript, which knows the
//! types from `header.d.ts`.
//!
//! The numbers of an answer aren't arguments, which cost 6 ns each. They stand in the last eight of the words
//! shared with JavaScript: slot, request id (low, high), status, flags, declared length (low, high).
//!
//! ```text
//!  answer   respond, startStream, write, writeAll, end, inform, upgrade, abort
//!  file     sendFile
//!  body     awaitBody, receiveBody, releaseBody, raiseBodyLimit, setBodyRate
//!  raw      askRaw, receiveRaw, writeRaw, endRaw, serve, takeRaw
//!  head     header, headerBlock, target, clientId, copyHead, nameField, takeBytes
//! ```

mod answer;
mod body;
mod file;
mod head;
mod raw;

use std::cell::RefCell;
use std::ffi::{CStr, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use napi::{Error, Result, Status, sys};
use protocol::RequestId;
use reactor::Stale;

use crate::bridge::Bridge;
use crate::node::Call;

/// Result of a command that was taken.
const TAKEN: u32 = 0;
/// Result of a command that came too late: its request or client isn't open any more.
const STALE: u32 = 1;
/// Result of an upgrade that has taken over one stream of its connection.
const STREAM: u32 = 3;
/// Result of a stream that was opened, and to which long pieces are written whole: they aren't copied.
const HOLDS: u32 = 4;
/// Memory for strings above this size, which a long one needed, is freed.
const STRING_KEPT: usize = 1024 * 1024;
/// Arguments of the function that has most. Each one costs time, so that the hottest functions have fewer.
const ARGUMENTS: usize = 5;

type Arguments = Call<ARGUMENTS>;
type Body<const N: usize> = fn(&Hot, &Call<N>) -> sys::napi_value;

/// What the data of each function points to.
struct Hot {
    bridge: Rc<Bridge>,
    /// Names of fields that JavaScript asks for, by number.
    field_names: RefCell<Vec<Box<[u8]>>>,
    /// The fields of the last answer: those of the next one are often the same.
    fields: RefCell<Vec<u8>>,
    /// The text of the last answer that had some.
    text: RefCell<Vec<u8>>,
    /// Memory for the strings of one call.
    scratch: RefCell<Vec<u8>>,
}

/// Makes the object whose properties are these functions.
///
/// # Safety
/// `env` must be live and of this thread.
pub(crate) unsafe fn functions(env: sys::napi_env, bridge: &Rc<Bridge>) -> Result<sys::napi_value> {
    let mut object = ptr::null_mut();
    // SAFETY: the environment is live by contract.
    unsafe { sys::napi_create_object(env, &mut object) };
    let hot = Rc::new(Hot {
        bridge: bridge.clone(),
        field_names: RefCell::default(),
        fields: RefCell::default(),
        text: RefCell::default(),
        scratch: RefCell::new(Vec::with_capacity(16 * 1024)),
    });
    /// Wraps a safe function in one that C can call, and adds it.
    macro_rules! add {
        ($name:literal, $body:path) => {{
            unsafe extern "C" fn call(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
                // SAFETY: Node-API calls it with a live environment and the call's own info.
                unsafe { enter(env, info, $body) }
            }
            // SAFETY: the environment is live by contract; the object was made in its scope.
            unsafe { add(env, object, $name, call, &hot)? };
        }};
    }
    add!(c"respond", answer::respond);
    add!(c"startStream", answer::start_stream);
    add!(c"write", answer::write);
    add!(c"writeAll", answer::write_all);
    add!(c"sendFile", file::send);
    add!(c"end", answer::end);
    add!(c"inform", answer::inform);
    add!(c"awaitBody", body::await_body);
    add!(c"receiveBody", body::receive_body);
    add!(c"releaseBody", body::release_body);
    add!(c"raiseBodyLimit", body::raise_body_limit);
    add!(c"upgrade", answer::upgrade);
    add!(c"askRaw", raw::ask);
    add!(c"receiveRaw", raw::receive);
    add!(c"writeRaw", raw::write);
    add!(c"endRaw", raw::end);
    add!(c"serve", raw::serve);
    add!(c"takeRaw", raw::take);
    add!(c"setBodyRate", body::set_body_rate);
    add!(c"setWriteTimeout", answer::set_write_timeout);
    add!(c"abort", answer::abort);
    add!(c"takeBytes", head::take_bytes);
    add!(c"nameField", head::name_field);
    add!(c"header", head::header);
    add!(c"headerBlock", head::header_block);
    add!(c"target", head::target);
    add!(c"clientId", head::client_id);
    add!(c"copyHead", head::copy_head);
    Ok(object)
}

/// Adds one function, which keeps `hot` alive until it is collected.
unsafe fn add(
    env: sys::napi_env,
    object: sys::napi_value,
    name: &CStr,
    call: unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value,
    hot: &Rc<Hot>,
) -> Result<()> {
    let data = Rc::into_raw(hot.clone()).cast_mut().cast();
    let mut function = ptr::null_mut();
    // SAFETY: environment and object by contract; the finalizer takes the reference in `data` back when
    // nothing can call the function any more.
    let is_added = unsafe {
        let len = name.count_bytes() as isize;
        sys::napi_create_function(env, name.as_ptr(), len, Some(call), data, &mut function)
            == sys::Status::napi_ok
            && sys::napi_add_finalizer(env, function, data, Some(release), ptr::null_mut(), ptr::null_mut())
                == sys::Status::napi_ok
            && sys::napi_set_named_property(env, object, name.as_ptr(), function) == sys::Status::napi_ok
    };
    if is_added { Ok(()) } else { Err(Error::new(Status::GenericFailure, "Node-API failed".to_owned())) }
}

unsafe extern "C" fn release(_env: sys::napi_env, data: *mut c_void, _hint: *mut c_void) {
    // SAFETY: the pointer came from `Rc::into_raw` in `add`; a finalizer runs once.
    drop(unsafe { Rc::from_raw(data.cast_const().cast::<Hot>()) });
}

#[inline]
unsafe fn enter<const N: usize>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    body: Body<N>,
) -> sys::napi_value {
    // SAFETY: by the caller's contract; data is the reference that `add` gave the function.
    let (call, hot) = unsafe {
        let call = Call::<N>::of(env, info);
        let hot = &*call.data.cast_const().cast::<Hot>();
        (call, hot)
    };
    catch_unwind(AssertUnwindSafe(|| body(hot, &call))).unwrap_or_else(|_| {
        call.throw(c"internal error; please report the message printed above");
        ptr::null_mut()
    })
}

fn request_id<const N: usize>(call: &Call<N>) -> (u32, RequestId) {
    (call.u32(0), RequestId(call.u64(1)))
}

fn outcome<const N: usize>(call: &Call<N>, result: std::result::Result<(), Stale>) -> sys::napi_value {
    call.integer(if result.is_ok() { TAKEN } else { STALE })
}

/// Frees the memory of a long string, which would stay as long as the server.
fn trim(memory: &mut Vec<u8>) {
    if memory.capacity() > STRING_KEPT {
        *memory = Vec::new();
    }
}

/// Argument `at` as bytes: a string is written to `text` as UTF-8, a typed array is used in place.
fn chunk<'a, const N: usize>(call: &Call<N>, at: usize, text: &'a mut Vec<u8>) -> &'a [u8] {
    if call.kind(at) == sys::ValueType::napi_string {
        call.utf8(at, text);
        return text;
    }
    // SAFETY: each caller uses the bytes last before it returns to JavaScript.
    unsafe { call.bytes(at) }.unwrap_or(&[])
}
