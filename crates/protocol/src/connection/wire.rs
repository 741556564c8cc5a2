//! The wire: what comes from the socket and the clock, and what is to be done with them next.

use std::io::IoSlice;

use super::other::Other;
use super::undecided::First;
use super::{Connection, Protocol};
use crate::answer::Finish;
use crate::context::Context;
use crate::event::{Direct, Event, RequestId, Step};
use crate::http2::Memory;
use crate::output::Send;
use crate::timestamp::Timestamp;
use crate::{http1, http2};

/// What has come.
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
            let http1 = http1::Connection::begun(cx, way, &[kept, first].concat());
            self.protocol = Protocol::Http1(http1);
            return first.len();
        };
        // A part of the preface gives no event.
        drop(http2.handle_input(cx, kept));
        self.protocol = Protocol::Other(Other::Http2(Box::new(http2)));
        0
    }

    /// Takes bytes of a body that lie in the application's memory already, at most `direct_room`: what isn't content is
    /// moved out from between. The event that follows brings no bytes of its own, but may be the body's last. All bytes of a
    /// raw connection are content, and answer its ask.
    pub fn handle_direct(&mut self, cx: &mut Context, bytes: &mut [u8]) -> Direct {
        if let Protocol::Other(Other::Raw(raw)) = &mut self.protocol {
            raw.handle_direct();
            return Direct { content: bytes.len(), taken: bytes.len(), event: None };
        }
        self.http1_mut().map_or_else(|_| Direct::default(), |http1| http1.handle_direct(cx, bytes))
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

    /// At the end of its time: the peer has acknowledged so many bytes of what was sent before. If they are no fewer
    /// than the minimum rate asks for, it does read, and its time starts again.
    pub fn handle_acknowledged(&mut self, cx: &Context, bytes: u32) {
        if let Some(http2) = self.http2_mut() {
            http2.handle_acknowledged(cx, bytes);
        } else if let Ok(http1) = self.http1_mut() {
            http1.handle_acknowledged(cx, bytes);
        }
    }

    /// Some ciphertext of what was sent is with the kernel: the time for the rest starts again.
    pub(super) fn restart_write_timeout(&mut self, cx: &Context) {
        if let Some(http2) = self.http2_mut() {
            http2.restart_write_timeout(cx);
        } else if let Ok(http1) = self.http1_mut() {
            http1.rearm_after_sending(cx);
        }
    }

    /// `count` bytes of what `poll_external` gives are with the kernel, `behind` included.
    pub fn handle_external_sent(&mut self, cx: &mut Context, count: u64) {
        if let Ok(http1) = self.http1_mut() {
            http1.handle_external_sent(cx, count);
            self.switch_if_taken_over();
        }
    }

    /// The next bytes of the part that `poll_external` gives. They are copied only as far as `send` doesn't take them.
    pub fn handle_external_bytes(&mut self, cx: &mut Context, bytes: &[u8], send: Send<'_>) {
        if let Some(tls) = self.tls_mut() {
            let _ = tls.command_sending(cx, send, |inner, cx, send| {
                inner.handle_external_bytes(cx, bytes, send);
                Ok(())
            });
        } else if let Ok(http1) = self.http1_mut() {
            http1.handle_external_bytes(cx, bytes, send);
            self.switch_if_taken_over();
        }
    }

    /// The same with bytes of which none are copied: what `send` doesn't take is to be given again. Returns how many it
    /// has taken.
    pub fn handle_external_held(&mut self, cx: &mut Context, parts: &[IoSlice<'_>], send: Send<'_>) -> usize {
        if let Some(tls) = self.tls_mut() {
            let sent = tls
                .command_sending(cx, send, |inner, cx, send| Ok(inner.handle_external_held(cx, parts, send)));
            return sent.unwrap_or(0);
        }
        let Ok(http1) = self.http1_mut() else { return 0 };
        let sent = send(parts);
        http1.handle_external_sent(cx, sent as u64);
        self.switch_if_taken_over();
        sent
    }

    /// With HTTP/2, sends what is unsent, content in `memory` included, until `send` takes no more, or has taken `most`
    /// bytes. Returns how many it has taken.
    pub fn send_held(&mut self, cx: &mut Context, memory: Memory<'_>, most: usize, send: Send<'_>) -> usize {
        if let Some(tls) = self.tls_mut() {
            return tls.send_held(cx, memory, most, send);
        }
        self.http2_mut().map_or(0, |http2| http2.send_held(cx, memory, most, send))
    }

    /// The memory that was held for an answer of HTTP/2 is gone: its stream is reset.
    #[cold]
    pub fn handle_held_lost(&mut self, request_id: RequestId) {
        if let Some(http2) = self.http2_mut() {
            http2.handle_held_lost(request_id);
        }
    }

    /// `count` bytes of what comes next on the wire, wherever they lie, have been encrypted and sent.
    pub(super) fn handle_sealed_sent(&mut self, cx: &mut Context, count: usize) {
        match &mut self.protocol {
            Protocol::Other(Other::Http2(http2)) => http2.handle_sent(cx, count),
            _ => {
                let own = count.min(self.poll_transmit(cx).len());
                if own > 0 {
                    self.handle_sent(cx, own);
                }
                if own < count {
                    self.handle_external_sent(cx, (count - own) as u64);
                }
            }
        }
    }

    /// That part has fewer bytes than it had, or can't be read: the answer is aborted.
    pub fn handle_external_failed(&mut self, cx: &mut Context) {
        if let Some(tls) = self.tls_mut() {
            tls.handle_external_failed(cx);
        } else if let Ok(http1) = self.http1_mut() {
            http1.handle_external_failed(cx);
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

    /// What the reactor has to send now by itself: a part of a file, or of memory that it holds.
    pub fn poll_external(&self) -> Option<http1::External<'_>> {
        match &self.protocol {
            Protocol::Http1(http1) => http1.poll_external(),
            Protocol::Other(Other::Tls(tls)) => tls.poll_external(),
            Protocol::Other(_) => None,
        }
    }

    /// The same in cleartext, with the bytes to be sent before it: both may leave in one call. `handle_sent` comes before
    /// `handle_external_sent` then.
    pub fn poll_together(&self) -> Option<(&[u8], http1::External<'_>)> {
        match &self.protocol {
            Protocol::Http1(http1) => http1.poll_together(),
            Protocol::Other(_) => None,
        }
    }

    /// The request after which the connection has become raw, once everything before is sent.
    pub fn poll_upgraded(&mut self) -> Option<RequestId> {
        self.raw_mut().ok()?.poll_upgraded()
    }

    /// True once, when the sending side is to be closed and reading continues.
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

    /// How the connection is to be closed; None while it continues or has something to send.
    #[inline]
    pub fn finish(&self) -> Option<Finish> {
        match &self.protocol {
            Protocol::Http1(http1) => http1.finish(),
            Protocol::Other(other) => other.finish(),
        }
    }
}
