//! What was seen in the input: events in their order, with header lists as offsets.
//!
//! One [`Received`] serves all connections of a thread: it is filled by a session's call, read by the
//! caller and cleared. Only a header block that is cut off by the end of an input is kept with its session.

use std::ops::Range;

use crate::error::ErrorCode;
use crate::priority::Priority;

/// A stream's number. Clients open odd ones in increasing order. RFC 9113 §5.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

/// A piece of some bytes, half open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// Length in bytes.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether there is nothing in it.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The bytes it stands for; none if it doesn't fit `bytes`.
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or(&[])
    }
}

/// One line of a header list; its spans count from the beginning of the list's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Field {
    /// The name, pseudo-header names with their colon.
    pub name: Span,
    /// The value.
    pub value: Span,
}

/// How large a header list may be. RFC 9113 §6.5.2 counts each line's name, value and 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListLimits {
    /// Bytes of all lines.
    pub bytes: usize,
    /// Lines, those named `cookie` apart.
    pub fields: usize,
    /// Lines named `cookie`: near-empty ones cost more than they weigh (CVE-2026-49975).
    pub crumbs: usize,
}

/// Which limit a header list went over. What came until then is kept, the rest is decoded and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// [`ListLimits::bytes`].
    Bytes,
    /// [`ListLimits::fields`] or [`ListLimits::crumbs`].
    Fields,
    /// So much was decoded in one call that nothing more is kept of it: a few bytes that refer to a large table
    /// entry make a list of any size, and many such lists fit into one input.
    Call,
}

/// Where a header list lies in its [`Received`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    bytes: Range<usize>,
    fields: Range<usize>,
    /// The limit it went over.
    pub overflow: Option<Overflow>,
}

/// Something that the peer did, or that became of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A header list that opens a stream.
    Request {
        /// The new stream.
        stream: StreamId,
        /// Pseudo-headers and fields, unchecked.
        list: List,
        /// Nothing follows: END_STREAM.
        end: bool,
        /// A PRIORITY_UPDATE that came ahead of it. RFC 9218 §7.1.
        priority: Option<Priority>,
    },
    /// A header list on a stream that is open already.
    Trailers {
        /// Its stream.
        stream: StreamId,
        /// Fields, unchecked.
        list: List,
        /// END_STREAM; a request's trailers without it are malformed. RFC 9113 §8.1.
        end: bool,
    },
    /// Content, without padding.
    Data {
        /// Its stream.
        stream: StreamId,
        /// Where it lies in the input of this call.
        bytes: Span,
    },
    /// The peer's side of a stream ends behind its content.
    End {
        /// Which.
        stream: StreamId,
    },
    /// RST_STREAM from the peer.
    Reset {
        /// Which.
        stream: StreamId,
        /// Why.
        code: ErrorCode,
    },
    /// PRIORITY_UPDATE for an open stream.
    Reprioritized {
        /// Which.
        stream: StreamId,
        /// Its new priority.
        priority: Priority,
    },
    /// A DATA frame has gone to the output.
    Sent {
        /// Its stream.
        stream: StreamId,
        /// Bytes of content in it.
        bytes: usize,
        /// Bytes of content that still wait in the session.
        queued: usize,
    },
    /// A header list that was submitted couldn't be sent, because it is too large: the stream is reset.
    Unsendable {
        /// Its stream.
        stream: StreamId,
    },
    /// A stream has ended in both directions or was reset by either side. Nothing follows for it.
    Closed {
        /// Which.
        stream: StreamId,
        /// `NO_ERROR` for an orderly end.
        code: ErrorCode,
    },
    /// The peer has acknowledged our settings.
    SettingsAcknowledged,
    /// The peer has acknowledged a PING of ours.
    Pong {
        /// What we had sent.
        data: [u8; 8],
    },
    /// GOAWAY from the peer.
    GoAway {
        /// Why.
        code: ErrorCode,
    },
}

/// Content of a DATA frame that lies with the caller: it follows what the output held then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lent {
    /// Its stream.
    pub stream: StreamId,
    /// The length of the output before it.
    pub at: usize,
    /// Where it begins in what was lent.
    pub start: usize,
    /// How many bytes it has.
    pub length: usize,
}

/// Frames of one call by what they cost us and don't bring. The caller judges them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// HEADERS that open a stream.
    pub requests: u32,
    /// DATA with content.
    pub data: u32,
    /// DATA without content and without END_STREAM.
    pub empty_data: u32,
    /// CONTINUATION, and HEADERS without END_HEADERS and without a byte.
    pub continuations: u32,
    /// PING that asks for an acknowledgement.
    pub pings: u32,
    /// SETTINGS that ask for an acknowledgement.
    pub settings: u32,
    /// RST_STREAM.
    pub resets: u32,
    /// PRIORITY and PRIORITY_UPDATE.
    pub priorities: u32,
    /// WINDOW_UPDATE.
    pub window_updates: u32,
    /// Frames that change nothing: acknowledgements, unknown types, frames for streams that have ended.
    pub idle: u32,
    /// RST_STREAM that the peer made us send: all but `NO_ERROR`, `CANCEL`, `REFUSED_STREAM` and `INTERNAL_ERROR`
    /// (CVE-2025-8671).
    pub provoked: u32,
}

