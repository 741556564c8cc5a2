//! One client connection, whatever protocol is spoken on it: all that the reactor knows of protocols.
//!
//! ```text
//!   bytes from the peer ──► Protocol: Http1 ⇄ Raw ──► bytes to the peer
//!
//!   ciphertext ──► decrypt ──► Protocol: Tls ( Connection: Http1 ⇄ Raw ) ──► ciphertext
//! ```
//! Each method forwards to the protocol that is spoken now; at most one `match` stands between the reactor and it.
//! A switch happens inside the call that makes it possible, so a caller never sees a connection between two
//! protocols. Unsent output, unread input and what is known of the peer go along in a [`Handoff`].
//!
//! What the reactor can do faster than by passing bytes through here is asked for, and may be refused:
//! [`Connection::direct_room`], [`Connection::takes_vectored`], [`Connection::takes_files`]. A protocol that has to
//! see every byte, to encrypt or to frame it, refuses, and the reactor takes the general way.

mod commands;
mod secured;

use std::sync::Arc;

use crate::answer::{AnswerError, Finish};
use crate::context::Context;
use crate::error::CloseReason;
use crate::event::{Event, RequestId, Step};
use crate::handoff::Handoff;
use crate::timestamp::Timestamp;
use crate::{http1, raw, tls};
use secured::Secured;

pub use secured::SecurityEvent;

/// What is spoken on a connection. A closed set: no dynamic calls, and HTTP/1 lies in the connection itself.
#[expect(clippy::large_enum_variant, reason = "nearly all connections are HTTP/1: a box would cost them")]
enum Protocol {
    Http1(http1::Connection),
    Raw(Box<raw::Connection>),
    /// Another connection, under TLS.
    Tls(Box<Secured>),
}

/// One client connection as a state machine: no socket, no clock.
///
/// # Methods
/// - **Getters** take `&self` and change nothing.
/// - **`handle_*` for the wire** bring what the socket and the clock have: [`handle_input`], [`handle_direct`],
///   [`handle_eof`], [`handle_sent`], [`handle_file_sent`], [`handle_file_failed`], [`handle_acknowledged`],
///   [`handle_timeout`].
/// - **`handle_*` for the application** are its commands. One that comes too late, twice or for an unknown
///   request changes nothing and returns [`AnswerError::Stale`].
/// - **`poll_*` and [`finish`]** give what is to be done next.
///
/// # Order
/// 1. While [`wants_input`]: give bytes to [`handle_input`], with the rest again until it takes none and gives no event,
///    or up to [`direct_room`] bytes to [`handle_direct`]; the end of the stream to [`handle_eof`].
/// 2. After each of these and each command: [`poll_event`] until it gives none.
/// 3. Then send: [`poll_transmit`] with [`handle_sent`] until it is empty, [`poll_file`] with [`handle_file_sent`], and
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
/// [`handle_file_sent`]: Connection::handle_file_sent
/// [`handle_file_failed`]: Connection::handle_file_failed
/// [`handle_acknowledged`]: Connection::handle_acknowledged
/// [`handle_timeout`]: Connection::handle_timeout
/// [`poll_transmit`]: Connection::poll_transmit
/// [`finish`]: Connection::finish
/// [`wants_input`]: Connection::wants_input
/// [`direct_room`]: Connection::direct_room
/// [`poll_event`]: Connection::poll_event
/// [`poll_file`]: Connection::poll_file
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

    /// The same under TLS: what is received goes to [`Connection::decrypt`] first.
    pub fn secured(cx: &Context, config: Arc<tls::Config>) -> Connection {
        Connection { protocol: Protocol::Tls(Box::new(Secured::new(cx, config))) }
    }

    fn http1(&self) -> Option<&http1::Connection> {
        match &self.protocol {
            Protocol::Http1(http1) => Some(http1),
            Protocol::Raw(_) => None,
            Protocol::Tls(tls) => tls.inner.http1(),
        }
    }

    /// HTTP/1, for a command about a request.
    #[inline]
    fn http1_mut(&mut self) -> Result<&mut http1::Connection, AnswerError> {
        match &mut self.protocol {
            Protocol::Http1(http1) => Ok(http1),
            Protocol::Raw(_) => Err(AnswerError::Stale),
            Protocol::Tls(tls) => tls.inner.http1_mut(),
        }
    }

    fn raw(&self) -> Option<&raw::Connection> {
        match &self.protocol {
            Protocol::Http1(_) => None,
            Protocol::Raw(raw) => Some(raw),
            Protocol::Tls(tls) => tls.inner.raw(),
        }
    }

    /// The raw connection, for a command about bytes.
    fn raw_mut(&mut self) -> Result<&mut raw::Connection, AnswerError> {
        match &mut self.protocol {
            Protocol::Http1(_) => Err(AnswerError::Stale),
            Protocol::Raw(raw) => Ok(raw),
            Protocol::Tls(tls) => tls.inner.raw_mut(),
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
            Protocol::Http1(_) | Protocol::Raw(_) => {}
            Protocol::Tls(tls) => tls.inner.switch_if_taken_over(),
        }
    }

    #[cold]
    fn become_raw(&mut self, handoff: Handoff, upgraded: Option<RequestId>) {
        self.protocol = Protocol::Raw(Box::new(raw::Connection::new(handoff, upgraded)));
    }
}

