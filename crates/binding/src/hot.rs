//! The functions on the path of every request, as raw Node-API functions.
//!
//! Each is a plain function whose data is the bridge, so a call needs no unwrapping. A wrong argument
//! is read as 0 or nothing: the other side of this border is our own TypeScript.
//!
//! The numbers of an answer don't travel as arguments, which cost 6 ns each, but in the last eight of
//! the words shared with JavaScript: slot, request id (low, high), status, flags, declared length (low,
//! high).

use std::ffi::{CStr, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use napi::{Error, Result, Status, sys};
use protocol::{Answer, Payload, RequestId};
use reactor::{Gone, HeadBlock, UpgradeError};

use crate::bridge::Bridge;
use crate::lent::LentBuffer;
use crate::value::Call;

mod file;
mod raw;

/// Flags of an answer.
mod flag {
    /// The connection ends behind it.
    pub(super) const CLOSE: u32 = 1;
    /// A `Written` notice is to follow.
    pub(super) const TELL_WRITTEN: u32 = 2;
    /// The body is a string.
    pub(super) const TEXT: u32 = 4;
    /// The body is a typed array.
    pub(super) const BYTES: u32 = 8;
    /// There is a reason phrase.
    pub(super) const REASON: u32 = 16;
    /// There is a declared length.
    pub(super) const LENGTH: u32 = 32;
}

/// Result of a command that was taken, and of one that came too late.
const TAKEN: u32 = 0;
const GONE: u32 = 1;
/// The connection can't be taken over.
const OCCUPIED: u32 = 2;

/// Scratch memory that one long body has grown beyond this is given back.
const SCRATCH_KEPT: usize = 1024 * 1024;

/// Most names of fields that have numbers.
const NAMES: usize = 1024;

/// Arguments of the longest function.
const ARGUMENTS: usize = 5;

type Arguments = Call<ARGUMENTS>;
type Body = fn(&Bridge, &Arguments) -> sys::napi_value;

/// Makes the object that carries all of them.
///
/// # Safety
/// `env` must be live and of this thread.
pub(crate) unsafe fn functions(env: sys::napi_env, bridge: &Rc<Bridge>) -> Result<sys::napi_value> {
    let mut object = ptr::null_mut();
    // SAFETY: the environment is live by contract.
    unsafe { sys::napi_create_object(env, &mut object) };
    /// Wraps a safe function in one that C can call.
    macro_rules! add {
        ($name:literal, $body:path) => {{
            unsafe extern "C" fn call(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
                // SAFETY: Node-API calls it with a live environment and the call's own info.
                unsafe { enter(env, info, $body) }
            }
            // SAFETY: the environment is live by contract, the object was made in its scope.
            unsafe { add(env, object, $name, call, bridge)? };
        }};
    }
    add!(c"respond", respond);
    add!(c"startStream", start_stream);
    add!(c"write", write);
    add!(c"sendFile", file::send);
    add!(c"end", end);
    add!(c"inform", inform);
    add!(c"awaitBody", await_body);
    add!(c"receiveBody", receive_body);
    add!(c"releaseBody", release_body);
    add!(c"raiseBodyLimit", raise_body_limit);
    add!(c"upgrade", upgrade);
    add!(c"askRaw", raw::ask);
    add!(c"writeRaw", raw::write);
    add!(c"endRaw", raw::end);
    add!(c"serve", raw::serve);
    add!(c"takeRaw", raw::take);
    add!(c"setBodyRate", set_body_rate);
    add!(c"abort", abort);
    add!(c"takeBytes", take_bytes);
    add!(c"nameField", name_field);
    add!(c"header", header);
    add!(c"headerBlock", header_block);
    add!(c"target", target);
    add!(c"clientId", client_id);
    add!(c"copyHead", copy_head);
    Ok(object)
}

/// Adds one function that holds a share in the bridge until it is collected.
unsafe fn add(
    env: sys::napi_env,
    object: sys::napi_value,
    name: &CStr,
    call: unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value,
    bridge: &Rc<Bridge>,
) -> Result<()> {
    let data = Rc::into_raw(bridge.clone()).cast_mut().cast();
    let mut function = ptr::null_mut();
    // SAFETY: environment and object by contract; the share behind `data` is given back by the
    // finalizer, after which nothing can call the function.
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
    drop(unsafe { Rc::from_raw(data.cast_const().cast::<Bridge>()) });
}

#[inline]
unsafe fn enter(env: sys::napi_env, info: sys::napi_callback_info, body: Body) -> sys::napi_value {
    // SAFETY: by the caller's contract; data is the share that `add` gave the function.
    let (call, bridge) = unsafe {
        let call = Arguments::of(env, info);
        let bridge = &*call.data.cast_const().cast::<Bridge>();
        (call, bridge)
    };
    catch_unwind(AssertUnwindSafe(|| body(bridge, &call))).unwrap_or_else(|_| {
        call.throw(c"internal error; please report the message printed above");
        ptr::null_mut()
    })
}

fn request_id(call: &Arguments) -> (u32, RequestId) {
    (call.u32(0), RequestId(call.u64(1)))
}

fn outcome(call: &Arguments, result: std::result::Result<(), Gone>) -> sys::napi_value {
    call.integer(if result.is_ok() { TAKEN } else { GONE })
}

/// `respond(fields, body, reason)`, the rest in the words.
fn respond(bridge: &Bridge, call: &Arguments) -> sys::napi_value {
    let words = bridge.answer_words();
    let flags = words[4];
    let mut scratch = bridge.scratch.borrow_mut();
    scratch.clear();
    call.latin1(0, &mut scratch);
    let fields_end = scratch.len();
    if flags & flag::TEXT != 0 {
        call.utf8(1, &mut scratch);
    }
    let (fields, text) = scratch.split_at(fields_end);
    let bytes = if flags & flag::BYTES != 0 {
        // SAFETY: no JavaScript runs before the answer is taken, which copies what isn't sent.
        unsafe { call.bytes(1) }.unwrap_or(&[])
    } else {
        text
    };
    let payload = if flags & flag::LENGTH != 0 {
        Payload::Declared { length: wide(words[5], words[6]), bytes }
    } else {
        Payload::Full(bytes)
    };
    let result = answer(bridge, call, &words, fields, payload);
    if scratch.capacity() > SCRATCH_KEPT {
        *scratch = Vec::new();
    }
    outcome(call, result)
}

/// `startStream(fields, undefined, reason)`, the rest in the words.
fn start_stream(bridge: &Bridge, call: &Arguments) -> sys::napi_value {
    let words = bridge.answer_words();
    let mut fields = Vec::new();
    call.latin1(0, &mut fields);
    let length = (words[4] & flag::LENGTH != 0).then(|| wide(words[5], words[6]));
    outcome(call, answer(bridge, call, &words, &fields, Payload::Stream { length }))
}

#[inline]
fn answer(
    bridge: &Bridge,
    call: &Arguments,
    words: &[u32; 8],
    fields: &[u8],
    payload: Payload<'_>,
) -> std::result::Result<(), Gone> {
    let [slot, low, high, status, flags, ..] = *words;
    let request_id = RequestId(wide(low, high));
    let mut phrase = Vec::new();
    let has_phrase = flags & flag::REASON != 0;
    if has_phrase {
        call.latin1(2, &mut phrase);
    }
    let answer = Answer {
        status: status as u16,
        reason: has_phrase.then_some(&phrase[..]),
        fields,
        payload,
        close: flags & flag::CLOSE != 0,
    };
    bridge.respond(slot, request_id, answer, flags & flag::TELL_WRITTEN != 0)
}

fn wide(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// `write(slot, request_id, chunk)`: bytes that wait unsent, or -1.
fn write(bridge: &Bridge, call: &Arguments) -> sys::napi_value {
    let (slot, request_id) = request_id(call);
    let mut text = bridge.scratch.borrow_mut();
    text.clear();
    let waiting = bridge.write(slot, request_id, chunk(call, 2, &mut text));
    call.number(waiting.map_or(-1.0, |waiting| waiting as f64))
}

/// Argument `at`: a string as UTF-8, for which `text` is the place, or the bytes of a typed array where
/// they lie.
fn chunk<'a>(call: &Arguments, at: usize, text: &'a mut Vec<u8>) -> &'a [u8] {
    if call.kind(at) == sys::ValueType::napi_string {
        call.utf8(at, text);
        return text;
    }
    // SAFETY: every caller is done with the bytes before it returns to JavaScript.
    unsafe { call.bytes(at) }.unwrap_or(&[])
}

