//! The streams of one connection that carry requests.
//!
//! A stream is in the table from its head until its answer is sent. One that was reset stays until its handler has
//! settled, so that requests which are sent and reset at once cost a client its room (CVE-2023-44487).

use std::collections::VecDeque;

use llhttp::Method;
use nghttp2::StreamId;

use crate::body::Receiving;
use crate::event::RequestId;
use crate::http2::STREAM_WINDOW;
use crate::http2::head::{Checked, HeadBytes};
use crate::http2::refusal::Page;
use crate::timestamp::Timestamp;

/// How far an answer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answering {
    /// Nothing but interim responses.
    Owed,
    /// Its head is with the session, and content follows: `missing` bytes of it, if that is known. None of it is
    /// sent where the answer has no content, as to HEAD.
    Streaming { missing: Option<u64>, is_silent: bool },
    /// All of it is with the session.
    Given,
}

/// One request.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: StreamId,
    pub(super) request_id: RequestId,
    /// Its head, until it is handed over.
    pub(super) head: Option<Box<HeadBytes>>,
    pub(super) checked: Checked,
    /// Its content, until the application has had the last of it.
    pub(super) receiving: Option<Box<Receiving>>,
    /// Bytes of content that have come.
    pub(super) received: u64,
    /// Bytes of content that the session hasn't been given back.
    pub(super) unread: usize,
    /// The receive window, and how much of it was read since it last grew.
    pub(super) window: u32,
    pub(super) read_since: usize,
    pub(super) answering: Answering,
    /// All of its answer is with the session, and the application reads its content on.
    pub(super) is_kept: bool,
    /// Content that waits to be sent: since when, and how much has gone since.
    pub(super) sending: Option<(Timestamp, u64)>,
    /// How long that may make too little progress, in milliseconds; None for the limit of the server.
    pub(super) write_timeout: Option<u64>,
    /// The peer has taken too little of its content for too long.
    pub(super) is_late: bool,
    /// The application has taken it over: it is a stream of bytes in both directions. RFC 8441 §5.
    pub(super) is_taken: bool,
    /// What still comes of its content isn't taken: it is malformed, too late or too large.
    pub(super) is_lost: bool,
    /// The peer has ended its side.
    pub(super) has_ended: bool,
    /// It is gone from the session.
    pub(super) is_closed: bool,
    /// Its head was refused, and the application is asked for a page.
    pub(super) page: Option<Box<Page>>,
    /// Its head was refused with a text of ours: the application doesn't know it, or not any more.
    pub(super) is_refused: bool,
}

impl Stream {
    /// A stream whose head has come; without content unless that is set.
    pub(super) fn new(id: StreamId, request_id: RequestId, checked: Checked, has_ended: bool) -> Stream {
        Stream {
            id,
            request_id,
            head: None,
            checked,
            receiving: None,
            received: 0,
            unread: 0,
            window: STREAM_WINDOW,
            read_since: 0,
            answering: Answering::Owed,
            is_kept: false,
            sending: None,
            write_timeout: None,
            is_late: false,
            is_taken: false,
            is_lost: false,
            has_ended,
            is_closed: false,
            page: None,
            is_refused: false,
        }
    }

    /// Whether the application has its request, or the request for its page.
    pub(super) fn is_handed_over(&self) -> bool {
        let is_announced = self.page.as_ref().is_none_or(|page| page.is_announced());
        self.head.is_none() && is_announced && !self.is_refused
    }

    /// Whether its answer has no content whatever it is.
    pub(super) fn is_head(&self) -> bool {
        self.checked.method == Method::HEAD
    }

    /// Whether content agrees with `content-length` so far. RFC 9113 §8.1.1.
    pub(super) fn is_length_right(&self) -> bool {
        match self.checked.content_length {
            Some(declared) if self.has_ended => self.received == declared,
            Some(declared) => self.received <= declared,
            None => true,
        }
    }

    /// Whether more of its content may come.
    pub(super) fn is_receiving(&self) -> bool {
        !self.has_ended && !self.is_closed && self.receiving.as_ref().is_some_and(|body| !body.is_over())
    }

    /// Whether its answer isn't all sent.
    pub(super) fn is_incomplete(&self) -> bool {
        self.is_owed() || self.sending.is_some()
    }

    /// Whether the application has it and may still say something.
    pub(super) fn is_owed(&self) -> bool {
        self.answering != Answering::Given
    }

    /// Whether the application reads its content behind its answer, and hasn't had the last of it.
    pub(super) fn is_read_on(&self) -> bool {
        self.is_kept && self.receiving.as_ref().is_some_and(|body| !body.is_discarded())
    }

    /// Whether nothing more of that content comes: it lies here to be read.
    pub(super) fn has_rest(&self) -> bool {
        self.is_read_on() && self.receiving.as_ref().is_some_and(|body| body.is_over())
    }
}

/// Streams in the order in which they were opened, which is that of both their numbers.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: VecDeque<Stream>,
}

impl Streams {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.open.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.open.iter_mut()
    }

    pub(super) fn push(&mut self, stream: Stream) {
        self.open.push_back(stream);
    }

    fn place(&self, id: StreamId) -> Option<usize> {
        self.open.binary_search_by_key(&id, |stream| stream.id).ok()
    }

    pub(super) fn get_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        let at = self.place(id)?;
        self.open.get_mut(at)
    }

    pub(super) fn remove(&mut self, id: StreamId) -> Option<Stream> {
        let at = self.place(id)?;
        // Most answers are given in the order of their requests: few others have to move.
        self.open.remove(at)
    }

    /// The stream of a request.
    pub(super) fn of(&self, request_id: RequestId) -> Option<&Stream> {
        let at = self.open.binary_search_by_key(&request_id, |stream| stream.request_id).ok()?;
        self.open.get(at)
    }

    /// The same, to be changed.
    pub(super) fn of_mut(&mut self, request_id: RequestId) -> Option<&mut Stream> {
        let at = self.open.binary_search_by_key(&request_id, |stream| stream.request_id).ok()?;
        self.open.get_mut(at)
    }
}
