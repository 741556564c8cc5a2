//! What happens when a client's time is up.

use std::os::fd::BorrowedFd;

use protocol::Timestamp;

use crate::client::{Client, Phase};
use crate::notice::Batch;
use crate::reactor::Reactor;

/// Bytes of a socket that its peer hasn't acknowledged; None where the system doesn't tell.
pub type Unacknowledged = fn(BorrowedFd<'_>) -> Option<u32>;

impl Reactor {
    /// From now on the system is asked, before a client that doesn't read is cut off, whether it reads after
    /// all: what the kernel holds for it may take longer to leave than we wait.
    pub fn ask_unacknowledged(&mut self, ask: Unacknowledged) {
        self.unacknowledged = ask;
    }

    pub(crate) fn expire_timers(&mut self, batch: &mut Batch<'_>) {
        let mut due = std::mem::take(&mut self.due);
        self.timers.expire(self.cx.now, &mut due);
        for (slot, tick) in due.drain(..) {
            let Some(client) = self.clients.get_mut(slot as usize) else { continue };
            if client.armed == tick {
                client.armed = 0;
                self.expire(slot, batch);
            }
        }
        self.due = due;
    }

    fn expire(&mut self, slot: u32, batch: &mut Batch<'_>) {
        let now = self.cx.now;
        let Some(client) = self.clients.get_mut(slot as usize) else { return };
        if !client.is_over(now) {
            return self.schedule(slot);
        }
        if client.phase != Phase::Serving {
            return self.close_client(slot);
        }
        self.current = Some(slot);
        if client.connection.is_idle() {
            self.read_once_more(slot, batch);
        } else if client.connection.is_sending() && client.is_taking(self.unacknowledged) {
            client.connection.handle_acknowledged(&self.cx);
        }
        match self.clients.get_mut(slot as usize) {
            Some(client) if client.is_over(now) => {
                client.connection.handle_timeout(&mut self.cx);
                self.take_connection_events(slot);
                self.settle(slot);
            }
            Some(_) => self.schedule(slot),
            None => {}
        }
        self.current = None;
    }

    /// A request may have come since the poller was asked. Afterwards there is no way back: the client would
    /// see its request go unanswered.
    #[cold]
    fn read_once_more(&mut self, slot: u32, batch: &mut Batch<'_>) {
        let Some(client) = self.clients.get_mut(slot as usize) else { return };
        client.is_readable = true;
        let mut buffer = std::mem::take(&mut self.buffer);
        self.read_client(slot, &mut buffer, batch);
        self.buffer = buffer;
    }
}

impl Client {
    /// Whether its time is up. Bytes that are there already are served: the client was in time. But one that is
    /// to read, or to leave, isn't helped by what it sends.
    fn is_over(&self, now: Timestamp) -> bool {
        let is_in_time = self.is_queued && self.phase == Phase::Serving && !self.connection.is_sending();
        !is_in_time && self.deadline().is_some_and(|at| now >= at)
    }

    /// Whether the peer has acknowledged anything since this was asked last.
    #[cold]
    fn is_taking(&mut self, ask: Unacknowledged) -> bool {
        let before = self.unacknowledged;
        self.note_unacknowledged(ask);
        self.unacknowledged < before
    }

    /// The kernel takes no more until the peer has taken some.
    #[cold]
    pub(crate) fn note_blocked(&mut self, ask: Unacknowledged) {
        self.is_blocked = true;
        self.note_unacknowledged(ask);
    }

    /// Notes how much the peer still has to take.
    fn note_unacknowledged(&mut self, ask: Unacknowledged) {
        self.unacknowledged = ask(self.socket.fd()).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpStream;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use protocol::{Answer, Limits, Payload, RequestId};

    use super::*;
    use crate::{Address, Bind, Kind, Place, RECORD_WORDS};

    /// A reactor with one client that it has accepted, and the memory of its turns.
    struct Served {
        reactor: Reactor,
        client: TcpStream,
        words: Vec<u32>,
        bytes: Vec<u8>,
        large: Vec<Option<Vec<u8>>>,
    }

    impl Served {
        fn open() -> Served {
            let mut reactor = Reactor::new(Limits::default()).unwrap();
            let bind =
                Bind::Internet { address: ([127, 0, 0, 1], 0).into(), ipv6_only: false, reuse_port: false };
            let facts = reactor.listen(&bind, 16).unwrap();
            reactor.start();
            let Address::Internet(address) = facts.address else { unreachable!() };
            let client = TcpStream::connect(address).unwrap();
            let words = vec![0; 64 * RECORD_WORDS];
            let mut served = Served { reactor, client, words, bytes: vec![0; 65536], large: Vec::new() };
            while served.reactor.client_count() == 0 {
                served.work(|reactor, batch| reactor.turn(batch, Some(Duration::ZERO)).unwrap());
            }
            served
        }

        /// Runs a part of a turn; returns the requests that came: slot and request id.
        fn work(&mut self, run: impl FnOnce(&mut Reactor, &mut Batch<'_>)) -> Vec<(u32, RequestId)> {
            let mut batch = Batch::new(&mut self.words, &mut self.bytes, 0, &mut self.large);
            run(&mut self.reactor, &mut batch);
            let records = batch.records();
            let records = self.words[..records * RECORD_WORDS].chunks_exact(RECORD_WORDS);
            let requests = records.filter(|record| record[0] & 0xff == Kind::Request as u32);
            requests.map(|record| (record[1], RequestId(record[2].into()))).collect()
        }

        /// One turn; returns the requests that came.
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

        /// Whether a turn had something to tell.
        fn is_told(&mut self) -> bool {
            self.turn();
            self.words[0] & 0xff != Kind::Request as u32
        }

        /// Lets time pass without looking at any socket.
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
            let answer = Answer { status: 200, reason: None, fields: b"", payload, close: false };
            self.reactor.respond(slot, request_id, answer).unwrap();
            self.reactor.flush();
        }
    }

    struct Memory(Vec<u8>);

    impl Place for Memory {
        fn bytes(&mut self) -> &mut [u8] {
            &mut self.0
        }
    }

    #[test]
    fn a_client_whose_body_the_application_lets_wait_is_not_late() {
        for is_lent in [false, true] {
            let mut served = Served::open();
            let (slot, request_id) = served.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
            match is_lent {
                false => served.reactor.await_body(slot, request_id, false).unwrap(),
                true => {
                    served
                        .reactor
                        .receive_body(slot, request_id, Box::new(Memory(vec![0; 10])), false)
                        .unwrap();
                }
            }
            served.client.write_all(b"01234").unwrap();
            // It is announced, or has come into a part of the memory; and then nothing is done about it.
            while !served.is_told() {}
            for _ in 0..3 {
                served.expire_after(16_000);
                assert_eq!(served.phase(), Some(Phase::Serving), "lent: {is_lent}");
            }
            assert!(served.reactor.notices.is_empty());
        }
    }

    #[test]
    fn a_silent_connection_is_let_run_out_after_its_idle_time() {
        let mut served = Served::open();
        assert!(served.expire_after(16_000).is_empty());
        assert!(matches!(served.phase(), Some(Phase::Lingering { .. })));
    }

    #[test]
    fn whoever_was_refused_and_goes_on_sending_is_let_run_out_for_a_second_only() {
        let mut served = Served::open();
        served.client.write_all(b"nonsense\r\n\r\n").unwrap();
        while !matches!(served.phase(), Some(Phase::Lingering { .. })) {
            served.turn();
        }
        // More than a turn reads, so some of it is always left.
        served.client.write_all(&[b'x'; 256 * 1024]).unwrap();
        served.turn();
        served.expire_after(1100);
        assert_eq!(served.phase(), None);
    }

    #[test]
    fn whoever_takes_nothing_of_the_last_answer_and_goes_on_sending_is_closed() {
        let mut served = Served::open();
        let (slot, request_id) = served.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let payload = Payload::Stream { length: None };
        let answer = Answer { status: 200, reason: None, fields: b"", payload, close: true };
        served.reactor.respond(slot, request_id, answer).unwrap();
        while served.reactor.write(slot, request_id, &[b'x'; 8 * 1024]).unwrap() <= 64 * 1024 {
            served.reactor.flush();
        }
        served.reactor.flush();
        served.client.write_all(&[b'x'; 256 * 1024]).unwrap();
        served.turn();
        served.expire_after(16_000);
        assert_eq!(served.phase(), None);
    }

    #[test]
    fn a_request_that_nobody_has_looked_at_yet_is_served_after_the_idle_time() {
        let mut served = Served::open();
        served.client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(served.expire_after(16_000).len(), 1);
        assert_eq!(served.phase(), Some(Phase::Serving));
    }

    #[test]
    fn a_client_that_takes_nothing_is_closed() {
        let mut served = Served::open();
        served.reactor.ask_unacknowledged(|_| Some(1000));
        served.answer_too_much();
        served.expire_after(16_000);
        assert_eq!(served.phase(), None);
    }

    #[test]
    fn a_client_that_takes_what_the_kernel_holds_is_not() {
        static LEFT: AtomicU32 = AtomicU32::new(1000);
        let mut served = Served::open();
        served.reactor.ask_unacknowledged(|_| Some(LEFT.load(Ordering::Relaxed)));
        served.answer_too_much();
        for left in [900, 899] {
            LEFT.store(left, Ordering::Relaxed);
            served.expire_after(16_000);
            assert_eq!(served.phase(), Some(Phase::Serving));
        }
        served.expire_after(16_000);
        assert_eq!(served.phase(), None);
    }
}
