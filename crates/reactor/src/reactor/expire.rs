//! Clients whose deadline has passed.

use protocol::proxy::ProxyError;

use super::Reactor;
use crate::application::Batch;
use crate::client::{Client, Phase};

impl Reactor {
    /// Ends the clients whose deadline has passed; requests that are read meanwhile go to `batch`.
    pub(super) fn expire_timers(&mut self, batch: &mut Batch<'_>) {
        self.timers.expire(self.cx.now, &mut self.due);
        // Should one of them panic, the others still expire, in the next turn.
        while let Some((slot, tick)) = self.due.pop() {
            let Some(client) = self.clients.get_mut(slot) else { continue };
            let has_aged = client.has_aged(tick);
            if client.armed == tick {
                client.armed = 0;
                self.expire(slot, batch);
            }
            if has_aged {
                self.age(slot);
            }
        }
    }

    fn expire(&mut self, slot: u32, batch: &mut Batch<'_>) {
        let now = self.cx.now;
        let Some(client) = self.clients.get_mut(slot) else { return };
        if !client.has_expired(now) {
            return client.schedule(&mut self.timers);
        }
        match client.phase {
            Phase::Serving | Phase::Handshaking => {}
            Phase::AwaitingProxy { .. } => return self.expire_proxy_header(slot),
            Phase::Unassigned | Phase::Lingering { .. } => return self.close_client(slot),
        }
        self.current = Some(slot);
        if client.connection.is_idle() {
            self.read_once_more(slot, batch);
        } else if client.connection.is_sending() {
            let bytes = client.acknowledged(self.unacknowledged);
            client.connection.handle_acknowledged(&self.cx, bytes);
        }
        match self.clients.get_mut(slot) {
            Some(client) if client.has_expired(now) => {
                let awaits_page = client.connection.awaits_page();
                client.connection.handle_timeout(&mut self.cx);
                if awaits_page && !client.connection.awaits_page() {
                    // A short text takes the page's place.
                    client.facts.on_returned();
                }
                client.poll_events(&mut self.cx, &mut self.outbox);
                self.take_security_events(slot);
                self.service(slot);
            }
            Some(client) => client.schedule(&mut self.timers),
            None => {}
        }
        self.current = None;
    }

    /// A connection has come of age, or has used the time that its last requests had.
    #[cold]
    fn age(&mut self, slot: u32) {
        let Some(client) = self.clients.get_mut(slot) else { return };
        if client.grow_old(&self.cx, &mut self.timers) {
            return self.close_client(slot);
        }
        self.service(slot);
    }

    /// A PROXY header may have arrived since the poller was asked.
    #[cold]
    fn expire_proxy_header(&mut self, slot: u32) {
        self.current = Some(slot);
        self.look_for_proxy_header(slot);
        self.current = None;
        if self.clients.get(slot).is_some_and(Client::awaits_proxy) {
            self.refuse_proxy_header(slot, ProxyError::Timeout);
        }
    }

