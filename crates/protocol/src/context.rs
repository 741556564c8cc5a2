//! What all connections of one reactor share.

use llhttp::Record;

use crate::event::RequestId;
use crate::http::date::Date;
use crate::http2::Scratch;
use crate::limits::Limits;
use crate::timestamp::Timestamp;

/// Unsent bytes of one connection above which reading stops and writers should pause.
pub const HIGH_WATER: usize = 64 * 1024;
/// Output buffers kept for reuse.
const POOLED_BUFFERS: usize = 256;
/// Capacity above which a buffer is freed rather than kept.
const POOLED_CAPACITY: usize = 16 * 1024;
/// Capacity of a new output buffer: head and body of a small answer.
const NEW_CAPACITY: usize = 512;

/// Time, limits and scratch memory for every call.
pub struct Context {
    /// The present moment.
    pub now: Timestamp,
    /// The server's limits.
    pub limits: Limits,
    /// Unix time, as of the last `set_date`.
    pub(crate) unix_seconds: u64,
    pub(crate) date: Date,
    /// Status line, date and connection fields of a kept-alive 200, which nearly every answer is: for peers that
    /// aren't local, and for those that are. Made once a second.
    pub(crate) usual_openings: [Vec<u8>; 2],
    /// The `connection: keep-alive` line and the `keep-alive` line, for the same peers.
    pub(crate) keep_alive_lines: [Vec<u8>; 2],
    pub(crate) record: Record,
    /// A head that came in several inputs, joined.
    pub(crate) head_bytes: Vec<u8>,
    /// The Host found valid last; nearly all clients of one server send the same.
    pub(crate) known_host: Vec<u8>,
    pub(crate) http2: Scratch,
    next_request_id: u64,
    request_id_step: u64,
    buffers: Vec<Vec<u8>>,
}

impl Context {
    /// A context at time 0.
    pub fn new(limits: Limits) -> Context {
        let keep_alive_lines =
            [false, true].map(|is_local| keep_alive_lines(limits.announced_idle_time(is_local)));
        let mut cx = Context {
            now: Timestamp(0),
            limits,
            unix_seconds: 0,
            date: Date::new(),
            usual_openings: Default::default(),
            keep_alive_lines,
            record: Record::default(),
            head_bytes: Vec::new(),
            known_host: Vec::new(),
            http2: Scratch::default(),
            next_request_id: 1,
            request_id_step: 1,
            buffers: Vec::new(),
        };
        cx.set_date(0);
        cx
    }

    /// Formats what depends on the date, for a Unix time in seconds; to be called once a second.
    pub fn set_date(&mut self, unix_seconds: u64) {
        self.unix_seconds = unix_seconds;
        self.date.refresh(unix_seconds);
        for (opening, lines) in self.usual_openings.iter_mut().zip(&self.keep_alive_lines) {
            opening.clear();
            opening.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
            opening.extend_from_slice(self.date.line());
            opening.extend_from_slice(lines);
        }
    }

    /// Unsent bytes of one connection above which a writer should pause.
    pub fn high_water(&self) -> usize {
        HIGH_WATER
    }

    pub(crate) fn next_request_id(&mut self) -> RequestId {
        let request_id = RequestId(self.next_request_id);
        self.next_request_id += self.request_id_step;
        request_id
    }

    /// Makes this context number `index` of `count` that share one application: no two of them give the same request
    /// id. To be called before the first request.
    pub fn share_request_ids(&mut self, index: u64, count: u64) {
        self.next_request_id = 1 + index;
        self.request_id_step = count;
    }

    pub(crate) fn take_buffer(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_else(|| Vec::with_capacity(NEW_CAPACITY))
    }

    pub(crate) fn give_buffer(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= POOLED_CAPACITY && self.buffers.len() < POOLED_BUFFERS {
            buffer.clear();
            self.buffers.push(buffer);
        }
    }
}

/// The fields of an answer that leaves its connection open for so many idle milliseconds.
fn keep_alive_lines(idle_time: u64) -> Vec<u8> {
    let mut lines = b"connection: keep-alive\r\n".to_vec();
    let seconds = idle_time / 1000;
    if idle_time != u64::MAX && seconds > 0 {
        lines.extend_from_slice(format!("keep-alive: timeout={seconds}\r\n").as_bytes());
    }
    lines
}
