//! Frames on their way to the peer. The content of some lies in memory that the application holds, and is written from
//! there.
//!
//! ```text
//!   output   HEADERS │ header of DATA │                header of DATA │                SETTINGS
//!   ranges                            └─ 16 KiB of answer 1           └─ 16 KiB of answer 2
//! ```
//! A frame that has been announced to flow control has to leave whole. So a range whose answer ends early, or whose memory
//! is gone, is replaced by zeros; its stream is reset.

use std::collections::VecDeque;
use std::io::IoSlice;

use nghttp2::Lent;
use smallvec::SmallVec;

use crate::context::Context;
use crate::event::RequestId;
use crate::output::Output;

/// What is sent in place of content that may not be read any more.
static ZEROS: [u8; 16 * 1024] = [0; 16 * 1024];

/// Ranges that may wait together: each is a part of a write, of which the system takes 1024.
const RANGES: usize = 64;

/// The parts of one write.
pub(super) type Parts<'a> = SmallVec<[IoSlice<'a>; 40]>;

/// Memory of the application's that answers are sent from, by their requests.
pub type Memory<'a> = &'a [(RequestId, &'a [u8])];

/// Content of one frame that isn't in the output.
#[derive(Debug)]
struct Range {
    /// How many bytes of the output have been or will be sent before it.
    at: u64,
    /// The answer whose memory it is in; None: zeros.
    request_id: Option<RequestId>,
    start: usize,
    length: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Framed {
    output: Output,
    ranges: VecDeque<Range>,
    /// Bytes in `ranges`.
    held: usize,
    /// How many bytes of the output have been sent.
    sent: u64,
}

impl Framed {
    pub(super) fn new(output: Output) -> Framed {
        Framed { output, ..Framed::default() }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.output.is_empty() && self.ranges.is_empty()
    }

    /// How many bytes are unsent, wherever they are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.output.len() + self.held
    }

    /// Whether no more is to be added to `most` bytes, or to many ranges, however short they are.
    #[inline]
    pub(super) fn is_full(&self, most: usize) -> bool {
        self.len() >= most || self.ranges.len() >= RANGES
    }

    /// What is unsent before the first range that is held.
    pub(super) fn unsent(&self) -> &[u8] {
        let unsent = self.output.unsent();
        let Some(first) = self.ranges.front() else { return unsent };
        match (self.place(first), first.request_id) {
            (0, None) => ZEROS.get(..first.length).unwrap_or(&ZEROS),
            (before, _) => unsent.get(..before).unwrap_or(unsent),
        }
    }

    /// Where a range stands in what is unsent of the output.
    fn place(&self, range: &Range) -> usize {
        (range.at - self.sent) as usize
    }

    /// The buffer that frames are appended to; long ones are expected.
    pub(super) fn buffer(&mut self, cx: &mut Context) -> &mut Vec<u8> {
        if self.output.is_empty() {
            self.output.expect_much(cx);
        }
        self.output.buffer(cx)
    }

    /// Gives the buffer back if nothing was put into it.
    pub(super) fn release_unused(&mut self, cx: &mut Context) {
        self.output.release_unused(cx);
    }

    /// Notes content that belongs into the output.
    pub(super) fn add(&mut self, lent: &Lent, request_id: Option<RequestId>) {
        let at = self.sent + self.output.place(lent.at) as u64;
        self.ranges.push_back(Range { at, request_id, start: lent.start, length: lent.length });
        self.held += lent.length;
    }

    /// Everything unsent, as far as its memory is at hand.
    pub(super) fn parts<'a>(&'a self, memory: Memory<'a>) -> Parts<'a> {
        let unsent = self.output.unsent();
        let mut parts = Parts::new();
        let mut from = 0;
        for range in &self.ranges {
            let before = self.place(range);
            if let Some(own) = unsent.get(from..before).filter(|own| !own.is_empty()) {
                parts.push(IoSlice::new(own));
            }
            from = before;
            let held = match range.request_id {
                None => ZEROS.get(..range.length),
                Some(request_id) => memory
                    .iter()
                    .find(|(id, _)| *id == request_id)
                    .and_then(|(_, bytes)| bytes.get(range.start..)?.get(..range.length)),
            };
            let Some(held) = held else { return parts };
            parts.push(IoSlice::new(held));
        }
        if let Some(own) = unsent.get(from..).filter(|own| !own.is_empty()) {
            parts.push(IoSlice::new(own));
        }
        parts
    }

    /// `count` bytes of what is unsent are with the kernel.
    pub(super) fn handle_sent(&mut self, cx: &mut Context, mut count: usize) {
        while let Some(first) = self.ranges.front() {
            let own = count.min((first.at - self.sent) as usize);
            self.advance(cx, own);
            count -= own;
            let Some(first) = self.ranges.front_mut().filter(|_| count > 0) else { return };
            let of_range = count.min(first.length);
            first.start += of_range;
            first.length -= of_range;
            self.held -= of_range;
            count -= of_range;
            if first.length == 0 {
                self.ranges.pop_front();
            }
        }
        self.advance(cx, count);
    }

    fn advance(&mut self, cx: &mut Context, count: usize) {
        if count > 0 {
            self.sent += count as u64;
            self.output.handle_sent(cx, count);
        }
    }

    /// Whether bytes of this answer's memory are still to be sent.
    pub(super) fn uses(&self, request_id: RequestId) -> bool {
        self.ranges.iter().any(|range| range.request_id == Some(request_id))
    }

    /// The memory of this answer isn't read any more: zeros are sent in its place.
    pub(super) fn forget(&mut self, request_id: RequestId) {
        for range in self.ranges.iter_mut().filter(|range| range.request_id == Some(request_id)) {
            range.request_id = None;
        }
    }

    /// The memory of this answer is about to be used otherwise: what is unsent of it is copied.
    pub(super) fn keep(&mut self, cx: &mut Context, request_id: RequestId, memory: &[u8]) {
        if !self.uses(request_id) {
            return;
        }
        let mut output = Output::default();
        let mut ranges = VecDeque::new();
        let mut from = 0;
        for range in std::mem::take(&mut self.ranges) {
            let before = self.place(&range);
            output.put(cx, self.output.unsent().get(from..before).unwrap_or(&[]));
            from = before;
            if range.request_id == Some(request_id) {
                let bytes = memory.get(range.start..).and_then(|bytes| bytes.get(..range.length));
                self.held -= range.length;
                output.put(cx, bytes.unwrap_or(&[]));
            } else {
                ranges.push_back(Range { at: self.sent + output.len() as u64, ..range });
            }
        }
        output.put(cx, self.output.unsent().get(from..).unwrap_or(&[]));
        std::mem::replace(&mut self.output, output).give_back(cx);
        self.ranges = ranges;
    }
}
