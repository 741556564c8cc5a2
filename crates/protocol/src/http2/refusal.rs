//! Requests that aren't handed over as such: what is sent to them, and what is counted.
//!
//! ```text
//!   malformed ──► RST_STREAM
//!   refused ────► a short text
//!       └───────► the application is asked for a page ──► its page
//!                    └── after a second: a short text
//! ```

use nghttp2::{Content, ErrorCode, Received, StreamId};

use crate::answer::{Answer, Own, Payload};
use crate::context::Context;
use crate::error::{CloseReason, Refusal, RequestError};
use crate::event::{Event, RequestId};
use crate::http1::{PAGE_MILLIS, Refused};
use crate::http2::Connection;
use crate::http2::ending::STEP_MILLIS;
use crate::http2::fields::{self, Numbers};
use crate::http2::head::Checked;
use crate::http2::malformed::Malformed;
use crate::http2::stream::{Answering, Stream};
use crate::timestamp::Timestamp;

/// A page that the application is asked for.
#[derive(Debug)]
pub(super) struct Page {
    error: RequestError,
    until: Timestamp,
    is_announced: bool,
}

impl Page {
    pub(super) fn is_announced(&self) -> bool {
        self.is_announced
    }
}

/// Whether a header list, perhaps only the beginning of one, is that of a HEAD, whose answer has no content.
pub(super) fn is_head(received: &Received, list: &nghttp2::List) -> bool {
    let (bytes, fields) = received.list(list);
    let method = fields.iter().find(|field| field.name.of(bytes) == b":method");
    method.is_some_and(|method| method.value.of(bytes) == b"HEAD")
}

impl Connection {
    /// The next refusal that hasn't been counted.
    pub fn poll_refusal(&mut self) -> Option<Refusal> {
        self.refusals.pop_front()
    }

    /// The connection is closed: the pages that it waits for won't be sent. To be called before the last refusals are
    /// taken.
    pub fn abandon_pages(&mut self) {
        for stream in self.streams.iter_mut() {
            if let Some(page) = stream.page.take() {
                self.refusals.push_back(Refusal { error: page.error, unparsed: Some(None) });
            }
        }
    }

    /// A head that breaks a rule of HTTP/2. RFC 9113 §8.1.1.
    #[cold]
    pub(super) fn reset_malformed(&mut self, id: StreamId, what: Malformed) {
        let error = RequestError::Malformed(what);
        self.refusals.push_back(Refusal { error, unparsed: Some(None) });
        self.session.reset(id, ErrorCode::PROTOCOL_ERROR);
    }

    /// Content or trailers that break one.
    #[cold]
    pub(super) fn reset_malformed_body(&mut self, id: StreamId, what: Malformed) {
        self.note_lost_body(id, RequestError::Malformed(what));
        self.session.reset(id, ErrorCode::PROTOCOL_ERROR);
    }

