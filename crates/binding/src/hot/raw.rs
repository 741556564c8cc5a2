//! The functions of raw connections, which are identified by slot and client id.

use napi::sys;
use reactor::Stale;

use super::{Arguments, Hot, chunk, outcome, trim};

fn client(call: &Arguments) -> (u32, u64) {
    (call.u32(0), call.u64(1))
}

/// `askRaw(slot, client, bytes)`
pub(super) fn ask(hot: &Hot, call: &Arguments) -> sys::napi_value {
    let (slot, client) = client(call);
    outcome(call, hot.bridge.ask_raw(slot, client, call.u64(2)))
}

/// `receiveRaw(slot, client, memory)`
pub(super) fn receive(hot: &Hot, call: &Arguments) -> sys::napi_value {
    let (slot, client) = client(call);
    // SAFETY: the handle is one of this call; our own JavaScript shows the buffer to others only after a
    // notice has given it back.
    let memory = unsafe { hot.bridge.delivery().provided_buffer(call.args[2]) };
    outcome(call, memory.ok_or(Stale).and_then(|memory| hot.bridge.receive_raw(slot, client, memory)))
}

/// `writeRaw(slot, client, chunk)`: bytes that wait unsent, or -1.
pub(super) fn write(hot: &Hot, call: &Arguments) -> sys::napi_value {
    let (slot, client) = client(call);
    let mut text = hot.scratch.borrow_mut();
    text.clear();
    let waiting = hot.bridge.write_raw(slot, client, chunk(call, 2, &mut text));
    trim(&mut text);
    call.number(waiting.map_or(-1.0, |waiting| waiting as f64))
}

/// `endRaw(slot, client)`
pub(super) fn end(hot: &Hot, call: &Arguments) -> sys::napi_value {
    let (slot, client) = client(call);
    outcome(call, hot.bridge.end_raw(slot, client))
}

/// `serve(slot, client, unread, isHttp2)`
pub(super) fn serve(hot: &Hot, call: &Arguments) -> sys::napi_value {
    let (slot, client) = client(call);
    let mut unread = Vec::new();
    call.put_bytes(2, &mut unread);
    outcome(call, hot.bridge.serve(slot, client, &unread, call.u32(3) != 0))
}

/// `takeRaw(slot, client)`
pub(super) fn take(hot: &Hot, call: &Arguments) -> sys::napi_value {
    let (slot, client) = client(call);
    outcome(call, hot.bridge.take_raw(slot, client))
}
