//! Notices that wait for the next batch, and the count of refused requests.

use std::collections::{BTreeMap, VecDeque};

use protocol::tls::Failure;
use protocol::{CloseReason, Connection, Event, Limits, Refusal, Refused, RequestError, RequestId};

use super::facts::Facts;
use super::notice::{Batch, Kind, Notice, flag};
use crate::io::Address;

/// The reactor's notices for the application, in order.
#[derive(Default)]
pub(crate) struct Outbox {
    notices: VecDeque<Notice>,
    /// Connections that ended with a refusal, by its code.
    refusals: BTreeMap<&'static str, u64>,
    /// Each refusal is announced as well.
    explains_refusals: bool,
}

impl Outbox {
    /// Adds a notice.
    pub(crate) fn push(&mut self, notice: Notice) {
        self.notices.push_back(notice);
    }

    /// Adds a notice without detail about a request or a client.
    pub(crate) fn notify(&mut self, kind: Kind, slot: u32, id: u64) {
        self.push(Notice::of(kind, slot, id));
    }

    /// Announces that a request of a closed connection can't be answered completely any more.
    #[cold]
    pub(crate) fn abort(&mut self, connection: &Connection, slot: u32, request_id: RequestId) {
        let detail = u32::try_from(connection.unsent_of(request_id)).unwrap_or(u32::MAX);
        let flags = late(connection.close_reason() == CloseReason::WriteTimeout);
        self.push(Notice { detail, flags, ..Notice::of(Kind::Aborted, slot, request_id.0) });
    }

    /// Adds the notice for an event of the client's connection. Requests and raw bytes go straight to the
    /// batch, bodies into provided buffers, and the end of the peer's side is announced by the code that
    /// reads it: these events have no notice here.
    #[cold]
    pub(crate) fn push_event(&mut self, slot: u32, client_id: u64, event: Event<'_>) {
        self.push(match event {
            Event::Request(_) | Event::Raw { .. } | Event::Body { .. } | Event::HalfClosed => return,
            Event::RawUnread { bytes } => Notice { body: bytes, ..Notice::of(Kind::Raw, slot, client_id) },
            Event::RawEnd => Notice { flags: flag::END, ..Notice::of(Kind::Raw, slot, client_id) },
            Event::BodyLimit { request_id, raises } => {
                Notice { detail: raises, ..Notice::of(Kind::BodyLimit, slot, request_id.0) }
            }
            // `ask_for_page` has announced it.
            Event::Unparsed { .. } => return,
            Event::Reset { request_id, code, is_late } => {
                Notice { detail: code.0, flags: late(is_late), ..Notice::of(Kind::Reset, slot, request_id.0) }
            }
            Event::BodyFailed { request_id, error } => {
                let detail = u32::from(error.status());
                Notice { detail, ..Notice::of(Kind::BodyFailed, slot, request_id.0) }
            }
        });
    }

    /// Asks the application for the page of what is no request. `packet` is what came; None for a stream. It
    /// was in the body of the connection's last request when `is_of_body` says so.
    pub(crate) fn ask_for_page(
        &mut self,
        facts: &Facts,
        (request_id, error): (RequestId, RequestError),
        packet: Option<&[u8]>,
        is_of_body: bool,
    ) {
        let flags = if packet.is_some() { 0 } else { flag::HTTP2 } | if is_of_body { flag::BODY } else { 0 };
        let packet = packet.unwrap_or_default();
        let parsed = error.offset().unwrap_or(packet.len());
        let line = format!("{} {parsed} {error} ({})\n", facts.id(), error.code());
        self.push(Notice {
            detail: u32::from(error.status()),
            flags,
            body: [line.as_bytes(), packet].concat(),
            ..Notice::of(Kind::Unparsed, facts.slot(), request_id.0)
        });
    }

    /// Announces that no client is left, unless that is the latest notice already.
    pub(crate) fn notify_idle(&mut self) {
        if self.notices.back().is_none_or(|notice| notice.kind != Kind::Idle) {
            self.notify(Kind::Idle, 0, 0);
        }
    }

