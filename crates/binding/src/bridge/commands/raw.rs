//! Commands for raw connections, and for connections that wait for their driver.

use std::sync::Arc;

use reactor::{Facts, Stale};

use crate::bridge::Bridge;
use crate::delivery::ProvidedBuffer;
use crate::mode::Mode;

impl Bridge {
    /// The facts of a client that waits for its driver; None when it has closed. A `Closed` notice will
    /// follow.
    pub(crate) fn watch_accepted(&self, slot: u32, client: u64) -> Option<Arc<Facts>> {
        match &self.mode {
            Mode::InLoop(mode) => mode.reactor().watch_accepted(slot, client),
            Mode::Threaded(mode) => {
                let facts = mode.thread(slot, |thread, slot| thread.facts(slot, client)).flatten()?;
                facts.watch();
                Some(facts)
            }
        }
    }

    /// Gives a connection, raw or waiting for its driver, to HTTP, which reads `unread` first.
    pub(crate) fn serve(&self, slot: u32, client: u64, unread: &[u8], is_http2: bool) -> Result<(), Stale> {
        self.command(slot, unread, move |reactor, slot, unread| reactor.serve(slot, client, unread, is_http2))
    }

    /// Makes a connection that waits for its driver a raw one.
    pub(crate) fn take_raw(&self, slot: u32, client: u64) -> Result<(), Stale> {
        self.command(slot, &[], move |reactor, slot, _| reactor.take_raw(slot, client))
    }

    /// Asks for one piece of up to `bytes` of a raw connection.
    pub(crate) fn ask_raw(&self, slot: u32, client: u64, bytes: u64) -> Result<(), Stale> {
        self.command(slot, &[], move |reactor, slot, _| reactor.ask_raw(slot, client, bytes))
    }

    /// Asks for one piece of a raw connection, which is written to `memory`.
    pub(crate) fn receive_raw(&self, slot: u32, client: u64, memory: ProvidedBuffer) -> Result<(), Stale> {
        let memory = Box::new(memory);
        let result =
            self.command(slot, &[], move |reactor, slot, _| reactor.receive_raw(slot, client, memory));
        if result.is_err() {
            // After the server is disposed of no round would release it.
            self.delivery.release_buffers();
        }
        result
    }

    /// Sends on a raw connection. The result is how many bytes wait unsent.
    pub(crate) fn write_raw(&self, slot: u32, client: u64, bytes: &[u8]) -> Result<usize, Stale> {
        match &self.mode {
            Mode::InLoop(mode) => {
                self.before_command();
                mode.reactor().write_raw(slot, client, bytes)
            }
            Mode::Threaded(mode) => {
                // The count of a closed client would stay forever: no notice ends it.
                mode.thread(slot, |thread, slot| thread.facts(slot, client)).flatten().ok_or(Stale)?;
                let (waiting, mark) = mode.unsent().count_raw(client, bytes.len());
                self.before_command();
                let sent = mode.thread(slot, |thread, slot| thread.write_raw(slot, client, bytes, mark));
                sent.map(|()| waiting).ok_or(Stale)
            }
        }
    }

    /// Ends the sending side of a raw connection, behind what was written.
    pub(crate) fn end_raw(&self, slot: u32, client: u64) -> Result<(), Stale> {
        let mut mark = None;
        if let Mode::Threaded(mode) = &self.mode {
            mode.thread(slot, |thread, slot| thread.facts(slot, client)).flatten().ok_or(Stale)?;
            mark = Some(mode.unsent().end_raw(client));
        }
        self.command(slot, &[], move |reactor, slot, _| {
            reactor.end_raw(slot, client)?;
            if let Some(mark) = mark {
                reactor.notify_raw_drained(slot, mark);
            }
            Ok(())
        })
    }
}
