//! What all connections of one reactor share.

use llhttp::Record;

use crate::event::RequestId;
use crate::http::date::Date;
use crate::http1::node_style;
use crate::http1::repeated::Sections;
use crate::http2::Scratch;
use crate::limits::Limits;
use crate::timestamp::Timestamp;

/// Unsent bytes of one connection above which reading stops and writers should pause.
pub const HIGH_WATER: usize = 64 * 1024;
/// Output buffers kept for reuse.
const POOLED_BUFFERS: usize = 256;
/// Capacity above which a buffer is freed rather than kept.
const POOLED_CAPACITY: usize = 16 * 1024;
/// Capacity up to which one buffer is kept for long content that is framed piece by piece, as with HTTP/2.
const SPARE_CAPACITY: usize = 160 * 1024;
/// Capacity of a new output buffer: head and body of a small answer.
const NEW_CAPACITY: usize = 512;

/// How much longer a connection stays open than its `keep-alive` field announces.
const IDLE_GRACE_MILLIS: u64 = 1000;

/// How connections are kept open between requests.
pub(crate) struct KeepAlive {
    /// Status line, date and connection fields of a kept-alive 200, which nearly every answer is. Made once a second.
    pub(crate) usual_opening: Vec<u8>,
    /// The `connection: keep-alive` line and the `keep-alive` line.
    pub(crate) lines: Vec<u8>,
    /// The idle time in milliseconds after which a connection is closed.
    pub(crate) idle_time: u64,
}

/// Time, limits and scratch memory for every call.
pub struct Context {
    /// The present moment.
    pub now: Timestamp,
    /// The server's limits.
    pub limits: Limits,
    /// Unix time, as of the last `set_date`.
    pub(crate) unix_seconds: u64,
    pub(crate) date: Date,
    /// For peers that aren't local, and for those that are.
    keep_alive: [KeepAlive; 2],
    pub(crate) record: Record,
    /// A head that came in several inputs, joined.
    pub(crate) head_bytes: Vec<u8>,
    /// The Host found valid last; nearly all clients of one server send the same.
    pub(crate) known_host: Vec<u8>,
    /// Header sections that clients repeat.
    pub(crate) sections: Sections,
    pub(crate) http2: Scratch,
    /// Ciphertext on its way to the socket. It keeps its length, so that it is filled with zeros only once.
    pub(crate) ciphertext: Vec<u8>,
    next_request_id: u64,
    request_id_step: u64,
    buffers: Vec<Vec<u8>>,
    /// The largest buffer that was given back, up to a bound.
    spare: Vec<u8>,
    /// Pages for what is no request that the application makes in one turn; 0 without such pages.
    pages_per_turn: u32,
    pages_left: u32,
}

impl Context {
    /// A context at time 0.
    pub fn new(limits: Limits) -> Context {
        let keep_alive = [limits.http1_timeout, limits.local_http1_timeout]
            .map(|announced| KeepAlive::new(announced, limits.node_style));
        let mut cx = Context {
            now: Timestamp(0),
            limits,
            unix_seconds: 0,
            date: Date::new(),
            keep_alive,
            record: Record::default(),
            head_bytes: Vec::new(),
            known_host: Vec::new(),
            sections: Sections::default(),
            http2: Scratch::default(),
            ciphertext: Vec::new(),
            next_request_id: 1,
            request_id_step: 1,
            buffers: Vec::new(),
            spare: Vec::new(),
            pages_per_turn: 0,
            pages_left: 0,
        };
        cx.set_date(0);
        cx
    }

    /// Puts other limits in force. A time limit that runs is looked at anew when it ends.
    pub fn replace_limits(&mut self, limits: Limits) {
        self.keep_alive = [limits.http1_timeout, limits.local_http1_timeout]
            .map(|announced| KeepAlive::new(announced, limits.node_style));
        self.limits = limits;
        self.sections.clear();
        self.set_date(self.unix_seconds);
    }

    /// Formats what depends on the date, for a Unix time in seconds; to be called once a second.
    pub fn set_date(&mut self, unix_seconds: u64) {
        self.unix_seconds = unix_seconds;
        self.date.refresh(unix_seconds);
        for KeepAlive { usual_opening, lines, .. } in &mut self.keep_alive {
            usual_opening.clear();
            usual_opening.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
            usual_opening.extend_from_slice(self.date.line());
            usual_opening.extend_from_slice(lines);
        }
    }

    /// Has the application asked for the pages of what is no request, so many between two calls of `renew_pages`.
    pub fn ask_for_pages(&mut self, per_turn: u32) {
        self.pages_per_turn = per_turn;
        self.renew_pages();
    }

    /// A turn begins: the application can be asked for as many pages again.
    #[inline]
    pub fn renew_pages(&mut self) {
        self.pages_left = self.pages_per_turn;
    }

    /// Whether the application is to be asked for one more page; it is counted.
    pub(crate) fn take_page(&mut self) -> bool {
        let is_left = self.pages_left > 0;
        self.pages_left -= u32::from(is_left);
        is_left
    }

    /// How connections of a peer are kept open.
    #[inline]
    pub(crate) fn keep_alive(&self, is_local: bool) -> &KeepAlive {
        let [other, local] = &self.keep_alive;
        if is_local { local } else { other }
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
        } else if (self.spare.capacity() + 1..=SPARE_CAPACITY).contains(&buffer.capacity()) {
            buffer.clear();
            self.spare = buffer;
        }
    }

    /// A buffer for long content, without capacity if there is none.
    pub(crate) fn take_spare(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.spare)
    }
}

impl KeepAlive {
    /// For so many idle milliseconds.
    fn new(announced: u64, node_style: bool) -> KeepAlive {
        let seconds = Some(announced / 1000).filter(|seconds| announced != u64::MAX && *seconds > 0);
        let lines = if node_style { node_style::keep_alive_lines(seconds) } else { lines_for(seconds) };
        let idle_time = announced.saturating_add(IDLE_GRACE_MILLIS);
        KeepAlive { usual_opening: Vec::new(), lines, idle_time }
    }
}

/// The `connection: keep-alive` line and the `keep-alive` line.
fn lines_for(seconds: Option<u64>) -> Vec<u8> {
    let mut lines = b"connection: keep-alive\r\n".to_vec();
    if let Some(seconds) = seconds {
        lines.extend_from_slice(format!("keep-alive: timeout={seconds}\r\n").as_bytes());
    }
    lines
}
