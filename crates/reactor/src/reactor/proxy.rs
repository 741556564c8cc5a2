//! Connections that begin with a PROXY header: only once it has come is it known whose they are.
//!
//! The header is looked at in the kernel and taken from there alone, so that whatever comes next on the connection
//! reads the socket as if there had been no header.

use std::io;

use protocol::Context;
use protocol::proxy::{Announced, MAX_HEADER, ProxyError};

use super::Reactor;
use crate::admission::Consequence;
use crate::application::Kind;
use crate::client::{Client, Phase};

impl Client {
    /// Awaits the PROXY header.
    pub(super) fn await_proxy(&mut self, cx: &Context) {
        self.proxy_header = Some(Box::default());
        self.phase = Phase::AwaitingProxy { until: cx.now.after_millis(cx.limits.proxy_header_timeout) };
    }

    /// Takes what has come of the PROXY header; returns what it announces once it is complete. None for the error is
    /// the end of the connection.
    fn read_proxy_header(&mut self, buffer: &mut [u8]) -> Result<Option<Announced>, Option<ProxyError>> {
        let Some(header) = &mut self.proxy_header else { return Ok(None) };
        let room = buffer.len().min(MAX_HEADER);
        let buffer = &mut buffer[..room];
        let count = match self.socket.peek(buffer) {
            // One that closes without having sent anything looks only whether the server is there.
            Ok(0) => return Err(None),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_readable = false;
                return Ok(None);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(None),
            Err(_) => return Err(None),
        };
        let progress = header.handle_input(&buffer[..count]).map_err(Some)?;
        match self.socket.read(&mut buffer[..progress.taken]) {
            Ok(taken) if taken == progress.taken => Ok(progress.announced),
            _ => Err(None),
        }
    }
}

impl Reactor {
    /// Reads the PROXY header of a client that awaits it.
    #[cold]
    pub(super) fn read_proxy_header(&mut self, slot: u32, buffer: &mut [u8]) {
        let Some(client) = self.clients.get_mut(slot) else { return };
        match client.read_proxy_header(buffer) {
            Ok(Some(announced)) => self.begin_behind_proxy(slot, announced),
            Ok(None) => self.clients.queue_read(slot),
            Err(None) => self.close_client(slot),
            Err(Some(error)) => self.refuse_proxy_header(slot, error),
        }
    }

    /// The same with the reactor's own buffer, outside of reading.
    #[cold]
    pub(super) fn look_for_proxy_header(&mut self, slot: u32) {
        let mut buffer = std::mem::take(&mut self.buffer);
        self.read_proxy_header(slot, &mut buffer);
        self.buffer = buffer;
    }

    /// Ends a connection whose PROXY header can't be accepted, without a byte.
    #[cold]
    pub(super) fn refuse_proxy_header(&mut self, slot: u32, error: ProxyError) {
        let Some(client) = self.clients.get(slot) else { return };
        let proxy = client.facts.peer();
        self.count_consequence(Consequence::RejectedProxyHeader(error), proxy);
        self.linger(slot);
    }

    /// The PROXY header is complete: the client is known, and is served from now on.
    fn begin_behind_proxy(&mut self, slot: u32, announced: Announced) {
        let Some(client) = self.clients.get_mut(slot) else { return };
        client.proxy_header = None;
        client.facts.announce(announced);
        let facts = client.facts.clone();
        let address = facts.client_address();
        if let Err(consequence) = self.admit_address(address) {
            return self.reject_announced(slot, consequence);
        }
        self.gate.enter(address, slot);
        // The time of what follows begins now.
        let connection = self.connection_of(&facts);
        let Some(client) = self.clients.get_mut(slot) else { return };
        client.begin(connection);
        if self.announces_accepted {
            client.leave_unassigned();
            self.outbox.notify(Kind::Accepted, slot, client.facts.id());
        }
        client.schedule(&mut self.timers);
        self.clients.queue_read(slot);
        if self.is_stopping {
            self.stop_client(slot);
        }
    }

    /// Answers a client whose announced address has its share of connections, and ends it. It isn't counted any more
    /// then, and lingers like others that are rejected.
    #[cold]
    fn reject_announced(&mut self, slot: u32, consequence: Consequence) {
        let Some(client) = self.clients.get(slot) else { return };
        let facts = client.facts.clone();
        self.count_consequence(consequence, facts.client_address());
        let answer = self.rejection(consequence, facts.listener());
        let Some(client) = self.clients.get_mut(slot) else { return };
        if let Some(answer) = &answer {
            // One attempt: the send buffer of a new connection has room for it.
            let _ = client.socket.write(answer);
        }
        if answer.is_none() || self.is_stopping || !self.gate.try_linger() {
            client.socket.shutdown_write();
            return self.close_client(slot);
        }
        client.is_rejected = true;
        self.uncount(&facts);
        self.linger(slot);
    }

    /// Ends a client at a stop from which nothing has come. Where a part of its header has, the rest may follow; once it
    /// is complete, the client is stopped like others.
    #[cold]
    pub(super) fn stop_awaiting_proxy(&mut self, slot: u32) {
        self.look_for_proxy_header(slot);
        let Some(client) = self.clients.get(slot) else { return };
        if !client.awaits_proxy() {
            return;
        }
        if !client.proxy_header.as_ref().is_some_and(|header| header.has_begun()) {
            self.close_client(slot);
        }
    }
}