/// `end(slot, request_id, trailers)`
fn end(bridge: &Bridge, call: &Arguments) -> sys::napi_value {
    let (slot, request_id) = request_id(call);
    let mut trailers = Vec::new();
    call.latin1(2, &mut trailers);
    let result = bridge.end(slot, request_id, &trailers);
    outcome(call, result)
}

/// `inform(slot, request_id, status, fields)`
fn inform(bridge: &Bridge, call: &Arguments) -> sys::napi_value {
    let (slot, request_id) = request_id(call);
    let mut fields = Vec::new();
    call.latin1(3, &mut fields);
    let result = bridge.inform(slot, request_id, call.u32(2) as u16, &fields);
    outcome(call, result)
}

/// `awaitBody(slot, request_id, isWhole)`
fn await_body(bridge: &Bridge, call: &Arguments) -> sys::napi_value {
    let (slot, request_id) = request_id(call);
    let result = bridge.await_body(slot, request_id, call.u32(2) != 0);
    outcome(call, result)
}

/// `releaseBody(slot, request_id)`
fn release_body(bridge: &Bridge, call: &Arguments) -> sys::napi_value {
    let (slot, request_id) = request_id(call);
    let result = bridge.release_body(slot, request_id);
    outcome(call, result)
}

/// `receiveBody(slot, request_id, memory, isWhole)`
fn receive_body(bridge: &Bridge, call: &Arguments) -> sys::napi_value {
    let (slot, request_id) = request_id(call);
    // SAFETY: environment and handle are those of the call; our own JavaScript shows the buffer to nobody.
    let memory = unsafe { LentBuffer::new(call.env, call.args[2], &bridge.returned) };
    let result =
        memory.ok_or(Gone).and_then(|memory| bridge.receive_body(slot, request_id, memory, call.u32(3) != 0));
    outcome(call, result)
}

