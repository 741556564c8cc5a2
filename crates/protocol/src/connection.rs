//! One client connection, whatever protocol is spoken on it: all that the reactor knows of protocols.
//!
//! ```text
//!   bytes from the peer ──► Protocol: Http1 ⇄ Raw ──► bytes to the peer
//!                             Undecided ──► Http1, Http2
//!
//!   ciphertext ──► decrypt ──► Tls ( Connection: Http1 ⇄ Raw, Http2 ) ──► ciphertext
//! ```
//! Each method forwards to the protocol that is spoken now; at most one `match` stands between the reactor and it.
//! A switch happens inside the call that makes it possible, so a caller never sees a connection between two
//! protocols. Unsent output, unread input and what is known of the peer go along in a [`Handoff`].
//!
//! What the reactor can do faster than by passing bytes through here is asked for, and may be refused:
//! [`Connection::direct_room`], [`Connection::takes_vectored`], [`Connection::takes_external`]. A protocol that has to
//! see every byte, to encrypt or to frame it, refuses, and the reactor takes the general way.

mod commands;
mod getters;
mod other;
mod raw_commands;
mod sealing;
mod secured;
mod security;
mod undecided;
mod wire;

use std::sync::Arc;

use crate::answer::AnswerError;
use crate::context::Context;
use crate::event::RequestId;
use crate::handoff::Handoff;
use crate::way::Way;
use crate::{http1, http2, raw, tls};
use other::Other;
use secured::Secured;
use undecided::Undecided;

pub use secured::SecurityEvent;

/// What is spoken on a connection. HTTP/1, which nearly all of them speak, lies in the connection itself, and one
/// comparison leads to it.
#[expect(clippy::large_enum_variant, reason = "nearly all connections are HTTP/1: a box would cost them")]
enum Protocol {
    Http1(http1::Connection),
    Other(Other),
}

/// One client connection as a state machine: no socket, no clock.
///
/// # Methods
/// - **Getters** take `&self` and change nothing.
/// - **`handle_*` for the wire** bring what the socket and the clock have: [`handle_input`], [`handle_direct`],
///   [`handle_eof`], [`handle_sent`], [`handle_external_sent`], [`handle_external_failed`], [`handle_acknowledged`],
///   [`handle_timeout`].
/// - **`handle_*` for the application** are its commands. One that comes too late, twice or for an unknown
///   request changes nothing and returns [`AnswerError::Stale`].
/// - **`poll_*` and [`finish`]** give what is to be done next.
///
/// # Order
/// 1. While [`wants_input`]: give bytes to [`handle_input`], with the rest again until it takes none and gives no event,
///    or up to [`direct_room`] bytes to [`handle_direct`]; the end of the stream to [`handle_eof`].
/// 2. After each of these and each command: [`poll_event`] until it gives none.
/// 3. Then send: [`poll_transmit`] with [`handle_sent`] until it is empty, [`poll_external`] with [`handle_external_sent`], and
///    again, until neither has anything or the socket takes no more.
/// 4. With everything sent: [`poll_upgraded`], [`poll_shutdown`].
/// 5. Then [`finish`]: once it gives a way, close the connection so; after that only getters may be called.
/// 6. Else arm a timer for [`poll_timeout`], whose value any call may have changed, and call [`handle_timeout`] when it
///    has passed.
///
/// [`handle_input`]: Connection::handle_input
/// [`handle_direct`]: Connection::handle_direct
/// [`handle_eof`]: Connection::handle_eof
/// [`handle_sent`]: Connection::handle_sent
/// [`handle_external_sent`]: Connection::handle_external_sent
/// [`handle_external_failed`]: Connection::handle_external_failed
/// [`handle_acknowledged`]: Connection::handle_acknowledged
/// [`handle_timeout`]: Connection::handle_timeout
/// [`poll_transmit`]: Connection::poll_transmit
/// [`finish`]: Connection::finish
/// [`wants_input`]: Connection::wants_input
/// [`direct_room`]: Connection::direct_room
/// [`poll_event`]: Connection::poll_event
/// [`poll_external`]: Connection::poll_external
/// [`poll_upgraded`]: Connection::poll_upgraded
/// [`poll_shutdown`]: Connection::poll_shutdown
/// [`poll_timeout`]: Connection::poll_timeout
pub struct Connection {
    protocol: Protocol,
}

