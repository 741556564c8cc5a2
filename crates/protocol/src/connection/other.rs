//! What a connection speaks other than HTTP/1. A closed set: no dynamic calls.
//!
//! These are off HTTP/1's path: none of them is inlined into it.

use super::secured::Secured;
use super::undecided::Undecided;
use crate::answer::{Answer, AnswerError, Finish};
use crate::context::Context;
use crate::error::CloseReason;
use crate::event::{Event, RequestId};
use crate::timestamp::Timestamp;
use crate::{http1, http2, raw};

/// See the module.
pub(super) enum Other {
    /// HTTP/1, unless the first bytes are the preface of HTTP/2.
    Undecided(Box<Undecided>),
    Http2(Box<http2::Connection>),
    Raw(Box<raw::Connection>),
    /// Another connection, under TLS.
    Tls(Box<Secured>),
}

impl Other {
    #[cold]
    pub(super) fn http1(&self) -> Option<&http1::Connection> {
        match self {
            Other::Undecided(_) | Other::Http2(_) | Other::Raw(_) => None,
            Other::Tls(tls) => tls.inner.http1(),
        }
    }

    #[cold]
    pub(super) fn http1_mut(&mut self) -> Result<&mut http1::Connection, AnswerError> {
        match self {
            Other::Undecided(_) | Other::Http2(_) | Other::Raw(_) => Err(AnswerError::Stale),
            Other::Tls(tls) => tls.inner.http1_mut(),
        }
    }

    #[cold]
    pub(super) fn http2(&self) -> Option<&http2::Connection> {
        match self {
            Other::Undecided(_) | Other::Raw(_) => None,
            Other::Http2(http2) => Some(http2),
            Other::Tls(tls) => tls.inner.http2(),
        }
    }

    #[cold]
    pub(super) fn http2_mut(&mut self) -> Option<&mut http2::Connection> {
        match self {
            Other::Undecided(_) | Other::Raw(_) => None,
            Other::Http2(http2) => Some(http2),
            Other::Tls(tls) => tls.inner.http2_mut(),
        }
    }

    #[cold]
    pub(super) fn raw(&self) -> Option<&raw::Connection> {
        match self {
            Other::Undecided(_) | Other::Http2(_) => None,
            Other::Raw(raw) => Some(raw),
            Other::Tls(tls) => tls.inner.raw(),
        }
    }

    #[cold]
    pub(super) fn raw_mut(&mut self) -> Result<&mut raw::Connection, AnswerError> {
        match self {
            Other::Undecided(_) | Other::Http2(_) => Err(AnswerError::Stale),
            Other::Raw(raw) => Ok(raw),
            Other::Tls(tls) => tls.inner.raw_mut(),
        }
    }

    #[cold]
    pub(super) fn switch_if_taken_over(&mut self) {
        if let Other::Tls(tls) = self {
            tls.inner.switch_if_taken_over();
        }
    }

    #[cold]
    pub(super) fn poll_shutdown(&mut self) -> bool {
        match self {
            Other::Undecided(_) | Other::Http2(_) => false,
            Other::Raw(raw) => raw.poll_shutdown(),
            Other::Tls(tls) => tls.poll_shutdown(),
        }
    }

    #[cold]
    pub(super) fn wants_input(&self) -> bool {
        match self {
            Other::Undecided(undecided) => undecided.wants_input(),
            Other::Http2(http2) => http2.wants_input(),
            Other::Raw(raw) => raw.wants_input(),
            Other::Tls(tls) => tls.inner.wants_input(),
        }
    }

    #[cold]
    pub(super) fn is_all_sent(&self) -> bool {
        match self {
            Other::Undecided(_) => true,
            Other::Http2(http2) => http2.is_all_sent(),
            Other::Raw(raw) => raw.is_all_sent(),
            Other::Tls(tls) => tls.is_all_sent(),
        }
    }

    #[cold]
    pub(super) fn close_reason(&self) -> CloseReason {
        match self {
            Other::Undecided(undecided) => undecided.close_reason(),
            Other::Http2(http2) => http2.close_reason(),
            Other::Raw(raw) => raw.close_reason(),
            Other::Tls(tls) => tls.inner.close_reason(),
        }
    }

    #[cold]
    pub(super) fn is_between_requests(&self) -> bool {
        match self {
            Other::Undecided(_) => true,
            Other::Http2(_) | Other::Raw(_) => false,
            Other::Tls(tls) => tls.inner.is_between_requests(),
        }
    }

