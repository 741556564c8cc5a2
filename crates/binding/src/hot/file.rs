//! The function that sends a file in an answer.

use napi::sys;

use super::{Arguments, Hot};
#[cfg(target_os = "linux")]
use super::{outcome, request_id};

/// Result when JavaScript has to read the file by itself: the system has no descriptor left, or no call that
/// this engine uses for it.
const UNSUPPORTED: u32 = 2;

/// `sendFile(slot, requestId, descriptor, offset, length)`
#[cfg(target_os = "linux")]
pub(super) fn send(hot: &Hot, call: &Arguments) -> sys::napi_value {
    use std::fs::File;
    use std::os::fd::BorrowedFd;

    let (slot, request_id) = request_id(call);
    // A duplicate: JavaScript may close its own descriptor at any time.
    let file = i32::try_from(call.u32(2)).ok().and_then(|descriptor| {
        // SAFETY: the borrow ends in this statement; the system refuses a number that isn't an open
        // descriptor.
        unsafe { BorrowedFd::borrow_raw(descriptor) }.try_clone_to_owned().ok()
    });
    let Some(file) = file else { return call.integer(UNSUPPORTED) };
    outcome(call, hot.bridge.send_file(slot, request_id, File::from(file), call.u64(3), call.u64(4)))
}

/// `sendFile(slot, requestId, descriptor, offset, length)`
#[cfg(not(target_os = "linux"))]
pub(super) fn send(_: &Hot, call: &Arguments) -> sys::napi_value {
    call.integer(UNSUPPORTED)
}
