//! Answers: header lists, content and trailers of streams.

use std::ffi::c_int;
use std::ptr;

use super::Session;
use crate::callbacks;
use crate::error::Gone;
use crate::ffi;
use crate::outgoing::{Outgoing, OwnedList};
use crate::received::StreamId;
use crate::state::NvList;

/// The content of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// There is none: END_STREAM stands on the header list.
    None,
    /// All of it.
    Full(&'a [u8]),
    /// So many bytes, above 0, that stay with the caller, as by `lend`.
    Lent(usize),
    /// It follows by `push` and `finish`.
    Stream,
}

impl Session {
    /// Answers a request. `fields` begins with `:status`; names are in lower case.
    pub fn submit_response<'a>(
        &mut self,
        stream: StreamId,
        fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
        content: Content<'_>,
    ) -> Result<(), Gone> {
        if !self.is_writable(stream) {
            return Err(Gone);
        }
        let list = NvList::new(fields);
        let raw = self.raw.as_ptr();
        let number = stream.0 as i32;
        if content == Content::None {
            // SAFETY: the session is live and copies names and values, which `list` borrows.
            let status =
                unsafe { ffi::nghttp2_submit_response2(raw, number, list.as_ptr(), list.len(), ptr::null()) };
            return gone_unless(status == 0);
        }
        if self.mark(stream) != 0 {
            return Err(Gone);
        }
        let key = self.state.add_outgoing().ok_or(Gone)?;
        if let Some(outgoing) = self.state.outgoing(key) {
            match content {
                Content::Full(bytes) => {
                    outgoing.push(bytes);
                    outgoing.finish(None);
                }
                Content::Lent(count) => {
                    outgoing.lend(count);
                    outgoing.finish(None);
                }
                Content::None | Content::Stream => {}
            }
        }
        let source = ffi::nghttp2_data_source { fd: key };
        let provider = ffi::nghttp2_data_provider2 { source, read_callback: Some(callbacks::read_data) };
        let mark = key as usize + 1;
        // SAFETY: as above; the provider is copied, its source is a number, and the stream's user data is a
        // number that is never followed.
        let status = unsafe {
            ffi::nghttp2_session_set_stream_user_data(raw, number, ptr::without_provenance_mut(mark));
            ffi::nghttp2_submit_response2(raw, number, list.as_ptr(), list.len(), &provider)
        };
        gone_unless(status == 0)
    }

    /// Sends an interim response, 103 for instance. `fields` begins with `:status`.
    pub fn submit_inform<'a>(
        &mut self,
        stream: StreamId,
        fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<(), Gone> {
        if !self.is_writable(stream) {
            return Err(Gone);
        }
        let list = NvList::new(fields);
        // SAFETY: as in `submit_response`. There is neither priority nor user data.
        let status = unsafe {
            ffi::nghttp2_submit_headers(
                self.raw.as_ptr(),
                ffi::NGHTTP2_FLAG_NONE as u8,
                stream.0 as i32,
                ptr::null(),
                list.as_ptr(),
                list.len(),
                ptr::null_mut(),
            )
        };
        gone_unless(status == 0)
    }

    /// The key of a stream's content plus one; 0 if it has none.
    fn mark(&self, stream: StreamId) -> usize {
        // SAFETY: the session is live; the stream's user data is a number. Null for an unknown stream.
        let mark = unsafe { ffi::nghttp2_session_get_stream_user_data(self.raw.as_ptr(), stream.0 as i32) };
        mark.addr()
    }

    /// The key of a stream's content, if it has some.
    pub(super) fn key(&self, stream: StreamId) -> Option<c_int> {
        self.mark(stream).checked_sub(1).and_then(|key| c_int::try_from(key).ok())
    }

    /// Adds `count` bytes, above 0, to an answer that was submitted as `Stream`. They stay with the caller, which puts them
    /// into the output where `Received::lent` says. False: others wait, so that these have to be pushed.
    pub fn lend(&mut self, stream: StreamId, count: usize) -> Result<bool, Gone> {
        let mut is_lent = false;
        self.with_outgoing(stream, |outgoing| is_lent = outgoing.lend(count))?;
        Ok(is_lent)
    }

    /// How many bytes that were lent haven't gone to the output.
    pub fn lent(&self, stream: StreamId) -> usize {
        self.mark(stream).checked_sub(1).map_or(0, |key| self.state.lent(key))
    }

    /// Copies what hasn't gone to the output of the bytes that were lent.
    pub fn keep_lent(&mut self, stream: StreamId, bytes: &[u8]) {
        if let Some(outgoing) = self.key(stream).and_then(|key| self.state.outgoing(key)) {
            outgoing.keep(bytes);
        }
    }

    /// Adds content to an answer that was submitted as `Stream`. Returns how many bytes wait.
    pub fn push(&mut self, stream: StreamId, bytes: &[u8]) -> Result<usize, Gone> {
        self.with_outgoing(stream, |outgoing| outgoing.push(bytes))
    }

    /// Ends such an answer.
    pub fn finish(&mut self, stream: StreamId) -> Result<(), Gone> {
        self.with_outgoing(stream, |outgoing| outgoing.finish(None)).map(drop)
    }

    /// Ends such an answer with a trailer section.
    pub fn finish_with_trailers<'a>(
        &mut self,
        stream: StreamId,
        trailers: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<(), Gone> {
        let trailers = OwnedList::new(trailers);
        self.with_outgoing(stream, |outgoing| outgoing.finish(Some(trailers))).map(drop)
    }

    fn with_outgoing(&mut self, stream: StreamId, change: impl FnOnce(&mut Outgoing)) -> Result<usize, Gone> {
        let key = self.key(stream).ok_or(Gone)?;
        let outgoing = self.state.outgoing(key).filter(|outgoing| !outgoing.is_finished()).ok_or(Gone)?;
        change(outgoing);
        let queued = outgoing.queued();
        if (queued > 0 || outgoing.is_finished()) && std::mem::take(&mut outgoing.is_deferred) {
            // SAFETY: the session is live and the stream's DATA was deferred by `read_data`.
            unsafe { ffi::nghttp2_session_resume_data(self.raw.as_ptr(), stream.0 as i32) };
        }
        Ok(queued)
    }

    /// Bytes of an answer's content that haven't gone to the output.
    pub fn queued(&self, stream: StreamId) -> usize {
        self.mark(stream).checked_sub(1).map_or(0, |key| self.state.queued(key))
    }
}

fn gone_unless(is_ok: bool) -> Result<(), Gone> {
    if is_ok { Ok(()) } else { Err(Gone) }
}
