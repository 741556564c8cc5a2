//! The application's commands: about requests, and about the connection as a stream of bytes.

use super::other::Other;
use super::{Connection, Protocol};
use nghttp2::ErrorCode;

use crate::answer::{Answer, AnswerError, Credit, Taken};
use crate::context::Context;
use crate::error::Refusal;
use crate::event::RequestId;
use crate::handoff::Handoff;
use crate::output::Send;
use crate::way::Way;
use crate::{http1, http2};

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

    /// Like `handle_write_vectored`, but bytes that `send` doesn't take aren't copied either, if they are many: the result
    /// is how many at the end are to be sent when `poll_external` asks for them, and with HTTP/2 by `send_held`.
    ///
    /// # Errors
    /// As `handle_write`, and `Stale` when the protocol `takes_external` parts no more.
    pub fn handle_write_held(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        bytes: &[u8],
        send: Send<'_>,
    ) -> Result<usize, AnswerError> {
        if let Some(http2) = self.http2_mut() {
            return http2.handle_write_held(cx, request_id, bytes);
        }
        if let Some(tls) = self.tls_mut() {
            return tls.command_sending(cx, send, |inner, cx, send| {
                inner.handle_write_held(cx, request_id, bytes, send)
            });
        }
        self.http1_mut()?.handle_write_held(cx, request_id, bytes, send)
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

/// About the connection as a stream of bytes.
impl Connection {
    /// Makes the connection raw after a request, once all earlier answers are sent. With `fields` a 101 goes
    /// ahead. Of HTTP/2 the stream of an extended CONNECT is taken over, behind a 200; any other is reset, so that the
    /// client repeats the request by HTTP/1.1.
    ///
    /// # Errors
    /// `Stale` when the request isn't open or its answer has begun; `Occupied` when the connection isn't
    /// free. Nothing has changed then.
    pub fn handle_upgrade(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        fields: Option<&[u8]>,
    ) -> Result<Taken, AnswerError> {
        if let Some(http2) = self.http2_mut() {
            return http2.handle_upgrade(cx, request_id, fields.unwrap_or(&[]));
        }
        self.http1_mut()?.handle_upgrade(cx, request_id, fields)?;
        self.switch_if_taken_over();
        Ok(Taken::Connection)
    }

    /// Makes a connection raw on which no request is under way.
    ///
    /// # Errors
    /// `Stale` when one is, or the connection is raw.
    pub fn handle_take_raw(&mut self) -> Result<(), AnswerError> {
        if let Protocol::Other(Other::Tls(tls)) = &mut self.protocol {
            return tls.inner.handle_take_raw();
        }
        let handoff = self.hand_off_idle()?;
        self.become_raw(handoff, None);
        Ok(())
    }

    /// Has HTTP/2 spoken from the first byte on, on a connection from which nothing was read.
    ///
    /// # Errors
    /// `Stale` when HTTP/1 has begun, or there is no memory for a session.
    pub fn handle_choose_http2(&mut self, cx: &Context, way: Way) -> Result<(), AnswerError> {
        if let Protocol::Other(Other::Tls(tls)) = &mut self.protocol {
            return tls.inner.handle_choose_http2(cx, Way { is_encrypted: true, ..way });
        }
        if self.http2().is_some() {
            // TLS has agreed on it.
            return Ok(());
        }
        let handoff = self.hand_off_idle()?;
        self.become_http2(cx, way, handoff).map(drop)
    }

    /// Leaves a connection on which no request is under way.
    fn hand_off_idle(&mut self) -> Result<Handoff, AnswerError> {
        match &mut self.protocol {
            Protocol::Other(Other::Undecided(undecided)) => undecided.hand_off().ok_or(AnswerError::Stale),
            Protocol::Other(Other::Http2(http2)) => http2.hand_off_unused().ok_or(AnswerError::Stale),
            _ => self.http1_mut()?.hand_off_idle(),
        }
    }

    /// Like `handle_serve`, with HTTP/2.
    ///
    /// # Errors
    /// As `handle_serve`, and `Stale` when there is no memory for a session.
    pub fn handle_serve_http2(&mut self, cx: &Context, way: Way) -> Result<Vec<u8>, AnswerError> {
        if let Protocol::Other(Other::Tls(tls)) = &mut self.protocol {
            return tls.inner.handle_serve_http2(cx, Way { is_encrypted: true, ..way });
        }
        let handoff = self.raw_mut()?.hand_off()?;
        self.become_http2(cx, way, handoff)
    }

    fn become_http2(&mut self, cx: &Context, way: Way, handoff: Handoff) -> Result<Vec<u8>, AnswerError> {
        let (http2, unread) = http2::Connection::resume(cx, way, handoff).ok_or(AnswerError::Stale)?;
        self.protocol = Protocol::Other(Other::Http2(Box::new(http2)));
        Ok(unread)
    }

    /// Gives a raw connection back to HTTP. The bytes that the application has left unread are returned, to be given to
    /// `handle_input` ahead of all others; after them `handle_eof`, if `has_peer_ended`.
    ///
    /// # Errors
    /// `Stale` when it isn't raw, or our sending side was ended.
    pub fn handle_serve(&mut self, cx: &mut Context) -> Result<Vec<u8>, AnswerError> {
        if let Protocol::Other(Other::Tls(tls)) = &mut self.protocol {
            return tls.inner.handle_serve(cx);
        }
        let handoff = self.raw_mut()?.hand_off()?;
        let (http1, unread) = http1::Connection::resume(cx, handoff);
        self.protocol = Protocol::Http1(http1);
        Ok(unread)
    }

    /// Asks for one piece of up to so many bytes. 0 takes an unanswered ask back: an empty piece answers it.
    ///
    /// # Errors
    /// `Stale` when the connection isn't raw.
    pub fn handle_raw_ask(&mut self, bytes: u64) -> Result<(), AnswerError> {
        self.raw_mut()?.handle_ask(bytes);
        Ok(())
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// `Stale` when the connection isn't raw or its sending side was ended.
    pub fn handle_raw_write(&mut self, cx: &mut Context, bytes: &[u8]) -> Result<(), AnswerError> {
        self.raw_mut()?.handle_write(cx, bytes)
    }

    /// Like `handle_raw_write`, with bytes that are copied only as far as `send` doesn't take them.
    ///
    /// # Errors
    /// As `handle_raw_write`.
    pub fn handle_raw_write_vectored(
        &mut self,
        cx: &mut Context,
        bytes: &[u8],
        send: Send<'_>,
    ) -> Result<(), AnswerError> {
        if let Some(tls) = self.tls_mut() {
            return tls.command_sending(cx, send, |inner, cx, send| {
                inner.handle_raw_write_vectored(cx, bytes, send)
            });
        }
        self.raw_mut()?.handle_write_vectored(cx, bytes, send)
    }

    /// Ends the sending side after what was written.
    ///
    /// # Errors
    /// `Stale` when the connection isn't raw.
    pub fn handle_raw_end(&mut self) -> Result<(), AnswerError> {
        self.raw_mut()?.handle_end();
        Ok(())
    }
}
