//! Notices: events for the application, written into its memory.
//!
//! A turn fills one [`Batch`]: fixed records of eight words, and the bytes they refer to. There are no
//! callbacks, so no code is re-entrant. The same batch serves an application on this thread and one on
//! another.

use protocol::{Expectation, Method, Pieces, Request, RequestId, Version};

use super::facts::Facts;
use super::head_block;

/// Words in one record.
pub const RECORD_WORDS: usize = 8;

/// Longest body that is copied into the batch's bytes; a longer one gets its own allocation.
const SMALL_BODY: usize = 4096;
/// With fewer bytes than this left, no further client's requests are added to a batch.
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
    /// The client lets the connection stay open after the answer.
    pub const KEEP_ALIVE: u32 = 16;
    /// The client waits for a 100 before it sends the body.
    pub const EXPECTS_CONTINUE: u32 = 32;
    /// The body is entry [5] of the batch's large pieces.
    pub const LARGE: u32 = 64;
    /// The head block is entry [4] of the batch's large pieces: the batch's bytes were used up.
    pub const SPILLED: u32 = 128;
    /// The body is larger than its limit, by its Content-Length.
    pub const OVER: u32 = 2048;
    /// The last piece of a body; on a raw connection, the end of the peer's bytes.
    pub const END: u32 = 256;
    /// The trailer section is entry [4] of the batch's large pieces, as `name\nvalue\n`.
    pub const TRAILERS: u32 = 512;
    /// Of a request, with the bit of `END`: it is for `https:` although it came in cleartext.
    pub const CLAIMS_HTTPS: u32 = 256;
    /// The answer ended because the peer didn't read it for too long.
    pub const LATE: u32 = 4096;
    /// What was refused is no request that was announced.
    pub const UNPARSED: u32 = 8192;
    /// The Expect field has another value than 100-continue.
    pub const EXPECTS_OTHER: u32 = 1024;
    /// HTTP/2.
    pub const HTTP2: u32 = 16_384;
    /// The request was read although requests are paused: it has waited for too long.
    pub const WAITED: u32 = 32_768;
}

/// What a record is about; the low byte of its first word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// A request: [2, 3] request id, [4] head block, [5, 6] body, [7] listener.
    Request = 1,
    /// The buffer provided for a body is returned: [2, 3] request id, [7] bytes in it.
    Body = 2,
    /// Bytes of a requested body have arrived: [2, 3] request id, [7] about how many.
    BodyReady = 19,
    /// The body is larger than its limit: [2, 3] request id, [4] how often the limit was raised before.
    BodyLimit = 3,
    /// The body can't be received: [2, 3] request id, [4] the status that says why; 0 when the command that
    /// requested it came too late, on another thread than the application's.
    BodyFailed = 4,
    /// The client is closed and the request was open: [2, 3] request id, [4] bytes of the answer that were unsent.
    Aborted = 5,
    /// The client has closed its sending side while the request was open: [2, 3] request id.
    HalfClosed = 6,
    /// The answer has been handed to the kernel: [2, 3] request id.
    Written = 7,
    /// A streamed answer can be written to again: [2, 3] request id, [4] the application's mark, [7] 1 if it
    /// has given one.
    Drained = 8,
    /// A watched client is closed: [2, 3] its id.
    Closed = 9,
    /// A watched client has closed its sending side: [2, 3] its id.
    PeerHalfClosed = 10,
    /// No client is left after a stop.
    Idle = 11,
    /// A request was refused: [2, 3] the client's id, [4] status, [5, 6] the client's address and a text that says
    /// why, a line each, [7] the length of the body if what came was no request; then [4] is 0 without an answer.
    Refused = 12,
    /// A new connection waits for its driver: [2, 3] the client's id, [7] listener.
    Accepted = 13,
    /// The connection is raw from now on: [2, 3] id of the request that was upgraded.
    Upgraded = 14,
    /// Bytes of a raw connection: [2, 3] the client's id, [5, 6] bytes.
    Raw = 15,
    /// Many bytes of a raw connection have arrived: [2, 3] the client's id, [7] about how many.
    RawReady = 28,
    /// The buffer provided for a raw connection is returned: [2, 3] the client's id, [7] bytes in it.
    RawRead = 29,
    /// A raw connection can be written to again: [2, 3] the client's id, [4, 7] as for `Drained`.
    RawDrained = 16,
    /// A file in an answer is shorter than declared or can't be read, or memory that was held is: [2, 3] request id.
    FileFailed = 17,
    /// An answer came too late, on another thread than the application's: [2, 3] request id.
    Late = 18,
    /// Connections were rejected, or idle ones closed for new ones: [4] why (`Consequence::number`), [5, 6] the
    /// address of the last new connection, [7] how many.
    Rejected = 20,
    /// The stream of an open request was reset: [2, 3] request id, [4] the code that says why.
    Reset = 26,
    /// What came is no request, and its page is asked for: [2, 3] request id, [4] status, [5, 6] a line with the client's
    /// id, how many bytes were parsed and why it is refused, then what came.
    Unparsed = 27,
    /// The TLS handshake of a connection that was announced by `Accepted` is done: [2, 3] the client's id.
    Established = 24,
    /// A TLS handshake waits for the certificate of a name: [2, 3] the client's id, [5, 6] the name,
    /// [7] listener.
    ServerName = 25,
}

