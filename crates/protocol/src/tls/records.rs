//! Ciphertext that waits for the rest of its record, and how many records a client may send.

use rustls::pki_types::UnixTime;

/// Bytes before a record's content. RFC 8446 §5.1.
const HEADER: usize = 5;
/// Records beyond those that data needs, at once.
const BURST: u32 = 16 * 1024;
/// Records beyond those that data needs, a second.
const RATE: u32 = 2000;
/// Bytes of data that one record should carry at least; shorter ones use up the burst.
const USUAL: u32 = 8;

/// Whole records at the start of `bytes`: their length together, and their number.
pub(super) fn whole(bytes: &[u8]) -> (usize, u32) {
    let (mut end, mut count) = (0, 0);
    while let Some(length) = bytes.get(end..).and_then(length_of) {
        if length > bytes.len() - end {
            break;
        }
        end += length;
        count += 1;
    }
    (end, count)
}

fn length_of(record: &[u8]) -> Option<usize> {
    match record {
        [_, _, _, high, low, ..] => Some(HEADER + usize::from(u16::from_be_bytes([*high, *low]))),
        _ => None,
    }
}

/// Bytes that can't be processed yet: a record that has not come whole, and before it records that rustls
/// wants to see again because a handshake message continues in the next.
#[derive(Default)]
pub(super) struct Pending {
    bytes: Vec<u8>,
    /// Where the record begins that has not come whole. What is before it rustls may have rearranged.
    tail: usize,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Takes what is left of an input, whose whole records end at `whole`.
    pub(super) fn set(&mut self, rest: &[u8], whole: usize) {
        self.bytes.extend_from_slice(rest);
        self.tail = whole;
    }

    /// Takes from `input` what completes the record begun. Returns how many bytes were taken, and how many
    /// records have become whole.
    pub(super) fn complete(&mut self, input: &[u8]) -> (usize, u32) {
        let mut taken = 0;
        loop {
            let begun = self.bytes.get(self.tail..).unwrap_or_default();
            let wanted = length_of(begun).unwrap_or(HEADER).saturating_sub(begun.len());
            let more = input.get(taken..).unwrap_or_default();
            let more = more.get(..wanted).unwrap_or(more);
            if more.is_empty() {
                break;
            }
            self.bytes.extend_from_slice(more);
            taken += more.len();
        }
        let (end, count) = whole(self.bytes.get(self.tail..).unwrap_or_default());
        self.tail += end;
        (taken, count)
    }

    /// Forgets `count` bytes at the front. Without bytes it holds no memory.
    pub(super) fn discard(&mut self, count: usize) {
        if count >= self.bytes.len() {
            *self = Pending::default();
        } else {
            self.bytes.drain(..count);
            self.tail = self.tail.saturating_sub(count);
        }
    }
}

/// How many records may come that carry next to nothing: empty ones, ones of a byte, KeyUpdates.
///
/// Data earns records, and so does time: a session typed by hand has them, a flood doesn't.
pub(super) struct Budget {
    left: u32,
    refilled: u64,
}

impl Budget {
    pub(super) fn new(now: UnixTime) -> Budget {
        Budget { left: BURST, refilled: now.as_secs() }
    }

    /// Counts `records` that carried `data` bytes. False: it is a flood.
    pub(super) fn spend(&mut self, records: u32, data: usize, now: UnixTime) -> bool {
        let passed = now.as_secs().saturating_sub(self.refilled);
        self.refilled = self.refilled.max(now.as_secs());
        let time = u32::try_from(passed).unwrap_or(u32::MAX).saturating_mul(RATE);
        let data = u32::try_from(data).unwrap_or(u32::MAX) / USUAL;
        let left = self.left.saturating_add(time).min(BURST).saturating_add(data);
        self.left = left.saturating_sub(records).min(BURST);
        records <= left
    }
}
