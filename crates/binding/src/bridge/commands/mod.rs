//! The commands that JavaScript gives the reactor: one method each.
//!
//! The callers, `hot` and `engine`, know only these methods, and not where the reactor runs. Most commands
//! are written once, as a closure over the reactor. In-loop it runs at once, and its result says whether the
//! command came too late. On another thread it runs there, in the order of the calls, and counts as taken.

use std::fs::File;
use std::io::IoSlice;

use protocol::{Answer, HIGH_WATER, Payload, RequestId, Taken, total_of};
use reactor::{Reactor, Stale, UpgradeError};
use smallvec::SmallVec;

use crate::bridge::Bridge;
use crate::mode::{Mode, Threaded};

mod body;
mod client;
mod raw;
mod server;

impl Bridge {
    /// Gives a command for the client at `slot`, with the bytes that it needs. What it sends goes out with
    /// the next flush.
    #[inline]
    fn command(
        &self,
        slot: u32,
        bytes: &[u8],
        run: impl FnOnce(&mut Reactor, u32, &[u8]) -> Result<(), Stale> + Send + 'static,
    ) -> Result<(), Stale> {
        self.command_or(slot, bytes, run, |_, _| {})
    }

    /// Gives a command whose effect JavaScript waits for. On another thread, `late` runs when the command
    /// came too late, and sends the notice that ends the wait.
    #[inline]
    fn command_or(
        &self,
        slot: u32,
        bytes: &[u8],
        run: impl FnOnce(&mut Reactor, u32, &[u8]) -> Result<(), Stale> + Send + 'static,
        late: impl FnOnce(&mut Reactor, u32) + Send + 'static,
    ) -> Result<(), Stale> {
        self.before_command();
        match &self.mode {
            Mode::InLoop(mode) => run(&mut mode.reactor(), slot, bytes),
            Mode::Threaded(mode) => {
                let sent = mode.thread(slot, |thread, slot| {
                    thread.run(slot, bytes, move |reactor, bytes| {
                        if run(reactor, slot, bytes).is_err() {
                            late(reactor, slot);
                        }
                    });
                });
                sent.ok_or(Stale)
            }
        }
    }

