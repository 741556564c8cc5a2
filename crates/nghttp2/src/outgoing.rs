//! Content that waits to be sent, of one stream.
//!
//! nghttp2 asks for it frame by frame, as windows and priorities allow; until then it lies here.

use std::collections::VecDeque;

/// Pieces shorter than this are put together.
const PIECE_BYTES: usize = 16 * 1024;
/// Longer ones are cut: an allocator gives memory of a large block back to the system, and its pages are made anew for the
/// next.
const LONGEST_PIECE_BYTES: usize = 64 * 1024;
/// Capacity above which the memory of a stream that has ended isn't kept for the next.
const KEPT_BYTES: usize = 4 * 1024;

/// A header list that is ours, with names and values one after the other.
#[derive(Debug, Default)]
pub(crate) struct OwnedList {
    bytes: Vec<u8>,
    /// Where each name and each value ends.
    ends: Vec<(usize, usize)>,
}

impl OwnedList {
    pub(crate) fn new<'a>(fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> OwnedList {
        let mut list = OwnedList::default();
        for (name, value) in fields {
            list.bytes.extend_from_slice(name);
            let name_end = list.bytes.len();
            list.bytes.extend_from_slice(value);
            list.ends.push((name_end, list.bytes.len()));
        }
        list
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |&(middle, end)| {
            let pair = (&self.bytes[start..middle], &self.bytes[middle..end]);
            start = end;
            pair
        })
    }
}

/// What follows the last byte.
#[derive(Debug)]
enum End {
    /// Not known yet.
    Open,
    /// Nothing.
    Plain,
    /// A trailer section.
    Trailers(Box<OwnedList>),
    /// It has been handed to nghttp2.
    Done,
}

/// What may go into the next frame.
#[derive(Debug)]
pub(crate) enum Next {
    /// Nothing yet.
    Wait,
    /// So many bytes, and more to come.
    Bytes(usize),
    /// So many bytes, then nothing.
    Last(usize),
    /// So many bytes, then these trailers.
    LastWithTrailers(usize, Box<OwnedList>),
}

/// The content of one answer.
#[derive(Debug)]
pub(crate) struct Outgoing {
    first: Vec<u8>,
    /// Bytes of `first` that are sent.
    sent: usize,
    rest: VecDeque<Vec<u8>>,
    /// Bytes that lie with the caller, ahead of all others, and how many before them were sent.
    lent: usize,
    lent_sent: usize,
    queued: usize,
    end: End,
    /// nghttp2 waits to be called when there is more.
    pub(crate) is_deferred: bool,
}

impl Outgoing {
    pub(crate) fn new(memory: Vec<u8>) -> Outgoing {
        Outgoing {
            first: memory,
            sent: 0,
            rest: VecDeque::new(),
            lent: 0,
            lent_sent: 0,
            queued: 0,
            end: End::Open,
            is_deferred: false,
        }
    }

    /// Bytes that wait.
    pub(crate) fn queued(&self) -> usize {
        self.queued
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(LONGEST_PIECE_BYTES) {
            self.push_piece(piece);
        }
    }

    fn push_piece(&mut self, bytes: &[u8]) {
        self.queued += bytes.len();
        match self.rest.back_mut() {
            None if self.first.len() - self.sent + bytes.len() <= PIECE_BYTES || self.first.is_empty() => {
                self.first.extend_from_slice(bytes);
            }
            Some(last) if last.len() + bytes.len() <= PIECE_BYTES => last.extend_from_slice(bytes),
            _ => self.rest.push_back(bytes.to_vec()),
        }
    }

    /// Adds `count` bytes that lie with the caller. False: others wait before them.
    pub(crate) fn lend(&mut self, count: usize) -> bool {
        if self.queued > 0 {
            return false;
        }
        (self.lent, self.lent_sent, self.queued) = (count, 0, count);
        true
    }

    /// Bytes that wait and lie with the caller.
    pub(crate) fn lent(&self) -> usize {
        self.lent
    }