/// TLS. On plaintext these change nothing.
impl Connection {
    /// Whether what is received is ciphertext, for [`Connection::decrypt`].
    #[inline]
    pub fn is_secured(&self) -> bool {
        matches!(self.protocol, Protocol::Tls(_))
    }

    fn tls(&self) -> Option<&Secured> {
        match &self.protocol {
            Protocol::Tls(tls) => Some(tls),
            Protocol::Http1(_) | Protocol::Raw(_) => None,
        }
    }

    fn tls_mut(&mut self) -> Option<&mut Secured> {
        match &mut self.protocol {
            Protocol::Tls(tls) => Some(tls),
            Protocol::Http1(_) | Protocol::Raw(_) => None,
        }
    }

    /// No data can flow before the handshake is done.
    pub fn is_handshaking(&self) -> bool {
        self.tls().is_some_and(Secured::is_handshaking)
    }

    /// When the first byte of a handshake came that isn't done.
    pub fn handshake_begun(&self) -> Option<Timestamp> {
        self.tls().and_then(Secured::handshake_begun)
    }

    /// The session, and what it has negotiated once the handshake is done.
    pub fn session(&self) -> Option<&tls::Session> {
        self.tls().map(Secured::session)
    }

    /// Takes all of `input`, which is changed. Data is added to `plaintext`, which is for `handle_input` once
    /// `poll_security` has given its events.
    pub fn decrypt(&mut self, cx: &mut Context, input: &mut [u8], plaintext: &mut Vec<u8>) {
        if let Some(tls) = self.tls_mut() {
            tls.decrypt(cx, input, plaintext);
        }
    }

    /// Answers [`SecurityEvent::NeedsCertificate`]; with None the default certificate is used. Data is added to
    /// `plaintext`.
    pub fn handle_certificate(
        &mut self,
        cx: &mut Context,
        answer: Option<&tls::Answer>,
        plaintext: &mut Vec<u8>,
    ) {
        if let Some(tls) = self.tls_mut() {
            tls.handle_certificate(cx, answer, plaintext);
        }
    }

    /// What has happened to TLS. To be called until it gives none after `decrypt`, `handle_certificate`, `handle_eof`
    /// and `handle_timeout`.
    pub fn poll_security(&mut self, cx: &mut Context) -> Option<SecurityEvent> {
        self.tls_mut()?.poll_event(cx)
    }

    /// The peer has ended its data inside TLS: once all plaintext is taken and more is wanted, `handle_eof` is due
    /// although the socket's end hasn't come.
    pub fn owes_eof(&self) -> bool {
        self.tls().is_some_and(Secured::owes_eof)
    }

    /// Whether the application has ended the sending side of a raw connection.
    fn is_write_ended(&self) -> bool {
        self.raw().is_some_and(raw::Connection::is_ended)
    }
}