    /// A request may have arrived since the poller was asked. This is the last chance to serve it.
    #[cold]
    fn read_once_more(&mut self, slot: u32, batch: &mut Batch<'_>) {
        let Some(client) = self.clients.get_mut(slot) else { return };
        client.is_readable = true;
        let mut buffer = std::mem::take(&mut self.buffer);
        self.read_client(slot, &mut buffer, batch);
        self.buffer = buffer;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpStream;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use protocol::{Answer, Limits, Own, Payload, RequestId};

    use super::*;
    use crate::{Address, Bind, Kind, RECORD_WORDS, RecvBuffer};

    /// A reactor with one accepted client, and the memory of its turns.
    struct Fixture {
        reactor: Reactor,
        client: TcpStream,
        words: Vec<u32>,
        bytes: Vec<u8>,
        large: Vec<Option<Vec<u8>>>,
    }

    impl Fixture {
        fn open() -> Fixture {
            let mut reactor = Reactor::new(Limits::default()).unwrap();
            let bind =
                Bind::Internet { address: ([127, 0, 0, 1], 0).into(), ipv6_only: false, reuse_port: false };
            let facts = reactor.listen(&bind, 16).unwrap();
            reactor.start();
            let Address::Internet(address) = facts.address else { unreachable!() };
            let client = TcpStream::connect(address).unwrap();
            let words = vec![0; 64 * RECORD_WORDS];
            let mut fixture = Fixture { reactor, client, words, bytes: vec![0; 65536], large: Vec::new() };
            while fixture.reactor.client_count() == 0 {
                fixture.work(|reactor, batch| reactor.turn(batch, Some(Duration::ZERO)).unwrap());
            }
            fixture
        }

        /// Runs a part of a turn; returns the requests in its batch: slot and request id.
        fn work(&mut self, run: impl FnOnce(&mut Reactor, &mut Batch<'_>)) -> Vec<(u32, RequestId)> {
            let mut batch = Batch::new(&mut self.words, &mut self.bytes, 0, &mut self.large);
            run(&mut self.reactor, &mut batch);
            let records = batch.records();
            let records = self.words[..records * RECORD_WORDS].chunks_exact(RECORD_WORDS);
            let requests = records.filter(|record| record[0] & 0xff == Kind::Request as u32);
            requests.map(|record| (record[1], RequestId(record[2].into()))).collect()
        }

        /// One turn; returns its requests.
        fn turn(&mut self) -> Vec<(u32, RequestId)> {
            self.work(|reactor, batch| reactor.turn(batch, Some(Duration::ZERO)).unwrap())
        }

        /// Has the client send a request; returns it.
        fn send(&mut self, request: &str) -> (u32, RequestId) {
            self.client.write_all(request.as_bytes()).unwrap();
            loop {
                if let Some(request) = self.turn().pop() {
                    break request;
                }
            }
        }

        /// One turn; whether its first record is a notice other than a request.
        fn gives_notice(&mut self) -> bool {
            self.turn();
            self.words[0] & 0xff != Kind::Request as u32
        }

        /// Moves the clock on, without reading any socket.
        fn expire_after(&mut self, millis: u64) -> Vec<(u32, RequestId)> {
            self.reactor.cx.now = self.reactor.cx.now.after_millis(millis);
            self.work(|reactor, batch| reactor.expire_timers(batch))
        }

        fn phase(&self) -> Option<Phase> {
            self.reactor.clients.iter().next().map(|(_, client)| client.phase)
        }

        /// Answers a request with more than the kernel takes; the client reads nothing of it.
        fn answer_too_much(&mut self) {
            let (slot, request_id) = self.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            let payload = Payload::Full(&[b'x'; 16 * 1024 * 1024]);
            let answer =
                Answer { status: 200, reason: None, fields: b"", payload, close: false, own: Own::default() };
            self.reactor.respond(slot, request_id, answer).unwrap();
            self.reactor.flush();
        }
    }

    struct Memory(Vec<u8>);

    impl RecvBuffer for Memory {
        fn bytes(&mut self) -> &mut [u8] {
            &mut self.0
        }
    }

    #[test]
    fn a_client_whose_body_the_application_reads_late_does_not_expire() {
        for has_buffer in [false, true] {
            let mut fixture = Fixture::open();
            let (slot, request_id) = fixture.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
            match has_buffer {
                false => fixture.reactor.await_body(slot, request_id, false).unwrap(),
                true => {
                    fixture
                        .reactor
                        .receive_body(slot, request_id, Box::new(Memory(vec![0; 10])), false)
                        .unwrap();
                }
            }
            fixture.client.write_all(b"01234").unwrap();
            // The bytes are announced, or fill a part of the buffer, and the application does nothing more.
            while !fixture.gives_notice() {}
            for _ in 0..3 {
                fixture.expire_after(16_000);
                assert_eq!(fixture.phase(), Some(Phase::Serving), "with a buffer: {has_buffer}");
            }
            assert!(fixture.reactor.outbox.is_empty());
        }
    }

    #[test]
    fn an_idle_connection_lingers_after_its_idle_time() {
        let mut fixture = Fixture::open();
        // The client is on the loopback network.
        assert!(fixture.expire_after(75_999).is_empty());
        assert_eq!(fixture.phase(), Some(Phase::Serving));
        assert!(fixture.expire_after(200).is_empty());
        assert!(matches!(fixture.phase(), Some(Phase::Lingering { .. })));
    }

    #[test]
    fn a_refused_client_that_keeps_sending_lingers_for_one_second() {
        let mut fixture = Fixture::open();
        fixture.client.write_all(b"nonsense\r\n\r\n").unwrap();
        while !matches!(fixture.phase(), Some(Phase::Lingering { .. })) {
            fixture.turn();
        }
        // This is more than one turn reads, so a part is always left.
        fixture.client.write_all(&[b'x'; 256 * 1024]).unwrap();
        fixture.turn();
        fixture.expire_after(1100);
        assert_eq!(fixture.phase(), None);
    }

    #[test]
    fn a_client_that_keeps_sending_and_does_not_read_the_last_answer_is_closed() {
        let mut fixture = Fixture::open();
        let (slot, request_id) = fixture.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let payload = Payload::Stream { length: None };
        let answer =
            Answer { status: 200, reason: None, fields: b"", payload, close: true, own: Own::default() };
        fixture.reactor.respond(slot, request_id, answer).unwrap();
        // More than the kernels take, however far their buffers grow.
        fixture.reactor.write(slot, request_id, &vec![b'x'; 16 * 1024 * 1024]).unwrap();
        fixture.reactor.flush();
        fixture.client.write_all(&[b'x'; 256 * 1024]).unwrap();
        fixture.turn();
        // Each byte that still goes from one kernel buffer to the other counts as progress, and moves the deadline.
        let is_closed = (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(2));
            fixture.expire_after(16_000);
            fixture.phase().is_none()
        });
        assert!(is_closed);
    }

