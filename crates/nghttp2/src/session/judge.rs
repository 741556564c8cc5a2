//! What is wrong with a frame before nghttp2 sees it, and how often each kind comes.

use super::Session;
use crate::closed::Late;
use crate::error::ErrorCode;
use crate::ffi;
use crate::priority::Priority;
use crate::received::{Event, Received, StreamId};
use crate::scanner::FrameHeader;

/// What becomes of a frame.
pub(super) enum Verdict {
    /// It goes to nghttp2.
    Pass,
    /// It doesn't.
    Drop,
    /// The session ends.
    Fail(ErrorCode),
}

/// A header block in its frames. RFC 9113 §4.3.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Block {
    frames: usize,
    bytes: usize,
}

impl Session {
    /// Whether a frame can only be judged by the state of its stream.
    pub(super) fn needs_state(&self, header: &FrameHeader) -> bool {
        match header.kind {
            ffi::DATA | ffi::WINDOW_UPDATE | ffi::PRIORITY_UPDATE => true,
            ffi::HEADERS => header.stream <= self.highest,
            _ => false,
        }
    }

    /// Counts a frame, and finds the errors that nghttp2 wouldn't.
    pub(super) fn judge_header(&mut self, header: &FrameHeader, received: &mut Received) -> Verdict {
        let counts = &mut received.counts;
        let is_acknowledgement = header.has(ffi::NGHTTP2_FLAG_ACK);
        match header.kind {
            ffi::DATA => {
                if header.length > 0 {
                    counts.data += 1;
                } else if !header.has(ffi::NGHTTP2_FLAG_END_STREAM) {
                    counts.empty_data += 1;
                }
                return self.judge_late(header, Late::Data, received);
            }
            ffi::HEADERS => {
                let is_whole = header.has(ffi::NGHTTP2_FLAG_END_HEADERS);
                counts.continuations += u32::from(!is_whole && header.length == 0);
                self.block = (!is_whole).then_some(Block { frames: 1, bytes: header.length });
                if header.stream <= self.highest {
                    return self.judge_late(header, Late::Headers, received);
                }
                self.highest = header.stream;
                counts.requests += 1;
            }
            ffi::CONTINUATION => {
                counts.continuations += 1;
                return self.judge_block(header);
            }
            ffi::PING if !is_acknowledgement => counts.pings += 1,
            ffi::SETTINGS if !is_acknowledgement => counts.settings += 1,
            ffi::RST_STREAM => counts.resets += 1,
            ffi::WINDOW_UPDATE => counts.window_updates += 1,
            ffi::PRIORITY | ffi::PRIORITY_UPDATE => {
                counts.priorities += 1;
                let needs_stream = header.kind == ffi::PRIORITY;
                if needs_stream != (header.stream != 0) {
                    return Verdict::Fail(ErrorCode::PROTOCOL_ERROR);
                }
                if header.kind == ffi::PRIORITY_UPDATE && header.length < 4 {
                    return Verdict::Fail(ErrorCode::FRAME_SIZE_ERROR);
                }
            }
            _ => counts.idle += 1,
        }
        Verdict::Pass
    }

    /// HEADERS or DATA for a stream that nghttp2 has forgotten.
    fn judge_late(&self, header: &FrameHeader, late: Late, received: &mut Received) -> Verdict {
        let is_clients = header.stream % 2 == 1;
        if !is_clients || header.stream > self.highest || self.is_open(header.id()) {
            return Verdict::Pass;
        }
        received.counts.idle += 1;
        self.state.closed.judge(header.id(), late).map_or(Verdict::Pass, Verdict::Fail)
    }

    /// A header block must bring something: many small frames cost more than they weigh (CVE-2024-27316).
    fn judge_block(&mut self, header: &FrameHeader) -> Verdict {
        /// Frames that any block may have.
        const FREE_FRAMES: usize = 8;
        /// Bytes that pay for one more.
        const BYTES_PER_FRAME: usize = 256;
        /// How much larger than its list a block may be: an encoder may say each literal badly.
        const BYTES_PER_LIST_BYTE: usize = 4;
        let Some(block) = &mut self.block else { return Verdict::Pass };
        block.frames += 1;
        block.bytes += header.length;
        let Block { frames, bytes } = *block;
        if header.has(ffi::NGHTTP2_FLAG_END_HEADERS) {
            self.block = None;
        }
        let is_too_small = frames > FREE_FRAMES + bytes / BYTES_PER_FRAME;
        let is_too_large = bytes > self.state.limits.bytes.saturating_mul(BYTES_PER_LIST_BYTE).max(1 << 16);
        if is_too_small || is_too_large { Verdict::Fail(ErrorCode::ENHANCE_YOUR_CALM) } else { Verdict::Pass }
    }

    pub(super) fn judge_payload(&mut self, header: &FrameHeader, received: &mut Received) -> Verdict {
        let value = self.scanner.payload().first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        let value = value & !(1 << 31);
        match header.kind {
            // RFC 7540 §5.3.1, and a reset that a server could be made to send (CVE-2025-8671).
            ffi::PRIORITY if value == header.stream => Verdict::Fail(ErrorCode::PROTOCOL_ERROR),
            ffi::WINDOW_UPDATE if header.is_held() => self.judge_window_update(header.id(), value, received),
            ffi::PRIORITY_UPDATE => self.reprioritize(StreamId(value), received),
            _ => Verdict::Pass,
        }
    }

    /// A stream's window that outgrows 2^31-1 is an error of the stream, open or not. RFC 9113 §6.9.1.
    fn judge_window_update(&mut self, stream: StreamId, increment: u32, received: &mut Received) -> Verdict {
        if stream.0 == 0 || stream.0 > self.highest {
            return Verdict::Pass;
        }
        if self.is_open(stream) {
            if i64::from(self.send_window(stream)) + i64::from(increment) <= i64::from(i32::MAX) {
                return Verdict::Pass;
            }
            self.reset(stream, ErrorCode::FLOW_CONTROL_ERROR);
            return Verdict::Drop;
        }
        received.counts.idle += 1;
        if self.state.closed.widen(stream, increment) {
            return Verdict::Pass;
        }
        // nghttp2 doesn't reset a stream that it has forgotten.
        received.counts.provoked += 1;
        self.state.urgent.extend([0, 0, 4, ffi::RST_STREAM, 0]);
        self.state.urgent.extend(stream.0.to_be_bytes());
        self.state.urgent.extend(ErrorCode::FLOW_CONTROL_ERROR.0.to_be_bytes());
        Verdict::Drop
    }

    /// RFC 9218 §7.1. Kept from nghttp2, which would open a stream for every number it gets.
    fn reprioritize(&mut self, stream: StreamId, received: &mut Received) -> Verdict {
        if stream.0.is_multiple_of(2) {
            return Verdict::Fail(ErrorCode::PROTOCOL_ERROR);
        }
        let value = self.scanner.payload().get(4..).unwrap_or(&[]);
        let Some(priority) = Priority::parse(value) else { return Verdict::Pass };
        if stream.0 > self.highest {
            self.state.early.set(stream, priority);
        } else if self.is_open(stream) {
            received.events.push(Event::Reprioritized { stream, priority });
        }
        Verdict::Pass
    }
}
