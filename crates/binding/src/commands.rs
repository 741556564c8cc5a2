//! What JavaScript tells the reactor of its requests and connections: one method a command.
//!
//! The callers (`hot`, `engine`, `facts`) know only these, and not where the reactor runs. Each command is
//! written once, as what is done to the reactor: in-loop it is done at once and says whether it came too
//! late; on another thread it is done there, in order, and counts as taken.

use std::fs::File;
use std::sync::Arc;

use protocol::{Answer, HIGH_WATER, Payload, RequestId};
use reactor::{Facts, Gone, HeadBlock, Kind, Reactor, UpgradeError};

use crate::bridge::{Bridge, Side};
use crate::lent::LentBuffer;

mod raw;
mod server;

impl Bridge {
    /// A command for the client at `slot`, with bytes that it needs. It takes effect on the wire with the
    /// next flush.
    #[inline]
    fn command(
        &self,
        slot: u32,
        bytes: &[u8],
        run: impl FnOnce(&mut Reactor, u32, &[u8]) -> Result<(), Gone> + Send + 'static,
    ) -> Result<(), Gone> {
        self.command_or(slot, bytes, run, |_, _| {})
    }

    /// A command of which somebody waits for the effect: on another thread, `late` tells them that it came
    /// too late.
    #[inline]
    fn command_or(
        &self,
        slot: u32,
        bytes: &[u8],
        run: impl FnOnce(&mut Reactor, u32, &[u8]) -> Result<(), Gone> + Send + 'static,
        late: impl FnOnce(&mut Reactor, u32) + Send + 'static,
    ) -> Result<(), Gone> {
        self.before_command();
        match &self.side {
            Side::InLoop(side) => run(&mut side.reactor.borrow_mut(), slot, bytes),
            Side::Threaded(side) => {
                let sent = side.link(slot, |link, slot| {
                    link.run(slot, bytes, move |reactor, bytes| {
                        if run(reactor, slot, bytes).is_err() {
                            late(reactor, slot);
                        }
                    });
                });
                sent.ok_or(Gone)
            }
        }
    }