/// `upgrade(slot, request_id, fields)`
fn upgrade(bridge: &Bridge, call: &Arguments) -> sys::napi_value {
    let (slot, request_id) = request_id(call);
    let mut fields = Vec::new();
    let has_fields = call.kind(2) == sys::ValueType::napi_string;
    call.latin1(2, &mut fields);
    call.integer(match bridge.upgrade(slot, request_id, has_fields.then_some(&fields[..])) {
        Ok(()) => TAKEN,
        Err(UpgradeError::Gone) => GONE,
        Err(UpgradeError::Occupied) => OCCUPIED,
    })
}

/// `raiseBodyLimit(slot, request_id, limit)`
fn raise_body_limit(bridge: &Bridge, call: &Arguments) -> sys::napi_value {
    let (slot, request_id) = request_id(call);
    let result = bridge.raise_body_limit(slot, request_id, call.u64(2));
    outcome(call, result)
}

/// `setBodyRate(slot, request_id, timeout, minimumRate)`
fn set_body_rate(bridge: &Bridge, call: &Arguments) -> sys::napi_value {
    let (slot, request_id) = request_id(call);
    let given = |value: f64| (!value.is_nan()).then_some(value);
    // A cast saturates: Infinity becomes the largest count.
    let timeout = given(call.f64(2)).map(|seconds| (seconds * 1000.0).ceil() as u64);
    let minimum_rate = given(call.f64(3)).map(|rate| rate as u64);
    outcome(call, bridge.set_body_rate(slot, request_id, timeout, minimum_rate))
}

/// `abort(slot, request_id)`
fn abort(bridge: &Bridge, call: &Arguments) -> sys::napi_value {
    let (slot, request_id) = request_id(call);
    let result = bridge.abort(slot, request_id);
    outcome(call, result)
}

/// `takeBytes(index)`: a large piece of the notices being handled, once.
fn take_bytes(bridge: &Bridge, call: &Arguments) -> sys::napi_value {
    let piece = bridge.large.borrow_mut().get_mut(call.u32(0) as usize).and_then(Option::take);
    call.buffer_of(&piece.unwrap_or_default())
}

/// The head block at argument 1 of the slab at argument 0.
fn with_head<R>(call: &Arguments, read: impl FnOnce(HeadBlock<'_>) -> R) -> Option<R> {
    // SAFETY: no JavaScript runs before `read` has returned, and its result doesn't borrow.
    let slab = unsafe { call.bytes(0)? };
    Some(read(HeadBlock::at(slab, call.u32(1) as usize)?))
}

/// `nameField(number, name)`: gives a number to a name in lower case; numbers from there on are free again.
fn name_field(bridge: &Bridge, call: &Arguments) -> sys::napi_value {
    let number = call.u32(0) as usize;
    let mut name = Vec::new();
    call.utf8(1, &mut name);
    let mut names = bridge.field_names.borrow_mut();
    names.truncate(number);
    if names.len() == number && number < NAMES {
        names.push(name.into_boxed_slice());
    }
    ptr::null_mut()
}

/// `header(slab, head, number)`: the first value of the field with the name of that number, or `null`.
fn header(bridge: &Bridge, call: &Arguments) -> sys::napi_value {
    let names = bridge.field_names.borrow();
    let value = names.get(call.u32(2) as usize).and_then(|name| {
        with_head(call, |head| head.field(name).map(|value| call.string_of(value))).flatten()
    });
    value.unwrap_or_else(|| call.null())
}

/// `headerBlock(slab, head)`: names and values in turn, each ended by a line feed, which neither can hold.
fn header_block(_driver: &Bridge, call: &Arguments) -> sys::napi_value {
    let block = with_head(call, |head| call.string_of(&head.lines()));
    block.unwrap_or_else(|| call.string_of(b""))
}

/// `target(slab, head)`
fn target(_driver: &Bridge, call: &Arguments) -> sys::napi_value {
    with_head(call, |head| call.string_of(head.target())).unwrap_or_else(|| call.string_of(b""))
}

/// `clientId(slab, head)`
fn client_id(_driver: &Bridge, call: &Arguments) -> sys::napi_value {
    call.number(with_head(call, |head| head.client_id()).unwrap_or(0) as f64)
}

/// `copyHead(slab, head)`: a copy of the block, to be read at 0.
fn copy_head(_driver: &Bridge, call: &Arguments) -> sys::napi_value {
    with_head(call, |head| call.buffer_of(head.as_bytes())).unwrap_or_else(|| call.buffer_of(&[]))
}