impl Connection {
    /// A connection that has just been accepted.
    pub fn new(cx: &Context) -> Connection {
        Connection { protocol: Protocol::Http1(http1::Connection::new(cx)) }
    }

    /// One that has just been accepted, without TLS. Where that is allowed its first bytes decide between HTTP/1 and
    /// HTTP/2.
    pub fn cleartext(cx: &Context, way: Way) -> Connection {
        if cx.limits.http2_cleartext {
            return Connection {
                protocol: Protocol::Other(Other::Undecided(Box::new(Undecided::new(cx, way)))),
            };
        }
        Connection::http1_by(cx, way)
    }

    fn http1_by(cx: &Context, way: Way) -> Connection {
        Connection { protocol: Protocol::Http1(http1::Connection::by_way(cx, way)) }
    }

    /// The same under TLS: what is received goes to [`Connection::decrypt`] first. `is_exempt` is that of a `Way`.
    pub fn secured(cx: &Context, config: Arc<tls::Config>, is_exempt: bool) -> Connection {
        Connection { protocol: Protocol::Other(Other::Tls(Box::new(Secured::new(cx, config, is_exempt)))) }
    }

    /// One on which HTTP/2 is spoken, as was agreed on below. None when there is no memory for a session.
    fn http2_over_tls(
        cx: &Context,
        is_exempt: bool,
        coverage: Option<http2::Coverage>,
    ) -> Option<Connection> {
        let mut http2 = http2::Connection::new(cx, Way { is_encrypted: true, is_exempt })?;
        http2.set_coverage(coverage);
        Some(Connection { protocol: Protocol::Other(Other::Http2(Box::new(http2))) })
    }

    #[inline]
    fn http1(&self) -> Option<&http1::Connection> {
        match &self.protocol {
            Protocol::Http1(http1) => Some(http1),
            Protocol::Other(other) => other.http1(),
        }
    }

    /// HTTP/1, for a command about a request.
    #[inline]
    fn http1_mut(&mut self) -> Result<&mut http1::Connection, AnswerError> {
        match &mut self.protocol {
            Protocol::Http1(http1) => Ok(http1),
            Protocol::Other(other) => other.http1_mut(),
        }
    }

    #[inline]
    fn http2(&self) -> Option<&http2::Connection> {
        match &self.protocol {
            Protocol::Http1(_) => None,
            Protocol::Other(other) => other.http2(),
        }
    }

    #[inline]
    fn http2_mut(&mut self) -> Option<&mut http2::Connection> {
        match &mut self.protocol {
            Protocol::Http1(_) => None,
            Protocol::Other(other) => other.http2_mut(),
        }
    }

    fn raw(&self) -> Option<&raw::Connection> {
        match &self.protocol {
            Protocol::Http1(_) => None,
            Protocol::Other(other) => other.raw(),
        }
    }

    /// The raw connection, for a command about bytes.
    fn raw_mut(&mut self) -> Result<&mut raw::Connection, AnswerError> {
        match &mut self.protocol {
            Protocol::Http1(_) => Err(AnswerError::Stale),
            Protocol::Other(other) => other.raw_mut(),
        }
    }

    /// Switches to raw when the call just made has ended HTTP.
    #[inline]
    fn switch_if_taken_over(&mut self) {
        match &mut self.protocol {
            Protocol::Http1(http1) if http1.is_taken_over() => {
                let (handoff, request_id) = http1.hand_off();
                self.become_raw(handoff, request_id);
            }
            Protocol::Http1(_) => {}
            Protocol::Other(other) => other.switch_if_taken_over(),
        }
    }

    #[cold]
    fn become_raw(&mut self, handoff: Handoff, upgraded: Option<RequestId>) {
        let raw = raw::Connection::new(handoff, upgraded);
        self.protocol = Protocol::Other(Other::Raw(Box::new(raw)));
    }
}
