//! Parts of answers that are files: the reactor sends them from the kernel's cache, past our memory.
//!
//! ```text
//!   handle_answer(Stream { length }) ──► handle_file(length) ──► handle_end
//!   its turn has come, all before is sent ──► poll_file ──► handle_file_sent … until none is missing
//! ```

use crate::answer::AnswerError;
use crate::context::Context;
use crate::event::RequestId;
use crate::http1::Connection;
use crate::http1::pipeline::Stream;

impl Connection {
    /// Announces that the next `length` bytes of a streamed answer come from a file. False when its bytes
    /// don't go on the wire, as in an answer to HEAD.
    ///
    /// # Errors
    /// `Stale` when no stream of a declared length is open for the request id, or a file is being sent on it;
    /// `TooLong` when it would outgrow that length.
    pub fn handle_file(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        length: u64,
    ) -> Result<bool, AnswerError> {
        let at = self.pipeline.position(request_id).ok_or(AnswerError::Stale)?;
        let pending = self.pipeline.get_mut(at).ok_or(AnswerError::Stale)?;
        let extra = pending.extra.as_mut().filter(|extra| extra.file == 0).ok_or(AnswerError::Stale)?;
        match &mut extra.stream {
            Some(Stream::Silent) => return Ok(false),
            Some(Stream::Length(missing)) if length <= *missing => *missing -= length,
            Some(Stream::Length(_)) => return Err(AnswerError::TooLong),
            _ => return Err(AnswerError::Stale),
        }
        extra.file = length;
        self.rearm(cx);
        Ok(length > 0)
    }

    /// The file whose turn it is, and how many bytes of it are missing.
    pub fn poll_file(&self) -> Option<(RequestId, u64)> {
        let first = self.pipeline.first().filter(|_| self.out.is_empty())?;
        let missing = first.extra.as_ref()?.file;
        (missing > 0).then_some((first.request_id, missing))
    }

    /// `count` bytes of the file have been handed to the kernel.
    pub fn handle_file_sent(&mut self, cx: &mut Context, count: u64) {
        let Some(extra) = self.pipeline.first_mut().and_then(|first| first.extra.as_mut()) else { return };
        extra.file = extra.file.saturating_sub(count);
        if extra.file == 0 {
            self.advance(cx);
        }
        self.rearm_after_sending(cx);
    }

    /// The file has fewer bytes than it had, or can't be read: the answer is cut.
    pub fn handle_file_failed(&mut self, cx: &mut Context) {
        let Some(extra) = self.pipeline.first_mut().and_then(|first| first.extra.as_mut()) else { return };
        extra.file = 0;
        extra.stream = None;
        extra.is_done = true;
        extra.is_cut = true;
        self.advance(cx);
        self.rearm_after_sending(cx);
    }
}
