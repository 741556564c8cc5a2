//! What nghttp2 calls while it reads or writes.
//!
//! Each callback finds its [`Call`] behind the session's user data. A panic is caught before it reaches C,
//! nghttp2 is made to fail, and `Session` lets the panic go on once the C call has returned.

use std::any::Any;
use std::collections::hash_map::RandomState;
use std::ffi::{c_int, c_void};
use std::hash::BuildHasher;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::ErrorCode;
use crate::ffi;
use crate::outgoing::Next;
use crate::received::{Event, Lent, Received, Span, StreamId};
use crate::state::{NvList, State};

const OK: c_int = 0;
/// Frames that one output may have whose content lies with the caller, however short they are.
const LENT_AT_ONCE: usize = 64;

/// One call into nghttp2.
pub(crate) struct Call<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) received: &'a mut Received,
    /// What is being read; empty while writing.
    pub(crate) input: &'a [u8],
    /// Where output goes, and the length at which it is enough; None while reading.
    pub(crate) out: Option<(&'a mut Vec<u8>, usize)>,
    /// Bytes of frames that lie with the caller, of those that this output has.
    pub(crate) lent: usize,
    pub(crate) panic: Option<Box<dyn Any + Send>>,
}

/// Fills a set of callbacks.
///
/// # Safety
/// `set` is a live set of callbacks.
pub(crate) unsafe fn install(set: *mut ffi::nghttp2_session_callbacks) {
    // SAFETY: the caller's promise; the functions have the signatures that nghttp2.h declares.
    unsafe {
        ffi::nghttp2_session_callbacks_set_on_begin_headers_callback(set, Some(on_begin_headers));
        ffi::nghttp2_session_callbacks_set_on_header_callback(set, Some(on_header));
        ffi::nghttp2_session_callbacks_set_on_frame_recv_callback(set, Some(on_frame_recv));
        ffi::nghttp2_session_callbacks_set_on_data_chunk_recv_callback(set, Some(on_data_chunk));
        ffi::nghttp2_session_callbacks_set_on_stream_close_callback(set, Some(on_stream_close));
        ffi::nghttp2_session_callbacks_set_on_frame_send_callback(set, Some(on_frame_send));
        ffi::nghttp2_session_callbacks_set_on_frame_not_send_callback(set, Some(on_frame_not_send));
        ffi::nghttp2_session_callbacks_set_send_data_callback(set, Some(send_data));
        ffi::nghttp2_session_callbacks_set_rand_callback(set, Some(fill_random));
    }
}

