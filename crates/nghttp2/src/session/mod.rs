//! The session: one safe door to nghttp2.

mod answers;
mod control;
mod judge;

pub use answers::Content;

use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::panic::resume_unwind;
use std::ptr::{self, NonNull};

use crate::callbacks::Call;
use crate::error::{Error, ErrorCode};
use crate::ffi;
use crate::received::{ListLimits, Received, StreamId};
use crate::scanner::{HEADER_BYTES, Scanner, Seen};
use crate::session::judge::{Block, Verdict};
use crate::settings::{self, Settings};
use crate::state::State;

/// Bytes of a header list that we send. nghttp2 resets a stream whose answer has more.
pub(crate) const SENT_LIST_BYTES: usize = 1024 * 1024;

/// The server's side of one HTTP/2 connection. See the crate's page for how it is driven.
pub struct Session {
    raw: NonNull<ffi::nghttp2_session>,
    state: State,
    scanner: Scanner,
    /// The header block that is being received.
    block: Option<Block>,
    /// The largest stream that a HEADERS frame was for.
    highest: u32,
    settings: Option<Settings>,
    is_over: bool,
}

// SAFETY: nghttp2 has no thread-local or global state, and its memory may be given back on another thread than its
// first; a session may be used by any one thread at a time, which `&mut self` ensures. Everything else in here is `Send`.
unsafe impl Send for Session {}

impl Session {
    /// A session whose settings are the first thing it sends.
    pub fn new(settings: Settings, limits: ListLimits) -> Result<Session, Error> {
        let raw = settings::open()?;
        let mut session = Session {
            raw,
            state: State::new(limits),
            scanner: Scanner::new(),
            block: None,
            highest: 0,
            settings: Some(settings),
            is_over: false,
        };
        session.submit_settings(&settings)?;
        Ok(session)
    }

    fn submit_settings(&mut self, settings: &Settings) -> Result<(), Error> {
        let entries = settings.entries();
        // SAFETY: the session is live; the entries are copied.
        let status = unsafe {
            ffi::nghttp2_submit_settings(
                self.raw.as_ptr(),
                ffi::NGHTTP2_FLAG_NONE as u8,
                entries.as_ptr(),
                entries.len(),
            )
        };
        if status != 0 {
            return Err(Error::Internal);
        }
        self.set_window(None, settings.connection_window);
        Ok(())
    }

    /// Takes all of `input`, and adds to `received` what it meant. Nothing is taken once the session has
    /// failed, or when `is_over`.
    pub fn handle_input(&mut self, input: &[u8], received: &mut Received) -> Result<(), Error> {
        let result = self.take_frames(input, received);
        // `received` serves other sessions: however this ends, no list of ours is left open in it.
        if let Some(kept) = received.keep_list() {
            self.state.kept = Some(kept);
        }
        result
    }

    fn take_frames(&mut self, input: &[u8], received: &mut Received) -> Result<(), Error> {
        let mut fed = 0;
        let mut at = 0;
        while at < input.len() && self.state.failure.is_none() && !self.is_over {
            let (taken, seen) = self.scanner.advance(&input[at..]);
            at += taken;
            let (verdict, frame_bytes) = match seen {
                Seen::Nothing => break,
                Seen::Header(header) => {
                    if self.needs_state(&header) {
                        // The stream is judged as it stands when everything before this frame is done.
                        let begin = at.saturating_sub(HEADER_BYTES);
                        self.feed(input, fed..begin, received)?;
                        fed = fed.max(begin);
                    }
                    (self.judge_header(&header, received), (!header.is_held()).then_some(HEADER_BYTES))
                }
                Seen::Payload(header) => {
                    let verdict = self.judge_payload(&header, received);
                    // Other payloads come behind a header that was passed on, and are passed on with it.
                    (verdict, header.is_held().then_some(HEADER_BYTES + header.length))
                }
            };
            match verdict {
                Verdict::Pass => {}
                Verdict::Drop => {
                    fed = at;
                    continue;
                }
                Verdict::Fail(code) => {
                    let length = frame_bytes.unwrap_or(HEADER_BYTES);
                    self.feed(input, fed..at.saturating_sub(length), received)?;
                    self.terminate(code);
                    return Ok(());
                }
            }
            if frame_bytes.is_some_and(|length| at < length) {
                // It began in an earlier input, which was fed without it.
                let (bytes, length) = self.scanner.last_frame();
                self.feed(&bytes, 0..length, received)?;
                fed = at;
            }
        }
        let end = at.saturating_sub(self.scanner.held());
        if self.state.failure.is_none() {
            self.feed(input, fed..end, received)?;
        }
        Ok(())
    }

    fn feed(&mut self, input: &[u8], part: Range<usize>, received: &mut Received) -> Result<(), Error> {
        let Some(piece) = input.get(part).filter(|piece| !piece.is_empty()) else { return Ok(()) };
        let raw = self.raw.as_ptr();
        let (status, panic) = {
            let mut call = Call { state: &mut self.state, received, input, out: None, lent: 0, panic: None };
            // SAFETY: the session is live; its user data is `call`, which outlives the call into nghttp2 and
            // is forgotten behind it. The piece is valid for its length, and nothing of it is kept.
            let status = unsafe {
                ffi::nghttp2_session_set_user_data(raw, ptr::from_mut(&mut call).cast::<c_void>());
                let status = ffi::nghttp2_session_mem_recv2(raw, piece.as_ptr(), piece.len());
                ffi::nghttp2_session_set_user_data(raw, ptr::null_mut());
                status
            };
            (status, call.panic)
        };
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
        match c_int::try_from(status).unwrap_or(0) {
            0.. => Ok(()),
            ffi::NGHTTP2_ERR_BAD_CLIENT_MAGIC => {
                self.is_over = true;
                Err(Error::Preface)
            }
            // The peer makes us acknowledge more than it reads.
            ffi::NGHTTP2_ERR_FLOODED => {
                self.terminate(ErrorCode::ENHANCE_YOUR_CALM);
                Ok(())
            }
            _ => {
                self.is_over = true;
                Err(Error::Internal)
            }
        }
    }

