//! Bytes on their way to the peer, and how far they are sent.
//!
//! Every protocol of a connection has one; at a switch it is handed over as it is, so that what was written
//! before leaves first.

use std::io::IoSlice;

use smallvec::SmallVec;

use crate::context::{Context, HIGH_WATER};

/// Bytes from which a vectored write is worth a system call of its own. In memory that is in the cache 16 KiB
/// are copied in about 1 us, and a call that writes them takes more than 3.
pub const VECTORED_BYTES: usize = 16 * 1024;

/// The most bytes that are offered to the socket at once from the application's memory; more follow with the flush, in
/// visits of the same length, so that a client that reads fast doesn't delay others.
const PORTION: usize = 1024 * 1024;

/// Parts of one write that need no memory of their own: as many as JavaScript hands over at once, and what surrounds them.
pub const PARTS: usize = 20;

/// Hands bytes to the socket; returns how many it took, 0 when it takes none now.
pub type Send<'a> = &'a mut dyn FnMut(&[IoSlice<'_>]) -> usize;

/// Whether bytes are so many that they are better written from where they are than copied.
pub fn is_large(bytes: &[u8]) -> bool {
    bytes.len() >= VECTORED_BYTES
}

/// How many bytes lie in `parts`.
pub fn total_of(parts: &[IoSlice<'_>]) -> usize {
    parts.iter().map(|part| part.len()).sum()
}

/// The first `count` bytes of `parts`.
fn first_of<'a>(parts: &'a [IoSlice<'_>], mut count: usize) -> SmallVec<[IoSlice<'a>; PARTS]> {
    let cut = |part: &'a IoSlice<'_>| {
        let taken = part.get(..count).unwrap_or(part);
        count -= taken.len();
        IoSlice::new(taken)
    };
    parts.iter().map(cut).collect()
}

/// Unsent bytes of one connection.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// Empty when everything is sent; otherwise unsent from `sent` on.
    bytes: Vec<u8>,
    sent: usize,
}

impl Output {
    /// Whether everything is sent.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many bytes are unsent.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// What is unsent.
    #[inline]
    pub(crate) fn unsent(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or(&[])
    }

    /// The buffer that more is appended to.
    #[inline]
    pub(crate) fn buffer(&mut self, cx: &mut Context) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = cx.take_buffer();
        }
        &mut self.bytes
    }

    /// Has long content written to a buffer that has grown before, so that it isn't grown anew for each portion.
    pub(crate) fn expect_much(&mut self, cx: &mut Context) {
        if self.bytes.capacity() == 0 {
            self.bytes = cx.take_spare();
        }
    }

    pub(crate) fn put(&mut self, cx: &mut Context, bytes: &[u8]) {
        self.buffer(cx).extend_from_slice(bytes);
    }

    /// `count` bytes of `unsent` are with the kernel.
    #[inline]
    pub(crate) fn handle_sent(&mut self, cx: &mut Context, count: usize) {
        self.sent += count;
        if self.sent >= self.bytes.len() {
            self.sent = 0;
            cx.give_buffer(std::mem::take(&mut self.bytes));
        } else if self.sent > HIGH_WATER.max(self.bytes.len() / 2) {
            // The rest moves up so seldom that every byte is moved about once.
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Offers everything unsent, then `bytes` and `suffix`, to the socket; what it doesn't take is copied.
    pub(crate) fn put_vectored(&mut self, cx: &mut Context, bytes: &[u8], suffix: &[u8], send: Send<'_>) {
        let parts = [IoSlice::new(bytes), IoSlice::new(suffix)];
        let taken = self.offer(&parts, send);
        self.put_rest(cx, &parts, taken);
    }

    /// The same with content in several places. Where the socket leaves many bytes of it they aren't copied, and neither is
    /// `suffix`: the result is how many are to be sent behind everything unsent.
    pub(crate) fn put_or_hold(
        &mut self,
        cx: &mut Context,
        content: &[IoSlice<'_>],
        suffix: &[u8],
        send: Send<'_>,
    ) -> usize {
        let length = total_of(content);
        // What would stay behind a portion is much, or goes along.
        let portion = if length < PORTION + VECTORED_BYTES { length } else { PORTION };
        let mut parts = first_of(content, portion);
        if portion == length {
            parts.push(IoSlice::new(suffix));
        }
        let taken = self.offer(&parts, send);
        let rest = length.saturating_sub(taken);
        if rest < VECTORED_BYTES {
            self.put_rest(cx, &parts, taken);
            return 0;
        }
        self.release_unused(cx);
        rest
    }

    /// Offers everything unsent, then `parts`, to the socket; returns how many bytes of these it took.
    fn offer(&mut self, parts: &[IoSlice<'_>], send: Send<'_>) -> usize {
        let unsent = self.unsent();
        let waiting = unsent.len();
        let mut all: SmallVec<[IoSlice<'_>; PARTS]> = SmallVec::new();
        all.push(IoSlice::new(unsent));
        all.extend(parts.iter().map(|part| IoSlice::new(part)));
        let taken = send(&all);
        drop(all);
        let of_waiting = taken.min(waiting);
        self.sent += of_waiting;
        if of_waiting == waiting {
            self.bytes.clear();
            self.sent = 0;
        }
        taken - of_waiting
    }

    /// Copies what the socket has left of `parts`.
    fn put_rest(&mut self, cx: &mut Context, parts: &[IoSlice<'_>], mut taken: usize) {
        for part in parts {
            let count = taken.min(part.len());
            self.bytes.extend_from_slice(&part[count..]);
            taken -= count;
        }
        if self.bytes.is_empty() {
            cx.give_buffer(std::mem::take(&mut self.bytes));
        }
    }

    /// Gives the buffer back if nothing was put into it.
    pub(crate) fn release_unused(&mut self, cx: &mut Context) {
        if self.bytes.is_empty() {
            self.sent = 0;
            cx.give_buffer(std::mem::take(&mut self.bytes));
        }
    }

    /// Where a place in the buffer stands in what is unsent.
    pub(crate) fn place(&self, at: usize) -> usize {
        at - self.sent
    }

    /// Gives the buffer back with what is unsent in it.
    pub(crate) fn give_back(self, cx: &mut Context) {
        cx.give_buffer(self.bytes);
    }

    /// Drops everything unsent.
    pub(crate) fn clear(&mut self) {
        *self = Output::default();
    }
}
