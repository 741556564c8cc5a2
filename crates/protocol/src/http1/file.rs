//! Parts of answers that are files. The kernel sends them from its cache, past our memory; or the reactor reads them and
//! gives the bytes, where they have to be encrypted.
//!
//! ```text
//!   handle_answer(Stream { length }) ──► handle_file(length) ──► handle_end
//!   all before it is sent ──► poll_file ──► handle_file_sent, or handle_file_bytes … until nothing is missing
//! ```

use crate::answer::AnswerError;
use crate::context::Context;
use crate::event::RequestId;
use crate::http1::Connection;
use crate::http1::pipeline::Stream;
use crate::output::Send;

impl Connection {
    pub(crate) fn handle_file(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        length: u64,
    ) -> Result<bool, AnswerError> {
        let (_, pending) = self.pipeline.find_mut(request_id).ok_or(AnswerError::Stale)?;
        let state = pending.state.as_mut().filter(|state| state.file == 0).ok_or(AnswerError::Stale)?;
        match &mut state.stream {
            Some(Stream::Silent) => return Ok(false),
            Some(Stream::Length(missing)) if length <= *missing => *missing -= length,
            Some(Stream::Length(_)) => return Err(AnswerError::TooLong),
            _ => return Err(AnswerError::Stale),
        }
        state.file = length;
        self.rearm(cx);
        Ok(length > 0)
    }

    pub(crate) fn poll_file(&self) -> Option<(RequestId, u64)> {
        let first = self.pipeline.first().filter(|_| self.output.is_empty())?;
        let missing = first.state.as_ref()?.file;
        (missing > 0).then_some((first.request_id, missing))
    }

    pub(crate) fn handle_file_sent(&mut self, cx: &mut Context, count: u64) {
        let Some(state) = self.pipeline.first_mut().and_then(|first| first.state.as_mut()) else { return };
        state.file = state.file.saturating_sub(count);
        if state.file == 0 {
            self.advance(cx);
        }
        self.rearm_after_sending(cx);
    }

    /// The next bytes of the file; they are copied only as far as `send` doesn't take them.
    pub(crate) fn handle_file_bytes(&mut self, cx: &mut Context, bytes: &[u8], send: Send<'_>) {
        self.output.put_vectored(cx, bytes, b"", send);
        self.handle_file_sent(cx, bytes.len() as u64);
    }

    pub(crate) fn handle_file_failed(&mut self, cx: &mut Context) {
        let Some(state) = self.pipeline.first_mut().and_then(|first| first.state.as_mut()) else { return };
        state.file = 0;
        state.stream = None;
        state.is_done = true;
        state.is_aborted = true;
        self.advance(cx);
        self.rearm_after_sending(cx);
    }
}
