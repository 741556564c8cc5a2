//! Connections under TLS: their handshakes, and the way from ciphertext to the parser.

use std::io;
use std::mem;

use protocol::SecurityEvent;
use protocol::tls::Answer;

use super::Reactor;
use crate::application::{Batch, Kind, Notice, Security};
use crate::client::Phase;
use crate::io::SHORT_CALLS_ARM;

/// Steps of handshakes taken in one turn. One costs up to a millisecond of computing, while a request costs
/// microseconds: a flood of handshakes must not delay the clients that are served.
const HANDSHAKE_STEPS_PER_TURN: usize = 4;

impl Reactor {
    /// Reads a connection whose handshake isn't done. One for which the turn has no time left is read in the next.
    #[cold]
    pub(super) fn read_handshake(&mut self, slot: u32, buffer: &mut [u8], batch: &mut Batch<'_>) -> usize {
        let Some(client) = self.clients.get_mut(slot) else { return 0 };
        if client.is_reset {
            client.connection.handle_eof(&mut self.cx);
            self.take_security_events(slot);
            self.close_client(slot);
            return 0;
        }
        if !client.is_readable {
            return 0;
        }
        if self.handshake_steps >= HANDSHAKE_STEPS_PER_TURN {
            self.clients.queue_visit(slot);
            return 0;
        }
        self.handshake_steps += 1;
        let mut received = 0;
        match client.socket.read(buffer) {
            Ok(0) => {
                client.is_readable = false;
                client.connection.handle_eof(&mut self.cx);
                self.take_security_events(slot);
            }
            Ok(count) => {
                received = count;
                if count < buffer.len() && SHORT_CALLS_ARM && !client.is_read_closed {
                    client.is_readable = false;
                }
                self.take_ciphertext(slot, &mut buffer[..count], batch);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => client.is_readable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => {
                client.connection.handle_eof(&mut self.cx);
                self.take_security_events(slot);
                self.close_client(slot);
                return 0;
            }
        }
        self.service(slot);
        received
    }

    /// Another turn begins.
    pub(super) fn renew_handshake_steps(&mut self) {
        self.handshake_steps = 0;
    }

    /// Gives what was received to the TLS of a connection, and the plaintext to the parser.
    #[cold]
    pub(super) fn take_ciphertext(&mut self, slot: u32, input: &mut [u8], batch: &mut Batch<'_>) {
        let Some(client) = self.clients.get_mut(slot) else { return };
        let mut plaintext = mem::take(&mut self.plaintext);
        client.connection.decrypt(&mut self.cx, input, &mut plaintext);
        self.take_security_events(slot);
        let is_served = self.clients.get(slot).is_some_and(|client| client.phase == Phase::Serving);
        let taken = if is_served { self.parse(slot, &plaintext, batch) } else { 0 };
        self.keep_unread(slot, &plaintext, taken);
        plaintext.clear();
        self.plaintext = plaintext;
        if let Some(client) = self.clients.get_mut(slot)
            && client.connection.owes_eof()
        {
            // The next read finds nothing, or the socket's end as well.
            client.is_readable = true;
            self.check_eof_while_paused(slot);
        }
    }

    /// Takes what TLS has to say.
    pub(super) fn take_security_events(&mut self, slot: u32) {
        let Some(client) = self.clients.get_mut(slot) else { return };
        while let Some(event) = client.connection.poll_security(&mut self.cx) {
            let id = client.facts.id();
            match event {
                SecurityEvent::Established => {
                    if let Some(session) = client.connection.session()
                        && let Some(info) = session.info()
                    {
                        let is_peer_asked = session.config().asks_for_peer();
                        client.facts.set_security(Security::new(&info, is_peer_asked));
                    }
                    if self.announces_accepted {
                        client.phase = Phase::Unassigned;
                        self.outbox.notify(Kind::Established, slot, id);
                    } else {
                        client.phase = Phase::Serving;
                        client.connection.handle_agreed(&self.cx);
                    }
                }
                SecurityEvent::NeedsCertificate(name) => {
                    let notice = Notice::of(Kind::ServerName, slot, id);
                    let count = client.facts.listener_index();
                    self.outbox.push(Notice { body: name.into_bytes(), count, ..notice });
                }
                SecurityEvent::Failed(failure) => self.outbox.refuse_tls(&client.facts, &failure),
            }
        }
    }

    /// Answers a `ServerName` notice; with None the default certificate is used. An answer that comes too late
    /// changes nothing.
    pub fn answer_certificate(&mut self, slot: u32, id: u64, answer: Option<&Answer>) {
        let Some(client) = self.clients.with_id_mut(slot, id) else { return };
        client.connection.handle_certificate(&mut self.cx, answer, &mut client.unread);
        self.take_security_events(slot);
        self.clients.mark_dirty(slot);
    }
}
