//! Files in answers.

use napi::sys;

use super::{Arguments, outcome, request_id};
use crate::bridge::Bridge;

/// JavaScript is to read the file: the system has no call for this that is used here, or no descriptor left.
const UNSUPPORTED: u32 = 2;

/// `sendFile(slot, request_id, descriptor, offset, length)`
#[cfg(target_os = "linux")]
pub(super) fn send(bridge: &Bridge, call: &Arguments) -> sys::napi_value {
    use std::fs::File;
    use std::os::fd::BorrowedFd;

    let (slot, request_id) = request_id(call);
    // JavaScript may close its own at any time afterwards.
    let file = i32::try_from(call.u32(2)).ok().and_then(|descriptor| {
        // SAFETY: the borrow ends before this function does, and the system answers for a number that
        // stands for no open file.
        unsafe { BorrowedFd::borrow_raw(descriptor) }.try_clone_to_owned().ok()
    });
    let Some(file) = file else { return call.integer(UNSUPPORTED) };
    outcome(call, bridge.send_file(slot, request_id, File::from(file), call.u64(3), call.u64(4)))
}

/// `sendFile(slot, request_id, descriptor, offset, length)`
#[cfg(not(target_os = "linux"))]
pub(super) fn send(_: &Bridge, call: &Arguments) -> sys::napi_value {
    call.integer(UNSUPPORTED)
}
