//! Getters: they take `&self`, and change nothing.

use super::other::Other;
use super::{Connection, Protocol};
use crate::context::Context;
use crate::error::{CloseReason, RequestError};
use crate::event::RequestId;
use crate::timestamp::Timestamp;
use crate::{http1, http2, raw};

impl Connection {
    /// Whether input leads anywhere now.
    #[inline]
    pub fn wants_input(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(http1) => http1.wants_input(),
            Protocol::Other(other) => other.wants_input(),
        }
    }

    /// How many bytes may be received straight into the application's memory, and then be given to `handle_direct`;
    /// 0 where the protocol has to see them first.
    #[inline]
    pub fn direct_room(&self) -> usize {
        match &self.protocol {
            Protocol::Http1(http1) => http1.direct_room(),
            Protocol::Other(Other::Raw(raw)) => raw.direct_room(),
            Protocol::Other(_) => 0,
        }
    }

    /// Whether large bytes may go to the socket from where they are: the `_vectored` methods.
    #[inline]
    pub fn takes_vectored(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(_) | Protocol::Other(Other::Undecided(_) | Other::Http2(_) | Other::Raw(_)) => {
                true
            }
            Protocol::Other(Other::Tls(tls)) => tls.takes_vectored(),
        }
    }

    /// Whether parts of answers may be sent past the output: the `_held` methods, and `poll_external` or `send_held`.
    #[inline]
    pub fn takes_external(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(_) | Protocol::Other(Other::Http2(_)) => true,
            Protocol::Other(Other::Tls(tls)) => tls.inner.takes_external(),
            Protocol::Other(Other::Undecided(_) | Other::Raw(_)) => false,
        }
    }

    /// Whether a part of this answer is still to be sent past the output.
    pub fn holds(&self, request_id: RequestId) -> bool {
        match self.http2() {
            Some(http2) => http2.holds(request_id),
            None => self.http1().is_some_and(|http1| http1.holds(request_id)),
        }
    }

    /// Whether bytes follow the next `count` of a streamed answer that is next on the wire.
    pub fn continues_behind(&self, request_id: RequestId, count: usize) -> bool {
        match &self.protocol {
            Protocol::Http1(http1) => http1.continues_behind(request_id, count),
            Protocol::Other(_) => false,
        }
    }

    /// Whether parts of answers may be files: `handle_file`. Under TLS their bytes have to be given.
    #[inline]
    pub fn takes_files(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(_) => true,
            Protocol::Other(Other::Tls(tls)) => tls.inner.takes_files(),
            Protocol::Other(_) => false,
        }
    }

    /// Whether nothing waits to be sent, external parts apart.
    #[inline]
    pub fn is_all_sent(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(http1) => http1.is_all_sent(),
            Protocol::Other(other) => other.is_all_sent(),
        }
    }

    /// How many bytes of a raw connection wait to be sent.
    pub fn raw_backlog(&self) -> usize {
        self.raw().map_or(0, raw::Connection::backlog)
    }

    /// Why the connection ended.
    pub fn close_reason(&self) -> CloseReason {
        match &self.protocol {
            Protocol::Http1(http1) => http1.close_reason(),
            Protocol::Other(other) => other.close_reason(),
        }
    }

    /// Whether the body of a request of HTTP/1 is still arriving.
    #[inline]
    pub fn is_receiving(&self) -> bool {
        self.http1().is_some_and(http1::Connection::is_receiving)
    }

    /// Whether HTTP/1 is spoken, or will be.
    #[cold]
    pub fn is_http1(&self) -> bool {
        self.http1().is_some()
    }

    /// Whether HTTP/2 is spoken.
    #[inline]
    pub fn is_http2(&self) -> bool {
        self.http2().is_some()
    }

    /// How far the requests of an HTTP/2 connection have come; None for any other, whose requests are answered in
    /// order.
    pub fn stream_counts(&mut self) -> Option<http2::StreamCounts> {
        self.http2_mut().map(http2::Connection::counts)
    }

    /// The same, of which only the answers that were given since the last count are new.
    pub fn last_stream_counts(&self) -> Option<http2::StreamCounts> {
        self.http2().map(http2::Connection::last_counts)
    }

    /// Whether requests that were read already wait for `handle_input`, which may be called without input.
    #[inline]
    pub fn has_ready_requests(&self) -> bool {
        self.http2().is_some_and(http2::Connection::has_ready_requests)
    }

    /// Whether the next bytes are the beginning of a request.
    #[inline]
    pub fn is_between_requests(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(http1) => http1.is_between_requests(),
            Protocol::Other(other) => other.is_between_requests(),
        }
    }

    /// Whether the connection waits for nothing but another request.
    #[inline]
    pub fn is_idle(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(http1) => http1.is_idle(),
            Protocol::Other(other) => other.is_idle(),
        }
    }

    /// Since when the connection waits for nothing but another request; None when it has something to do.
    pub fn idle_since(&self, cx: &Context) -> Option<Timestamp> {
        match &self.protocol {
            Protocol::Http1(http1) => http1.idle_since(cx),
            Protocol::Other(other) => other.idle_since(cx),
        }
    }

    /// Whether a part of a head has come.
    pub fn has_begun_head(&self) -> bool {
        match &self.protocol {
            Protocol::Other(Other::Undecided(undecided)) => !undecided.is_idle(),
            _ => self.http1().is_some_and(http1::Connection::has_begun_head),
        }
    }

    /// Whether a further request would be read now, or after those that run.
    pub fn takes_requests(&self) -> bool {
        match &self.protocol {
            Protocol::Other(Other::Undecided(undecided)) => undecided.wants_input(),
            _ => self.http1().is_some_and(http1::Connection::takes_requests),
        }
    }

    /// How many requests have no complete answer that is with the kernel.
    pub fn unsent_answers(&self) -> usize {
        match self.http2() {
            Some(http2) => http2.open_request_ids().count(),
            None => self.http1().map_or(0, http1::Connection::unsent_answers),
        }
    }

    /// Whether the deadline is one for the peer to take what is sent.
    #[inline]
    pub fn is_sending(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(http1) => http1.is_sending(),
            Protocol::Other(other) => other.is_sending(),
        }
    }

    /// Whether the connection is raw: no HTTP is spoken on it.
    #[inline]
    pub fn is_raw(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(_) => false,
            Protocol::Other(other) => other.raw().is_some(),
        }
    }

    /// Whether the peer has closed its sending side.
    pub fn has_peer_ended(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(http1) => http1.has_peer_ended(),
            Protocol::Other(other) => other.has_peer_ended(),
        }
    }

    /// The request of an upgrade that `poll_upgraded` hasn't given yet; it isn't among the unanswered.
    pub fn upgrading(&self) -> Option<RequestId> {
        self.raw().and_then(raw::Connection::upgrading)
    }

    /// How many requests of HTTP/1 were given to the application and aren't wholly answered.
    #[inline]
    pub fn owed(&self) -> usize {
        self.http1().map_or(0, http1::Connection::owed)
    }

    /// Those requests, in order.
    pub fn open_request_ids(&self) -> impl Iterator<Item = RequestId> {
        let of_http2 = self.http2().into_iter().flat_map(http2::Connection::open_request_ids);
        self.http1().into_iter().flat_map(http1::Connection::open_request_ids).chain(of_http2)
    }

    /// Requests to which no answer of the application's will have been sent if the connection ends now, each once.
    pub fn unanswered(&self) -> impl Iterator<Item = RequestId> {
        let of_http2 = self.http2().into_iter().flat_map(http2::Connection::unanswered);
        self.http1().into_iter().flat_map(http1::Connection::unanswered).chain(of_http2)
    }

    /// Whether a request isn't wholly answered.
    pub fn is_open(&self, request_id: RequestId) -> bool {
        match self.http2() {
            Some(http2) => http2.is_open(request_id),
            None => self.http1().is_some_and(|http1| http1.is_open(request_id)),
        }
    }

    /// Whether an answer of the application's to this request is complete, and in the output.
    pub fn is_written(&self, request_id: RequestId) -> bool {
        match self.http2() {
            Some(http2) => http2.is_written(request_id),
            None => self.http1().is_none_or(|http1| http1.is_written(request_id)),
        }
    }

    /// Bytes of an answer that the kernel hasn't taken; those of later answers count as well.
    pub fn unsent_of(&self, request_id: RequestId) -> u64 {
        self.http1().map_or(0, |http1| http1.unsent_of(request_id))
    }

    /// Whether the application is asked for a page.
    pub fn awaits_page(&self) -> bool {
        self.refusal().is_some_and(|(_, answer)| answer.is_none())
    }

    /// Why what came was no request, and the answer to that, if this is how the connection ends. No answer: the
    /// application is asked for a page.
    pub fn refusal(&self) -> Option<(RequestError, Option<http1::Refused>)> {
        self.http1().and_then(http1::Connection::refusal)
    }

    /// What came and was refused, as far as it was read then, where the application is asked for a page; once. None on a
    /// stream, whose frames were read.
    pub fn take_packet(&mut self) -> Option<Vec<u8>> {
        self.http1_mut().ok().map(http1::Connection::take_packet)
    }

    /// Whether what was refused was in the body of a request.
    pub fn has_refused_body(&self) -> bool {
        self.http1().is_some_and(http1::Connection::has_refused_body)
    }

    /// Bytes of a streamed answer that wait before it can go on: those unsent in its turn, before that those kept of it. Of
    /// earlier answers none count, since a writer that waits for these would have to wait for what others write.
    pub fn backlog(&self, request_id: RequestId) -> usize {
        match self.http2() {
            Some(http2) => http2.backlog(request_id),
            None => self.http1().map_or(0, |http1| http1.backlog(request_id)),
        }
    }

    /// How many bytes are kept of the body of this request, or of a raw connection; None when the application isn't to have
    /// any.
    pub fn kept_of_body(&self, request_id: RequestId) -> Option<usize> {
        match &self.protocol {
            Protocol::Other(Other::Raw(raw)) => raw.kept(),
            _ => match self.http2() {
                Some(http2) => http2.kept_of_body(request_id),
                None => self.http1().and_then(|http1| http1.kept_of_body(request_id)),
            },
        }
    }

    /// Whether the application has ended the sending side of a raw connection.
    pub(super) fn is_write_ended(&self) -> bool {
        self.raw().is_some_and(raw::Connection::is_ended)
    }
}
