//! From frames to requests and bodies.

use llhttp::Span;
use nghttp2::{Error, ErrorCode, Event as Happened, List, Overflow, Priority, Received, StreamId};

use crate::answer::Finish;
use crate::body::Receiving;
use crate::context::Context;
use crate::error::{CloseReason, RequestError};
use crate::event::{Body, Event, Expectation, Head, Pieces, Request, Step, Version};
use crate::http2::Connection;
use crate::http2::abuse::Abuse;
use crate::http2::ending::STEP_MILLIS;
use crate::http2::head::{self, Checked, Fault, HeadBytes};
use crate::http2::malformed::Malformed;
use crate::http2::refusal;
use crate::http2::stream::{Answering, Stream};
use crate::timestamp::Timestamp;

/// Input that is taken at once: small enough that its header lists, which may be much larger than their bytes,
/// stay bounded.
const PIECE_BYTES: usize = 16 * 1024;

impl Connection {
    /// Takes bytes from the peer, and gives at most one event. To be called with the rest, be it empty, until none is
    /// taken and no event given.
    pub fn handle_input<'a>(&'a mut self, cx: &'a mut Context, input: &'a [u8]) -> Step<'a> {
        let taken = input.len().min(PIECE_BYTES);
        if taken > 0 {
            self.feed(cx, &input[..taken]);
        }
        Step { taken, event: self.next_event(cx) }
    }

    fn feed(&mut self, cx: &mut Context, input: &[u8]) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.settings_due = cx.now.after_millis(cx.limits.header_timeout);
        }
        self.heard(cx);
        let mut received = std::mem::take(&mut cx.http2.received);
        let result = self.session.handle_input(input, &mut received);
        self.handle_events(cx, &received, input);
        self.abuse_of(cx, &received);
        received.clear();
        cx.http2.received = received;
        match result {
            Ok(()) => {
                self.head_since = self.session.is_in_headers().then(|| self.head_since.unwrap_or(cx.now));
                self.end_if_over();
            }
            Err(error) => {
                if error == Error::Preface {
                    self.note_failure(ErrorCode::PROTOCOL_ERROR);
                }
                self.end(CloseReason::ClientLeft, Finish::Close);
            }
        }
    }

    /// Judges the frames of one call.
    pub(super) fn abuse_of(&mut self, cx: &Context, received: &Received) {
        let is_flood = !self.abuse.add(cx.now, &received.counts)
            || Abuse::is_overfull(self.session.waiting_frames(), cx.limits.concurrent_stream_limit);
        if is_flood && self.session.failure().is_none() {
            self.session.terminate(ErrorCode::ENHANCE_YOUR_CALM);
        }
    }

    /// Acts on what a call into the session has brought. `input` is what that call was given.
    pub(super) fn handle_events(&mut self, cx: &mut Context, received: &Received, input: &[u8]) {
        for event in &received.events {
            match event {
                Happened::Request { stream, list, end, priority } => {
                    self.active = cx.now;
                    self.open_stream(cx, *stream, received, list, *end, *priority);
                }
                Happened::Data { stream, bytes } => {
                    self.active = cx.now;
                    self.take_content(cx, *stream, bytes.of(input));
                }
                Happened::End { stream } => self.complete_content(cx, *stream, None),
                Happened::Trailers { stream, list, end } => {
                    self.take_trailers(cx, *stream, received, list, *end);
                }
                Happened::Reset { stream, code } => self.note_reset(cx, *stream, *code),
                Happened::Closed { stream, code } => self.note_closed(cx, *stream, *code),
                Happened::Sent { stream, bytes, queued } => self.note_sent(cx, *stream, *bytes, *queued),
                Happened::SettingsAcknowledged => {
                    self.knows_settings = true;
                    self.settings_due = Timestamp(u64::MAX);
                }
                Happened::Unsendable { .. } => {}
                Happened::Reprioritized { stream, priority } => self.session.set_priority(*stream, *priority),
                Happened::Pong { data } => self.note_pong(*data),
                Happened::GoAway { .. } => {}
            }
        }
    }

    fn open_stream(
        &mut self,
        cx: &mut Context,
        id: StreamId,
        received: &Received,
        list: &List,
        end: bool,
        priority: Option<Priority>,
    ) {
        let limit = cx.limits.concurrent_stream_limit;
        if self.streams.len() >= limit as usize || list.overflow == Some(Overflow::Call) {
            self.session.reset(id, ErrorCode::REFUSED_STREAM);
            if !self.abuse.refused(limit, self.knows_settings) {
                self.session.terminate(ErrorCode::ENHANCE_YOUR_CALM);
            }
            return;
        }
        self.abuse.taken();
        if let Some(overflow) = list.overflow {
            let error = match overflow {
                Overflow::Bytes | Overflow::Call => RequestError::HeadersTooLarge,
                Overflow::Fields => RequestError::TooManyFields,
            };
            return self.refuse_head(cx, id, error, refusal::is_head(received, list), end);
        }
        let mut bytes = cx.http2.take_head();
        let checked =
            head::check(received.list(list), &cx.limits, self.served, &mut cx.known_host, &mut bytes);
        let is_malformed = |length: Option<u64>| end && length.is_some_and(|length| length > 0);
        let checked = match checked {
            Ok(checked) if is_malformed(checked.content_length) => {
                Err(Fault::Malformed(Malformed::ContentLength))
            }
            Ok(checked) if self.is_misdirected(&checked, &bytes) => {
                Err(Fault::Refused(RequestError::MisdirectedHost))
            }
            checked => checked,
        };
        let checked = match checked {
            Ok(checked) => checked,
            Err(fault) => {
                cx.http2.give_head(bytes);
                return match fault {
                    Fault::Malformed(what) => self.reset_malformed(id, what),
                    Fault::Refused(error) => {
                        self.refuse_head(cx, id, error, refusal::is_head(received, list), end);
                    }
                };
            }
        };
        if let Some(priority) = priority.or(checked.priority) {
            self.session.set_priority(id, priority);
        }
        let request_id = cx.next_request_id();
        let receiving = if checked.is_extended {
            Some(Box::new(Receiving::of_tunnel(cx, request_id, end)))
        } else {
            (!end).then(|| {
                let awaits_continue = checked.expectation == Expectation::Continue;
                let length = checked.content_length;
                let mut receiving = Receiving::new(cx, request_id, length, awaits_continue);
                receiving.update_deadlines(cx.now);
                Box::new(receiving)
            })
        };
        if self.streams.is_empty() {
            self.look_at = cx.now.after_millis(STEP_MILLIS);
        }
        let stream = Stream::new(id, request_id, checked, end);
        self.streams.push(Stream { head: Some(bytes), receiving, ..stream });
        self.ready.push_back(id);
    }

    /// Whether the authority belongs to another certificate of the listener: a client may take the connection for one
    /// that serves it as well, when their addresses are the same. RFC 9113 §9.1.1.
    fn is_misdirected(&mut self, checked: &Checked, head: &HeadBytes) -> bool {
        let is_tunnel = checked.is_connect && !checked.is_extended;
        match (&mut self.coverage, head.fields.first()) {
            (Some(coverage), Some(host)) if !is_tunnel => coverage.excludes(host.value.of(&head.bytes)),
            _ => false,
        }
    }

    /// What the application is due: requests first, as they may run while bodies arrive.
    pub fn next_event<'a>(&'a mut self, cx: &mut Context) -> Option<Event<'a>> {
        while let Some(id) = self.ready.pop_front() {
            let Some(stream) = self.streams.get_mut(id) else { continue };
            let Some(head) = stream.head.take() else {
                match self.announce_page(id) {
                    Some(event) => return Some(event),
                    None => continue,
                }
            };
            if let Some(done) = self.current.replace(head) {
                cx.http2.give_head(done);
            }
            let (checked, request_id) = (stream.checked, stream.request_id);
            let body = match &mut stream.receiving {
                None => Body::None,
                // What comes is for those who take the stream over.
                Some(_) if checked.is_extended => Body::None,
                Some(receiving) => match receiving.take_whole() {
                    None => Body::Arriving { is_over: receiving.exceeds_limit() },
                    Some(bytes) => {
                        stream.receiving = None;
                        self.unread -= std::mem::take(&mut stream.unread);
                        self.whole = (bytes, Span { start: 0, end: stream.received as u32 });
                        let (bytes, span) = &self.whole;
                        Body::Whole(Pieces { input: bytes, spans: std::slice::from_ref(span) })
                    }
                },
            };
            let head = self.current.as_ref()?;
            return Some(Event::Request(Request {
                request_id,
                method: checked.method,
                version: Version::Http2,
                keep_alive: true,
                upgrade: checked.is_connect,
                claims_https: checked.claims_https,
                expectation: checked.expectation,
                head: Head { bytes: &head.bytes, target: head.target, fields: &head.fields },
                body,
            }));
        }
        self.poll_event(cx)
    }

    /// The peer has reset a stream. Its handler is notified, and its place stays taken until that has settled.
    pub(super) fn note_reset(&mut self, cx: &mut Context, id: StreamId, code: ErrorCode) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if let Some(head) = stream.head.take() {
            cx.http2.give_head(head);
            self.drop_stream(id);
            return;
        }
        if stream.page.is_some() || stream.is_refused {
            return self.drop_stream(id);
        }
        let request_id = stream.request_id;
        if stream.is_incomplete() || stream.is_taken || stream.is_read_on() {
            self.reset.push_back((request_id, code, stream.is_late));
        }
        self.output.forget(request_id);
        self.lose(id);
    }

    /// A stream is gone from the session: both sides have ended it, or either has reset it.
    fn note_closed(&mut self, cx: &mut Context, id: StreamId, code: ErrorCode) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.is_closed {
            return;
        }
        // To HEAD an answer is over before the application has ended it.
        let is_silent = matches!(stream.answering, Answering::Streaming { is_silent: true, .. });
        let is_cut = stream.is_read_on() && !stream.has_rest();
        if is_cut || stream.is_incomplete() && !(is_silent && code == ErrorCode::NO_ERROR) {
            return self.note_reset(cx, id, code);
        }
        stream.is_closed = true;
        if is_silent {
            return;
        }
        // Its content may still be read.
        if stream.receiving.as_ref().is_none_or(|receiving| receiving.is_discarded()) {
            self.drop_stream(id);
        }
    }

    /// Nothing more comes or leaves on a stream. One whose handler runs stays in the table.
    pub(super) fn lose(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.is_closed = true;
        self.unread -= std::mem::take(&mut stream.unread);
        stream.receiving = None;
        if stream.answering != Answering::Owed {
            self.drop_stream(id);
        }
    }

    /// A stream's place is free.
    pub(super) fn drop_stream(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.remove(id) {
            self.unread -= stream.unread;
            if let Some(page) = stream.page {
                self.lose_page(&page);
            }
        }
    }
}
