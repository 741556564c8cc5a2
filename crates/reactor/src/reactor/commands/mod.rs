//! Commands: what the application asks of the reactor, at any time between turns.
//!
//! A command takes effect on the connection at once and on the wire with the next flush, after which the
//! caller asks [`Reactor::has_work`] whether a turn should follow. A command that comes too late, twice, or
//! for an unknown request id changes nothing and returns [`Stale`].

mod answer;
mod body;
mod client;
mod external;
mod raw;

use std::io::IoSlice;

use protocol::{AnswerError, Connection, Context, RequestId, Send, total_of};

use super::Reactor;
use crate::client::{Burst, Client, SentNotice, When};
use crate::io::SHORT_CALLS_ARM;

pub use raw::UpgradeError;

/// The request is no longer open: its client is closed, or it was answered before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale;

impl Reactor {
    /// A command for the connection at `slot`.
    #[inline]
    fn command(
        &mut self,
        slot: u32,
        run: impl FnOnce(&mut Connection, &mut Context) -> Result<(), AnswerError>,
    ) -> Result<(), Stale> {
        self.try_command(slot, run).map_err(|_| Stale)
    }

    /// The same, with the reason why it wasn't taken.
    #[inline]
    fn try_command<R>(
        &mut self,
        slot: u32,
        run: impl FnOnce(&mut Connection, &mut Context) -> Result<R, AnswerError>,
    ) -> Result<R, AnswerError> {
        self.clients.command(slot, |client| run(&mut client.connection, &mut self.cx))
    }

    /// A command that answers a request, after which its handler is no longer counted as running.
    #[inline]
    fn answer_command<R>(
        &mut self,
        slot: u32,
        run: impl FnOnce(&mut Connection, &mut Context) -> Result<R, AnswerError>,
    ) -> Result<R, AnswerError> {
        self.clients.command(slot, |client| {
            let result = match run(&mut client.connection, &mut self.cx) {
                Ok(result) => result,
                Err(error) => {
                    // The place of a stream that was reset is free although the answer isn't taken.
                    client.publish_streams();
                    return Err(error);
                }
            };
            client.facts.on_returned();
            if client.connection.is_http2() {
                client.publish_answered_streams();
            }
            Ok(result)
        })
    }

    /// Whether the protocol of a client lets bytes go to the socket from the memory in which they are.
    fn takes_vectored(&self, slot: u32) -> bool {
        self.clients.get(slot).is_some_and(|client| client.connection.takes_vectored())
    }

    /// A command that may give bytes to the socket at once, from the memory in which they are.
    fn command_sending<R>(
        &mut self,
        slot: u32,
        run: impl FnOnce(&mut Connection, &mut Context, Send<'_>) -> Result<R, AnswerError>,
    ) -> Result<R, Stale> {
        self.command_sending_ahead(slot, false, run)
    }

    /// The same; with `is_ahead` the bytes are sent with MSG_MORE.
    fn command_sending_ahead<R>(
        &mut self,
        slot: u32,
        is_ahead: bool,
        run: impl FnOnce(&mut Connection, &mut Context, Send<'_>) -> Result<R, AnswerError>,
    ) -> Result<R, Stale> {
        let command = |client: &mut Client| {
            let (socket, is_blocked) = (&client.socket, client.is_blocked);
            let mut is_short = false;
            let mut send = |parts: &[IoSlice<'_>]| {
                if is_blocked {
                    return 0;
                }
                // An error of the socket occurs in the flush again, and is handled there.
                let sent = if is_ahead { socket.write_ahead(parts) } else { socket.write_parts(parts) };
                let count = sent.unwrap_or(0);
                is_short = SHORT_CALLS_ARM && count > 0 && count < total_of(parts);
                count
            };
            let result = run(&mut client.connection, &mut self.cx, &mut send)?;
            client.burst = match is_ahead && !is_short {
                true => Burst::Kept,
                false => Burst::Begun,
            };
            if is_short {
                client.mark_blocked(self.unacknowledged);
            }
            Ok(result)
        };
        self.clients.command(slot, command).map_err(|_| Stale)
    }

    /// Whether a piece of an answer is one of several that are written between two visits, and not the last.
    fn is_ahead(&self, slot: u32, request_id: RequestId, count: usize) -> bool {
        self.clients.get(slot).is_some_and(|client| {
            client.burst != Burst::None && client.connection.continues_behind(request_id, count)
        })
    }

    /// A notice follows when bytes have been sent.
    #[cold]
    fn notify_when(&mut self, slot: u32, request_id: RequestId, when: When) {
        self.notify_with_mark(slot, request_id, when, None);
    }

    /// The same notice, with a mark of the application's. Of several marks the latest counts.
    fn notify_with_mark(&mut self, slot: u32, request_id: RequestId, when: When, mark: Option<u32>) {
        let Some(client) = self.clients.get_mut(slot) else { return };
        let mut notices = client.sent_notices.iter_mut();
        match notices.find(|notice| notice.request_id == request_id && notice.when == when) {
            Some(notice) => notice.mark = mark.or(notice.mark),
            None => client.sent_notices.push(SentNotice { request_id, when, mark }),
        }
    }

    /// Takes what a command has made the connection say.
    fn take_connection_events(&mut self, slot: u32) {
        if let Some(client) = self.clients.get_mut(slot) {
            client.poll_events(&mut self.cx, &mut self.outbox);
        }
    }
}
