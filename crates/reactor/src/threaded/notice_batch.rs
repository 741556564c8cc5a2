//! A batch of notices on its way from a thread to the application.

use crate::application::{Batch, Kind, RECORD_WORDS, flag};

/// Records in one batch.
const RECORDS: usize = 256;
/// Bytes of heads and small bodies in one batch. One slab of the application takes two batches.
const BYTES: usize = 32 * 1024;

/// Records and the bytes they refer to, in memory that is passed back and forth.
pub struct Notices {
    words: Box<[u32]>,
    bytes: Box<[u8]>,
    large: Vec<Option<Vec<u8>>>,
    records: usize,
    used: usize,
    has_others: bool,
}

impl Notices {
    pub(super) fn new() -> Notices {
        Notices {
            words: vec![0; RECORDS * RECORD_WORDS].into_boxed_slice(),
            bytes: vec![0; BYTES].into_boxed_slice(),
            large: Vec::new(),
            records: 0,
            used: 0,
            has_others: false,
        }
    }

    /// The memory, in the form that a turn fills.
    pub(super) fn batch(&mut self) -> Batch<'_> {
        Batch::new(&mut self.words, &mut self.bytes, 0, &mut self.large)
    }

    /// Sets how much a turn has written.
    pub(super) fn set_filled(&mut self, records: usize, used: usize) {
        self.records = records;
        self.used = used;
        let has_others = self.iter().any(|[kind, ..]| *kind & 0xff != Kind::Request as u32);
        self.has_others = has_others;
    }

    /// Whether there are notices other than requests.
    pub fn has_other_notices(&self) -> bool {
        self.has_others
    }

    /// Records in it.
    pub fn records(&self) -> usize {
        self.records
    }

    /// Bytes that the records refer to.
    pub fn used(&self) -> usize {
        self.used
    }

    /// The records in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u32; RECORD_WORDS]> {
        self.words.as_chunks().0.iter().take(self.records)
    }

    /// The bytes that the records refer to, without the large pieces.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or(&[])
    }

    /// Takes the large pieces out.
    pub fn take_large(&mut self) -> Vec<Option<Vec<u8>>> {
        std::mem::take(&mut self.large)
    }

    /// Copies everything but the large pieces into the application's memory: records to the beginning of
    /// `words`, bytes to offset `at` of `memory`. Offsets in the records are changed accordingly, and
    /// `thread` is added to the slots. False when there isn't room for all of it.
    pub fn copy_to(&self, words: &mut [u32], memory: &mut [u8], at: usize, thread: u32) -> bool {
        let Some(place) = memory.get_mut(at..at + self.used) else { return false };
        place.copy_from_slice(self.bytes());
        let (places, _) = words.as_chunks_mut::<RECORD_WORDS>();
        if places.len() < self.records {
            return false;
        }
        let at = at as u32;
        for (place, record) in places.iter_mut().zip(self.iter()) {
            *place = *record;
            let [kind, slot, _, _, head, body, ..] = place;
            let flags = *kind >> 16;
            *slot |= thread << SLOT_BITS;
            if flags & flag::LARGE == 0 {
                *body += at;
            }
            if *kind & 0xff == Kind::Request as u32 && flags & flag::SPILLED == 0 {
                *head += at;
            }
        }
        true
    }
}

/// Bits of a slot that are the slot in its reactor; above them the application sees the number of the thread.
pub(super) const SLOT_BITS: u32 = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(records: &[[u32; RECORD_WORDS]], used: usize) -> Notices {
        let mut notices = Notices::new();
        for (place, record) in notices.words.as_chunks_mut().0.iter_mut().zip(records) {
            *place = *record;
        }
        notices.bytes[..used].iter_mut().enumerate().for_each(|(at, byte)| *byte = at as u8);
        notices.set_filled(records.len(), used);
        notices
    }

    #[test]
    fn offsets_refer_to_the_memory_copied_to_and_slots_name_the_thread() {
        let request = Kind::Request as u32;
        let whole = (flag::BODY | flag::WHOLE) << 16;
        let apart = (flag::SPILLED | flag::LARGE) << 16;
        let notices = filled(
            &[
                [request | whole, 7, 1, 0, 4, 12, 3, 0],
                [request | apart, 8, 2, 0, 0, 1, 9999, 0],
                [Kind::Body as u32, 9, 3, 0, 0, 8, 4, 0],
                [Kind::Body as u32 | flag::LARGE << 16, 9, 3, 0, 5, 2, 9999, 0],
            ],
            16,
        );
        let mut words = vec![0; 4 * RECORD_WORDS];
        let mut memory = vec![0xff; 200];
        assert!(notices.copy_to(&mut words, &mut memory, 100, 5));
        let slot = |slot: u32| slot | 5 << SLOT_BITS;
        let (records, _) = words.as_chunks::<RECORD_WORDS>();
        assert_eq!(records[0], [request | whole, slot(7), 1, 0, 104, 112, 3, 0]);
        assert_eq!(records[1], [request | apart, slot(8), 2, 0, 0, 1, 9999, 0]);
        assert_eq!(records[2], [Kind::Body as u32, slot(9), 3, 0, 0, 108, 4, 0]);
        assert_eq!(records[3], [Kind::Body as u32 | flag::LARGE << 16, slot(9), 3, 0, 5, 2, 9999, 0]);
        assert_eq!(memory[100..116], *notices.bytes());
        assert_eq!((memory[99], memory[116]), (0xff, 0xff));
    }

    #[test]
    fn a_batch_that_does_not_fit_is_refused() {
        let notices = filled(&[[Kind::Idle as u32; RECORD_WORDS]; 2], 16);
        let mut memory = [0; 32];
        assert!(!notices.copy_to(&mut [0; 2 * RECORD_WORDS], &mut memory, 17, 0));
        assert!(!notices.copy_to(&mut [0; RECORD_WORDS], &mut memory, 0, 0));
        assert!(notices.copy_to(&mut [0; 2 * RECORD_WORDS], &mut memory, 16, 0));
    }

    #[test]
    fn a_batch_knows_whether_it_has_other_notices_than_requests() {
        let request = [Kind::Request as u32, 0, 0, 0, 0, 0, 0, 0];
        let idle = [Kind::Idle as u32, 0, 0, 0, 0, 0, 0, 0];
        assert!(!filled(&[request, request], 0).has_other_notices());
        assert!(filled(&[request, idle], 0).has_other_notices());
    }
}
