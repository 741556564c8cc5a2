//! What all connections of one reactor share.

use llhttp::Record;

use crate::event::RequestId;
use crate::http::date::Date;
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
    /// Status line, date and connection fields of a kept-alive 200, which nearly every answer is. Made once a second.
    pub(crate) usual_opening: Vec<u8>,
    /// The `connection: keep-alive` line and the `keep-alive` line.
    pub(crate) keep_alive_lines: Vec<u8>,
    pub(crate) record: Record,
    /// A head that came in several inputs, joined.
    pub(crate) head_bytes: Vec<u8>,
    /// The Host found valid last; nearly all clients of one server send the same.
    pub(crate) known_host: Vec<u8>,
    next_request_id: u64,
    request_id_step: u64,
    buffers: Vec<Vec<u8>>,
}

impl Context {
    /// A context at time 0.
    pub fn new(limits: Limits) -> Context {
        let seconds = limits.http1_timeout / 1000;
        let mut keep_alive_lines = b"connection: keep-alive\r\n".to_vec();
        if limits.http1_timeout != u64::MAX && seconds > 0 {
            keep_alive_lines.extend_from_slice(format!("keep-alive: timeout={seconds}\r\n").as_bytes());
        }
        let mut cx = Context {
            now: Timestamp(0),
            limits,
            unix_seconds: 0,
            date: Date::new(),
            usual_opening: Vec::new(),
            keep_alive_lines,
            record: Record::default(),
            head_bytes: Vec::new(),
            known_host: Vec::new(),
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
        self.usual_opening.clear();
        self.usual_opening.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        self.usual_opening.extend_from_slice(self.date.line());
        self.usual_opening.extend_from_slice(&self.keep_alive_lines);
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