    /// Adds output to `out` until there is none, or `out` has grown to `limit`, content that was lent included: of that
    /// `received` tells where it belongs. The limit is overstepped by at most a frame. Events tell what was sent and which
    /// streams ended by it.
    pub fn poll_transmit(
        &mut self,
        out: &mut Vec<u8>,
        limit: usize,
        received: &mut Received,
    ) -> Result<(), Error> {
        let raw = self.raw.as_ptr();
        let mut is_block_open = false;
        let mut lent = 0;
        out.append(&mut self.state.urgent);
        while (out.len() + lent < limit || is_block_open) && !self.is_over {
            let mut frame: *const u8 = ptr::null();
            let (length, panic) = {
                let out = Some((&mut *out, limit));
                let received = &mut *received;
                let mut call = Call { state: &mut self.state, received, input: &[], out, lent, panic: None };
                // SAFETY: as in `feed`.
                let length = unsafe {
                    ffi::nghttp2_session_set_user_data(raw, ptr::from_mut(&mut call).cast::<c_void>());
                    let length = ffi::nghttp2_session_mem_send2(raw, &mut frame);
                    ffi::nghttp2_session_set_user_data(raw, ptr::null_mut());
                    length
                };
                lent = call.lent;
                (length, call.panic)
            };
            if let Some(panic) = panic {
                resume_unwind(panic);
            }
            let Ok(length) = usize::try_from(length) else {
                self.is_over = true;
                return Err(Error::Internal);
            };
            if length == 0 {
                break;
            }
            // SAFETY: nghttp2 hands out `length` bytes that are valid until it is called again.
            let frame = unsafe { std::slice::from_raw_parts(frame, length) };
            // No other frame may stand between the frames of a header block.
            is_block_open = frame.get(3..5).is_some_and(|header| {
                matches!(header[0], ffi::HEADERS | ffi::CONTINUATION)
                    && u32::from(header[1]) & ffi::NGHTTP2_FLAG_END_HEADERS == 0
            });
            match self.settings.take() {
                Some(settings) => settings.put_frame(frame, out),
                None => out.extend_from_slice(frame),
            }
        }
        Ok(())
    }

    /// Ends the session with a GOAWAY that is an error. Nothing is read behind it.
    pub fn terminate(&mut self, code: ErrorCode) {
        self.state.failure = Some(code);
        // SAFETY: the session is live. When there is no memory for the GOAWAY it ends without one.
        let status = unsafe { ffi::nghttp2_session_terminate_session(self.raw.as_ptr(), code.0) };
        self.is_over |= status != 0;
    }

    /// The code of the GOAWAY that ended the session.
    pub fn failure(&self) -> Option<ErrorCode> {
        self.state.failure
    }

    /// Neither input nor output is of use any more: the connection may be closed once its output is sent.
    pub fn is_over(&self) -> bool {
        // SAFETY: the session is live.
        let wants_something = unsafe {
            ffi::nghttp2_session_want_read(self.raw.as_ptr()) != 0
                || ffi::nghttp2_session_want_write(self.raw.as_ptr()) != 0
        };
        self.is_over || !wants_something
    }

    /// Whether `poll_transmit` has something to say.
    pub fn wants_write(&self) -> bool {
        // SAFETY: the session is live.
        let wants_write = unsafe { ffi::nghttp2_session_want_write(self.raw.as_ptr()) != 0 };
        !self.is_over && (wants_write || !self.state.urgent.is_empty())
    }

    /// Whether a header block has begun and not ended.
    pub fn is_in_headers(&self) -> bool {
        self.block.is_some() || self.state.kept.is_some()
    }

    /// Frames that wait to be sent, DATA apart: acknowledgements above all, if the peer doesn't read.
    pub fn waiting_frames(&self) -> usize {
        // SAFETY: the session is live.
        unsafe { ffi::nghttp2_session_get_outbound_queue_size(self.raw.as_ptr()) }
    }

    /// Whether a stream is known: not over in both directions.
    pub fn is_open(&self, stream: StreamId) -> bool {
        // SAFETY: the session is live; the return value says that a stream is unknown.
        unsafe { ffi::nghttp2_session_get_stream_remote_close(self.raw.as_ptr(), stream.0 as i32) != -1 }
    }

    /// Whether more can be said on a stream.
    fn is_writable(&self, stream: StreamId) -> bool {
        // SAFETY: as above.
        unsafe { ffi::nghttp2_session_get_stream_local_close(self.raw.as_ptr(), stream.0 as i32) == 0 }
    }

    /// How many bytes the peer lets us send on a stream now; negative if it took room back.
    pub fn send_window(&self, stream: StreamId) -> i32 {
        // SAFETY: as above.
        unsafe { ffi::nghttp2_session_get_stream_remote_window_size(self.raw.as_ptr(), stream.0 as i32) }
    }

    /// The receive window of a stream as it was last set.
    pub fn receive_window(&self, stream: StreamId) -> i32 {
        // SAFETY: as above.
        unsafe {
            ffi::nghttp2_session_get_stream_effective_local_window_size(self.raw.as_ptr(), stream.0 as i32)
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: the session is live and used for the last time. It calls no callback of ours: those for
        // closed streams belong to `mem_recv` and `mem_send`.
        unsafe { ffi::nghttp2_session_del(self.raw.as_ptr()) };
    }
}
