//! Commands for a client, whichever protocol its connection speaks.

use std::sync::Arc;

use protocol::tls::Answer;
use reactor::{Facts, HeadBlock, Stale};

use crate::bridge::Bridge;
use crate::mode::Mode;

impl Bridge {
    /// The facts of the client that sent the request with this head block. A `Closed` notice will follow.
    pub(crate) fn watch(&self, slot: u32, head: &HeadBlock<'_>) -> Arc<Facts> {
        match &self.mode {
            Mode::InLoop(mode) => mode.reactor().watch(slot, head),
            Mode::Threaded(mode) => {
                let found = mode.thread(slot, |thread, slot| thread.facts(slot, head.client_id())).flatten();
                match found {
                    Some(facts) => {
                        facts.watch();
                        facts
                    }
                    None => head.facts_of_closed(slot, mode.listener(head.listener())),
                }
            }
        }
    }

    /// Answers a handshake that waits for a certificate; with None the default one is used.
    pub(crate) fn answer_certificate(&self, slot: u32, client: u64, answer: Option<Answer>) {
        // A client that has closed meanwhile needs no certificate.
        let _ = self.command(slot, &[], move |reactor, slot, _| {
            reactor.answer_certificate(slot, client, answer.as_ref());
            Ok(())
        });
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
                        if reactor.close(slot, id) { Ok(()) } else { Err(Stale) }
                    },
                )
                .is_ok()
    }

    /// Makes the coming close of a client a reset.
    pub(crate) fn reset_client_on_close(&self, slot: u32, facts: &Facts) {
        let id = facts.id();
        self.ask_of(slot, move |reactor, slot| reactor.reset_on_close(slot, id));
    }

    /// Ends a client once its requests are answered; further ones are not taken.
    pub(crate) fn stop_client(&self, slot: u32, facts: &Facts, leaves_rest: bool) {
        let id = facts.id();
        self.ask_of(slot, move |reactor, slot| reactor.stop(slot, id, leaves_rest));
    }
}