    #[test]
    fn an_unread_request_is_served_after_the_idle_time() {
        let mut fixture = Fixture::open();
        fixture.client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(fixture.expire_after(77_000).len(), 1);
        assert_eq!(fixture.phase(), Some(Phase::Serving));
    }

    #[test]
    fn a_client_that_acknowledges_nothing_is_closed() {
        let mut fixture = Fixture::open();
        fixture.reactor.ask_unacknowledged(|_| Some(1000));
        fixture.answer_too_much();
        fixture.expire_after(16_000);
        assert_eq!(fixture.phase(), None);
    }

    #[test]
    fn a_client_stays_open_while_it_acknowledges_bytes_at_the_minimum_rate() {
        static LEFT: AtomicU32 = AtomicU32::new(100_000);
        let mut fixture = Fixture::open();
        fixture.reactor.ask_unacknowledged(|_| Some(LEFT.load(Ordering::Relaxed)));
        fixture.answer_too_much();
        let Limits { minimum_body_rate, write_timeout, .. } = Limits::default();
        let least = (minimum_body_rate * write_timeout / 1000) as u32;
        for acknowledged in [least, 2 * least] {
            LEFT.fetch_sub(acknowledged, Ordering::Relaxed);
            fixture.expire_after(16_000);
            assert_eq!(fixture.phase(), Some(Phase::Serving));
        }
        LEFT.fetch_sub(least - 1, Ordering::Relaxed);
        fixture.expire_after(16_000);
        assert_eq!(fixture.phase(), None);
    }

    #[test]
    fn a_panic_at_one_deadline_takes_no_other_deadline_away() {
        let mut fixture = Fixture::open();
        fixture.answer_too_much();
        fixture.reactor.ask_unacknowledged(|_| panic!("a fault"));
        let address = fixture.client.peer_addr().unwrap();
        // One deadline before that of the answer, and one after it.
        let mut others = [TcpStream::connect(address).unwrap(), TcpStream::connect(address).unwrap()];
        others[0].write_all(b"GET / HT").unwrap();
        while fixture.reactor.client_count() < 3 {
            fixture.turn();
        }
        fixture.turn();
        assert!(catch_unwind(AssertUnwindSafe(|| fixture.expire_after(80_000))).is_err());
        assert!(fixture.reactor.recover().is_some());
        fixture.expire_after(0);
        let mut clients = fixture.reactor.clients.iter();
        assert!(clients.all(|(_, client)| matches!(client.phase, Phase::Lingering { .. })));
    }
}
