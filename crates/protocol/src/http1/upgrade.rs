//! The end of HTTP on a connection: an upgrade, CONNECT, or a handler that takes the connection. RFC 9110 §7.8.
//!
//! The answer waits for its turn as any other does. When all before it are complete, `Reading` becomes `TakenOver`
//! and `hand_off` gives away what is left.

use crate::answer::AnswerError;
use crate::context::Context;
use crate::event::RequestId;
use crate::handoff::Handoff;
use crate::http1::{Connection, Reading, encode};

impl Connection {
    pub(crate) fn handle_upgrade(
        &mut self,
        cx: &mut Context,
        request_id: RequestId,
        fields: Option<&[u8]>,
    ) -> Result<(), AnswerError> {
        if self.is_page(request_id) {
            if self.has_refused_body() {
                // What had come of it was given.
                self.incoming = None;
            }
            self.abandoned.extend(self.pipeline.give_up_unbegun(request_id));
        }
        let open = self.pipeline.len();
        let (at, pending) = self.pipeline.find_mut(request_id).ok_or(AnswerError::Stale)?;
        let is_occupied = open > at + 1 || self.incoming.is_some();
        if pending.has_begun || self.ending.is_some() {
            return Err(AnswerError::Stale);
        }
        if is_occupied || (fields.is_some() && pending.flags.is_http10) {
            return Err(AnswerError::Occupied);
        }
        pending.has_begun = true;
        let state = pending.state();
        if let Some(fields) = fields {
            encode::put_informational(101, fields, &mut state.early);
        }
        state.is_done = true;
        state.is_upgraded = true;
        self.is_paused = false;
        self.reading = Reading::AwaitingUpgrade;
        if at == 0 {
            self.advance(cx);
        }
        self.rearm(cx);
        Ok(())
    }

    /// Whether HTTP has ended here: `hand_off` must follow.
    #[inline]
    pub(crate) fn is_taken_over(&self) -> bool {
        self.reading == Reading::TakenOver
    }

    /// Gives away a connection on which HTTP has ended, and the request that ended it.
    pub(crate) fn hand_off(&mut self) -> (Handoff, Option<RequestId>) {
        let handoff = Handoff {
            output: std::mem::take(&mut self.output),
            // What had begun to come after the request isn't HTTP's.
            unread: self.partial.take().map_or(Vec::new(), |partial| partial.bytes),
            has_peer_ended: self.has_peer_ended,
            serves_https: self.serves_https,
            is_last: self.is_last,
            is_local: self.is_local,
        };
        (handoff, self.taken_over_by.take())
    }

    /// The same before the first request, or between two.
    pub(crate) fn hand_off_idle(&mut self) -> Result<Handoff, AnswerError> {
        if self.reading != Reading::Idle || !self.pipeline.is_empty() || self.ending.is_some() {
            return Err(AnswerError::Stale);
        }
        Ok(self.hand_off().0)
    }
}