/// The events of a call, with the bytes of their header lists.
#[derive(Debug, Default)]
pub struct Received {
    /// What happened, in order.
    pub events: Vec<Event>,
    /// Frames by their kind.
    pub counts: Counts,
    /// What belongs into the output and lies with the caller, in order.
    pub lent: Vec<Lent>,
    bytes: Vec<u8>,
    fields: Vec<Field>,
    pub(crate) open: Option<OpenList>,
}

/// A header list whose block hasn't ended.
#[derive(Debug, Clone)]
pub(crate) struct OpenList {
    stream: StreamId,
    is_request: bool,
    bytes: usize,
    fields: usize,
    size: usize,
    lines: usize,
    crumbs: usize,
    overflow: Option<Overflow>,
}

/// The same between two inputs.
#[derive(Debug)]
pub(crate) struct KeptList {
    open: OpenList,
    bytes: Vec<u8>,
    fields: Vec<Field>,
}

impl Received {
    /// Forgets everything; memory is kept up to a bound.
    pub fn clear(&mut self) {
        /// What a busy connection needs is kept; what an unusual one made it grow to isn't.
        const KEPT_BYTES: usize = 64 * 1024;
        self.events.clear();
        self.counts = Counts::default();
        self.lent.clear();
        self.bytes.clear();
        self.fields.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.fields.shrink_to(KEPT_BYTES / size_of::<Field>());
        self.events.shrink_to(KEPT_BYTES / size_of::<Event>());
    }

    /// The bytes of a header list, names and values in their order, and the lines within them.
    pub fn list(&self, list: &List) -> (&[u8], &[Field]) {
        let bytes = self.bytes.get(list.bytes.clone()).unwrap_or(&[]);
        (bytes, self.fields.get(list.fields.clone()).unwrap_or(&[]))
    }

    pub(crate) fn begin_list(&mut self, stream: StreamId, is_request: bool) {
        let (bytes, fields) = (self.bytes.len(), self.fields.len());
        self.open = Some(OpenList::new(stream, is_request, bytes, fields));
    }

    pub(crate) fn push_field(&mut self, limits: &ListLimits, name: &[u8], value: &[u8]) {
        if let Some(open) = &mut self.open {
            open.push(&mut self.bytes, &mut self.fields, limits, name, value);
        }
    }

    pub(crate) fn finish_list(&mut self, end: bool, priority: Option<Priority>) {
        let Some(open) = self.open.take() else { return };
        let list = List {
            bytes: open.bytes..self.bytes.len(),
            fields: open.fields..self.fields.len(),
            overflow: open.overflow,
        };
        let stream = open.stream;
        self.events.push(if open.is_request {
            Event::Request { stream, list, end, priority }
        } else {
            Event::Trailers { stream, list, end }
        });
    }

    /// Takes out a list that hasn't ended, at the end of an input.
    pub(crate) fn keep_list(&mut self) -> Option<Box<KeptList>> {
        let open = self.open.take()?;
        let bytes = self.bytes.split_off(open.bytes);
        let fields = self.fields.split_off(open.fields);
        Some(Box::new(KeptList { open: OpenList { bytes: 0, fields: 0, ..open }, bytes, fields }))
    }
}

impl OpenList {
    fn new(stream: StreamId, is_request: bool, bytes: usize, fields: usize) -> OpenList {
        OpenList { stream, is_request, bytes, fields, size: 0, lines: 0, crumbs: 0, overflow: None }
    }

    fn push(
        &mut self,
        bytes: &mut Vec<u8>,
        fields: &mut Vec<Field>,
        limits: &ListLimits,
        name: &[u8],
        value: &[u8],
    ) {
        /// What a line weighs beyond its bytes. RFC 9113 §6.5.2.
        const LINE_BYTES: usize = 32;
        /// Bytes of header lists that are kept of one call, however large one may be.
        const CALL_BYTES: usize = 1024 * 1024;
        if self.overflow.is_some() {
            return;
        }
        if self.bytes > CALL_BYTES.max(limits.bytes) {
            self.overflow = Some(Overflow::Call);
            return;
        }
        self.size += name.len() + value.len() + LINE_BYTES;
        if name == b"cookie" {
            self.crumbs += 1;
        } else {
            self.lines += 1;
        }
        if self.size > limits.bytes {
            self.overflow = Some(Overflow::Bytes);
        } else if self.lines > limits.fields || self.crumbs > limits.crumbs {
            self.overflow = Some(Overflow::Fields);
        } else {
            let start = (bytes.len() - self.bytes) as u32;
            let middle = start + name.len() as u32;
            let end = middle + value.len() as u32;
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(value);
            fields.push(Field { name: Span { start, end: middle }, value: Span { start: middle, end } });
        }
    }
}

impl KeptList {
    /// Adds a line while the list lies here: bytes that come one by one are copied once, not each time.
    pub(crate) fn push_field(&mut self, limits: &ListLimits, name: &[u8], value: &[u8]) {
        self.open.push(&mut self.bytes, &mut self.fields, limits, name, value);
    }

    /// Puts the list, which is about to end, among what was received.
    pub(crate) fn put_back(self, received: &mut Received) {
        let KeptList { mut open, bytes, fields } = self;
        (open.bytes, open.fields) = (received.bytes.len(), received.fields.len());
        received.bytes.extend_from_slice(&bytes);
        received.fields.extend_from_slice(&fields);
        received.open = Some(open);
    }
}
