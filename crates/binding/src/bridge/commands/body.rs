//! Commands for the body of a request.

use protocol::RequestId;
use reactor::{Kind, Stale};

use crate::bridge::Bridge;
use crate::delivery::ProvidedBuffer;

impl Bridge {
    /// Asks for more of a request's body. A `BodyReady` notice asks for the memory once bytes have come.
    pub(crate) fn await_body(&self, slot: u32, request_id: RequestId, is_whole: bool) -> Result<(), Stale> {
        self.command_or(
            slot,
            &[],
            move |reactor, slot, _| reactor.await_body(slot, request_id, is_whole),
            move |reactor, slot| reactor.notify(Kind::BodyFailed, slot, request_id.0),
        )
    }

    /// Asks for more of a request's body, which is written to `memory`.
    pub(crate) fn receive_body(
        &self,
        slot: u32,
        request_id: RequestId,
        memory: ProvidedBuffer,
        is_whole: bool,
    ) -> Result<(), Stale> {
        let memory = Box::new(memory);
        let result = self.command_or(
            slot,
            &[],
            move |reactor, slot, _| reactor.receive_body(slot, request_id, memory, is_whole),
            move |reactor, slot| reactor.notify(Kind::BodyFailed, slot, request_id.0),
        );
        if result.is_err() {
            // After the server is disposed of no round would release it.
            self.delivery.release_buffers();
        }
        result
    }

    /// Ends what was asked for of a request's body.
    pub(crate) fn release_body(&self, slot: u32, request_id: RequestId) -> Result<(), Stale> {
        self.command(slot, &[], move |reactor, slot, _| reactor.release_body(slot, request_id))
    }

    /// Raises the body limit of one request.
    pub(crate) fn raise_body_limit(&self, slot: u32, request_id: RequestId, limit: u64) -> Result<(), Stale> {
        self.command(slot, &[], move |reactor, slot, _| reactor.raise_body_limit(slot, request_id, limit))
    }

    /// Sets the slowest rate at which the body of one request may come.
    pub(crate) fn set_body_rate(
        &self,
        slot: u32,
        request_id: RequestId,
        timeout: Option<u64>,
        minimum_rate: Option<u64>,
    ) -> Result<(), Stale> {
        self.command(slot, &[], move |reactor, slot, _| {
            reactor.set_body_rate(slot, request_id, timeout, minimum_rate)
        })
    }
}
