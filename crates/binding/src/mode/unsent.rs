//! How many bytes of streamed answers and raw connections the threads haven't sent yet.
//!
//! JavaScript needs the number when it writes, before the thread has seen the bytes. So they are counted
//! here:
//!
//! ```text
//!  write ── count ──► bytes, and a mark ──► thread: writes; asks for a notice with this mark
//!  notice ── on_drained ◄── mark ────────── thread: all that it has taken so far is sent
//! ```
//! A mark is the number of bytes written up to a write. A notice says that these are sent, and further ones
//! may be on their way to the thread: the notice gets to JavaScript only if they are few enough for the
//! writer to resume. As long as they aren't, each write asks anew, so a last notice always follows.

use std::collections::HashMap;

use protocol::{HIGH_WATER, RequestId};

/// The counts of one server.
#[derive(Default)]
pub(crate) struct Unsent {
    /// Open streamed answers, by request id.
    streams: HashMap<u64, Counter>,
    /// Raw connections that have bytes unsent, or wait for their end, by client id.
    raw: HashMap<u64, Counter>,
}

/// The bytes of one stream.
#[derive(Default)]
struct Counter {
    written: u64,
    sent: u64,
    /// No write follows; JavaScript waits until all is sent.
    is_ended: bool,
}

impl Counter {
    /// Adds bytes. The result is how many may be unsent, and the mark to ask with if the writer will wait.
    fn count(&mut self, bytes: usize) -> (usize, Option<u32>) {
        self.written += bytes as u64;
        let unsent = self.unsent();
        (unsent, (unsent > HIGH_WATER).then(|| self.mark()))
    }

    fn unsent(&self) -> usize {
        (self.written - self.sent) as usize
    }

    /// The low half of the count: less than 4 GiB are ever unsent.
    fn mark(&self) -> u32 {
        self.written as u32
    }

    /// Takes the mark of a notice. True if the writer may resume, or the end is reached.
    fn on_drained(&mut self, mark: u32) -> bool {
        self.sent = self.written - u64::from(self.mark().wrapping_sub(mark));
        self.unsent() <= if self.is_ended { 0 } else { HIGH_WATER }
    }
}

impl Unsent {
    /// Begins to count for a streamed answer.
    pub(crate) fn open_stream(&mut self, request_id: RequestId) {
        self.streams.insert(request_id.0, Counter::default());
    }

    /// Counts bytes of a streamed answer: how many may be unsent, and the mark to ask for a notice with, if
    /// one is needed. None when the answer isn't open.
    pub(crate) fn count(&mut self, request_id: RequestId, bytes: usize) -> Option<(usize, Option<u32>)> {
        Some(self.streams.get_mut(&request_id.0)?.count(bytes))
    }

    /// Ends the count of a streamed answer.
    pub(crate) fn close_stream(&mut self, request_id: u64) {
        self.streams.remove(&request_id);
    }

    /// Counts bytes of a raw connection, as [`Unsent::count`] does.
    pub(crate) fn count_raw(&mut self, client: u64, bytes: usize) -> (usize, Option<u32>) {
        self.raw.entry(client).or_default().count(bytes)
    }

    /// Ends the writing on a raw connection. The result is the mark to ask with for the notice that all is
    /// sent.
    pub(crate) fn end_raw(&mut self, client: u64) -> u32 {
        let counter = self.raw.entry(client).or_default();
        counter.is_ended = true;
        counter.mark()
    }

    /// Ends the count of a raw connection.
    pub(crate) fn close_raw(&mut self, client: u64) {
        self.raw.remove(&client);
    }

    /// Whether JavaScript needs this `Drained` notice. One without a mark is the thread's own doing.
    pub(crate) fn on_drained(&mut self, request_id: u64, mark: Option<u32>) -> bool {
        let counter = self.streams.get_mut(&request_id);
        counter.zip(mark).is_some_and(|(counter, mark)| counter.on_drained(mark))
    }

    /// Whether JavaScript needs this `RawDrained` notice.
    pub(crate) fn on_raw_drained(&mut self, client: u64, mark: Option<u32>) -> bool {
        let Some((counter, mark)) = self.raw.get_mut(&client).zip(mark) else { return false };
        let is_wanted = counter.on_drained(mark);
        if counter.unsent() == 0 {
            self.raw.remove(&client);
        }
        is_wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEBIBYTE: usize = 1024 * 1024;

    #[test]
    fn a_notice_for_earlier_bytes_does_not_resume_the_writer() {
        let mut unsent = Unsent::default();
        assert_eq!(unsent.count_raw(1, 1000), (1000, None));
        let (_, first) = unsent.count_raw(1, MEBIBYTE);
        let (waiting, second) = unsent.count_raw(1, MEBIBYTE);
        assert_eq!(waiting, 1000 + 2 * MEBIBYTE);
        assert!(!unsent.on_raw_drained(1, first));
        assert!(!unsent.on_raw_drained(1, None));
        assert!(unsent.on_raw_drained(1, second));
        assert_eq!(unsent.count_raw(1, 1), (1, None));
    }

    #[test]
    fn a_writer_resumes_when_few_bytes_are_unsent() {
        let mut unsent = Unsent::default();
        unsent.open_stream(RequestId(7));
        let (_, first) = unsent.count(RequestId(7), MEBIBYTE).unwrap_or_default();
        unsent.count(RequestId(7), 1000);
        assert!(unsent.on_drained(7, first));
        assert_eq!(unsent.count(RequestId(7), 1), Some((1001, None)));
        unsent.close_stream(7);
        assert_eq!(unsent.count(RequestId(7), 1), None);
    }

    #[test]
    fn an_end_waits_for_the_last_byte() {
        let mut unsent = Unsent::default();
        let (_, first) = unsent.count_raw(1, MEBIBYTE);
        unsent.count_raw(1, 1);
        let last = unsent.end_raw(1);
        assert!(!unsent.on_raw_drained(1, first));
        assert!(unsent.on_raw_drained(1, Some(last)));
        let nothing = unsent.end_raw(2);
        assert!(unsent.on_raw_drained(2, Some(nothing)));
    }

    #[test]
    fn marks_go_on_behind_four_gibibytes() {
        let mut counter =
            Counter { written: u64::from(u32::MAX) - 5, sent: u64::from(u32::MAX) - 5, is_ended: false };
        let (unsent, mark) = counter.count(MEBIBYTE);
        assert_eq!(unsent, MEBIBYTE);
        assert!(mark.is_some_and(|mark| counter.on_drained(mark)));
        assert_eq!(counter.unsent(), 0);
    }
}
