//! A batch of commands on its way from the application to a thread. Long bodies are in memory of their own, from which
//! they are sent.

use std::io::IoSlice;
use std::ops::Range;

use protocol::{Answer, Own, Payload, RequestId, is_large};

use super::body_pool::{BodyPool, PooledBody};
use crate::application::Kind;
use crate::reactor::Reactor;

/// Capacity for bytes beyond this, which one long body may have caused, is freed.
const KEPT: usize = 256 * 1024;
/// Bytes of long bodies that are sent together. They are in memory of their own, and each message has its price.
const MANY_LONG: usize = 1024 * 1024;

/// A function to be executed on the thread, with its bytes.
type Run = Box<dyn FnOnce(&mut Reactor, &[u8]) + Send>;

/// Commands in order, and the bytes that they refer to.
#[derive(Default)]
pub(super) struct CommandBatch {
    list: Vec<Command>,
    bytes: Vec<u8>,
    /// Bytes of the long bodies.
    long: usize,
}

/// One command.
enum Command {
    /// Every request has one, so it needs no box.
    Respond(Respond),
    /// A long piece of a streamed answer; `Drained` follows if there is a mark.
    Write { slot: u32, request_id: RequestId, piece: PooledBody, mark: Option<u32> },
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
    /// The body, if it is long.
    long: Option<PooledBody>,
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

    /// Whether it refers to so many bytes that it is sent at once: memory for them is used again then.
    pub(super) fn is_much(&self) -> bool {
        self.bytes.len() > KEPT || self.long > MANY_LONG
    }

    pub(super) fn respond(
        &mut self,
        slot: u32,
        request_id: RequestId,
        answer: &Answer<'_>,
        tells_written: bool,
        pool: &BodyPool,
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
        let long = is_large(body).then(|| pool.copy(&[IoSlice::new(body)]));
        match long {
            Some(_) => self.long += body.len(),
            None => self.bytes.extend_from_slice(body),
        }
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
            long,
        }));
    }

    /// Sends a long piece of a streamed answer.
    pub(super) fn write(&mut self, slot: u32, request_id: RequestId, piece: PooledBody, mark: Option<u32>) {
        self.long += piece.bytes().len();
        self.list.push(Command::Write { slot, request_id, piece, mark });
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

    /// The same with a long piece in memory of its own.
    pub(super) fn run_with(
        &mut self,
        slot: u32,
        piece: PooledBody,
        run: impl FnOnce(&mut Reactor, &[u8]) + Send + 'static,
    ) {
        self.long += piece.bytes().len();
        let run: Run = Box::new(move |reactor, _| run(reactor, piece.bytes()));
        self.list.push(Command::Run { slot, bytes: 0..0, run });
    }

    /// Executes the rest of the list, from its end: [`CommandBatch::reverse`] was called before. A command
    /// that panics was taken out first, so the caller can continue with the next.
    pub(super) fn apply(&mut self, reactor: &mut Reactor) {
        while let Some(command) = self.list.pop() {
            match command {
                Command::Respond(respond) => {
                    reactor.on_behalf_of(respond.slot, |reactor| respond.apply(reactor, &self.bytes));
                }
                Command::Write { slot, request_id, piece, mark } => {
                    reactor.on_behalf_of(slot, |reactor| write(reactor, slot, request_id, piece, mark));
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
        self.long = 0;
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
        self
    }
}

/// A write that comes too late changes nothing.
fn write(reactor: &mut Reactor, slot: u32, request_id: RequestId, piece: PooledBody, mark: Option<u32>) {
    let Ok((_, missing)) = reactor.write_held(slot, request_id, &[IoSlice::new(piece.bytes())]) else {
        return;
    };
    if missing > 0 {
        reactor.hold(slot, request_id, [Box::new(piece)]);
    }
    if let Some(mark) = mark {
        reactor.notify_drained(slot, request_id, mark);
    }
}

impl Respond {
    fn apply(mut self, reactor: &mut Reactor, bytes: &[u8]) {
        let part = |range: Range<usize>| bytes.get(range).unwrap_or(&[]);
        let long = self.long.take();
        let body = long.as_ref().map_or_else(|| part(self.fields_end..self.end), PooledBody::bytes);
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
        let taken = if long.is_some() {
            reactor.respond_held(self.slot, self.request_id, answer)
        } else {
            reactor.respond(self.slot, self.request_id, answer).map(|()| 0)
        };
        if let (Ok(1..), Some(body)) = (taken, long) {
            reactor.hold(self.slot, self.request_id, [Box::new(body)]);
        }
        if taken.is_err() {
            // The application took the answer as given, and may expect `Written`.
            reactor.notify(Kind::Late, self.slot, self.request_id.0);
        } else if self.tells_written {
            reactor.notify_written(self.slot, self.request_id);
        }
    }
}