/// Runs the body of a callback.
///
/// # Safety
/// `user_data` is what nghttp2 was given as the session's user data: null, or the `Call` of the function of
/// `Session` that is on the stack, which nothing else refers to while nghttp2 runs.
#[inline]
unsafe fn guard<T: From<i16>>(user_data: *mut c_void, body: impl FnOnce(&mut Call<'_>) -> T) -> T {
    let failure = || T::from(ffi::NGHTTP2_ERR_CALLBACK_FAILURE as i16);
    // SAFETY: the caller's promise.
    let Some(call) = (unsafe { user_data.cast::<Call<'_>>().as_mut() }) else { return failure() };
    match catch_unwind(AssertUnwindSafe(|| body(call))) {
        Ok(result) => result,
        Err(panic) => {
            // SAFETY: as above; the reference given to `body` has ended.
            if let Some(call) = unsafe { user_data.cast::<Call<'_>>().as_mut() } {
                call.panic = Some(panic);
            }
            failure()
        }
    }
}

/// # Safety
/// `bytes` is valid for `len` bytes, or `len` is 0.
unsafe fn slice<'a>(bytes: *const u8, len: usize) -> &'a [u8] {
    if len == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(bytes, len) }
}

fn id(stream: i32) -> StreamId {
    StreamId(stream as u32)
}

unsafe extern "C" fn on_begin_headers(
    _session: *mut ffi::nghttp2_session,
    frame: *const ffi::nghttp2_frame,
    user_data: *mut c_void,
) -> c_int {
    // SAFETY: nghttp2 hands out a live frame, here HEADERS, and the user data of the running call; so below.
    let headers = unsafe { &(*frame).headers };
    // SAFETY: as above.
    unsafe {
        guard(user_data, |call| {
            // One is left over if its stream was reset in the middle of it.
            call.state.kept = None;
            call.received.begin_list(id(headers.hd.stream_id), headers.cat == ffi::NGHTTP2_HCAT_REQUEST);
            OK
        })
    }
}

unsafe extern "C" fn on_header(
    _session: *mut ffi::nghttp2_session,
    _frame: *const ffi::nghttp2_frame,
    name: *const u8,
    name_len: usize,
    value: *const u8,
    value_len: usize,
    _flags: u8,
    user_data: *mut c_void,
) -> c_int {
    // SAFETY: nghttp2 hands out name and value for the time of this call.
    let (name, value) = unsafe { (slice(name, name_len), slice(value, value_len)) };
    // SAFETY: as in `on_begin_headers`.
    unsafe {
        guard(user_data, |call| {
            match &mut call.state.kept {
                Some(kept) => kept.push_field(&call.state.limits, name, value),
                None => call.received.push_field(&call.state.limits, name, value),
            }
            OK
        })
    }
}

unsafe extern "C" fn on_frame_recv(
    _session: *mut ffi::nghttp2_session,
    frame: *const ffi::nghttp2_frame,
    user_data: *mut c_void,
) -> c_int {
    // SAFETY: every frame begins with its header.
    let header = unsafe { &(*frame).hd };
    // SAFETY: as in `on_begin_headers`. The fields read are those of the frame's type.
    unsafe {
        guard(user_data, |call| {
            let event = match header.type_ {
                ffi::HEADERS => return end_headers(call, header),
                ffi::DATA if has(header, ffi::NGHTTP2_FLAG_END_STREAM) => {
                    Event::End { stream: id(header.stream_id) }
                }
                ffi::RST_STREAM => {
                    let code = ErrorCode((*frame).rst_stream.error_code);
                    Event::Reset { stream: id(header.stream_id), code }
                }
                ffi::SETTINGS if has(header, ffi::NGHTTP2_FLAG_ACK) => Event::SettingsAcknowledged,
                ffi::PING if has(header, ffi::NGHTTP2_FLAG_ACK) => {
                    Event::Pong { data: (*frame).ping.opaque_data }
                }
                ffi::GOAWAY => Event::GoAway { code: ErrorCode((*frame).goaway.error_code) },
                _ => return OK,
            };
            call.received.events.push(event);
            OK
        })
    }
}

fn has(header: &ffi::nghttp2_frame_hd, flag: u32) -> bool {
    u32::from(header.flags) & flag != 0
}

fn end_headers(call: &mut Call<'_>, header: &ffi::nghttp2_frame_hd) -> c_int {
    if let Some(kept) = call.state.kept.take() {
        kept.put_back(call.received);
    }
    let priority = call.state.early.take(id(header.stream_id));
    call.received.finish_list(has(header, ffi::NGHTTP2_FLAG_END_STREAM), priority);
    OK
}

unsafe extern "C" fn on_data_chunk(
    _session: *mut ffi::nghttp2_session,
    _flags: u8,
    stream: i32,
    data: *const u8,
    len: usize,
    user_data: *mut c_void,
) -> c_int {
    // SAFETY: as in `on_begin_headers`. The data's address is only compared.
    unsafe {
        guard(user_data, |call| {
            // nghttp2 passes on the input itself, without copying it.
            let start = (data as usize).wrapping_sub(call.input.as_ptr() as usize);
            if start.checked_add(len).is_none_or(|end| end > call.input.len()) {
                return ffi::NGHTTP2_ERR_CALLBACK_FAILURE;
            }
            let bytes = Span { start: start as u32, end: (start + len) as u32 };
            call.received.events.push(Event::Data { stream: id(stream), bytes });
            OK
        })
    }
}

unsafe extern "C" fn on_stream_close(
    session: *mut ffi::nghttp2_session,
    stream: i32,
    code: u32,
    user_data: *mut c_void,
) -> c_int {
    // SAFETY: the session is the one that calls; the stream is still known to it.
    let (is_ended, key) = unsafe {
        let is_ended = ffi::nghttp2_session_get_stream_remote_close(session, stream) == 1;
        (is_ended, ffi::nghttp2_session_get_stream_user_data(session, stream) as usize)
    };
    // SAFETY: as in `on_begin_headers`.
    unsafe {
        guard(user_data, |call| {
            call.state.closed.add(id(stream), is_ended);
            call.state.drop_outgoing(key);
            call.received.events.push(Event::Closed { stream: id(stream), code: ErrorCode(code) });
            OK
        })
    }
}

unsafe extern "C" fn on_frame_send(
    _session: *mut ffi::nghttp2_session,
    frame: *const ffi::nghttp2_frame,
    user_data: *mut c_void,
) -> c_int {
    // SAFETY: every frame begins with its header.
    let kind = unsafe { (*frame).hd.type_ };
    if !matches!(kind, ffi::RST_STREAM | ffi::GOAWAY) {
        return OK;
    }
    // SAFETY: as in `on_begin_headers`. The fields read are those of the frame's type.
    unsafe {
        guard(user_data, |call| {
            if kind == ffi::GOAWAY {
                let code = ErrorCode((*frame).goaway.error_code);
                if code != ErrorCode::NO_ERROR {
                    call.state.failure = Some(code);
                }
                return OK;
            }
            let code = ErrorCode((*frame).rst_stream.error_code);
            let is_ours = [
                ErrorCode::NO_ERROR,
                ErrorCode::CANCEL,
                ErrorCode::REFUSED_STREAM,
                // The answer has failed or was aborted, which is no fault of the peer's.
                ErrorCode::INTERNAL_ERROR,
            ]
            .contains(&code);
            call.received.counts.provoked += u32::from(!is_ours);
            OK
        })
    }
}

unsafe extern "C" fn on_frame_not_send(
    session: *mut ffi::nghttp2_session,
    frame: *const ffi::nghttp2_frame,
    _error: c_int,
    user_data: *mut c_void,
) -> c_int {
    // SAFETY: every frame begins with its header.
    let header = unsafe { &(*frame).hd };
    if header.type_ != ffi::HEADERS {
        return OK;
    }
    let stream = header.stream_id;
    // SAFETY: its return value says that a stream has ended or is unknown.
    if unsafe { ffi::nghttp2_session_get_stream_local_close(session, stream) } != 0 {
        return OK;
    }
    // SAFETY: submitting is allowed in this callback; the session is the one that calls.
    let status = unsafe {
        let code = ErrorCode::INTERNAL_ERROR.0;
        ffi::nghttp2_submit_rst_stream(session, ffi::NGHTTP2_FLAG_NONE as u8, stream, code)
    };
    // SAFETY: as in `on_begin_headers`.
    unsafe {
        guard(user_data, |call| {
            call.received.events.push(Event::Unsendable { stream: id(stream) });
            status
        })
    }
}

/// Tells nghttp2 how much goes into the next DATA frame of a stream; `send_data` then takes it.
pub(crate) unsafe extern "C" fn read_data(
    session: *mut ffi::nghttp2_session,
    stream: i32,
    _buffer: *mut u8,
    room: usize,
    flags: *mut u32,
    source: *mut ffi::nghttp2_data_source,
    user_data: *mut c_void,
) -> isize {
    // SAFETY: `fd` is what `Session::submit_response` set.
    let key = unsafe { (*source).fd };
    // SAFETY: as in `on_begin_headers`; `flags` is valid for writing during the call.
    unsafe {
        guard(user_data, |call| {
            let Some(outgoing) = call.state.outgoing(key) else {
                return ffi::NGHTTP2_ERR_CALLBACK_FAILURE as isize;
            };
            let (count, mut say) = match outgoing.next(room) {
                Next::Wait => {
                    outgoing.is_deferred = true;
                    return ffi::NGHTTP2_ERR_DEFERRED as isize;
                }
                Next::Bytes(count) => (count, 0),
                Next::Last(count) => (count, ffi::NGHTTP2_DATA_FLAG_EOF),
                Next::LastWithTrailers(count, trailers) => {
                    let list = NvList::new(trailers.iter());
                    let status = ffi::nghttp2_submit_trailer(session, stream, list.as_ptr(), list.len());
                    if status != OK {
                        return status as isize;
                    }
                    (count, ffi::NGHTTP2_DATA_FLAG_EOF | ffi::NGHTTP2_DATA_FLAG_NO_END_STREAM)
                }
            };
            if count > 0 {
                say |= ffi::NGHTTP2_DATA_FLAG_NO_COPY;
            }
            *flags = say;
            count as isize
        })
    }
}

unsafe extern "C" fn send_data(
    _session: *mut ffi::nghttp2_session,
    frame: *mut ffi::nghttp2_frame,
    frame_header: *const u8,
    length: usize,
    source: *mut ffi::nghttp2_data_source,
    user_data: *mut c_void,
) -> c_int {
    // SAFETY: nghttp2 hands out the nine bytes of the frame header, a live frame, and the source that
    // `Session::submit_response` set.
    let (header, stream, key) = unsafe { (slice(frame_header, 9), id((*frame).hd.stream_id), (*source).fd) };
    // SAFETY: as in `on_begin_headers`.
    unsafe {
        guard(user_data, |call| {
            let (Some(outgoing), Some((out, limit))) = (call.state.outgoing(key), call.out.as_mut()) else {
                return ffi::NGHTTP2_ERR_CALLBACK_FAILURE;
            };
            out.extend_from_slice(header);
            match outgoing.take_lent(length) {
                Some(start) => {
                    call.received.lent.push(Lent { stream, at: out.len(), start, length });
                    call.lent += length;
                }
                None => outgoing.take(length, out),
            }
            let queued = outgoing.queued();
            let is_enough = out.len() + call.lent >= *limit || call.received.lent.len() >= LENT_AT_ONCE;
            call.received.events.push(Event::Sent { stream, bytes: length, queued });
            if is_enough { ffi::NGHTTP2_ERR_PAUSE } else { OK }
        })
    }
}

/// Seeds the table of streams, so that a client can't choose numbers that collide in it.
unsafe extern "C" fn fill_random(to: *mut u8, len: usize) {
    let mut bytes = (0..).flat_map(|round: u32| RandomState::new().hash_one(round).to_ne_bytes());
    for at in 0..len {
        // SAFETY: nghttp2 asks for `len` bytes, and `at` is below that.
        unsafe { to.add(at).write(bytes.next().unwrap_or_default()) };
    }
}
