//! A connection under TLS: another connection, of which only ciphertext is seen from outside.
//!
//! ```text
//!   ciphertext ──► decrypt ──► plaintext (of the caller) ──► inner.handle_input
//!   ciphertext ◄── poll_transmit ◄── one portion of what inner has unsent
//! ```
//! The inner connection learns that bytes are sent when their ciphertext is with the kernel, and not before: what it
//! knows of back-pressure, deadlines and its end is true under TLS as well. So at most one portion is encrypted
//! ahead.

use std::io::IoSlice;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::Connection;
use super::sealing::Sealing;
use crate::answer::{AnswerError, Finish};
use crate::context::Context;
use crate::http1::External;
use crate::http2::{Coverage, Memory};
use crate::output::{Output, Send};
use crate::timestamp::Timestamp;
use crate::tls::{self, Answer, Config, Failure, Session, UnixTime};
use crate::way::Way;

/// Plaintext that is encrypted at once: four full records.
pub(super) const PORTION: usize = 64 * 1024;

/// Answer to plain HTTP on a port for TLS. It is sent in plain text, the only language that the client understands.
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\
    content-type: text/plain\r\ncontent-length: 50\r\n\r\n\
    This port speaks HTTPS; the request was plain HTTP";

/// What TLS has for the reactor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecurityEvent {
    /// A certificate for this name is wanted; [`Connection::handle_certificate`] answers.
    NeedsCertificate(String),
    /// The handshake is done: [`Connection::handle_agreed`] has data flow, or the application speaks on it.
    Established,
    /// TLS has failed. The connection ends once what is in its output is sent.
    Failed(Failure),
}

/// A TLS session with the connection inside it.
pub(super) struct Secured {
    session: Session,
    pub(super) inner: Connection,
    /// The peer may be a proxy.
    is_exempt: bool,
    /// Ciphertext.
    output: Output,
    /// Bytes of what the inner connection sends, parts that are held included, that lie encrypted in `output`.
    in_flight: usize,
    /// When the handshake has begun, until it is done.
    begun: Option<Timestamp>,
    /// For the handshake, or for the last bytes of the session.
    deadline: Option<Timestamp>,
    /// That deadline has passed within the handshake.
    timed_out: Option<Failure>,
    /// The client will send no more, and the inner connection doesn't know it yet.
    owes_eof: bool,
    /// What becomes of the connection when `output` is sent, whatever the inner one has to say.
    ending: Option<Finish>,
    /// close_notify is in the output, or can't be sent.
    is_closed: bool,
}

impl Secured {
    /// What speaks HTTP/1 under TLS.
    fn http1(cx: &Context, is_exempt: bool) -> Connection {
        Connection::http1_by(cx, Way { is_encrypted: true, is_exempt })
    }

