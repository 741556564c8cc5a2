//! The functions that read the notices being delivered: heads of requests, and large pieces.

use std::ptr;

use napi::sys;
use reactor::HeadBlock;

use super::{Arguments, Hot};

/// How many names of fields can have a number.
const NAMES: usize = 1024;

/// `takeBytes(index)`: a large piece of the notices being delivered, once.
pub(super) fn take_bytes(hot: &Hot, call: &Arguments) -> sys::napi_value {
    call.buffer_of(&hot.bridge.delivery().take_large(call.u32(0) as usize))
}

/// Reads the head block at the offset in argument 1 of the slab in argument 0; None when there is none.
fn with_head<R>(call: &Arguments, read: impl FnOnce(HeadBlock<'_>) -> R) -> Option<R> {
    // SAFETY: `read` runs no JavaScript, and its result doesn't borrow the slab.
    let slab = unsafe { call.bytes(0)? };
    Some(read(HeadBlock::at(slab, call.u32(1) as usize)?))
}

/// `nameField(number, name)`: gives a number to a name in lower case. Names with higher numbers are dropped.
pub(super) fn name_field(hot: &Hot, call: &Arguments) -> sys::napi_value {
    let number = call.u32(0) as usize;
    let mut name = Vec::new();
    call.utf8(1, &mut name);
    let mut names = hot.field_names.borrow_mut();
    names.truncate(number);
    if names.len() == number && number < NAMES {
        names.push(name.into_boxed_slice());
    }
    ptr::null_mut()
}

/// `header(slab, head, number)`: the first value of the field with the name of that number, or `null`.
pub(super) fn header(hot: &Hot, call: &Arguments) -> sys::napi_value {
    let names = hot.field_names.borrow();
    let value = names.get(call.u32(2) as usize).and_then(|name| {
        with_head(call, |head| head.field(name).map(|value| call.string_of(value))).flatten()
    });
    value.unwrap_or_else(|| call.null())
}

/// `headerBlock(slab, head)`: names and values in turn, each ended by a line feed, which neither can contain.
pub(super) fn header_block(_: &Hot, call: &Arguments) -> sys::napi_value {
    let block = with_head(call, |head| call.string_of(&head.lines()));
    block.unwrap_or_else(|| call.string_of(b""))
}

/// `target(slab, head)`: the request target as received.
pub(super) fn target(_: &Hot, call: &Arguments) -> sys::napi_value {
    with_head(call, |head| call.string_of(head.target())).unwrap_or_else(|| call.string_of(b""))
}

/// `clientId(slab, head)`: the id of the client that sent the request.
pub(super) fn client_id(_: &Hot, call: &Arguments) -> sys::napi_value {
    call.number(with_head(call, |head| head.client_id()).unwrap_or(0) as f64)
}

/// `copyHead(slab, head)`: a slab that holds a copy of the head block at offset 0.
pub(super) fn copy_head(_: &Hot, call: &Arguments) -> sys::napi_value {
    with_head(call, |head| call.buffer_of(head.as_bytes())).unwrap_or_else(|| call.buffer_of(&[]))
}
