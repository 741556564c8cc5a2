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
//! [`Connection::direct_room`], [`Connection::takes_vectored`], [`Connection::takes_files`]. A protocol that has to
//! see every byte, to encrypt or to frame it, refuses, and the reactor takes the general way.

mod commands;
mod other;
mod sealing;
mod secured;
mod undecided;

use std::sync::Arc;

use crate::answer::{AnswerError, Finish};
use crate::context::Context;
use crate::error::CloseReason;
use crate::event::{Event, RequestId, Step};
use crate::handoff::Handoff;
use crate::timestamp::Timestamp;
use crate::{http1, http2, raw, tls};
use other::Other;
use secured::Secured;
use undecided::{First, Undecided};

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

    /// One that has just been accepted, without TLS. Where that is allowed its first bytes decide between HTTP/1 and
    /// HTTP/2. `is_exempt` says that the peer may be a proxy which has ended TLS.
    pub fn cleartext(cx: &Context, is_exempt: bool) -> Connection {
        if !cx.limits.http2_cleartext {
            return Connection::new(cx);
        }
        let way = http2::Way { is_encrypted: false, is_exempt };
        Connection { protocol: Protocol::Other(Other::Undecided(Box::new(Undecided::new(cx, way)))) }
    }

    /// Gives a connection that has just been accepted the idle time of peers that are local or proxies.
    pub fn set_local(&mut self, cx: &Context) {
        if let Ok(http1) = self.http1_mut() {
            http1.set_local(cx);
        }
    }

    /// Has requests for `https:` served although they come over plaintext: the peer belongs to the server's operator,
    /// so it is a proxy that has ended TLS. To be called before the first input.
    pub fn serve_https(&mut self) {
        if let Ok(http1) = self.http1_mut() {
            http1.serve_https();
        }
    }

    /// The same under TLS: what is received goes to [`Connection::decrypt`] first.
    pub fn secured(cx: &Context, config: Arc<tls::Config>, is_exempt: bool) -> Connection {
        Connection { protocol: Protocol::Other(Other::Tls(Box::new(Secured::new(cx, config, is_exempt)))) }
    }

    /// One on which HTTP/2 is spoken, as was agreed on below. None when there is no memory for a session.
    fn http2_over_tls(cx: &Context, is_exempt: bool) -> Option<Connection> {
        let http2 = http2::Connection::new(cx, http2::Way { is_encrypted: true, is_exempt })?;
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

/// TLS. On plaintext these change nothing.
impl Connection {
    /// Whether what is received is ciphertext, for [`Connection::decrypt`].
    #[inline]
    pub fn is_secured(&self) -> bool {
        matches!(self.protocol, Protocol::Other(Other::Tls(_)))
    }

    fn tls(&self) -> Option<&Secured> {
        match &self.protocol {
            Protocol::Other(Other::Tls(tls)) => Some(tls),
            _ => None,
        }
    }

    fn tls_mut(&mut self) -> Option<&mut Secured> {
        match &mut self.protocol {
            Protocol::Other(Other::Tls(tls)) => Some(tls),
            _ => None,
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
            Protocol::Other(other) => other.wants_input(),
        }
    }

    /// How many bytes may be received straight into the application's memory, and then be given to `handle_direct`;
    /// 0 where the protocol has to see them first.
    #[inline]
    pub fn direct_room(&self) -> usize {
        match &self.protocol {
            Protocol::Http1(http1) => http1.direct_room(),
            Protocol::Other(_) => 0,
        }
    }

    /// Whether large bytes may go to the socket from where they are: the `_vectored` methods.
    #[inline]
    pub fn takes_vectored(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(_) | Protocol::Other(Other::Undecided(_) | Other::Raw(_)) => true,
            Protocol::Other(Other::Tls(tls)) => tls.takes_vectored(),
            Protocol::Other(Other::Http2(_)) => false,
        }
    }

    /// Whether parts of answers may be files that the kernel sends: `handle_file` and `poll_file`.
    #[inline]
    pub fn takes_files(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(_) => true,
            Protocol::Other(_) => false,
        }
    }

    /// Whether nothing waits to be sent, files apart.
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

    /// Whether HTTP/2 is spoken.
    #[inline]
    pub fn is_http2(&self) -> bool {
        self.http2().is_some()
    }

    /// How far the requests of an HTTP/2 connection have come; None for any other, whose requests are answered in
    /// order.
    pub fn stream_counts(&self) -> Option<http2::StreamCounts> {
        self.http2().map(http2::Connection::counts)
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
            Protocol::Http1(http1) => http1.idle_since(),
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

    /// The body's length of the answer to bytes that were no request, if that is how the connection ends.
    pub fn refusal_length(&self) -> Option<u32> {
        self.http1().and_then(http1::Connection::refusal_length)
    }

    /// Bytes that wait before a streamed answer can go on: all unsent ones in its turn, before that those kept of it.
    pub fn backlog(&self, request_id: RequestId) -> usize {
        match self.http2() {
            Some(http2) => http2.backlog(request_id),
            None => self.http1().map_or(0, |http1| http1.backlog(request_id)),
        }
    }

    /// How many bytes are kept of the body of this request; None when the application isn't to have any.
    pub fn kept_of_body(&self, request_id: RequestId) -> Option<usize> {
        match self.http2() {
            Some(http2) => http2.kept_of_body(request_id),
            None => self.http1().and_then(|http1| http1.kept_of_body(request_id)),
        }
    }
}