/// Getters.
impl Connection {
    /// Whether input leads anywhere now.
    #[inline]
    pub fn wants_input(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(http1) => http1.wants_input(),
            Protocol::Raw(raw) => raw.wants_input(),
            Protocol::Tls(tls) => tls.inner.wants_input(),
        }
    }

    /// How many bytes may be received straight into the application's memory, and then be given to `handle_direct`;
    /// 0 where the protocol has to see them first.
    #[inline]
    pub fn direct_room(&self) -> usize {
        match &self.protocol {
            Protocol::Http1(http1) => http1.direct_room(),
            Protocol::Raw(_) | Protocol::Tls(_) => 0,
        }
    }

    /// Whether large bytes may go to the socket from where they are: the `_vectored` methods.
    #[inline]
    pub fn takes_vectored(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(_) | Protocol::Raw(_) => true,
            Protocol::Tls(_) => false,
        }
    }

    /// Whether parts of answers may be files that the kernel sends: `handle_file` and `poll_file`.
    #[inline]
    pub fn takes_files(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(_) => true,
            Protocol::Raw(_) | Protocol::Tls(_) => false,
        }
    }

    /// Whether nothing waits to be sent, files apart.
    #[inline]
    pub fn is_all_sent(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(http1) => http1.is_all_sent(),
            Protocol::Raw(raw) => raw.is_all_sent(),
            Protocol::Tls(tls) => tls.is_all_sent(),
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
            Protocol::Raw(raw) => raw.close_reason(),
            Protocol::Tls(tls) => tls.inner.close_reason(),
        }
    }

    /// Whether the body of a request is still arriving.
    #[inline]
    pub fn is_receiving(&self) -> bool {
        self.http1().is_some_and(http1::Connection::is_receiving)
    }

    /// Whether the next bytes are the beginning of a request.
    #[inline]
    pub fn is_between_requests(&self) -> bool {
        self.http1().is_some_and(http1::Connection::is_between_requests)
    }

    /// Whether the connection waits for nothing but another request.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.http1().is_some_and(http1::Connection::is_idle)
    }

    /// Whether the deadline is one for the peer to take what is sent.
    #[inline]
    pub fn is_sending(&self) -> bool {
        self.http1().is_some_and(http1::Connection::is_sending)
    }

    /// Whether the connection is raw: no HTTP is spoken on it.
    #[inline]
    pub fn is_raw(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(_) => false,
            Protocol::Raw(_) => true,
            Protocol::Tls(tls) => tls.inner.is_raw(),
        }
    }

    /// Whether the peer has closed its sending side.
    pub fn has_peer_ended(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(http1) => http1.has_peer_ended(),
            Protocol::Raw(raw) => raw.has_peer_ended(),
            Protocol::Tls(tls) => tls.inner.has_peer_ended(),
        }
    }

    /// The request of an upgrade that `poll_upgraded` hasn't given yet; it isn't among the unanswered.
    pub fn upgrading(&self) -> Option<RequestId> {
        self.raw().and_then(raw::Connection::upgrading)
    }

    /// How many requests were given to the application and aren't wholly answered.
    #[inline]
    pub fn owed(&self) -> usize {
        self.http1().map_or(0, http1::Connection::owed)
    }

    /// Those requests, in order.
    pub fn open_request_ids(&self) -> impl Iterator<Item = RequestId> {
        self.http1().into_iter().flat_map(http1::Connection::open_request_ids)
    }

    /// Requests to which no answer of the application's will have been sent if the connection ends now, each once.
    pub fn unanswered(&self) -> impl Iterator<Item = RequestId> {
        self.http1().into_iter().flat_map(http1::Connection::unanswered)
    }

    /// Whether a request isn't wholly answered.
    pub fn is_open(&self, request_id: RequestId) -> bool {
        self.http1().is_some_and(|http1| http1.is_open(request_id))
    }

    /// Whether an answer of the application's to this request is complete, and in the output.
    pub fn is_written(&self, request_id: RequestId) -> bool {
        self.http1().is_none_or(|http1| http1.is_written(request_id))
    }

    /// Bytes that wait before a streamed answer can go on: all unsent ones in its turn, before that those kept of it.
    pub fn backlog(&self, request_id: RequestId) -> usize {
        self.http1().map_or(0, |http1| http1.backlog(request_id))
    }

    /// How many bytes are kept of the body of this request; None when the application isn't to have any.
    pub fn kept_of_body(&self, request_id: RequestId) -> Option<usize> {
        self.http1().and_then(|http1| http1.kept_of_body(request_id))
    }
}

