//! Notices: what the reactor tells the application, written into memory of the application's.
//!
//! A turn fills one [`Batch`]: fixed records of eight words, and the bytes they refer to. Nothing
//! is called back, so nothing is re-entrant. The same batch serves an application on this thread
//! and one on another.

use protocol::{Expectation, Method, Pieces, Request, RequestId, Version};

use crate::facts::Facts;
use crate::head_block;

/// Words in one record.
pub const RECORD_WORDS: usize = 8;

/// Longest body that is copied into the batch's bytes; a longer one travels in memory of its own.
const SMALL_BODY: usize = 4096;
/// With fewer bytes than this left, a batch takes no further client's requests.
const PIPELINE_BYTES: usize = 4096;

/// Flags of [`Kind::Request`], shifted by 16 in the record's first word.
pub mod flag {
    /// The request has a body.
    pub const BODY: u32 = 1;
    /// The whole body comes with this record.
    pub const WHOLE: u32 = 2;
    /// HTTP/1.0.
    pub const HTTP10: u32 = 4;
    /// An upgrade was asked for.
    pub const UPGRADE: u32 = 8;
    /// The connection stays open after the answer, as far as the client is concerned.
    pub const KEEP_ALIVE: u32 = 16;
    /// The client waits for a 100 before it sends the body.
    pub const EXPECTS_CONTINUE: u32 = 32;
    /// The body is entry [5] of the batch's large pieces.
    pub const LARGE: u32 = 64;
    /// The head block is entry [4] of the batch's large pieces: the batch's bytes were used up.
    pub const SPILLED: u32 = 128;
    /// The body is larger than its limit, by the head's own word.
    pub const OVER: u32 = 2048;
    /// The last piece of a body; the peer of a raw connection has closed its side.
    pub const END: u32 = 256;
    /// The trailer section is entry [4] of the batch's large pieces, as `name\nvalue\n`.
    pub const TRAILERS: u32 = 512;
    /// The client expects what can't be met.
    pub const EXPECTS_OTHER: u32 = 1024;
}

/// What a record tells; the low byte of its first word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// A request: [2, 3] request id, [4] head block, [5, 6] body, [7] listener.
    Request = 1,
    /// The memory lent for a body is given back: [2, 3] request id, [7] bytes in it.
    Body = 2,
    /// Bytes have come of the body that was asked for: [2, 3] request id, [7] about how many.
    BodyReady = 19,
    /// The body is larger than its limit: [2, 3] request id, [4] how often that had been raised.
    BodyLimit = 3,
    /// The body can't be had: [2, 3] request id, [4] the status that says why; 0 when it was asked for too late,
    /// which could not be said at once.
    BodyFailed = 4,
    /// The client has left: [2, 3] request id.
    Aborted = 5,
    /// The client has closed its sending side with the request open: [2, 3] request id.
    HalfClosed = 6,
    /// The answer has been handed to the kernel: [2, 3] request id.
    Written = 7,
    /// A stream of answer bytes may go on: [2, 3] request id.
    Drained = 8,
    /// A watched client is closed: [2, 3] its id.
    Closed = 9,
    /// A watched client has closed its sending side: [2, 3] its id.
    PeerHalfClosed = 10,
    /// No client is left after a stop.
    Idle = 11,
    /// A request was refused: [2, 3] the client's id, [5, 6] a text that says why.
    Refused = 12,
    /// A connection waits for its driver: [2, 3] the client's id, [7] listener.
    Accepted = 13,
    /// The connection is the application's: [2, 3] the request id of the request behind which it became so.
    Upgraded = 14,
    /// Bytes of a raw connection: [2, 3] the client's id, [5, 6] bytes.
    Raw = 15,
    /// A raw connection may be written to again: [2, 3] the client's id.
    RawDrained = 16,
    /// A file in an answer was shorter than the answer needed it to be, or couldn't be read: [2, 3] request id.
    FileFailed = 17,
    /// An answer came too late, which could not be said at once: [2, 3] request id.
    Late = 18,
    /// Connections were refused: [4] which limit (0 in all, 1 of one address), [5, 6] the address of the last one,
    /// [7] how many.
    Denied = 20,
}

/// A notice that waits for the next batch.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) kind: Kind,
    pub(crate) slot: u32,
    /// A request id or a client's id.
    pub(crate) id: u64,
    pub(crate) detail: u32,
    pub(crate) flags: u32,
    /// Bytes in the application's memory.
    pub(crate) count: u32,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<Vec<u8>>,
}

impl Notice {
    pub(crate) fn of(kind: Kind, slot: u32, id: u64) -> Notice {
        Notice { kind, slot, id, detail: 0, flags: 0, count: 0, body: Vec::new(), trailers: None }
    }
}

/// Memory that one turn fills.
pub struct Batch<'a> {
    words: &'a mut [u32],
    bytes: &'a mut [u8],
    large: &'a mut Vec<Option<Vec<u8>>>,
    records: usize,
    used: usize,
    is_spilled: bool,
}

