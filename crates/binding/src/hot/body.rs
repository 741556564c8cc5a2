//! The functions that receive the body of a request.

use napi::sys;
use reactor::Stale;

use super::{Arguments, Hot, outcome, request_id};

/// `awaitBody(slot, requestId, isWhole)`
pub(super) fn await_body(hot: &Hot, call: &Arguments) -> sys::napi_value {
    let (slot, request_id) = request_id(call);
    let result = hot.bridge.await_body(slot, request_id, call.u32(2) != 0);
    outcome(call, result)
}

/// `releaseBody(slot, requestId)`
pub(super) fn release_body(hot: &Hot, call: &Arguments) -> sys::napi_value {
    let (slot, request_id) = request_id(call);
    let result = hot.bridge.release_body(slot, request_id);
    outcome(call, result)
}

/// `receiveBody(slot, requestId, memory, isWhole)`
pub(super) fn receive_body(hot: &Hot, call: &Arguments) -> sys::napi_value {
    let (slot, request_id) = request_id(call);
    // SAFETY: the handle is one of this call; our own JavaScript shows the buffer to others only after a
    // notice has given it back.
    let memory = unsafe { hot.bridge.delivery().provided_buffer(call.args[2]) };
    let is_whole = call.u32(3) != 0;
    let result =
        memory.ok_or(Stale).and_then(|memory| hot.bridge.receive_body(slot, request_id, memory, is_whole));
    outcome(call, result)
}

/// `raiseBodyLimit(slot, requestId, limit)`
pub(super) fn raise_body_limit(hot: &Hot, call: &Arguments) -> sys::napi_value {
    let (slot, request_id) = request_id(call);
    let result = hot.bridge.raise_body_limit(slot, request_id, call.u64(2));
    outcome(call, result)
}

/// `setBodyRate(slot, requestId, timeout, minimumRate)`
pub(super) fn set_body_rate(hot: &Hot, call: &Arguments) -> sys::napi_value {
    let (slot, request_id) = request_id(call);
    let given = |value: f64| (!value.is_nan()).then_some(value);
    // The cast saturates: Infinity becomes the largest count.
    let timeout = given(call.f64(2)).map(|seconds| (seconds * 1000.0).ceil() as u64);
    let minimum_rate = given(call.f64(3)).map(|rate| rate as u64);
    outcome(call, hot.bridge.set_body_rate(slot, request_id, timeout, minimum_rate))
}