    /// The same with an answer that can't be taken on trust: on another thread it is waited for, for the
    /// length of a turn at most. None when that has been closed.
    fn ask_of<R: Send + 'static>(
        &self,
        slot: u32,
        ask: impl FnOnce(&mut Reactor, u32) -> R + Send + 'static,
    ) -> Option<R> {
        self.before_command();
        match &self.side {
            Side::InLoop(side) => Some(ask(&mut side.reactor.borrow_mut(), slot)),
            Side::Threaded(side) => {
                side.link(slot, |link, slot| link.ask(move |reactor| ask(reactor, slot))).flatten()
            }
        }
    }

    /// Answers a request, with its whole body or by opening a stream of it. With `tells_written` a
    /// `Written` notice follows.
    #[inline]
    pub(crate) fn respond(
        &self,
        slot: u32,
        request_id: RequestId,
        answer: Answer<'_>,
        tells_written: bool,
    ) -> Result<(), Gone> {
        self.before_command();
        match &self.side {
            Side::InLoop(side) => {
                let mut reactor = side.reactor.borrow_mut();
                reactor.respond(slot, request_id, answer)?;
                if tells_written {
                    reactor.notify_written(slot, request_id);
                }
                Ok(())
            }
            Side::Threaded(side) => {
                if let Payload::Stream { .. } = answer.payload {
                    side.open_stream(request_id);
                }
                let sent =
                    side.link(slot, |link, slot| link.respond(slot, request_id, &answer, tells_written));
                sent.ok_or(Gone)
            }
        }
    }

    /// Sends more of a streamed answer; the result is how many bytes wait unsent.
    pub(crate) fn write(&self, slot: u32, request_id: RequestId, bytes: &[u8]) -> Result<usize, Gone> {
        match &self.side {
            Side::InLoop(side) => {
                self.before_command();
                side.reactor.borrow_mut().write(slot, request_id, bytes)
            }
            Side::Threaded(side) => {
                let (waiting, asks) = side.count(request_id, bytes.len()).ok_or(Gone)?;
                self.command(slot, bytes, move |reactor, slot, bytes| {
                    let waiting = reactor.write(slot, request_id, bytes).unwrap_or(0);
                    // Above that mark the reactor tells by itself when they are sent.
                    if asks && waiting <= HIGH_WATER {
                        reactor.tell(Kind::Drained, slot, request_id.0);
                    }
                    Ok(())
                })?;
                Ok(waiting)
            }
        }
    }

    /// Fills the next bytes of a streamed answer from a file.
    pub(crate) fn send_file(
        &self,
        slot: u32,
        request_id: RequestId,
        file: File,
        offset: u64,
        length: u64,
    ) -> Result<(), Gone> {
        self.command(slot, &[], move |reactor, slot, _| {
            reactor.send_file(slot, request_id, file, offset, length)
        })
    }

    /// Ends a streamed answer.
    pub(crate) fn end(&self, slot: u32, request_id: RequestId, trailers: &[u8]) -> Result<(), Gone> {
        self.forget_stream(request_id);
        self.command(slot, trailers, move |reactor, slot, trailers| reactor.end(slot, request_id, trailers))
    }

    /// Sends a 1xx answer.
    pub(crate) fn inform(
        &self,
        slot: u32,
        request_id: RequestId,
        status: u16,
        fields: &[u8],
    ) -> Result<(), Gone> {
        self.command(slot, fields, move |reactor, slot, fields| {
            reactor.inform(slot, request_id, status, fields)
        })
    }

    /// Asks for more of a request's body, for which memory will be lent when there is something.
    pub(crate) fn await_body(&self, slot: u32, request_id: RequestId, is_whole: bool) -> Result<(), Gone> {
        self.command_or(
            slot,
            &[],
            move |reactor, slot, _| reactor.await_body(slot, request_id, is_whole),
            move |reactor, slot| reactor.tell(Kind::BodyFailed, slot, request_id.0),
        )
    }

    /// Asks for more of a request's body, to be written into the memory lent.
    pub(crate) fn receive_body(
        &self,
        slot: u32,
        request_id: RequestId,
        memory: LentBuffer,
        is_whole: bool,
    ) -> Result<(), Gone> {
        let memory = Box::new(memory);
        let result = self.command_or(
            slot,
            &[],
            move |reactor, slot, _| reactor.receive_body(slot, request_id, memory, is_whole),
            move |reactor, slot| reactor.tell(Kind::BodyFailed, slot, request_id.0),
        );
        if result.is_err() {
            // Once the server is disposed of nobody else does.
            self.let_go();
        }
        result
    }

    /// Nothing more of a request's body is wanted.
    pub(crate) fn release_body(&self, slot: u32, request_id: RequestId) -> Result<(), Gone> {
        self.command(slot, &[], move |reactor, slot, _| reactor.release_body(slot, request_id))
    }

    /// Takes the connection over behind a request.
    pub(crate) fn upgrade(
        &self,
        slot: u32,
        request_id: RequestId,
        fields: Option<&[u8]>,
    ) -> Result<(), UpgradeError> {
        let fields = fields.map(<[u8]>::to_vec);
        self.ask_of(slot, move |reactor, slot| reactor.upgrade(slot, request_id, fields.as_deref()))
            .unwrap_or(Err(UpgradeError::Gone))
    }

    /// Raises the body limit of one request.
    pub(crate) fn raise_body_limit(&self, slot: u32, request_id: RequestId, limit: u64) -> Result<(), Gone> {
        self.command(slot, &[], move |reactor, slot, _| reactor.raise_body_limit(slot, request_id, limit))
    }

    /// Sets how slowly the body of one request may come.
    pub(crate) fn set_body_rate(
        &self,
        slot: u32,
        request_id: RequestId,
        timeout: Option<u64>,
        minimum_rate: Option<u64>,
    ) -> Result<(), Gone> {
        self.command(slot, &[], move |reactor, slot, _| {
            reactor.set_body_rate(slot, request_id, timeout, minimum_rate)
        })
    }

    /// Cuts the connection of a request whose answer can't be completed.
    pub(crate) fn abort(&self, slot: u32, request_id: RequestId) -> Result<(), Gone> {
        self.forget_stream(request_id);
        self.command(slot, &[], move |reactor, slot, _| reactor.abort(slot, request_id))
    }

    fn forget_stream(&self, request_id: RequestId) {
        if let Side::Threaded(side) = &self.side {
            side.close_stream(request_id);
        }
    }

    /// The facts of the client that sent the request with this head block.
    pub(crate) fn watch(&self, slot: u32, head: &HeadBlock<'_>) -> Arc<Facts> {
        match &self.side {
            Side::InLoop(side) => side.reactor.borrow_mut().watch(slot, head),
            Side::Threaded(side) => {
                let found = side.link(slot, |link, slot| link.facts(slot, head.client_id())).flatten();
                match found {
                    Some(facts) => {
                        facts.watch();
                        facts
                    }
                    None => Facts::of_gone(slot, head, side.listener(head.listener())),
                }
            }
        }
    }

    /// Closes the client with this id; true if it was open.
    pub(crate) fn close_client(&self, slot: u32, facts: &Facts) -> bool {
        let id = facts.id();
        !facts.is_closed()
            && self
                .command(
                    slot,
                    &[],
                    move |reactor, slot, _| {
                        if reactor.close(slot, id) { Ok(()) } else { Err(Gone) }
                    },
                )
                .is_ok()
    }

    /// Ends a client as soon as it owes nothing: from now on it takes no request.
    pub(crate) fn stop_client(&self, slot: u32, facts: &Facts) {
        let id = facts.id();
        self.ask_of(slot, move |reactor, slot| reactor.stop(slot, id));
    }
}
