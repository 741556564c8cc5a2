//! What came is no request: it is refused, and the connection ends.
//!
//! ```text
//!   refused ──► a short text ──────────────────────────► sent ──► end
//!       └─────► the application is asked for a page ──► its page ──┘
//!                  └── after a second: a short text ──────┘
//! ```
//! Answers that are owed are sent before.

use crate::answer::{Answer, Finish, Payload};
use crate::context::Context;
use crate::error::{CloseReason, RequestError};
use crate::event::{Event, RequestId, Step};
use crate::http1::pipeline::RequestFlags;
use crate::http1::{Connection, Reading, encode, reading};
use crate::timestamp::Timestamp;

/// For so long the application may take to make a page.
pub(crate) const PAGE_MILLIS: u64 = 1000;

/// A refusal of what was no request.
#[derive(Debug)]
pub(super) struct Refusal {
    error: RequestError,
    /// The answer to it; None until there is one.
    answer: Option<Refused>,
    /// The page that the application is asked for.
    page: Option<Page>,
    /// What came, for the application that is asked for a page.
    packet: Vec<u8>,
    /// It was in the body of a request, which isn't answered any more.
    is_of_body: bool,
}

/// The answer to what was no request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refused {
    /// Its status.
    pub status: u16,
    /// Length of its body.
    pub length: u32,
}

#[derive(Debug, Clone, Copy)]
struct Page {
    request_id: RequestId,
    until: Timestamp,
    is_announced: bool,
}

impl Connection {
    /// The answer to what was no request, and why that was refused, if this is how the connection ends.
    pub(crate) fn refusal(&self) -> Option<(RequestError, Option<Refused>)> {
        self.refusal.as_ref().map(|refusal| (refusal.error, refusal.answer))
    }

    /// What came and was refused, once.
    #[cold]
    pub(crate) fn take_packet(&mut self) -> Vec<u8> {
        self.refusal.as_deref_mut().map(|refusal| std::mem::take(&mut refusal.packet)).unwrap_or_default()
    }

    /// Refuses a head that is arriving.
    #[cold]
    pub(super) fn refuse(&mut self, cx: &mut Context, error: RequestError) {
        let packet = self.partial.take().map(|partial| partial.bytes).unwrap_or_default();
        self.refuse_to(cx, error, reading::is_head(&packet));
        self.note_packet(|| packet);
    }

    /// Keeps what was refused where the application is asked for a page.
    #[cold]
    pub(super) fn note_packet(&mut self, packet: impl FnOnce() -> Vec<u8>) {
        if let Some(refusal) = self.refusal.as_deref_mut().filter(|refusal| refusal.page.is_some()) {
            refusal.packet = packet();
        }
    }

    /// The same; `is_head` when the request was HEAD, whose answer has no body.
    #[cold]
    pub(super) fn refuse_to(&mut self, cx: &mut Context, error: RequestError, is_head: bool) {
        self.reading = Reading::Closed;
        self.partial = None;
        self.is_last = true;
        if !error.is_other_protocol() && cx.take_page() {
            return self.await_page(cx, error, is_head, false);
        }
        let answer = encode::error_answer(cx, &error, is_head);
        self.refusal = Some(Box::new(Refusal {
            error,
            answer: Some(refused(&error, &answer)),
            page: None,
            packet: Vec::new(),
            is_of_body: false,
        }));
        if self.pipeline.is_empty() {
            self.output.put(cx, &answer);
            self.reason = CloseReason::Refused(error);
            self.ending = Some(Finish::Linger);
        } else {
            self.pipeline.push_refusal(answer, error);
        }
    }

