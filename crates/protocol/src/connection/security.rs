//! TLS between the socket and what is spoken. On plaintext these methods change nothing.

use super::other::Other;
use super::secured::{Secured, SecurityEvent};
use super::{Connection, Protocol};
use crate::context::Context;
use crate::timestamp::Timestamp;
use crate::tls;

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

    pub(super) fn tls_mut(&mut self) -> Option<&mut Secured> {
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

    /// Begins what the handshake has agreed on, behind [`SecurityEvent::Established`], unless the application chooses
    /// itself what is spoken. On plaintext there is nothing to begin.
    pub fn handle_agreed(&mut self, cx: &Context) {
        if let Some(tls) = self.tls_mut() {
            tls.handle_agreed(cx);
        }
    }

    /// The peer has ended its data inside TLS: once all plaintext is taken and more is wanted, `handle_eof` is due
    /// although the socket's end hasn't come.
    pub fn owes_eof(&self) -> bool {
        self.tls().is_some_and(Secured::owes_eof)
    }
}