    #[cold]
    pub(super) fn is_idle(&self) -> bool {
        match self {
            Other::Undecided(undecided) => undecided.is_idle(),
            Other::Http2(http2) => http2.is_idle(),
            Other::Raw(_) => false,
            Other::Tls(tls) => tls.inner.is_idle(),
        }
    }

    #[cold]
    pub(super) fn is_sending(&self) -> bool {
        match self {
            Other::Undecided(_) | Other::Raw(_) => false,
            Other::Http2(http2) => !http2.is_all_sent(),
            Other::Tls(tls) => tls.inner.is_sending(),
        }
    }

    #[cold]
    pub(super) fn has_peer_ended(&self) -> bool {
        match self {
            Other::Undecided(undecided) => undecided.has_peer_ended(),
            Other::Http2(http2) => http2.has_peer_ended(),
            Other::Raw(raw) => raw.has_peer_ended(),
            Other::Tls(tls) => tls.inner.has_peer_ended(),
        }
    }

    #[cold]
    pub(super) fn idle_since(&self, cx: &Context) -> Option<Timestamp> {
        match self {
            Other::Undecided(undecided) => undecided.idle_since(cx),
            Other::Http2(http2) => http2.idle_since(),
            Other::Raw(_) => None,
            Other::Tls(tls) => tls.inner.idle_since(cx),
        }
    }

    #[cold]
    pub(super) fn finish(&self) -> Option<Finish> {
        match self {
            Other::Undecided(undecided) => undecided.finish(),
            Other::Http2(http2) => http2.finish(),
            Other::Raw(raw) => raw.finish(),
            Other::Tls(tls) => tls.finish(),
        }
    }

    #[cold]
    pub(super) fn poll_timeout(&self, floor: Timestamp) -> Option<Timestamp> {
        match self {
            Other::Undecided(undecided) => undecided.poll_timeout(floor),
            Other::Http2(http2) => http2.poll_timeout(floor),
            Other::Raw(_) => None,
            Other::Tls(tls) => tls.poll_timeout(floor),
        }
    }

    #[cold]
    pub(super) fn handle_eof(&mut self, cx: &mut Context) {
        match self {
            Other::Undecided(undecided) => undecided.handle_eof(),
            Other::Http2(http2) => http2.handle_eof(cx),
            Other::Raw(raw) => raw.handle_eof(),
            Other::Tls(tls) => tls.handle_eof(cx),
        }
    }

    #[cold]
    pub(super) fn handle_sent(&mut self, cx: &mut Context, count: usize) {
        match self {
            Other::Undecided(_) => {}
            Other::Http2(http2) => http2.handle_sent(cx, count),
            Other::Raw(raw) => raw.handle_sent(cx, count),
            Other::Tls(tls) => tls.handle_sent(cx, count),
        }
    }

    #[cold]
    pub(super) fn handle_timeout(&mut self, cx: &mut Context) {
        match self {
            Other::Undecided(undecided) => undecided.handle_timeout(),
            Other::Http2(http2) => http2.handle_timeout(cx),
            Other::Raw(_) => {}
            Other::Tls(tls) => tls.handle_timeout(cx),
        }
    }

    #[cold]
    pub(super) fn handle_answer(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        answer: Answer<'_>,
    ) -> Result<(), AnswerError> {
        match self {
            Other::Undecided(_) | Other::Raw(_) => Err(AnswerError::Stale),
            Other::Http2(http2) => http2.handle_answer(cx, request_id, answer),
            Other::Tls(tls) => tls.inner.handle_answer(cx, request_id, answer),
        }
    }

    #[cold]
    pub(super) fn handle_stop(&mut self, cx: &mut Context) {
        match self {
            Other::Undecided(undecided) => undecided.handle_stop(),
            Other::Http2(http2) => http2.handle_stop(),
            Other::Raw(_) => {}
            Other::Tls(tls) => tls.inner.handle_stop(cx),
        }
    }

    #[cold]
    pub(super) fn poll_event(&mut self, cx: &mut Context) -> Option<Event<'static>> {
        match self {
            Other::Undecided(_) => None,
            Other::Http2(http2) => http2.poll_event(cx),
            Other::Raw(raw) => raw.poll_event(),
            Other::Tls(tls) => tls.inner.poll_event(cx),
        }
    }

    #[cold]
    pub(super) fn poll_transmit(&mut self, cx: &mut Context) -> &[u8] {
        match self {
            Other::Undecided(_) => &[],
            Other::Http2(http2) => {
                http2.flush(cx);
                http2.unsent()
            }
            Other::Raw(raw) => raw.unsent(),
            Other::Tls(tls) => tls.poll_transmit(cx),
        }
    }
}