impl<'a> Batch<'a> {
    /// A batch over `words` (eight a record) and `bytes`, of which `used` are taken already; what
    /// doesn't fit into `bytes` goes to `large`.
    pub fn new(
        words: &'a mut [u32],
        bytes: &'a mut [u8],
        used: usize,
        large: &'a mut Vec<Option<Vec<u8>>>,
    ) -> Batch<'a> {
        large.clear();
        Batch { words, bytes, large, records: 0, used, is_spilled: false }
    }

    /// Records written so far.
    pub fn records(&self) -> usize {
        self.records
    }

    /// Bytes used so far; all of them once something didn't fit.
    pub fn used(&self) -> usize {
        if self.is_spilled { self.bytes.len() } else { self.used }
    }

    /// True when the turn should end: no record is left, or the bytes are used up.
    pub(crate) fn is_full(&self) -> bool {
        self.is_spilled || (self.records + 1) * RECORD_WORDS > self.words.len()
    }

    /// Whether another client's pipeline of so many requests is likely to fit: one that is cut in two costs a
    /// send more. A batch that holds nothing yet has to do for anybody.
    #[inline]
    pub(crate) fn has_room_for(&self, requests: usize) -> bool {
        if self.records == 0 {
            return !self.is_full();
        }
        let records_left = (self.words.len() / RECORD_WORDS).saturating_sub(self.records);
        let bytes_left = self.bytes.len().saturating_sub(self.used());
        records_left >= requests && bytes_left >= PIPELINE_BYTES
    }

    fn push(&mut self, record: [u32; RECORD_WORDS]) {
        let at = self.records * RECORD_WORDS;
        if let Some(place) = self.words.get_mut(at..at + RECORD_WORDS) {
            place.copy_from_slice(&record);
            self.records += 1;
        }
    }

    /// Takes `len` bytes for a piece, aligned for words; None when that many aren't left.
    fn claim(&mut self, len: usize) -> Option<(u32, &mut [u8])> {
        let at = self.used.next_multiple_of(4);
        let place = self.bytes.get_mut(at..at + len)?;
        self.used = at + len;
        Some((at as u32, place))
    }

    fn keep_large(&mut self, bytes: Vec<u8>) -> u32 {
        self.large.push(Some(bytes));
        self.large.len() as u32 - 1
    }

    pub(crate) fn push_request(&mut self, facts: &Facts, request: &Request<'_>) {
        let mut flags = 0;
        if request.version == Version::Http10 {
            flags |= flag::HTTP10;
        }
        if request.upgrade {
            flags |= flag::UPGRADE;
        }
        if request.keep_alive {
            flags |= flag::KEEP_ALIVE;
        }
        match request.expectation {
            Expectation::None => {}
            Expectation::Continue => flags |= flag::EXPECTS_CONTINUE,
            Expectation::Other => flags |= flag::EXPECTS_OTHER,
        }
        let head = {
            let len = head_block::encoded_len(&request.head);
            match self.claim(len) {
                Some((at, place)) => {
                    head_block::encode(&request.head, facts, place);
                    at
                }
                None => {
                    let mut block = vec![0; len];
                    head_block::encode(&request.head, facts, &mut block);
                    flags |= flag::SPILLED;
                    self.is_spilled = true;
                    self.keep_large(block)
                }
            }
        };
        let (mut body_at, mut body_len) = (0, 0);
        match &request.body {
            protocol::Body::None => {}
            protocol::Body::Arriving { is_over } => {
                flags |= flag::BODY | if *is_over { flag::OVER } else { 0 };
            }
            protocol::Body::Whole(pieces) => {
                let (at, large) = self.push_pieces(pieces);
                body_at = at;
                body_len = pieces.len() as u32;
                flags |= flag::BODY | flag::WHOLE | large;
            }
        }
        let method = u32::from(Method::number(request.method));
        let RequestId(request_id) = request.request_id;
        self.push([
            Kind::Request as u32 | method << 8 | flags << 16,
            facts.slot(),
            request_id as u32,
            (request_id >> 32) as u32,
            head,
            body_at,
            body_len,
            facts.listener_index(),
        ]);
    }

    fn push_pieces(&mut self, pieces: &Pieces<'_>) -> (u32, u32) {
        let len = pieces.len();
        if len <= SMALL_BODY
            && let Some((at, mut place)) = self.claim(len)
        {
            for piece in pieces.iter() {
                let (front, rest) = place.split_at_mut(piece.len());
                front.copy_from_slice(piece);
                place = rest;
            }
            return (at, 0);
        }
        let mut body = Vec::with_capacity(len);
        pieces.iter().for_each(|piece| body.extend_from_slice(piece));
        (self.keep_large(body), flag::LARGE)
    }

    /// Bytes of a raw connection.
    pub(crate) fn push_raw(&mut self, slot: u32, client_id: u64, bytes: &[u8]) {
        let (at, flags) = match self.claim_small(bytes.len()) {
            Some((at, place)) => {
                place.copy_from_slice(bytes);
                (at, 0)
            }
            None => (self.keep_large(bytes.to_vec()), flag::LARGE),
        };
        let (low, high) = (client_id as u32, (client_id >> 32) as u32);
        self.push([Kind::Raw as u32 | flags << 16, slot, low, high, 0, at, bytes.len() as u32, 0]);
    }

    fn claim_small(&mut self, len: usize) -> Option<(u32, &mut [u8])> {
        if len <= SMALL_BODY { self.claim(len) } else { None }
    }

    pub(crate) fn push_notice(&mut self, notice: Notice) {
        let len = notice.body.len();
        let mut flags = notice.flags;
        let mut detail = notice.detail;
        let mut at = 0;
        if let Some(trailers) = notice.trailers {
            flags |= flag::TRAILERS;
            detail = self.keep_large(trailers);
        }
        if len > 0 {
            match self.claim_small(len) {
                Some((place_at, place)) => {
                    place.copy_from_slice(&notice.body);
                    at = place_at;
                }
                None => {
                    flags |= flag::LARGE;
                    at = self.keep_large(notice.body);
                }
            }
        }
        self.push([
            notice.kind as u32 | flags << 16,
            notice.slot,
            notice.id as u32,
            (notice.id >> 32) as u32,
            detail,
            at,
            len as u32,
            notice.count,
        ]);
    }
}
