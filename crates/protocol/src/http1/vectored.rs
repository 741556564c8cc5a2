//! Answers, and pieces of them, so large that copying them costs more than a system call.
//!
//! They are offered to the socket at once from the application's memory, after what waits before them. Only
//! what the socket doesn't take is copied.

use crate::answer::{Answer, AnswerError};
use crate::context::Context;
use crate::event::RequestId;
use crate::http1::Connection;
use crate::http1::encode::{self, Piece};
use crate::http1::pipeline::Stream;
use crate::http1::writing::Offer;
use crate::output::Send;

impl Connection {
    /// Like `handle_answer`, with a body that is copied only as far as `send` doesn't take it.
    pub(crate) fn handle_answer_vectored(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        answer: Answer<'_>,
        send: Send<'_>,
    ) -> Result<(), AnswerError> {
        self.begin_answer(cx, request_id, answer, Some(Offer { send, holds: false }))?;
        self.rearm_after_sending(cx);
        Ok(())
    }

    /// Like `handle_write`, with bytes that are copied only as far as `send` doesn't take them.
    pub(crate) fn handle_write_vectored(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        bytes: &[u8],
        send: Send<'_>,
    ) -> Result<(), AnswerError> {
        if !self.pipeline.is_first(request_id) || bytes.is_empty() {
            return self.handle_write(cx, request_id, bytes);
        }
        let first = self.pipeline.first_mut().and_then(|first| first.state.as_mut());
        let state = first.ok_or(AnswerError::Stale)?;
        if state.external > 0 {
            return self.handle_write(cx, request_id, bytes);
        }
        let stream = state.stream.as_mut().ok_or(AnswerError::Stale)?;
        if *stream == Stream::Silent {
            return Ok(());
        }
        let out = self.output.buffer(cx);
        let before = out.len();
        let Piece { length, suffix, result } = encode::put_piece_start(stream, bytes.len(), out);
        state.put += out.len() - before + length + suffix.len();
        self.output.put_vectored(cx, &bytes[..length], suffix, send);
        self.rearm_after_sending(cx);
        result
    }
}