    pub(super) fn new(cx: &Context, config: Arc<Config>, is_exempt: bool) -> Secured {
        Secured {
            session: Session::new(config, unix_time(cx)),
            inner: Self::http1(cx, is_exempt),
            is_exempt,
            output: Output::default(),
            in_flight: 0,
            begun: None,
            deadline: None,
            timed_out: None,
            owes_eof: false,
            ending: None,
            is_closed: false,
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    /// When the first byte of the handshake came; None when it has not begun, or is done.
    pub(super) fn handshake_begun(&self) -> Option<Timestamp> {
        self.begun
    }

    pub(super) fn owes_eof(&self) -> bool {
        self.owes_eof
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    pub(super) fn decrypt(&mut self, cx: &mut Context, input: &mut [u8], plaintext: &mut Vec<u8>) {
        let now = unix_time(cx);
        let is_first = !self.session.has_begun();
        self.session.handle_input(now, input, plaintext, self.output.buffer(cx));
        self.output.release_unused(cx);
        if is_first && self.session.is_handshaking() {
            self.begun = Some(cx.now);
            self.deadline = Some(cx.now.after_millis(cx.limits.tls_setup_timeout));
        }
    }

    pub(super) fn handle_certificate(
        &mut self,
        cx: &mut Context,
        answer: Option<&Answer>,
        plaintext: &mut Vec<u8>,
    ) {
        let now = unix_time(cx);
        self.session.handle_certificate(now, answer, plaintext, self.output.buffer(cx));
        self.output.release_unused(cx);
        if self.session.is_handshaking() {
            self.deadline = Some(cx.now.after_millis(cx.limits.tls_setup_timeout));
        }
    }

    pub(super) fn poll_event(&mut self, cx: &mut Context) -> Option<SecurityEvent> {
        if let Some(failure) = self.timed_out.take() {
            return Some(self.fail(cx, failure, Finish::Close));
        }
        loop {
            match self.session.poll_event()? {
                tls::Event::NeedsCertificate(name) => {
                    // The application has a deadline of its own for the answer.
                    let millis = cx.limits.tls_setup_timeout.saturating_mul(2);
                    self.deadline = Some(cx.now.after_millis(millis));
                    return Some(SecurityEvent::NeedsCertificate(name));
                }
                tls::Event::Established => {
                    self.begun = None;
                    self.deadline = None;
                    return Some(SecurityEvent::Established);
                }
                tls::Event::PlainHttp(failure) => {
                    self.output.put(cx, PLAIN_HTTP);
                    return Some(self.fail(cx, failure, Finish::Linger));
                }
                tls::Event::Failed(failure) => {
                    let finish = if self.output.is_empty() { Finish::Close } else { Finish::Linger };
                    return Some(self.fail(cx, failure, finish));
                }
                // Inside a request both cut it. Behind one they are the same end as that of plaintext.
                tls::Event::PeerClosed | tls::Event::Truncated => {
                    self.owes_eof = !self.inner.has_peer_ended();
                }
            }
        }
    }

    /// Has the protocol spoken that ALPN has agreed on. Not before: with HTTP/2 the server speaks first.
    pub(super) fn handle_agreed(&mut self, cx: &Context) {
        if self.inner.finish().is_some() {
            return;
        }
        let is_http2 = self.session.info().is_some_and(|info| info.alpn.as_deref() == Some(b"h2"));
        let http2 = if is_http2 { self.http2(cx) } else { None };
        // Without memory for a session HTTP/1 refuses the preface. The time for the first request begins now.
        self.inner = http2.unwrap_or_else(|| Self::http1(cx, self.is_exempt));
    }

    /// Has HTTP/2 spoken, whatever was agreed on.
    pub(super) fn choose_http2(&mut self, cx: &Context) -> Result<(), AnswerError> {
        if self.inner.finish().is_some() {
            return Err(AnswerError::Stale);
        }
        self.inner = self.http2(cx).ok_or(AnswerError::Stale)?;
        Ok(())
    }

    /// Gives an inner connection that is raw back to HTTP/2.
    pub(super) fn serve_http2(&mut self, cx: &Context) -> Result<Vec<u8>, AnswerError> {
        let way = Way { is_encrypted: true, is_exempt: self.is_exempt };
        let unread = self.inner.handle_serve_http2(cx, way)?;
        let coverage = self.coverage();
        if let Some(http2) = self.inner.http2_mut() {
            http2.set_coverage(coverage);
        }
        Ok(unread)
    }

    fn http2(&self, cx: &Context) -> Option<Connection> {
        Connection::http2_over_tls(cx, self.is_exempt, self.coverage())
    }

    fn coverage(&self) -> Option<Coverage> {
        let info = self.session.info()?;
        Coverage::new(self.session.config(), info.server_name.as_deref())
    }

    fn fail(&mut self, cx: &Context, failure: Failure, finish: Finish) -> SecurityEvent {
        self.ending = Some(finish);
        self.deadline = Some(cx.now.after_millis(cx.limits.write_timeout));
        SecurityEvent::Failed(failure)
    }

    pub(super) fn handle_eof(&mut self, cx: &mut Context) {
        self.session.handle_eof();
        self.owes_eof = false;
        self.inner.handle_eof(cx);
    }

    pub(super) fn poll_transmit(&mut self, cx: &mut Context) -> &[u8] {
        if self.in_flight == 0 && self.ending.is_none() && !self.session.is_handshaking() {
            self.encrypt(cx);
        }
        self.output.unsent()
    }

    /// Encrypts the next portion; behind the last one close_notify.
    fn encrypt(&mut self, cx: &mut Context) {
        let unsent = self.inner.poll_transmit(cx);
        let portion = unsent.get(..PORTION).unwrap_or(unsent);
        if !portion.is_empty() {
            let is_written = self.session.write(portion, self.output.buffer(cx));
            self.in_flight = portion.len();
            if !is_written {
                self.ending = Some(Finish::Reset);
            }
        } else if self.owes_close_notify() {
            self.is_closed = true;
            self.deadline = Some(cx.now.after_millis(cx.limits.write_timeout));
            self.session.close_notify(self.output.buffer(cx));
            self.output.release_unused(cx);
        }
    }

    /// Whether large bytes may be encrypted from where they are: nothing is under way that they would overtake.
    pub(super) fn takes_vectored(&self) -> bool {
        self.output.is_empty()
            && self.ending.is_none()
            && !self.is_closed
            && !self.session.is_handshaking()
            && self.inner.takes_vectored()
    }

    /// The file that comes next, once all before it is sent.
    pub(super) fn poll_external(&self) -> Option<External<'_>> {
        if self.takes_vectored() { self.inner.poll_external() } else { None }
    }

    /// The answer stays incomplete: close_notify would say that it is whole.
    pub(super) fn handle_external_failed(&mut self, cx: &mut Context) {
        self.inner.handle_external_failed(cx);
        self.is_closed = true;
        self.ending = Some(Finish::Reset);
    }

    /// Runs a command of the inner connection that gives bytes to the socket at once.
    pub(super) fn command_sending<R>(
        &mut self,
        cx: &mut Context,
        send: Send<'_>,
        run: impl FnOnce(&mut Connection, &mut Context, Send<'_>) -> Result<R, AnswerError>,
    ) -> Result<R, AnswerError> {
        if !self.takes_vectored() {
            return run(&mut self.inner, cx, &mut |_| 0);
        }
        let mut ciphertext = mem::take(&mut cx.ciphertext);
        let mut sealing = Sealing::new(&mut self.session, &mut ciphertext, send);
        let result = run(&mut self.inner, cx, &mut |parts| sealing.take(parts));
        let Sealing { unsent, in_flight, has_failed, .. } = sealing;
        if in_flight > 0 {
            self.output.put(cx, ciphertext.get(unsent).unwrap_or_default());
            self.in_flight = in_flight;
        }
        if has_failed {
            self.ending = Some(Finish::Reset);
        }
        cx.ciphertext = ciphertext;
        result
    }

    /// As that of the inner connection, behind ciphertext that is unsent.
    pub(super) fn send_held(
        &mut self,
        cx: &mut Context,
        memory: Memory<'_>,
        most: usize,
        send: Send<'_>,
    ) -> usize {
        if !self.output.is_empty() {
            let count = send(&[IoSlice::new(self.output.unsent())]);
            if count > 0 {
                self.handle_sent(cx, count);
            }
        }
        if !self.takes_vectored() {
            return 0;
        }
        let sent =
            self.command_sending(cx, send, |inner, cx, send| Ok(inner.send_held(cx, memory, most, send)));
        sent.unwrap_or(0)
    }

    /// Whether the inner connection has ended its sending side in order, and the client doesn't know it yet.
    fn owes_close_notify(&self) -> bool {
        !self.is_closed
            && (self.inner.is_write_ended()
                || matches!(self.inner.finish(), Some(Finish::Close | Finish::Linger)))
    }

    pub(super) fn handle_sent(&mut self, cx: &mut Context, count: usize) {
        self.output.handle_sent(cx, count);
        if self.in_flight == 0 {
            return;
        }
        if self.output.is_empty() {
            let sent = mem::take(&mut self.in_flight);
            self.inner.handle_sealed_sent(cx, sent);
        } else {
            self.inner.restart_write_timeout(cx);
        }
    }

    pub(super) fn is_all_sent(&self) -> bool {
        self.output.is_empty() && self.inner.is_all_sent() && !self.owes_close_notify()
    }

    pub(super) fn poll_shutdown(&mut self) -> bool {
        self.output.is_empty() && self.inner.poll_shutdown()
    }

    pub(super) fn poll_timeout(&self, floor: Timestamp) -> Option<Timestamp> {
        self.deadline.or_else(|| self.inner.poll_timeout(floor))
    }

    pub(super) fn handle_timeout(&mut self, cx: &mut Context) {
        if self.deadline.is_none() {
            return self.inner.handle_timeout(cx);
        }
        if self.session.is_handshaking() {
            self.timed_out = Some(Failure {
                code: "BUSBAR_TLS_TIMEOUT",
                alert: None,
                detail: "the handshake took longer than tlsSetupTimeout".to_owned(),
                is_handshake: true,
            });
        } else {
            // The client doesn't even take the last few bytes.
            self.ending = Some(Finish::Reset);
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ending.is_some() || self.inner.is_ending()
    }

    pub(super) fn finish(&self) -> Option<Finish> {
        let is_sent = self.output.is_empty();
        match self.ending.or_else(|| self.inner.finish())? {
            Finish::Reset => Some(Finish::Reset),
            ending if self.ending.is_some() => is_sent.then_some(ending),
            // It has ended with bytes under way, which can't arrive whole any more.
            ending if self.in_flight > 0 => Some(ending),
            ending => (is_sent && (self.is_closed || self.session.is_handshaking())).then_some(ending),
        }
    }
}

fn unix_time(cx: &Context) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(cx.unix_seconds))
}