/// The wire: what comes from the socket and the clock.
impl Connection {
    /// Takes bytes from the peer; gives at most one event. To be called with the rest until none is taken and no
    /// event given: that rest is to be offered again once `wants_input`.
    #[inline]
    pub fn handle_input<'a>(&'a mut self, cx: &'a mut Context, input: &'a [u8]) -> Step<'a> {
        match &mut self.protocol {
            Protocol::Http1(http1) => http1.handle_input(cx, input),
            Protocol::Raw(raw) => raw.handle_input(input),
            Protocol::Tls(tls) => tls.inner.handle_input(cx, input),
        }
    }

    /// Takes bytes of a body that lie in the application's memory already, at most `direct_room`. The event that
    /// follows brings no bytes of its own, but may be the body's last.
    pub fn handle_direct(&mut self, cx: &mut Context, bytes: &[u8]) -> Option<Event<'static>> {
        self.http1_mut().ok()?.handle_direct(cx, bytes)
    }

    /// The peer has closed its sending side.
    pub fn handle_eof(&mut self, cx: &mut Context) {
        match &mut self.protocol {
            Protocol::Http1(http1) => http1.handle_eof(cx),
            Protocol::Raw(raw) => raw.handle_eof(),
            Protocol::Tls(tls) => tls.handle_eof(cx),
        }
    }

    /// `count` bytes of `poll_transmit` are with the kernel.
    #[inline]
    pub fn handle_sent(&mut self, cx: &mut Context, count: usize) {
        match &mut self.protocol {
            Protocol::Http1(http1) => http1.handle_sent(cx, count),
            Protocol::Raw(raw) => raw.handle_sent(cx, count),
            Protocol::Tls(tls) => tls.handle_sent(cx, count),
        }
    }

    /// The peer has acknowledged more of what was sent before: it does read, and its time starts again.
    pub fn handle_acknowledged(&mut self, cx: &Context) {
        if let Ok(http1) = self.http1_mut() {
            http1.handle_acknowledged(cx);
        }
    }

    /// `count` bytes of the file that `poll_file` names are with the kernel.
    pub fn handle_file_sent(&mut self, cx: &mut Context, count: u64) {
        if let Ok(http1) = self.http1_mut() {
            http1.handle_file_sent(cx, count);
            self.switch_if_taken_over();
        }
    }

    /// That file has fewer bytes than it had, or can't be read: the answer is aborted.
    pub fn handle_file_failed(&mut self, cx: &mut Context) {
        if let Ok(http1) = self.http1_mut() {
            http1.handle_file_failed(cx);
        }
    }

    /// The moment that `poll_timeout` gave has passed.
    pub fn handle_timeout(&mut self, cx: &mut Context) {
        match &mut self.protocol {
            Protocol::Http1(http1) => http1.handle_timeout(cx),
            Protocol::Raw(_) => {}
            Protocol::Tls(tls) => tls.handle_timeout(cx),
        }
    }
}

/// What is to be done next.
impl Connection {
    /// An event other than in answer to input.
    #[inline]
    pub fn poll_event(&mut self, cx: &mut Context) -> Option<Event<'static>> {
        match &mut self.protocol {
            Protocol::Http1(http1) => http1.poll_event(cx),
            Protocol::Raw(raw) => raw.poll_event(),
            Protocol::Tls(tls) => tls.inner.poll_event(cx),
        }
    }

    /// Bytes to be sent now. What a protocol gathers, to frame or to encrypt it together, it writes here.
    #[inline]
    pub fn poll_transmit(&mut self, cx: &mut Context) -> &[u8] {
        match &mut self.protocol {
            Protocol::Http1(http1) => http1.unsent(),
            Protocol::Raw(raw) => raw.unsent(),
            Protocol::Tls(tls) => tls.poll_transmit(cx),
        }
    }

    /// The request whose answer goes on with a file now, and how many bytes of that are missing.
    pub fn poll_file(&self) -> Option<(RequestId, u64)> {
        self.http1().and_then(http1::Connection::poll_file)
    }

    /// The request after which the connection has become raw, once everything before is sent.
    pub fn poll_upgraded(&mut self) -> Option<RequestId> {
        self.raw_mut().ok()?.poll_upgraded()
    }

    /// True once, when the sending side is to be closed and reading goes on.
    pub fn poll_shutdown(&mut self) -> bool {
        match &mut self.protocol {
            Protocol::Http1(_) => false,
            Protocol::Raw(raw) => raw.poll_shutdown(),
            Protocol::Tls(tls) => tls.poll_shutdown(),
        }
    }

    /// When `handle_timeout` is due. The application may put that off to `floor`, but no longer than the limits
    /// for a head, a slow body or an unread answer allow.
    #[inline]
    pub fn poll_timeout(&self, floor: Timestamp) -> Option<Timestamp> {
        match &self.protocol {
            Protocol::Http1(http1) => http1.poll_timeout(floor),
            Protocol::Raw(_) => None,
            Protocol::Tls(tls) => tls.poll_timeout(floor),
        }
    }

    /// Whether the connection ends as soon as everything is sent.
    pub fn is_ending(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(_) | Protocol::Raw(_) => self.finish().is_some(),
            Protocol::Tls(tls) => tls.is_ending(),
        }
    }

    /// How the connection is to be closed; None while it goes on or has something to send.
    #[inline]
    pub fn finish(&self) -> Option<Finish> {
        match &self.protocol {
            Protocol::Http1(http1) => http1.finish(),
            Protocol::Raw(raw) => raw.finish(),
            Protocol::Tls(tls) => tls.finish(),
        }
    }
}
