//! The functions that answer a request.

use std::io::IoSlice;
use std::ptr;

use napi::sys;
use protocol::{Answer, Own, PARTS, Payload, RequestId, Taken};
use reactor::{Stale, UpgradeError};
use smallvec::SmallVec;

use crate::node::{Call, Shared, unshared_bytes};

use super::{Arguments, HOLDS, Hot, STALE, STREAM, TAKEN, chunk, outcome, request_id, trim};

/// Flags of an answer, in its words.
mod flag {
    /// The connection closes behind the answer.
    pub(super) const CLOSE: u32 = 1;
    /// A `Written` notice follows.
    pub(super) const NOTIFY_WRITTEN: u32 = 2;
    /// The body is a string.
    pub(super) const TEXT: u32 = 4;
    /// The body is a typed array.
    pub(super) const BYTES: u32 = 8;
    /// Argument 2 is the reason phrase.
    pub(super) const REASON: u32 = 16;
    /// The words hold the declared length of the body.
    pub(super) const LENGTH: u32 = 32;
    /// No Date is added: the application has set its own, or wants none.
    pub(super) const OWN_DATE: u32 = 64;
    /// Neither a length nor a coding is said: the stream ends with the connection.
    pub(super) const UNTIL_CLOSE: u32 = 128;
    /// The fields have the connection's lines, or there are none.
    pub(super) const OWN_CONNECTION: u32 = 256;
    /// The fields have the length or the coding.
    pub(super) const OWN_FRAMING: u32 = 512;
    /// The fields end with the connection's lines, for the case that it stays open.
    pub(super) const OWN_KEEP_ALIVE: u32 = 1024;
    /// The fields are those of the answer before, whatever argument 0 is.
    pub(super) const SAME_FIELDS: u32 = 2048;
    /// The body is the string of the answer before that had one, whatever argument 1 is.
    pub(super) const SAME_TEXT: u32 = 4096;
}

/// A typed array of this many bytes stays where it is until the kernel has taken it, where the engine can do that. From
/// the same length on (`LONG_FROM` in response.ts) JavaScript expects that.
const HELD_FROM: usize = 256 * 1024;

/// Arguments of the functions that begin an answer.
const ANSWER_ARGUMENTS: usize = 3;

/// Result of a write of memory that other threads may be writing to: nothing was written.
const SHARED: f64 = -2.0;

/// Result of an upgrade that isn't possible: nothing has changed.
const OCCUPIED: u32 = 2;

/// `respond(fields, body, reason)`; the numbers are in the words. No value is made for an answer that was taken.
pub(super) fn respond(hot: &Hot, call: &Call<ANSWER_ARGUMENTS>) -> sys::napi_value {
    let words = hot.bridge.delivery().answer_words();
    let flags = words[4];
    let mut fields = hot.fields.borrow_mut();
    if flags & flag::SAME_FIELDS == 0 {
        fields.clear();
        call.latin1(0, &mut fields);
    }
    let mut text = hot.text.borrow_mut();
    if flags & (flag::TEXT | flag::SAME_TEXT) == flag::TEXT {
        text.clear();
        call.utf8(1, &mut text);
    }
    let bytes = match flags & (flag::TEXT | flag::BYTES) {
        flag::TEXT => &text[..],
        // SAFETY: the answer is taken before JavaScript runs again; what isn't sent by then is copied, or fetched anew.
        flag::BYTES => unsafe { call.bytes(1) }.unwrap_or(&[]),
        _ => &[],
    };
    let payload = if flags & flag::LENGTH != 0 {
        Payload::Declared { length: wide(words[5], words[6]), bytes }
    } else {
        Payload::Full(bytes)
    };
    if bytes.len() >= HELD_FROM && flags & flag::BYTES != 0 {
        return respond_held(hot, call, &words, &fields, payload);
    }
    let result =
        answer(&words, &fields, payload, &reason(call, flags), |slot, request_id, answer, is_told| {
            hot.bridge.respond(slot, request_id, answer, is_told)
        });
    trim(&mut text);
    if result.is_ok() { ptr::null_mut() } else { call.integer(STALE) }
}

