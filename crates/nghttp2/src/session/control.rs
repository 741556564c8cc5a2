//! Everything that isn't an answer: resets, windows, priorities, PING, GOAWAY, ORIGIN.

use std::ptr;

use super::Session;
use crate::error::ErrorCode;
use crate::ffi;
use crate::priority::Priority;
use crate::received::StreamId;

impl Session {
    /// Ends a stream in both directions.
    pub fn reset(&mut self, stream: StreamId, code: ErrorCode) {
        // SAFETY: the session is live; an unknown stream is ignored.
        let status = unsafe {
            let flags = ffi::NGHTTP2_FLAG_NONE as u8;
            ffi::nghttp2_submit_rst_stream(self.raw.as_ptr(), flags, stream.0 as i32, code.0)
        };
        self.is_over |= status != 0;
    }

    /// Sets how an answer shares the connection with others.
    pub fn set_priority(&mut self, stream: StreamId, priority: Priority) {
        let priority =
            ffi::nghttp2_extpri { urgency: priority.urgency.into(), inc: priority.incremental.into() };
        // SAFETY: the session is live and copies the priority; an unknown stream is ignored.
        unsafe {
            ffi::nghttp2_session_change_extpri_stream_priority(
                self.raw.as_ptr(),
                stream.0 as i32,
                &priority,
                1,
            );
        }
    }

    /// Gives back so much of the connection's window.
    pub fn consume_connection(&mut self, count: usize) {
        // SAFETY: the session is live. It fails only without memory, or for more than was received.
        let status = unsafe { ffi::nghttp2_session_consume_connection(self.raw.as_ptr(), count) };
        self.is_over |= status != 0;
    }

    /// Gives back so much of a stream's window. For one that has ended that means nothing.
    pub fn consume_stream(&mut self, stream: StreamId, count: usize) {
        // SAFETY: as above.
        let status =
            unsafe { ffi::nghttp2_session_consume_stream(self.raw.as_ptr(), stream.0 as i32, count) };
        self.is_over |= status != 0;
    }

    /// Sets the receive window of a stream, or of the connection for None.
    pub fn set_window(&mut self, stream: Option<StreamId>, size: i32) {
        let number = stream.map_or(0, |stream| stream.0 as i32);
        // SAFETY: the session is live; an unknown stream is ignored.
        unsafe {
            let flags = ffi::NGHTTP2_FLAG_NONE as u8;
            ffi::nghttp2_session_set_local_window_size(self.raw.as_ptr(), flags, number, size);
        }
    }

    /// Sends a PING. It overtakes everything that waits: to stand behind a GOAWAY it is submitted when
    /// `poll_transmit` has returned that.
    pub fn ping(&mut self, data: [u8; 8]) {
        // SAFETY: the session is live; the eight bytes are copied.
        let status = unsafe {
            ffi::nghttp2_submit_ping(self.raw.as_ptr(), ffi::NGHTTP2_FLAG_NONE as u8, data.as_ptr())
        };
        self.is_over |= status != 0;
    }

    /// The first GOAWAY of an orderly end: no more streams are wanted, those under way are served.
    /// RFC 9113 §6.8.
    pub fn announce_shutdown(&mut self) {
        // SAFETY: the session is live.
        let status = unsafe { ffi::nghttp2_submit_shutdown_notice(self.raw.as_ptr()) };
        self.is_over |= status != 0;
    }

    /// The last GOAWAY: streams above the last one processed are ignored from now on, the others go on.
    pub fn shut_down(&mut self, code: ErrorCode) {
        // SAFETY: the session is live; there is no debug data.
        let status = unsafe {
            let last = ffi::nghttp2_session_get_last_proc_stream_id(self.raw.as_ptr());
            let flags = ffi::NGHTTP2_FLAG_NONE as u8;
            ffi::nghttp2_submit_goaway(self.raw.as_ptr(), flags, last, code.0, ptr::null(), 0)
        };
        self.is_over |= status != 0;
    }

    /// Sends an ORIGIN frame. RFC 8336. Origins are ASCII, as `https://example.org`.
    pub fn submit_origins(&mut self, origins: &[&str]) {
        let entries: Vec<_> = origins
            .iter()
            .map(|origin| ffi::nghttp2_origin_entry {
                origin: origin.as_ptr().cast_mut(),
                origin_len: origin.len(),
            })
            .collect();
        // SAFETY: the session is live and copies the entries, whose type lacks a const.
        let status = unsafe {
            let flags = ffi::NGHTTP2_FLAG_NONE as u8;
            ffi::nghttp2_submit_origin(self.raw.as_ptr(), flags, entries.as_ptr(), entries.len())
        };
        self.is_over |= status != 0;
    }
}