/// The wire: what comes from the socket and the clock.
impl Connection {
    /// Takes bytes from the peer; gives at most one event. To be called with the rest until none is taken and no
    /// event given: that rest is to be offered again once `wants_input`.
    #[inline]
    pub fn handle_input<'a>(&'a mut self, cx: &'a mut Context, input: &'a [u8]) -> Step<'a> {
        match self.protocol {
            Protocol::Http1(ref mut http1) => http1.handle_input(cx, input),
            Protocol::Other(_) => self.handle_other_input(cx, input),
        }
    }

    #[cold]
    fn handle_other_input<'a>(&'a mut self, cx: &'a mut Context, input: &'a [u8]) -> Step<'a> {
        let taken = self.decide(cx, input);
        if taken > 0 {
            return Step::none(taken);
        }
        match &mut self.protocol {
            Protocol::Other(Other::Http2(http2)) => http2.handle_input(cx, input),
            Protocol::Other(Other::Raw(raw)) => raw.handle_input(input),
            Protocol::Other(Other::Tls(tls)) => tls.inner.handle_input(cx, input),
            Protocol::Http1(_) | Protocol::Other(Other::Undecided(_)) => Step::none(0),
        }
    }

    /// Decides by the first bytes what is spoken, and gives it those that came before `input`. Returns how many bytes
    /// were taken: all while more are needed; one by HTTP/1, which is given the others by the next call; none by
    /// HTTP/2.
    fn decide(&mut self, cx: &mut Context, input: &[u8]) -> usize {
        let Protocol::Other(Other::Undecided(undecided)) = &mut self.protocol else { return 0 };
        let (way, kept) = (undecided.way, undecided.kept());
        let http2 = match undecided.look_at(cx, input) {
            First::Open => return input.len(),
            First::Http1 => None,
            // Without memory for a session the parser of HTTP/1 refuses the preface.
            First::Http2 => http2::Connection::new(cx, way),
        };
        let Some(mut http2) = http2 else {
            let first = &input[..input.len().min(1)];
            let mut http1 = http1::Connection::begun(cx, &[kept, first].concat());
            if way.is_exempt {
                http1.serve_https();
                http1.set_local(cx);
            }
            self.protocol = Protocol::Http1(http1);
            return first.len();
        };
        // A part of the preface gives no event.
        drop(http2.handle_input(cx, kept));
        self.protocol = Protocol::Other(Other::Http2(Box::new(http2)));
        0
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
            Protocol::Other(other) => other.handle_eof(cx),
        }
    }

    /// `count` bytes of `poll_transmit` are with the kernel.
    #[inline]
    pub fn handle_sent(&mut self, cx: &mut Context, count: usize) {
        match &mut self.protocol {
            Protocol::Http1(http1) => http1.handle_sent(cx, count),
            Protocol::Other(other) => other.handle_sent(cx, count),
        }
    }

    /// The peer has acknowledged more of what was sent before: it does read, and its time starts again.
    pub fn handle_acknowledged(&mut self, cx: &Context) {
        if let Some(http2) = self.http2_mut() {
            http2.handle_acknowledged(cx);
        } else if let Ok(http1) = self.http1_mut() {
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
            Protocol::Other(other) => other.handle_timeout(cx),
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
            Protocol::Other(other) => other.poll_event(cx),
        }
    }

    /// Bytes to be sent now. What a protocol gathers, to frame or to encrypt it together, it writes here.
    #[inline]
    pub fn poll_transmit(&mut self, cx: &mut Context) -> &[u8] {
        match &mut self.protocol {
            Protocol::Http1(http1) => http1.unsent(),
            Protocol::Other(other) => other.poll_transmit(cx),
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
            Protocol::Other(other) => other.poll_shutdown(),
        }
    }

    /// When `handle_timeout` is due. The application may put that off to `floor`, but no longer than the limits
    /// for a head, a slow body or an unread answer allow.
    #[inline]
    pub fn poll_timeout(&self, floor: Timestamp) -> Option<Timestamp> {
        match &self.protocol {
            Protocol::Http1(http1) => http1.poll_timeout(floor),
            Protocol::Other(other) => other.poll_timeout(floor),
        }
    }

    /// Whether the connection ends as soon as everything is sent.
    pub fn is_ending(&self) -> bool {
        match &self.protocol {
            Protocol::Other(Other::Tls(tls)) => tls.is_ending(),
            _ => self.finish().is_some(),
        }
    }

    /// How the connection is to be closed; None while it goes on or has something to send.
    #[inline]
    pub fn finish(&self) -> Option<Finish> {
        match &self.protocol {
            Protocol::Http1(http1) => http1.finish(),
            Protocol::Other(other) => other.finish(),
        }
    }
}