/// `respond` with a long typed array. Memory that other threads may be writing to, and an array of which only a part is
/// the body, are copied.
#[inline(never)]
fn respond_held(
    hot: &Hot,
    call: &Call<ANSWER_ARGUMENTS>,
    words: &[u32; 8],
    fields: &[u8],
    payload: Payload<'_>,
) -> sys::napi_value {
    let is_part = matches!(payload, Payload::Declared { length, bytes } if length != bytes.len() as u64);
    // SAFETY: the bytes aren't used.
    let can_hold = !is_part && matches!(unsafe { call.unshared_bytes(1) }, Ok(Some(_)));
    let result =
        answer(words, fields, payload, &reason(call, words[4]), |slot, request_id, answer, is_told| {
            if can_hold {
                hot.bridge.respond_held(slot, request_id, answer, is_told, call.args[1])
            } else {
                hot.bridge.respond(slot, request_id, answer, is_told).map(|()| false)
            }
        });
    match result {
        Ok(false) => ptr::null_mut(),
        Ok(true) => call.integer(HOLDS),
        Err(Stale) => call.integer(STALE),
    }
}

/// `startStream(fields, undefined, reason)`; the numbers are in the words.
pub(super) fn start_stream(hot: &Hot, call: &Call<ANSWER_ARGUMENTS>) -> sys::napi_value {
    let words = hot.bridge.delivery().answer_words();
    let mut fields = Vec::new();
    call.latin1(0, &mut fields);
    let length = (words[4] & flag::LENGTH != 0).then(|| wide(words[5], words[6]));
    let payload =
        if words[4] & flag::UNTIL_CLOSE != 0 { Payload::UntilClose } else { Payload::Stream { length } };
    let result =
        answer(&words, &fields, payload, &reason(call, words[4]), |slot, request_id, answer, is_told| {
            hot.bridge.respond(slot, request_id, answer, is_told)
        });
    if result.is_ok() && hot.bridge.holds(words[0]) {
        return call.integer(HOLDS);
    }
    outcome(call, result)
}