    /// Gives a command whose result JavaScript needs at once. Another thread answers within the length of a
    /// turn, and this one waits for it. None when the thread has ended.
    fn ask_of<R: Send + 'static>(
        &self,
        slot: u32,
        ask: impl FnOnce(&mut Reactor, u32) -> R + Send + 'static,
    ) -> Option<R> {
        self.before_command();
        match &self.mode {
            Mode::InLoop(mode) => Some(ask(&mut mode.reactor(), slot)),
            Mode::Threaded(mode) => {
                mode.thread(slot, |thread, slot| thread.ask(move |reactor| ask(reactor, slot))).flatten()
            }
        }
    }

    /// Answers a request, with its whole body or by opening a stream. With `notifies_written` a `Written`
    /// notice follows.
    #[inline]
    pub(crate) fn respond(
        &self,
        slot: u32,
        request_id: RequestId,
        answer: Answer<'_>,
        notifies_written: bool,
    ) -> Result<(), Stale> {
        self.before_command();
        match &self.mode {
            Mode::InLoop(mode) => {
                let mut reactor = mode.reactor();
                reactor.respond(slot, request_id, answer)?;
                if notifies_written {
                    reactor.notify_written(slot, request_id);
                }
                Ok(())
            }
            Mode::Threaded(mode) => {
                if let Payload::Stream { .. } | Payload::UntilClose = answer.payload {
                    mode.unsent().open_stream(request_id);
                }
                let sent = mode
                    .thread(slot, |thread, slot| thread.respond(slot, request_id, &answer, notifies_written));
                sent.ok_or(Stale)
            }
        }
    }

    /// Answers a request with a long body, the typed array `buffer`, which is copied on its way to a thread alone. True
    /// when its memory is used until a `Written` notice, which follows then in any case.
    pub(crate) fn respond_held(
        &self,
        slot: u32,
        request_id: RequestId,
        answer: Answer<'_>,
        notifies_written: bool,
        buffer: napi::sys::napi_value,
    ) -> Result<bool, Stale> {
        let Mode::InLoop(mode) = &self.mode else {
            return self.respond(slot, request_id, answer, notifies_written).map(|()| false);
        };
        self.before_command();
        let mut reactor = mode.reactor();
        let is_held = reactor.respond_held(slot, request_id, answer)? > 0;
        if is_held {
            self.hold(&mut reactor, slot, request_id, &[buffer])?;
        }
        if is_held || notifies_written {
            reactor.notify_written(slot, request_id);
        }
        Ok(is_held)
    }

    /// Has the reactor send the rest of a body from `buffers`, handles of the call that is running.
    fn hold(
        &self,
        reactor: &mut Reactor,
        slot: u32,
        request_id: RequestId,
        buffers: &[napi::sys::napi_value],
    ) -> Result<(), Stale> {
        let held = buffers.iter().map(|buffer| {
            // SAFETY: the caller's call is running, of which `buffer` is a handle; the reactor is the in-loop one.
            let held = unsafe { self.delivery.hold(*buffer) };
            held.map(Box::new)
        });
        match held.collect::<Option<SmallVec<[_; 1]>>>() {
            Some(held) => reactor.hold(slot, request_id, held),
            None => reactor.abort(slot, request_id)?,
        }
        Ok(())
    }

    /// Sends more of a streamed answer. The result is how many bytes wait unsent.
    pub(crate) fn write(&self, slot: u32, request_id: RequestId, bytes: &[u8]) -> Result<usize, Stale> {
        self.before_command();
        match &self.mode {
            Mode::InLoop(mode) => mode.reactor().write(slot, request_id, bytes),
            Mode::Threaded(mode) => write_on_thread(mode, slot, request_id, &[IoSlice::new(bytes)]),
        }
    }

    /// Whether `write_held` leaves long pieces of the client's answers where they are.
    pub(crate) fn holds(&self, slot: u32) -> bool {
        matches!(&self.mode, Mode::InLoop(mode) if mode.reactor().takes_external(slot))
    }

    /// The same with one or several typed arrays, which stay where they are if the kernel doesn't take their last bytes now:
    /// then the result is above the high-water mark, and the memory is used until `Drained`.
    pub(crate) fn write_held(
        &self,
        slot: u32,
        request_id: RequestId,
        piece: &[IoSlice<'_>],
        buffers: &[napi::sys::napi_value],
    ) -> Result<usize, Stale> {
        self.before_command();
        let mode = match &self.mode {
            Mode::InLoop(mode) => mode,
            Mode::Threaded(mode) => return write_on_thread(mode, slot, request_id, piece),
        };
        let mut reactor = mode.reactor();
        let (unsent, held) = reactor.write_held(slot, request_id, piece)?;
        if held == 0 {
            return Ok(unsent);
        }
        self.hold(&mut reactor, slot, request_id, buffers)?;
        Ok(unsent.max(HIGH_WATER + 1))
    }

    /// Fills the next bytes of a streamed answer from a file.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "files are sent by the kernel on Linux alone")
    )]
    pub(crate) fn send_file(
        &self,
        slot: u32,
        request_id: RequestId,
        file: File,
        offset: u64,
        length: u64,
    ) -> Result<(), Stale> {
        self.command(slot, &[], move |reactor, slot, _| {
            reactor.send_file(slot, request_id, file, offset, length)
        })
    }

    /// Ends a streamed answer; with `keeps_body` while the body of its request is read on.
    pub(crate) fn end(
        &self,
        slot: u32,
        request_id: RequestId,
        trailers: &[u8],
        keeps_body: bool,
    ) -> Result<(), Stale> {
        self.forget_stream(request_id);
        self.command(slot, trailers, move |reactor, slot, trailers| {
            if keeps_body {
                reactor.end_early(slot, request_id, trailers)
            } else {
                reactor.end(slot, request_id, trailers)
            }
        })
    }

    /// Sends a 1xx answer.
    pub(crate) fn inform(
        &self,
        slot: u32,
        request_id: RequestId,
        status: u16,
        fields: &[u8],
    ) -> Result<(), Stale> {
        self.command(slot, fields, move |reactor, slot, fields| {
            reactor.inform(slot, request_id, status, fields)
        })
    }

    /// Takes the connection over behind a request, or its stream.
    pub(crate) fn upgrade(
        &self,
        slot: u32,
        request_id: RequestId,
        fields: Option<&[u8]>,
    ) -> Result<Taken, UpgradeError> {
        let fields = fields.map(<[u8]>::to_vec);
        let taken = self
            .ask_of(slot, move |reactor, slot| reactor.upgrade(slot, request_id, fields.as_deref()))
            .unwrap_or(Err(UpgradeError::Stale))?;
        if let (Taken::Stream, Mode::Threaded(mode)) = (taken, &self.mode) {
            mode.unsent().open_stream(request_id);
        }
        Ok(taken)
    }

    /// Aborts the connection of a request whose answer can't be completed.
    pub(crate) fn abort(&self, slot: u32, request_id: RequestId) -> Result<(), Stale> {
        self.forget_stream(request_id);
        self.command(slot, &[], move |reactor, slot, _| reactor.abort(slot, request_id))
    }

    fn forget_stream(&self, request_id: RequestId) {
        if let Mode::Threaded(mode) = &self.mode {
            mode.unsent().close_stream(request_id.0);
        }
    }
}

/// Has a thread send more of a streamed answer. The result is how many bytes wait unsent.
fn write_on_thread(
    mode: &Threaded,
    slot: u32,
    request_id: RequestId,
    piece: &[IoSlice<'_>],
) -> Result<usize, Stale> {
    let (waiting, mark) = mode.unsent().count(request_id, total_of(piece)).ok_or(Stale)?;
    let sent = mode.thread(slot, |thread, slot| thread.write(slot, request_id, piece, mark));
    sent.map(|()| waiting).ok_or(Stale)
}