    /// Copies what is unsent of the bytes that were lent.
    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        if self.lent == 0 {
            return;
        }
        self.lent = 0;
        self.queued = 0;
        let behind = std::mem::take(&mut self.first);
        let rest = std::mem::take(&mut self.rest);
        let from = std::mem::take(&mut self.sent);
        self.push(bytes.get(self.lent_sent..).unwrap_or(&[]));
        self.push(&behind[from..]);
        for piece in rest {
            self.push(&piece);
        }
    }

    /// Nothing more will be pushed.
    pub(crate) fn finish(&mut self, trailers: Option<OwnedList>) {
        if matches!(self.end, End::Open) {
            self.end = trailers.map_or(End::Plain, |trailers| End::Trailers(Box::new(trailers)));
        }
    }

    pub(crate) fn is_finished(&self) -> bool {
        !matches!(self.end, End::Open)
    }

    /// What goes into a frame of at most `room` bytes.
    pub(crate) fn next(&mut self, room: usize) -> Next {
        let count = room.min(if self.lent > 0 { self.lent } else { self.queued });
        if count < self.queued {
            return Next::Bytes(count);
        }
        match std::mem::replace(&mut self.end, End::Done) {
            End::Open => {
                self.end = End::Open;
                if count == 0 { Next::Wait } else { Next::Bytes(count) }
            }
            End::Plain | End::Done => Next::Last(count),
            End::Trailers(trailers) => Next::LastWithTrailers(count, trailers),
        }
    }

    /// The next `count` bytes leave, if they lie with the caller: where they begin in what was lent.
    pub(crate) fn take_lent(&mut self, count: usize) -> Option<usize> {
        self.lent = self.lent.checked_sub(count).filter(|_| self.lent > 0)?;
        self.queued -= count;
        let start = self.lent_sent;
        self.lent_sent += count;
        Some(start)
    }

    /// Moves the next `count` bytes to `out`.
    pub(crate) fn take(&mut self, mut count: usize, out: &mut Vec<u8>) {
        while count > 0 {
            let left = &self.first[self.sent..];
            let piece = &left[..left.len().min(count)];
            out.extend_from_slice(piece);
            self.sent += piece.len();
            self.queued -= piece.len();
            count -= piece.len();
            if self.sent == self.first.len() {
                self.sent = 0;
                match self.rest.pop_front() {
                    Some(next) => self.first = next,
                    None => {
                        self.first.clear();
                        return;
                    }
                }
            }
        }
    }

    /// Gives back memory for the next answer; None if it isn't worth keeping.
    pub(crate) fn into_memory(mut self) -> Option<Vec<u8>> {
        self.first.clear();
        (1..=KEPT_BYTES).contains(&self.first.capacity()).then_some(self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_leave_in_the_order_they_came() {
        let mut outgoing = Outgoing::new(Vec::new());
        outgoing.push(&[1; 20_000]);
        outgoing.push(&[2; 10]);
        outgoing.push(&[3; 20_000]);
        outgoing.push(&[4; 1]);
        outgoing.push(&[5; 200_000]);
        let mut out = Vec::new();
        while outgoing.queued() > 0 {
            let Next::Bytes(count) = outgoing.next(7_000) else { panic!("it isn't finished") };
            outgoing.take(count, &mut out);
        }
        let expected = [vec![1; 20_000], vec![2; 10], vec![3; 20_000], vec![4; 1], vec![5; 200_000]].concat();
        assert!(out == expected);
        assert!(matches!(outgoing.next(1), Next::Wait));
        outgoing.finish(None);
        assert!(matches!(outgoing.next(1), Next::Last(0)));
    }

    #[test]
    fn bytes_that_were_lent_leave_from_where_they_are_until_they_are_kept() {
        let content: Vec<u8> = (0..100).collect();
        let mut outgoing = Outgoing::new(Vec::new());
        let mut out = Vec::new();
        assert!(outgoing.lend(content.len()));
        assert!(!outgoing.lend(1));
        outgoing.finish(None);
        assert!(matches!(outgoing.next(40), Next::Bytes(40)));
        assert_eq!(outgoing.take_lent(40), Some(0));
        assert_eq!((outgoing.queued(), outgoing.lent()), (60, 60));
        outgoing.keep(&content);
        assert_eq!((outgoing.queued(), outgoing.lent()), (60, 0));
        assert_eq!(outgoing.take_lent(60), None);
        assert!(matches!(outgoing.next(1000), Next::Last(60)));
        outgoing.take(60, &mut out);
        assert_eq!(out, content[40..]);
        outgoing.keep(&content);
        assert_eq!(outgoing.queued(), 0);
    }

    #[test]
    fn what_is_pushed_behind_bytes_that_were_lent_has_frames_of_its_own() {
        let mut outgoing = Outgoing::new(Vec::new());
        outgoing.push(b"first");
        assert!(!outgoing.lend(30));
        outgoing.take(5, &mut Vec::new());
        assert!(outgoing.lend(30));
        outgoing.push(b"behind");
        assert_eq!((outgoing.queued(), outgoing.lent()), (36, 30));
        assert!(matches!(outgoing.next(1000), Next::Bytes(30)));
        assert_eq!(outgoing.take_lent(20), Some(0));
        outgoing.keep(&[1; 30]);
        outgoing.finish(None);
        assert!(matches!(outgoing.next(1000), Next::Last(16)));
        let mut out = Vec::new();
        outgoing.take(16, &mut out);
        assert_eq!(out, [&[1; 10][..], b"behind"].concat());
    }
}