/// Gives the answer that the words describe.
#[inline]
fn answer<R>(
    words: &[u32; 8],
    fields: &[u8],
    payload: Payload<'_>,
    reason: &Option<Vec<u8>>,
    give: impl FnOnce(u32, RequestId, Answer<'_>, bool) -> R,
) -> R {
    let [slot, low, high, status, flags, ..] = *words;
    let answer = Answer {
        status: status as u16,
        reason: reason.as_deref(),
        fields,
        payload,
        close: flags & flag::CLOSE != 0,
        own: Own {
            date: flags & flag::OWN_DATE != 0,
            connection: flags & flag::OWN_CONNECTION != 0,
            keep_alive: flags & flag::OWN_KEEP_ALIVE != 0,
            framing: flags & flag::OWN_FRAMING != 0,
        },
    };
    give(slot, RequestId(wide(low, high)), answer, flags & flag::NOTIFY_WRITTEN != 0)
}

/// The reason phrase, if there is one of its own.
#[inline]
fn reason(call: &Call<ANSWER_ARGUMENTS>, flags: u32) -> Option<Vec<u8>> {
    (flags & flag::REASON != 0).then(|| {
        let mut phrase = Vec::new();
        call.latin1(2, &mut phrase);
        phrase
    })
}

fn wide(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// `write(slot, requestId, chunk, isHeld)`: bytes that wait unsent, -1, or -2.
pub(super) fn write(hot: &Hot, call: &Call<4>) -> sys::napi_value {
    let (slot, request_id) = request_id(call);
    if call.u32(3) != 0 {
        // SAFETY: the bytes are used last before this function returns.
        match unsafe { call.unshared_bytes(2) } {
            Ok(Some(bytes)) => {
                let piece = &[IoSlice::new(bytes)];
                let waiting = hot.bridge.write_held(slot, request_id, piece, &[call.args[2]]);
                return unsent(call, waiting);
            }
            Ok(None) => {}
            Err(Shared) => return call.number(SHARED),
        }
    }
    let mut text = hot.scratch.borrow_mut();
    text.clear();
    let waiting = hot.bridge.write(slot, request_id, chunk(call, 2, &mut text));
    trim(&mut text);
    unsent(call, waiting)
}

/// `writeAll(slot, requestId, chunks)`: bytes that wait unsent, -1, or -2.
pub(super) fn write_all(hot: &Hot, call: &Call<3>) -> sys::napi_value {
    let (slot, request_id) = request_id(call);
    let mut pieces: SmallVec<[IoSlice<'_>; PARTS]> = SmallVec::new();
    let mut buffers: SmallVec<[sys::napi_value; PARTS]> = SmallVec::new();
    for buffer in call.elements(2) {
        // SAFETY: the bytes are used last before this function returns.
        match unsafe { unshared_bytes(call.env, buffer) } {
            Ok(Some(bytes)) => {
                pieces.push(IoSlice::new(bytes));
                buffers.push(buffer);
            }
            Ok(None) => {}
            Err(Shared) => return call.number(SHARED),
        }
    }
    unsent(call, hot.bridge.write_held(slot, request_id, &pieces, &buffers))
}

/// The result of a write. A small integer is cheaper than a number, for which JavaScript needs memory.
fn unsent<const N: usize>(call: &Call<N>, waiting: Result<usize, Stale>) -> sys::napi_value {
    match waiting.map(i32::try_from) {
        Ok(Ok(waiting)) => call.integer(waiting.cast_unsigned()),
        Ok(Err(_)) => call.number(f64::MAX),
        Err(Stale) => call.number(-1.0),
    }
}

/// `end(slot, requestId, trailers, keepsBody)`
pub(super) fn end(hot: &Hot, call: &Arguments) -> sys::napi_value {
    let (slot, request_id) = request_id(call);
    let mut trailers = Vec::new();
    call.latin1(2, &mut trailers);
    let result = hot.bridge.end(slot, request_id, &trailers, call.u32(3) != 0);
    outcome(call, result)
}

/// `inform(slot, requestId, status, fields)`
pub(super) fn inform(hot: &Hot, call: &Arguments) -> sys::napi_value {
    let (slot, request_id) = request_id(call);
    let mut fields = Vec::new();
    call.latin1(3, &mut fields);
    let result = hot.bridge.inform(slot, request_id, call.u32(2) as u16, &fields);
    outcome(call, result)
}

/// `upgrade(slot, requestId, fields)`
pub(super) fn upgrade(hot: &Hot, call: &Arguments) -> sys::napi_value {
    let (slot, request_id) = request_id(call);
    let mut fields = Vec::new();
    let has_fields = call.kind(2) == sys::ValueType::napi_string;
    call.latin1(2, &mut fields);
    call.integer(match hot.bridge.upgrade(slot, request_id, has_fields.then_some(&fields[..])) {
        Ok(Taken::Connection) => TAKEN,
        Ok(Taken::Stream) => STREAM,
        Ok(Taken::Nothing) | Err(UpgradeError::Stale) => STALE,
        Err(UpgradeError::Occupied) => OCCUPIED,
    })
}

/// `abort(slot, requestId)`
pub(super) fn abort(hot: &Hot, call: &Arguments) -> sys::napi_value {
    let (slot, request_id) = request_id(call);
    let result = hot.bridge.abort(slot, request_id);
    outcome(call, result)
}

/// `setWriteTimeout(slot, requestId, seconds)`
pub(super) fn set_write_timeout(hot: &Hot, call: &Arguments) -> sys::napi_value {
    let (slot, request_id) = request_id(call);
    // The cast saturates: Infinity becomes the largest count.
    let millis = (call.f64(2) * 1000.0).ceil() as u64;
    outcome(call, hot.bridge.set_write_timeout(slot, request_id, millis))
}
