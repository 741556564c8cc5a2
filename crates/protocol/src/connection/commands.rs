//! The application's commands about requests. Those about a connection as a stream of bytes are in raw_commands.rs.

use super::other::Other;
use super::{Connection, Protocol};
use nghttp2::ErrorCode;

use std::io::IoSlice;

use crate::answer::{Answer, AnswerError, Credit};
use crate::context::Context;
use crate::error::Refusal;
use crate::event::RequestId;
use crate::http2;
use crate::output::Send;

/// About requests.
impl Connection {
    /// Answers a request.
    ///
    /// # Errors
    /// `Stale` when the request isn't open or its answer has begun.
    #[inline]
    pub fn handle_answer(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        answer: Answer<'_>,
    ) -> Result<(), AnswerError> {
        match &mut self.protocol {
            Protocol::Http1(http1) => http1.handle_answer(cx, request_id, answer)?,
            Protocol::Other(other) => return other.handle_answer(cx, request_id, answer),
        }
        self.switch_if_taken_over();
        Ok(())
    }

    /// Like `handle_answer`, with a body that is copied only as far as `send` doesn't take it.
    ///
    /// # Errors
    /// `Stale` when the request isn't open or its answer has begun.
    pub fn handle_answer_vectored(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        answer: Answer<'_>,
        send: Send<'_>,
    ) -> Result<(), AnswerError> {
        if let Some(tls) = self.tls_mut() {
            return tls.command_sending(cx, send, |inner, cx, send| {
                inner.handle_answer_vectored(cx, request_id, answer, send)
            });
        }
        if let Some(http2) = self.http2_mut() {
            return http2.handle_answer_vectored(cx, request_id, answer, send);
        }
        self.http1_mut()?.handle_answer_vectored(cx, request_id, answer, send)?;
        self.switch_if_taken_over();
        Ok(())
    }

    /// Sends more of a streamed answer.
    ///
    /// # Errors
    /// `Stale` when no stream is open for the request; `TooLong` when it outgrows its declared length.
    pub fn handle_write(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        bytes: &[u8],
    ) -> Result<(), AnswerError> {
        if let Some(http2) = self.http2_mut() {
            return http2.handle_write(cx, request_id, bytes);
        }
        self.http1_mut()?.handle_write(cx, request_id, bytes)
    }

    /// Like `handle_write`, with bytes that are copied only as far as `send` doesn't take them.
    ///
    /// # Errors
    /// As `handle_write`.
    pub fn handle_write_vectored(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        bytes: &[u8],
        send: Send<'_>,
    ) -> Result<(), AnswerError> {
        if let Some(tls) = self.tls_mut() {
            return tls.command_sending(cx, send, |inner, cx, send| {
                inner.handle_write_vectored(cx, request_id, bytes, send)
            });
        }
        if let Some(http2) = self.http2_mut() {
            return http2.handle_write_vectored(cx, request_id, bytes, send);
        }
        self.http1_mut()?.handle_write_vectored(cx, request_id, bytes, send)
    }

    /// Like `handle_answer_vectored`, but where `send` doesn't take many bytes of the body these aren't copied either:
    /// the result is how many at its end are to be sent when `poll_external` asks for them. With HTTP/2 they are sent by
    /// `send_held`, and none of them here, so that the answers of a turn leave together.
    ///
    /// # Errors
    /// `Stale` when the request isn't open, its answer has begun, or the protocol `takes_external` parts no more.
    pub fn handle_answer_held(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        answer: Answer<'_>,
        send: Send<'_>,
    ) -> Result<usize, AnswerError> {
        if let Some(http2) = self.http2_mut() {
            return http2.handle_answer_held(cx, request_id, answer);
        }
        if let Some(tls) = self.tls_mut() {
            return tls.command_sending(cx, send, |inner, cx, send| {
                inner.handle_answer_held(cx, request_id, answer, send)
            });
        }
        let held = self.http1_mut()?.handle_answer_held(cx, request_id, answer, send)?;
        self.switch_if_taken_over();
        Ok(held)
    }