/// A notice that isn't in a batch yet.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) kind: Kind,
    pub(crate) slot: u32,
    /// Id of a request or of a client.
    pub(crate) id: u64,
    pub(crate) detail: u32,
    pub(crate) flags: u32,
    /// Word [7]: bytes in the application's memory, or how many.
    pub(crate) count: u32,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<Vec<u8>>,
}

impl Notice {
    pub(crate) fn of(kind: Kind, slot: u32, id: u64) -> Notice {
        Notice { kind, slot, id, detail: 0, flags: 0, count: 0, body: Vec::new(), trailers: None }
    }
}

/// Memory of the application that one turn fills.
pub struct Batch<'a> {
    words: &'a mut [u32],
    bytes: &'a mut [u8],
    large: &'a mut Vec<Option<Vec<u8>>>,
    records: usize,
    used: usize,
    is_spilled: bool,
}

impl<'a> Batch<'a> {
    /// A batch over `words` (eight per record) and `bytes`, of which `used` are taken already; pieces that
    /// don't fit into `bytes` go to `large`.
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

    /// Bytes used so far; all of them once a head didn't fit.
    pub fn used(&self) -> usize {
        if self.is_spilled { self.bytes.len() } else { self.used }
    }

    /// Whether the turn should end: no record is left, or the bytes are used up.
    pub(crate) fn is_full(&self) -> bool {
        self.is_spilled || (self.records + 1) * RECORD_WORDS > self.words.len()
    }

    /// Whether another client's pipeline of so many requests is likely to fit: a pipeline that is split over
    /// two batches costs one more send. An empty batch takes any client.
    #[inline]
    pub(crate) fn has_room_for(&self, requests: usize) -> bool {
        if self.records == 0 {
            return !self.is_full();
        }
        let records_left = (self.words.len() / RECORD_WORDS).saturating_sub(self.records);
        let bytes_left = self.bytes.len().saturating_sub(self.used());
        records_left >= requests && bytes_left >= PIPELINE_BYTES
    }

    /// Adds a flag to the requests among the records from `first` on.
    pub(crate) fn mark_requests(&mut self, first: usize, flag: u32) {
        let records = self.words.chunks_exact_mut(RECORD_WORDS).take(self.records).skip(first);
        for word in records.filter_map(|record| record.first_mut()) {
            if *word & 0xff == Kind::Request as u32 {
                *word |= flag << 16;
            }
        }
    }

    fn push(&mut self, record: [u32; RECORD_WORDS]) {
        let at = self.records * RECORD_WORDS;
        if let Some(place) = self.words.get_mut(at..at + RECORD_WORDS) {
            place.copy_from_slice(&record);
            self.records += 1;
        }
    }

    /// Reserves `len` bytes for a piece, aligned for words; None when fewer are left.
    fn reserve(&mut self, len: usize) -> Option<(u32, &mut [u8])> {
        let at = self.used.next_multiple_of(4);
        let place = self.bytes.get_mut(at..at + len)?;
        self.used = at + len;
        Some((at as u32, place))
    }

    fn keep_large(&mut self, bytes: Vec<u8>) -> u32 {
        self.large.push(Some(bytes));
        self.large.len() as u32 - 1
    }

    /// A request, with its head block.
    pub(crate) fn push_request(&mut self, facts: &Facts, request: &Request<'_>) {
        let mut flags = 0;
        match request.version {
            Version::Http10 => flags |= flag::HTTP10,
            Version::Http11 => {}
            Version::Http2 => flags |= flag::HTTP2,
        }
        if request.upgrade {
            flags |= flag::UPGRADE;
        }
        if request.claims_https {
            flags |= flag::CLAIMS_HTTPS;
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
            let len = head_block::encoded_len(&request.head, facts);
            match self.reserve(len) {
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
            && let Some((at, mut place)) = self.reserve(len)
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
        let (at, flags) = match self.reserve_small(bytes.len()) {
            Some((at, place)) => {
                place.copy_from_slice(bytes);
                (at, 0)
            }
            None => (self.keep_large(bytes.to_vec()), flag::LARGE),
        };
        let (low, high) = (client_id as u32, (client_id >> 32) as u32);
        self.push([Kind::Raw as u32 | flags << 16, slot, low, high, 0, at, bytes.len() as u32, 0]);
    }

    fn reserve_small(&mut self, len: usize) -> Option<(u32, &mut [u8])> {
        if len <= SMALL_BODY { self.reserve(len) } else { None }
    }

    /// A notice from the outbox.
    pub(super) fn push_notice(&mut self, notice: Notice) {
        let len = notice.body.len();
        let mut flags = notice.flags;
        let mut detail = notice.detail;
        let mut at = 0;
        if let Some(trailers) = notice.trailers {
            flags |= flag::TRAILERS;
            detail = self.keep_large(trailers);
        }
        if len > 0 {
            match self.reserve_small(len) {
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
