//! What a connection speaks other than HTTP/1. A closed set: no dynamic calls.
//!
//! These are off HTTP/1's path: none of them is inlined into it.

use super::undecided::Undecided;
use crate::answer::{Answer, AnswerError, Finish};
use crate::context::Context;
use crate::error::CloseReason;
use crate::event::{Event, RequestId};
use crate::timestamp::Timestamp;
use crate::{http2, raw};

/// See the module.
pub(super) enum Other {
    /// HTTP/1, unless the first bytes are the preface of HTTP/2.
    Undecided(Box<Undecided>),
    Http2(Box<http2::Connection>),
    Raw(Box<raw::Connection>),
}

impl Other {
    #[cold]
    pub(super) fn wants_input(&self) -> bool {
        match self {
            Other::Undecided(undecided) => undecided.wants_input(),
            Other::Http2(http2) => http2.wants_input(),
            Other::Raw(raw) => raw.wants_input(),
        }
    }

    #[cold]
    pub(super) fn is_all_sent(&self) -> bool {
        match self {
            Other::Undecided(_) => true,
            Other::Http2(http2) => http2.is_all_sent(),
            Other::Raw(raw) => raw.is_all_sent(),
        }
    }

    #[cold]
    pub(super) fn close_reason(&self) -> CloseReason {
        match self {
            Other::Undecided(undecided) => undecided.close_reason(),
            Other::Http2(http2) => http2.close_reason(),
            Other::Raw(raw) => raw.close_reason(),
        }
    }

    #[cold]
    pub(super) fn is_between_requests(&self) -> bool {
        matches!(self, Other::Undecided(_))
    }

    #[cold]
    pub(super) fn is_idle(&self) -> bool {
        match self {
            Other::Undecided(undecided) => undecided.is_idle(),
            Other::Http2(http2) => http2.is_idle(),
            Other::Raw(_) => false,
        }
    }

    #[cold]
    pub(super) fn is_sending(&self) -> bool {
        match self {
            Other::Undecided(_) | Other::Raw(_) => false,
            Other::Http2(http2) => !http2.is_all_sent(),
        }
    }

    #[cold]
    pub(super) fn has_peer_ended(&self) -> bool {
        match self {
            Other::Undecided(undecided) => undecided.has_peer_ended(),
            Other::Http2(http2) => http2.has_peer_ended(),
            Other::Raw(raw) => raw.has_peer_ended(),
        }
    }

    #[cold]
    pub(super) fn finish(&self) -> Option<Finish> {
        match self {
            Other::Undecided(undecided) => undecided.finish(),
            Other::Http2(http2) => http2.finish(),
            Other::Raw(raw) => raw.finish(),
        }
    }

    #[cold]
    pub(super) fn poll_timeout(&self, floor: Timestamp) -> Option<Timestamp> {
        match self {
            Other::Undecided(undecided) => undecided.poll_timeout(floor),
            Other::Http2(http2) => http2.poll_timeout(floor),
            Other::Raw(_) => None,
        }
    }

    #[cold]
    pub(super) fn handle_eof(&mut self, _cx: &mut Context) {
        match self {
            Other::Undecided(undecided) => undecided.handle_eof(),
            Other::Http2(http2) => http2.handle_eof(),
            Other::Raw(raw) => raw.handle_eof(),
        }
    }

    #[cold]
    pub(super) fn handle_sent(&mut self, cx: &mut Context, count: usize) {
        match self {
            Other::Undecided(_) => {}
            Other::Http2(http2) => http2.handle_sent(cx, count),
            Other::Raw(raw) => raw.handle_sent(cx, count),
        }
    }

    #[cold]
    pub(super) fn handle_timeout(&mut self, cx: &mut Context) {
        match self {
            Other::Undecided(undecided) => undecided.handle_timeout(),
            Other::Http2(http2) => http2.handle_timeout(cx),
            Other::Raw(_) => {}
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
        }
    }

    #[cold]
    pub(super) fn handle_stop(&mut self) {
        match self {
            Other::Undecided(undecided) => undecided.handle_stop(),
            Other::Http2(http2) => http2.handle_stop(),
            Other::Raw(_) => {}
        }
    }

    #[cold]
    pub(super) fn poll_event(&mut self, cx: &mut Context) -> Option<Event<'static>> {
        match self {
            Other::Undecided(_) => None,
            Other::Http2(http2) => http2.poll_event(cx),
            Other::Raw(raw) => raw.poll_event(),
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
        }
    }
}
