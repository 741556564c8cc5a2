//! The application's commands about a connection as a stream of bytes: who speaks on it, and what is sent and received.

use super::other::Other;
use super::{Connection, Protocol};
use crate::answer::{AnswerError, Taken};
use crate::context::Context;
use crate::event::RequestId;
use crate::handoff::Handoff;
use crate::output::Send;
use crate::way::Way;
use crate::{http1, http2};

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
            return tls.choose_http2(cx);
        }
        let handoff = self.hand_off_idle()?;
        self.become_http2(cx, way, handoff).map(drop)
    }

    /// Leaves a connection on which no request is under way.
    fn hand_off_idle(&mut self) -> Result<Handoff, AnswerError> {
        match &mut self.protocol {
            Protocol::Other(Other::Undecided(undecided)) => undecided.hand_off().ok_or(AnswerError::Stale),
            _ => self.http1_mut()?.hand_off_idle(),
        }
    }

    /// Like `handle_serve`, with HTTP/2.
    ///
    /// # Errors
    /// As `handle_serve`, and `Stale` when there is no memory for a session.
    pub fn handle_serve_http2(&mut self, cx: &Context, way: Way) -> Result<Vec<u8>, AnswerError> {
        if let Protocol::Other(Other::Tls(tls)) = &mut self.protocol {
            return tls.serve_http2(cx);
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