    /// Moves notices into the batch, as many as fit.
    #[inline]
    pub(crate) fn deliver(&mut self, batch: &mut Batch<'_>) {
        if !self.notices.is_empty() {
            self.deliver_waiting(batch);
        }
    }

    #[inline(never)]
    fn deliver_waiting(&mut self, batch: &mut Batch<'_>) {
        while !batch.is_full() {
            let Some(notice) = self.notices.pop_front() else { break };
            batch.push_notice(notice);
        }
    }

    /// Whether no notice waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.notices.is_empty()
    }

    /// Drops all notices, and their memory.
    pub(crate) fn clear(&mut self) {
        self.notices = VecDeque::new();
    }

    /// From now on each refusal is announced as well, with a text that says why.
    pub(crate) fn explain_refusals(&mut self) {
        self.explains_refusals = true;
    }

    /// Counts a request of this client that was refused. What came may have been no request: `unparsed` is the answer to
    /// it then, or None within where that couldn't be sent.
    #[cold]
    pub(crate) fn refuse(
        &mut self,
        facts: &Facts,
        error: RequestError,
        limits: &Limits,
        unparsed: Option<Option<Refused>>,
    ) {
        let flags = if unparsed.is_some() { flag::UNPARSED } else { 0 };
        self.refuse_with(facts, error, limits, unparsed, flags);
    }

    /// The same of a stream, whose connection continues, or of frames.
    #[cold]
    pub(crate) fn refuse_stream(&mut self, facts: &Facts, refusal: Refusal, limits: &Limits) {
        let Refusal { error, unparsed } = refusal;
        let flags = if unparsed.is_some() { flag::UNPARSED | flag::HTTP2 } else { flag::HTTP2 };
        self.refuse_with(facts, error, limits, unparsed, flags);
    }

    fn refuse_with(
        &mut self,
        facts: &Facts,
        error: RequestError,
        limits: &Limits,
        unparsed: Option<Option<Refused>>,
        flags: u32,
    ) {
        self.count_refusal(error.code());
        if self.explains_refusals {
            let limit = error.limit(limits).map(|(option, value)| format!("; {option} is {value}"));
            let limit = limit.unwrap_or_default();
            let (remote, code) = (facts.remote(), error.code());
            let text = format!("a request of {remote} was refused: {error} ({code}{limit})");
            let answer = unparsed.map_or((u32::from(error.status()), 0), |answer| {
                let Refused { status, length } = answer.unwrap_or_default();
                (u32::from(status), length)
            });
            self.explain(facts, &text, answer, flags);
        }
    }

    /// Announces a refusal: the client's address and the text, a line each. `answer` is a status and a length.
    fn explain(&mut self, facts: &Facts, text: &str, (detail, count): (u32, u32), flags: u32) {
        let address = match facts.remote() {
            Address::Internet(address) => format!("{} {}", address.ip(), address.port()),
            Address::Unix(path) => path.display().to_string().replace('\n', "\\n"),
        };
        let body = format!("{address}\n{text}").into_bytes();
        self.push(Notice {
            body,
            detail,
            count,
            flags,
            ..Notice::of(Kind::Refused, facts.slot(), facts.id())
        });
    }

    /// Counts a connection of which TLS has failed.
    #[cold]
    pub(crate) fn refuse_tls(&mut self, facts: &Facts, failure: &Failure) {
        self.count_refusal(failure.code);
        if self.explains_refusals {
            let what = if failure.is_handshake { "a TLS handshake" } else { "the TLS" };
            let text = format!("{what} of {} failed: {failure}", facts.remote());
            self.explain(facts, &text, (0, 0), 0);
        }
    }

    /// Counts a refusal by its code.
    pub(crate) fn count_refusal(&mut self, code: &'static str) {
        *self.refusals.entry(code).or_default() += 1;
    }

    /// How many refusals there were, by code.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.refusals.iter().map(|(code, count)| (*code, *count))
    }
}

/// Flags of an answer that has ended too early.
fn late(is_late: bool) -> u32 {
    if is_late { flag::LATE } else { 0 }
}