    /// The rest of a body isn't taken, for a reason that is counted once.
    #[cold]
    pub(super) fn note_lost_body(&mut self, id: StreamId, error: RequestError) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        if let Some(receiving) = stream.receiving.as_mut().filter(|body| stream.is_kept && body.is_unasked())
        {
            receiving.discard();
        }
        if !std::mem::replace(&mut stream.is_lost, true) {
            self.refusals.push_back(Refusal { error, unparsed: None });
        }
    }

    /// The connection ends because of what the client does, once. Late acknowledgements of settings have no count.
    #[cold]
    pub(super) fn note_failure(&mut self, code: ErrorCode) {
        if self.is_failure_noted {
            return;
        }
        self.is_failure_noted = true;
        let error = match code {
            _ if self.reason != CloseReason::Open => return,
            ErrorCode::SETTINGS_TIMEOUT | ErrorCode::INTERNAL_ERROR => return,
            ErrorCode::ENHANCE_YOUR_CALM => RequestError::Flood,
            _ => RequestError::Frames,
        };
        self.refusals.push_back(Refusal { error, unparsed: None });
    }

    /// A head is refused: with a page of the application's, if it makes them, otherwise with a short text.
    #[cold]
    pub(super) fn refuse_head(
        &mut self,
        cx: &mut Context,
        id: StreamId,
        error: RequestError,
        is_head: bool,
        has_ended: bool,
    ) {
        let stream = Stream::new(id, cx.next_request_id(), Checked::of_refused(is_head), has_ended);
        if self.streams.is_empty() {
            self.look_at = cx.now.after_millis(STEP_MILLIS);
        }
        if !cx.take_page() {
            // Its answer may have to wait for the client: until then it takes a place like any other.
            self.streams.push(stream);
            return self.refuse_with_text(cx, id, error);
        }
        let until = cx.now.after_millis(PAGE_MILLIS);
        let page = Some(Box::new(Page { error, until, is_announced: false }));
        self.look_at = self.look_at.min(until);
        self.streams.push(Stream { page, ..stream });
        self.ready.push_back(id);
    }

    /// Answers a stream whose head was refused with a short text.
    fn refuse_with_text(&mut self, cx: &Context, id: StreamId, error: RequestError) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.answering = Answering::Given;
        stream.is_refused = true;
        let (is_head, has_ended) = (stream.is_head(), stream.has_ended);
        let length = self.send_text(cx, id, error.status(), &error.to_string(), is_head, has_ended);
        let answer = Refused { status: error.status(), length };
        self.refusals.push_back(Refusal { error, unparsed: Some(Some(answer)) });
    }

    /// The request for the page of a stream, once.
    #[cold]
    pub(super) fn announce_page(&mut self, id: StreamId) -> Option<Event<'static>> {
        let stream = self.streams.get_mut(id)?;
        let page = stream.page.as_mut().filter(|page| !page.is_announced)?;
        page.is_announced = true;
        Some(Event::Unparsed { request_id: stream.request_id, error: page.error })
    }

    /// The application answers a request: notes it where that is a page. What still comes on its stream is dropped.
    #[cold]
    pub(super) fn note_page(&mut self, request_id: RequestId, answer: &Answer<'_>, is_head: bool) {
        let Some(stream) = self.streams.of_mut(request_id) else { return };
        let Some(page) = stream.page.take() else { return };
        if !stream.has_ended && !matches!(answer.payload, Payload::Stream { .. } | Payload::UntilClose) {
            self.leftover.push(stream.id);
        }
        let length = match answer.payload {
            _ if is_head => 0,
            Payload::Full(bytes) | Payload::Declared { bytes, .. } => bytes.len(),
            Payload::Stream { .. } | Payload::UntilClose => 0,
        };
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let answer = Refused { status: answer.status, length };
        self.refusals.push_back(Refusal { error: page.error, unparsed: Some(Some(answer)) });
    }

    /// The stream of a page is gone.
    #[cold]
    pub(super) fn lose_page(&mut self, page: &Page) {
        self.refusals.push_back(Refusal { error: page.error, unparsed: Some(None) });
    }

    /// Pages that haven't come in time.
    pub(super) fn give_up_pages(&mut self, cx: &Context) {
        let is_late = |page: &Page| cx.now >= page.until;
        let late = self.streams.iter().filter(|stream| stream.page.as_deref().is_some_and(is_late));
        let late: Vec<StreamId> = late.map(|stream| stream.id).collect();
        for id in late {
            let Some(stream) = self.streams.get_mut(id) else { continue };
            let Some(page) = stream.page.take() else { continue };
            self.refuse_with_text(cx, id, page.error);
        }
    }

    /// When the first page is given up.
    pub(super) fn page_deadline(&self) -> Option<Timestamp> {
        self.streams.iter().filter_map(|stream| stream.page.as_ref()).map(|page| page.until).min()
    }

    /// An answer of ours: short, plain, and the end of its stream. Returns the length of its content.
    #[cold]
    pub(super) fn send_text(
        &mut self,
        cx: &Context,
        id: StreamId,
        status: u16,
        text: &str,
        is_head: bool,
        has_ended: bool,
    ) -> u32 {
        let body = format!("{text}\n");
        let answer = Answer {
            status,
            reason: None,
            fields: b"content-type: text/plain; charset=utf-8\r\n",
            payload: Payload::Full(body.as_bytes()),
            close: false,
            own: Own::default(),
        };
        let mut numbers = Numbers::default();
        let list = fields::of_answer(cx, &answer, &mut numbers);
        let content = if is_head { Content::None } else { Content::Full(body.as_bytes()) };
        // A stream that is gone needs no answer.
        let _ = self.session.submit_response(id, list, content);
        if let Some(stream) = self.streams.get_mut(id) {
            stream.sending = (!is_head).then_some((cx.now, 0));
        }
        if !has_ended {
            self.leftover.push(id);
        }
        if is_head { 0 } else { body.len() as u32 }
    }
}
