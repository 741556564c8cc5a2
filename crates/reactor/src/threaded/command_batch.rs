//! A batch of commands on its way from the application to a thread.

use std::ops::Range;

use protocol::{Answer, Own, Payload, RequestId};

use crate::application::Kind;
use crate::reactor::Reactor;

/// Capacity for bytes beyond this, which one long body may have caused, is freed.
const KEPT: usize = 256 * 1024;

/// A function to be executed on the thread, with its bytes.
type Run = Box<dyn FnOnce(&mut Reactor, &[u8]) + Send>;

/// Commands in order, and the bytes that they refer to.
#[derive(Default)]
pub(super) struct CommandBatch {
    list: Vec<Command>,
    bytes: Vec<u8>,
}

/// One command.
enum Command {
    /// Every request has one, so it needs no box.
    Respond(Respond),
    /// Any other command.
    Run { slot: u32, bytes: Range<usize>, run: Run },
}

/// An answer. Its reason, fields and body follow each other in the bytes, from `at` on.
struct Respond {
    slot: u32,
    request_id: RequestId,
    status: u16,
    close: bool,
    own: Own,
    tells_written: bool,
    payload: Shape,
    has_reason: bool,
    at: usize,
    reason_end: usize,
    fields_end: usize,
    end: usize,
}

/// A [`Payload`] without its bytes.
enum Shape {
    Full,
    Declared(u64),
    Stream(Option<u64>),
    UntilClose,
}

impl CommandBatch {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many bytes the commands refer to.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn respond(
        &mut self,
        slot: u32,
        request_id: RequestId,
        answer: &Answer<'_>,
        tells_written: bool,
    ) {
        let (payload, body) = match answer.payload {
            Payload::Full(bytes) => (Shape::Full, bytes),
            Payload::Declared { length, bytes } => (Shape::Declared(length), bytes),
            Payload::Stream { length } => (Shape::Stream(length), &[][..]),
            Payload::UntilClose => (Shape::UntilClose, &[][..]),
        };
        let at = self.bytes.len();
        self.bytes.extend_from_slice(answer.reason.unwrap_or(&[]));
        let reason_end = self.bytes.len();
        self.bytes.extend_from_slice(answer.fields);
        let fields_end = self.bytes.len();
        self.bytes.extend_from_slice(body);
        self.list.push(Command::Respond(Respond {
            slot,
            request_id,
            status: answer.status,
            close: answer.close,
            own: answer.own,
            tells_written,
            payload,
            has_reason: answer.reason.is_some(),
            at,
            reason_end,
            fields_end,
            end: self.bytes.len(),
        }));
    }

    pub(super) fn run(
        &mut self,
        slot: u32,
        bytes: &[u8],
        run: impl FnOnce(&mut Reactor, &[u8]) + Send + 'static,
    ) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.list.push(Command::Run { slot, bytes: at..self.bytes.len(), run: Box::new(run) });
    }

    /// Executes the rest of the list, from its end: [`CommandBatch::reverse`] was called before. A command
    /// that panics was taken out first, so the caller can continue with the next.
    pub(super) fn apply(&mut self, reactor: &mut Reactor) {
        while let Some(command) = self.list.pop() {
            match command {
                Command::Respond(respond) => {
                    reactor.on_behalf_of(respond.slot, |reactor| respond.apply(reactor, &self.bytes));
                }
                Command::Run { slot, bytes, run } => {
                    let bytes = self.bytes.get(bytes).unwrap_or(&[]);
                    reactor.on_behalf_of(slot, |reactor| run(reactor, bytes));
                }
            }
        }
    }

    /// Moves the first command to the end of the list, from which commands are taken.
    pub(super) fn reverse(&mut self) {
        self.list.reverse();
    }

    /// The same batch without commands, and with its memory unless that has grown large.
    pub(super) fn cleared(mut self) -> CommandBatch {
        self.list.clear();
        self.bytes.clear();
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
        self
    }
}

impl Respond {
    fn apply(&self, reactor: &mut Reactor, bytes: &[u8]) {
        let part = |range: Range<usize>| bytes.get(range).unwrap_or(&[]);
        let body = part(self.fields_end..self.end);
        let answer = Answer {
            status: self.status,
            reason: self.has_reason.then_some(part(self.at..self.reason_end)),
            fields: part(self.reason_end..self.fields_end),
            payload: match self.payload {
                Shape::Full => Payload::Full(body),
                Shape::Declared(length) => Payload::Declared { length, bytes: body },
                Shape::Stream(length) => Payload::Stream { length },
                Shape::UntilClose => Payload::UntilClose,
            },
            close: self.close,
            own: self.own,
        };
        let is_taken = reactor.respond(self.slot, self.request_id, answer).is_ok();
        if !is_taken {
            // The application took the answer as given, and may expect `Written`.
            reactor.notify(Kind::Late, self.slot, self.request_id.0);
        } else if self.tells_written {
            reactor.notify_written(self.slot, self.request_id);
        }
    }
}
