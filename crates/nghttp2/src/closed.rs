//! Streams that ended lately, and what frames for them mean.
//!
//! nghttp2 forgets a stream when it closes and ignores what still comes for it. That is right for a stream
//! that we have reset, whose frames were under way. It is wrong for one that the peer has ended itself, or
//! never opened: those are errors of the connection. RFC 9113 §5.1.

use std::collections::VecDeque;

use crate::error::ErrorCode;
use crate::received::StreamId;

/// Streams remembered. A peer that ends a stream knows it, so few suffice to catch a broken one; what is
/// forgotten is ignored.
const REMEMBERED: usize = 32;
/// The largest window. RFC 9113 §6.9.1.
const MAX_WINDOW: u64 = (1 << 31) - 1;

/// Which frames for a stream are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Late {
    Headers,
    Data,
}

#[derive(Debug)]
struct Closed {
    stream: StreamId,
    /// The peer had ended its side.
    by_peer: bool,
    /// What WINDOW_UPDATEs have added since.
    window: u64,
}

/// The streams that closed last.
#[derive(Debug, Default)]
pub(crate) struct ClosedStreams {
    last: VecDeque<Closed>,
    /// The largest that is forgotten: about smaller numbers nothing is known.
    forgotten: u32,
}

impl ClosedStreams {
    pub(crate) fn add(&mut self, stream: StreamId, by_peer: bool) {
        if self.last.len() == REMEMBERED
            && let Some(oldest) = self.last.pop_front()
        {
            self.forgotten = self.forgotten.max(oldest.stream.0);
        }
        self.last.push_back(Closed { stream, by_peer, window: 0 });
    }

    /// Judges HEADERS or DATA for a stream that isn't open and isn't new; None: it is ignored.
    pub(crate) fn judge(&self, stream: StreamId, late: Late) -> Option<ErrorCode> {
        match self.last.iter().find(|closed| closed.stream == stream) {
            Some(closed) => closed.by_peer.then_some(ErrorCode::STREAM_CLOSED),
            None if stream.0 <= self.forgotten => None,
            // Skipped when a larger number was used, so it is closed without ever having been open.
            None if late == Late::Headers => Some(ErrorCode::PROTOCOL_ERROR),
            None => Some(ErrorCode::STREAM_CLOSED),
        }
    }

    /// Adds a WINDOW_UPDATE that came late. False: the window is larger than any may be.
    pub(crate) fn widen(&mut self, stream: StreamId, increment: u32) -> bool {
        let Some(closed) = self.last.iter_mut().find(|closed| closed.stream == stream) else { return true };
        closed.window += u64::from(increment);
        closed.window <= MAX_WINDOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_for_a_stream_the_peer_ended_is_an_error() {
        let mut closed = ClosedStreams::default();
        closed.add(StreamId(1), true);
        closed.add(StreamId(5), false);
        assert_eq!(closed.judge(StreamId(1), Late::Data), Some(ErrorCode::STREAM_CLOSED));
        assert_eq!(closed.judge(StreamId(5), Late::Data), None);
        assert_eq!(closed.judge(StreamId(3), Late::Headers), Some(ErrorCode::PROTOCOL_ERROR));
    }

    #[test]
    fn what_is_forgotten_is_ignored() {
        let mut closed = ClosedStreams::default();
        for number in 0..=REMEMBERED as u32 {
            closed.add(StreamId(2 * number + 1), true);
        }
        assert_eq!(closed.judge(StreamId(1), Late::Data), None);
        assert_eq!(closed.judge(StreamId(3), Late::Data), Some(ErrorCode::STREAM_CLOSED));
    }
}
