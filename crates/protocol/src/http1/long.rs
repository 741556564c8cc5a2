//! Answers, and pieces of them, so long that copying them costs more than a system call.
//!
//! They are offered to the socket at once, together with what waits before them, straight from the
//! application's memory. Only what the socket doesn't take is copied.

use std::io::IoSlice;

use crate::answer::{Answer, AnswerError, Payload};
use crate::context::Context;
use crate::event::RequestId;
use crate::http1::Connection;
use crate::http1::pipeline::Stream;
use crate::http1::writing::put_hex;

/// Shorter bytes are copied: a system call of their own would cost more. In memory that is in the cache
/// 16 KiB are copied in about 1 us, and a call that writes them takes more than 3.
pub(super) const LONG_BYTES: usize = 16 * 1024;

/// Hands bytes to the socket; returns how many it took, 0 when it takes none now.
pub type Send<'a> = &'a mut dyn FnMut(&[IoSlice<'_>]) -> usize;

impl Payload<'_> {
    /// Whether it is worth handing to the socket uncopied.
    pub fn is_long(&self) -> bool {
        matches!(self, Payload::Full(bytes) | Payload::Declared { bytes, .. } if is_long(bytes))
    }
}

/// Whether bytes are worth handing to the socket uncopied.
pub fn is_long(bytes: &[u8]) -> bool {
    bytes.len() >= LONG_BYTES
}

impl Connection {
    /// Like `handle_answer`, with a body that isn't copied as far as `send` takes it.
    ///
    /// # Errors
    /// `Stale` when the request isn't open or its answer has begun.
    pub fn handle_long_answer(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        answer: Answer<'_>,
        send: Send<'_>,
    ) -> Result<(), AnswerError> {
        self.take_answer(cx, request_id, answer, Some(send))?;
        self.note_sent(cx);
        Ok(())
    }

    /// Like `handle_write`, with bytes that aren't copied as far as `send` takes them.
    ///
    /// # Errors
    /// `Stale` when no stream is open for the request id; `TooLong` when it outgrows its declared length.
    pub fn handle_long_write(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        bytes: &[u8],
        send: Send<'_>,
    ) -> Result<(), AnswerError> {
        if !self.pipeline.is_first(request_id) {
            return self.handle_write(cx, request_id, bytes);
        }
        let first = self.pipeline.first_mut().and_then(|first| first.extra.as_mut());
        let first = first.filter(|extra| extra.file == 0);
        let stream = first.and_then(|extra| extra.stream.as_mut()).ok_or(AnswerError::Stale)?;
        let mut result = Ok(());
        let mut bytes = bytes;
        let mut suffix: &[u8] = b"";
        match stream {
            Stream::Silent => return Ok(()),
            Stream::UntilClose => {}
            Stream::Chunked => {
                put_hex(bytes.len(), &mut self.out);
                self.out.extend_from_slice(b"\r\n");
                suffix = b"\r\n";
            }
            Stream::Length(missing) => {
                let fits = bytes.len().min(usize::try_from(*missing).unwrap_or(usize::MAX));
                *missing -= fits as u64;
                if fits < bytes.len() {
                    result = Err(AnswerError::TooLong);
                }
                bytes = &bytes[..fits];
            }
        }
        self.put_long(bytes, suffix, send);
        self.note_sent(cx);
        result
    }

    /// Like `handle_raw_write`, with bytes that aren't copied as far as `send` takes them.
    ///
    /// # Errors
    /// `Stale` when the connection isn't raw or its sending side was ended.
    pub fn handle_long_raw_write(
        &mut self,
        cx: &mut Context,
        bytes: &[u8],
        send: Send<'_>,
    ) -> Result<(), AnswerError> {
        self.handle_raw_write(cx, b"")?;
        self.put_long(bytes, b"", send);
        self.note_sent(cx);
        Ok(())
    }

    /// Offers all that is unsent and then `bytes` and `suffix`; keeps what isn't taken.
    pub(super) fn put_long(&mut self, bytes: &[u8], suffix: &[u8], send: Send<'_>) {
        let unsent = self.transmit();
        let waiting = unsent.len();
        let mut taken = send(&[IoSlice::new(unsent), IoSlice::new(bytes), IoSlice::new(suffix)]);
        let of_waiting = taken.min(waiting);
        self.sent += of_waiting;
        taken -= of_waiting;
        if of_waiting == waiting {
            self.out.clear();
            self.sent = 0;
        }
        for part in [bytes, suffix] {
            let count = taken.min(part.len());
            self.out.extend_from_slice(&part[count..]);
            taken -= count;
        }
    }

    /// Some bytes may have been sent past `handle_sent`.
    fn note_sent(&mut self, cx: &mut Context) {
        if self.out.is_empty() {
            cx.give_buffer(std::mem::take(&mut self.out));
        }
        self.rearm_after_sending(cx);
    }
}