    /// A body can't be received: a server in the style of node:http answers that itself, in place of the response that is
    /// due or behind the one that was given. False where it doesn't.
    #[cold]
    pub(super) fn refuse_body(&mut self, cx: &mut Context, error: RequestError) -> bool {
        let Some(incoming) = self.incoming.as_ref().filter(|_| cx.limits.node_style) else { return false };
        let request_id = incoming.body.request_id();
        let is_external = self.pipeline.external_bytes(request_id) > 0;
        if is_external || self.refusal.is_some() || !cx.take_page() {
            return false;
        }
        self.reading = Reading::Closed;
        self.is_last = true;
        let given_up = self.pipeline.give_up_last(request_id);
        if given_up.is_some() {
            self.abandoned.push(request_id);
        }
        self.await_page(cx, error, given_up.is_some_and(|flags| flags.is_head), true);
        true
    }

    /// Whether this is the page for what was no request.
    pub(super) fn is_page(&self, request_id: RequestId) -> bool {
        let page = self.refusal.as_ref().and_then(|refusal| refusal.page);
        page.is_some_and(|page| page.request_id == request_id)
    }

    /// Whether what was refused was in a body.
    pub(crate) fn has_refused_body(&self) -> bool {
        self.refusal.as_ref().is_some_and(|refusal| refusal.is_of_body)
    }

    fn await_page(&mut self, cx: &mut Context, error: RequestError, is_head: bool, is_of_body: bool) {
        let request_id = cx.next_request_id();
        self.pipeline.push(request_id, RequestFlags { is_head, ..RequestFlags::LAST });
        if let Some(pending) = self.pipeline.last_mut() {
            pending.state().refusal = Some(error);
        }
        let page = Page { request_id, until: cx.now.after_millis(PAGE_MILLIS), is_announced: false };
        self.refusal =
            Some(Box::new(Refusal { error, answer: None, page: Some(page), packet: Vec::new(), is_of_body }));
    }

    /// The end of a step that may have refused its bytes.
    pub(super) fn step_taking<'a>(&mut self, taken: usize) -> Step<'a> {
        Step { taken, event: self.take_unparsed() }
    }

    /// The request for a page, once.
    #[inline]
    pub(super) fn take_unparsed(&mut self) -> Option<Event<'static>> {
        let refusal = self.refusal.as_deref_mut()?;
        let page = refusal.page.as_mut().filter(|page| !page.is_announced)?;
        page.is_announced = true;
        Some(Event::Unparsed { request_id: page.request_id, error: refusal.error })
    }

    /// Until when the application may give the page; None when it isn't asked for one.
    pub(super) fn page_deadline(&self) -> Option<Timestamp> {
        let refusal = self.refusal.as_ref().filter(|refusal| refusal.answer.is_none())?;
        refusal.page.map(|page| page.until)
    }

    /// The application answers request number `at`: notes it where that is the page for what was none.
    #[cold]
    pub(super) fn note_page(&mut self, at: usize, answer: &Answer<'_>, is_head: bool) {
        let Some(refusal) = self.refusal.as_deref_mut() else { return };
        let request_id = self.pipeline.get_mut(at).map(|pending| pending.request_id);
        if refusal.page.is_none_or(|page| request_id != Some(page.request_id)) {
            return;
        }
        let length = match answer.payload {
            _ if is_head => 0,
            Payload::Full(bytes) | Payload::Declared { bytes, .. } => bytes.len(),
            Payload::Stream { .. } | Payload::UntilClose => 0,
        };
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        refusal.answer = Some(Refused { status: answer.status, length });
    }

    /// The page hasn't come in time.
    #[cold]
    pub(super) fn give_up_page(&mut self, cx: &mut Context) {
        let Some(refusal) = self.refusal.as_deref_mut() else { return };
        let Some(page) = refusal.page else { return };
        let error = refusal.error;
        let Some((at, pending)) = self.pipeline.find_mut(page.request_id) else { return };
        let answer = encode::error_answer(cx, &error, pending.flags.is_head);
        refusal.answer = Some(refused(&error, &answer));
        self.finish_with(cx, at, &answer, CloseReason::Refused(error));
    }
}

fn refused(error: &RequestError, answer: &[u8]) -> Refused {
    let length = u32::try_from(encode::body_length(answer)).unwrap_or(u32::MAX);
    Refused { status: error.status(), length }
}
