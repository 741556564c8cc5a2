//! A batch of commands on its way from the application to a thread.

use std::ops::Range;

use protocol::{Answer, Payload, RequestId};

use crate::notice::Kind;
use crate::reactor::Reactor;

/// Memory for bytes that one long body has grown beyond this is given back.
const KEPT: usize = 256 * 1024;

/// What is done on the thread, with bytes that came along.
type Run = Box<dyn FnOnce(&mut Reactor, &[u8]) + Send>;

/// Commands in order, and the bytes that they refer to.
#[derive(Default)]
pub(crate) struct Orders {
    list: Vec<Order>,
    bytes: Vec<u8>,
}

/// One command.
enum Order {
    /// What every request brings about has a form of its own, without a box.
    Respond(Respond),
    /// Everything else.
    Run { slot: u32, bytes: Range<usize>, run: Run },
}

/// An answer; its reason, fields and body stand behind each other in the bytes.
struct Respond {
    slot: u32,
    request_id: RequestId,
    status: u16,
    close: bool,
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
}

impl Orders {
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Bytes that came along so far.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn respond(
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
        };
        let at = self.bytes.len();
        self.bytes.extend_from_slice(answer.reason.unwrap_or(&[]));
        let reason_end = self.bytes.len();
        self.bytes.extend_from_slice(answer.fields);
        let fields_end = self.bytes.len();
        self.bytes.extend_from_slice(body);
        self.list.push(Order::Respond(Respond {
            slot,
            request_id,
            status: answer.status,
            close: answer.close,
            tells_written,
            payload,
            has_reason: answer.reason.is_some(),
            at,
            reason_end,
            fields_end,
            end: self.bytes.len(),
        }));
    }

    pub(crate) fn run(
        &mut self,
        slot: u32,
        bytes: &[u8],
        run: impl FnOnce(&mut Reactor, &[u8]) + Send + 'static,
    ) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.list.push(Order::Run { slot, bytes: at..self.bytes.len(), run: Box::new(run) });
    }

    /// Carries out what is left of the list, from its end: it was turned round before. Whatever panics was
    /// taken out, so the caller can go on.
    pub(crate) fn carry_out(&mut self, reactor: &mut Reactor) {
        while let Some(order) = self.list.pop() {
            match order {
                Order::Respond(respond) => {
                    reactor.current = Some(respond.slot);
                    respond.carry_out(reactor, &self.bytes);
                }
                Order::Run { slot, bytes, run } => {
                    reactor.current = Some(slot);
                    run(reactor, self.bytes.get(bytes).unwrap_or(&[]));
                }
            }
            reactor.current = None;
        }
    }

    /// Has the first command stand at the end of the list, where it is taken from.
    pub(crate) fn turn_round(&mut self) {
        self.list.reverse();
    }

    /// Empty, with its memory, unless that has become too much to be kept.
    pub(crate) fn cleared(mut self) -> Orders {
        self.list.clear();
        self.bytes.clear();
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
        self
    }
}

impl Respond {
    fn carry_out(&self, reactor: &mut Reactor, bytes: &[u8]) {
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
            },
            close: self.close,
        };
        let is_taken = reactor.respond(self.slot, self.request_id, answer).is_ok();
        if !is_taken {
            // The application counts on it, and may wait for it to be written.
            reactor.tell(Kind::Late, self.slot, self.request_id.0);
        } else if self.tells_written {
            reactor.notify_written(self.slot, self.request_id);
        }
    }
}