    /// Like `handle_write_vectored`, with a piece whose bytes may lie in several places. Those that `send` doesn't take
    /// aren't copied either, if they are many: the result is how many at the end are to be sent when `poll_external` asks for
    /// them, and with HTTP/2 by `send_held`, which takes content from one place alone.
    ///
    /// # Errors
    /// As `handle_write`, and `Stale` when the protocol `takes_external` parts no more.
    pub fn handle_write_held(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        piece: &[IoSlice<'_>],
        send: Send<'_>,
    ) -> Result<usize, AnswerError> {
        if let Some(http2) = self.http2_mut() {
            return match piece {
                [bytes] => http2.handle_write_held(cx, request_id, bytes),
                parts => {
                    parts.iter().try_for_each(|part| http2.handle_write(cx, request_id, part)).map(|()| 0)
                }
            };
        }
        if let Some(tls) = self.tls_mut() {
            return tls.command_sending(cx, send, |inner, cx, send| {
                inner.handle_write_held(cx, request_id, piece, send)
            });
        }
        self.http1_mut()?.handle_write_held(cx, request_id, piece, send)
    }

    /// Announces that the next `length` bytes of a streamed answer come from a file. False when they don't go on the
    /// wire, as in an answer to HEAD.
    ///
    /// # Errors
    /// `Stale` when no stream of a declared length is open for the request, or it has an external part already;
    /// `TooLong` when it would outgrow that length.
    pub fn handle_file(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        length: u64,
    ) -> Result<bool, AnswerError> {
        self.http1_mut()?.handle_file(cx, request_id, length)
    }

    /// Ends a streamed answer, with trailer fields as `name: value\r\n` lines; they are sent only where the framing has
    /// room for them.
    ///
    /// # Errors
    /// `Stale` when no stream is open for the request.
    pub fn handle_end(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        trailers: &[u8],
    ) -> Result<(), AnswerError> {
        if let Some(http2) = self.http2_mut() {
            return http2.handle_end(request_id, trailers);
        }
        self.http1_mut()?.handle_end(cx, request_id, trailers, false)?;
        self.switch_if_taken_over();
        Ok(())
    }

    /// The same while the body of the request arrives, and is read on; with HTTP/2 `handle_end` then drops its rest.
    ///
    /// # Errors
    /// As `handle_end`.
    pub fn handle_end_early(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        trailers: &[u8],
    ) -> Result<(), AnswerError> {
        if let Some(http2) = self.http2_mut() {
            return http2.handle_end_early(request_id, trailers);
        }
        self.http1_mut()?.handle_end(cx, request_id, trailers, true)
    }

    /// Sends an informational answer ahead of the final one. RFC 9110 §15.2.
    ///
    /// # Errors
    /// `Stale` when the request isn't open, its answer has begun, or it is HTTP/1.0.
    pub fn handle_inform(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        status: u16,
        fields: &[u8],
    ) -> Result<(), AnswerError> {
        if let Some(http2) = self.http2_mut() {
            return http2.handle_inform(request_id, status, fields);
        }
        self.http1_mut()?.handle_inform(cx, request_id, status, fields)
    }

    /// Grants credit for the body of a request.
    ///
    /// # Errors
    /// `Stale` when no more of that body can be had.
    pub fn handle_credit(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        credit: Credit,
    ) -> Result<(), AnswerError> {
        if let Some(http2) = self.http2_mut() {
            return http2.handle_credit(cx, request_id, credit);
        }
        self.http1_mut()?.handle_credit(cx, request_id, credit)
    }

    /// Revokes the rest of a body's credit, or a raw connection's ask. Until the next one its client isn't late.
    pub fn handle_revoke(&mut self, cx: &Context, request_id: RequestId) {
        if let Some(http2) = self.http2_mut() {
            http2.handle_revoke(cx, request_id);
        } else if let Ok(http1) = self.http1_mut() {
            http1.handle_revoke(cx, request_id);
        } else if let Ok(raw) = self.raw_mut() {
            raw.handle_revoke();
        }
    }

    /// Raises the body limit of one request; a lower one changes nothing.
    ///
    /// # Errors
    /// `Stale` when no more of that body can be had.
    pub fn handle_raise(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        limit: u64,
    ) -> Result<(), AnswerError> {
        if let Some(http2) = self.http2_mut() {
            return http2.handle_raise(cx, request_id, limit);
        }
        self.http1_mut()?.handle_raise(cx, request_id, limit)
    }

    /// Sets how many milliseconds unsent bytes may wait for the peer, until the connection is idle; with HTTP/2 those of
    /// this answer.
    ///
    /// # Errors
    /// `Stale` when the request isn't open.
    pub fn handle_write_timeout(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        millis: u64,
    ) -> Result<(), AnswerError> {
        if let Some(http2) = self.http2_mut() {
            return http2.handle_write_timeout(request_id, millis);
        }
        self.http1_mut()?.handle_write_timeout(cx, request_id, millis)
    }

    /// Sets how slowly the body of one request may come: milliseconds without a byte, and bytes a second on
    /// average, 0 for no minimum. None leaves a value as it is.
    ///
    /// # Errors
    /// `Stale` when no more of that body can be had.
    pub fn handle_data_rate(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        timeout: Option<u64>,
        minimum_rate: Option<u64>,
    ) -> Result<(), AnswerError> {
        if let Some(http2) = self.http2_mut() {
            return http2.handle_data_rate(cx, request_id, timeout, minimum_rate);
        }
        self.http1_mut()?.handle_data_rate(cx, request_id, timeout, minimum_rate)
    }

    /// The answer to this request can't be completed, and nothing more of it is sent. With HTTP/1 the connection is
    /// aborted after the answers before it; with HTTP/2 the stream is reset.
    ///
    /// # Errors
    /// `Stale` when the request isn't open.
    pub fn handle_abort(&mut self, request_id: RequestId) -> Result<(), AnswerError> {
        if let Some(http2) = self.http2_mut() {
            return http2.handle_abort(request_id, ErrorCode::INTERNAL_ERROR);
        }
        self.http1_mut()?.handle_abort(request_id)
    }

    /// Other limits are in force: an idle connection of HTTP/1 is closed when they say.
    #[cold]
    pub fn renew_idle_time(&mut self, cx: &Context) {
        if let Ok(http1) = self.http1_mut() {
            http1.renew_idle_time(cx);
        }
    }

    /// Ends the connection as soon as nothing is owed; a raw one is ended by the application.
    pub fn handle_stop(&mut self, cx: &mut Context) {
        match &mut self.protocol {
            Protocol::Http1(http1) => http1.handle_stop(cx),
            Protocol::Other(other) => other.handle_stop(cx),
        }
    }

    /// The rest of a body that is read behind its answer isn't wanted: a stop doesn't wait for it. With HTTP/2 its
    /// stream is reset, without an error.
    #[cold]
    pub fn leave_rest(&mut self) {
        if let Some(http2) = self.http2_mut() {
            http2.leave_rest();
        } else if let Ok(http1) = self.http1_mut() {
            http1.leave_rest();
        }
    }
}

impl Connection {
    /// The connection has served enough: with HTTP/1 the next request that is answered is the last, with HTTP/2 a
    /// GOAWAY announces the end, and streams that are open are finished. On one that is raw, or whose protocol isn't
    /// known yet, nothing is announced.
    #[cold]
    pub fn handle_last(&mut self) {
        match &mut self.protocol {
            Protocol::Http1(http1) => http1.handle_last(),
            Protocol::Other(Other::Http2(http2)) => http2.handle_last(),
            Protocol::Other(Other::Tls(tls)) => tls.inner.handle_last(),
            Protocol::Other(Other::Raw(raw)) => raw.handle_last(),
            Protocol::Other(Other::Undecided(_)) => {}
        }
    }
}

/// About what was refused without an end of its connection, as streams of HTTP/2 are.
impl Connection {
    /// The next refusal that hasn't been counted.
    pub fn poll_refusal(&mut self) -> Option<Refusal> {
        self.http2_mut().and_then(http2::Connection::poll_refusal)
    }

    /// The connection is closed: refusals that wait for a page are over. To be called before they are taken.
    #[cold]
    pub fn abandon_pages(&mut self) {
        if let Some(http2) = self.http2_mut() {
            http2.abandon_pages();
        }
    }
}
