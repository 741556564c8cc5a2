//! The functions of raw connections, which are named by slot and client id.

use napi::sys;

use super::{Arguments, chunk, outcome};
use crate::bridge::Bridge;

fn client(call: &Arguments) -> (u32, u64) {
    (call.u32(0), call.u64(1))
}

/// `askRaw(slot, client, bytes)`
pub(super) fn ask(bridge: &Bridge, call: &Arguments) -> sys::napi_value {
    let (slot, client) = client(call);
    outcome(call, bridge.ask_raw(slot, client, call.u64(2)))
}

/// `writeRaw(slot, client, chunk)`: bytes that wait unsent, or -1.
pub(super) fn write(bridge: &Bridge, call: &Arguments) -> sys::napi_value {
    let (slot, client) = client(call);
    let mut text = bridge.scratch.borrow_mut();
    text.clear();
    let waiting = bridge.write_raw(slot, client, chunk(call, 2, &mut text));
    call.number(waiting.map_or(-1.0, |waiting| waiting as f64))
}

/// `endRaw(slot, client)`
pub(super) fn end(bridge: &Bridge, call: &Arguments) -> sys::napi_value {
    let (slot, client) = client(call);
    outcome(call, bridge.end_raw(slot, client))
}

/// `serve(slot, client, unread)`
pub(super) fn serve(bridge: &Bridge, call: &Arguments) -> sys::napi_value {
    let (slot, client) = client(call);
    let mut unread = Vec::new();
    call.put_bytes(2, &mut unread);
    outcome(call, bridge.serve(slot, client, &unread))
}

/// `takeRaw(slot, client)`
pub(super) fn take(bridge: &Bridge, call: &Arguments) -> sys::napi_value {
    let (slot, client) = client(call);
    outcome(call, bridge.take_raw(slot, client))
}
