//! Commands for raw connections, and those that wait for their driver.

use std::sync::Arc;

use protocol::HIGH_WATER;
use reactor::{Facts, Gone, Kind};

use crate::bridge::{Bridge, Side};

impl Bridge {
    /// The facts of a client that waits for its driver.
    pub(crate) fn watch_accepted(&self, slot: u32, client: u64) -> Option<Arc<Facts>> {
        match &self.side {
            Side::InLoop(side) => side.reactor.borrow_mut().watch_accepted(slot, client),
            Side::Threaded(side) => {
                let facts = side.link(slot, |link, slot| link.facts(slot, client)).flatten()?;
                facts.watch();
                Some(facts)
            }
        }
    }

    /// Hands a connection to HTTP.
    pub(crate) fn serve(&self, slot: u32, client: u64, unread: &[u8]) -> Result<(), Gone> {
        self.command(slot, unread, move |reactor, slot, unread| reactor.serve(slot, client, unread))
    }

    /// Hands a connection that waits for its driver to JavaScript.
    pub(crate) fn take_raw(&self, slot: u32, client: u64) -> Result<(), Gone> {
        self.command(slot, &[], move |reactor, slot, _| reactor.take_raw(slot, client))
    }

    /// Asks for so many more bytes of a raw connection.
    pub(crate) fn ask_raw(&self, slot: u32, client: u64, bytes: u64) -> Result<(), Gone> {
        self.command(slot, &[], move |reactor, slot, _| reactor.ask_raw(slot, client, bytes))
    }

    /// Sends on a raw connection; the result is how many bytes wait unsent.
    pub(crate) fn write_raw(&self, slot: u32, client: u64, bytes: &[u8]) -> Result<usize, Gone> {
        match &self.side {
            Side::InLoop(side) => {
                self.before_command();
                side.reactor.borrow_mut().write_raw(slot, client, bytes)
            }
            Side::Threaded(side) => {
                // What is counted for a client that has gone would never be forgotten.
                side.link(slot, |link, slot| link.facts(slot, client)).flatten().ok_or(Gone)?;
                let (waiting, asks) = side.count_raw(client, bytes.len());
                self.command(slot, bytes, move |reactor, slot, bytes| {
                    let waiting = reactor.write_raw(slot, client, bytes).unwrap_or(0);
                    // Above that mark the reactor tells by itself when they are sent.
                    if asks && waiting <= HIGH_WATER {
                        reactor.tell(Kind::RawDrained, slot, client);
                    }
                    Ok(())
                })?;
                Ok(waiting)
            }
        }
    }

    /// Ends the sending side of a raw connection.
    pub(crate) fn end_raw(&self, slot: u32, client: u64) -> Result<(), Gone> {
        self.command(slot, &[], move |reactor, slot, _| reactor.end_raw(slot, client))
    }
}
