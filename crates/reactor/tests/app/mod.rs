//! An application written in Rust: it drives a reactor on loopback sockets and collects the notices.

#![allow(unreachable_pub, dead_code, clippy::unwrap_used, reason = "each test file uses a part of it")]

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use protocol::{Answer, Limits, Own, Payload, RequestId};
use reactor::{Address, Batch, Bind, HeadBlock, Kind, RECORD_WORDS, Reactor, Stale, flag};

use crate::memory::Memory;

/// Time that an expected event may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A notice, out of its batch.
#[derive(Debug, Clone)]
pub struct Seen {
    pub kind: u32,
    pub flags: u32,
    pub slot: u32,
    /// A request id or a client's id.
    pub id: u64,
    pub detail: u32,
    pub bytes: Vec<u8>,
    /// Of a request.
    pub target: String,
    /// Of a request: the id of the client that sent it.
    pub client: u64,
    pub trailers: Option<Vec<u8>>,
    /// Of bytes of a body.
    pub count: u32,
}

impl Seen {
    pub fn is(&self, kind: Kind) -> bool {
        self.kind == kind as u32
    }

    pub fn is_end(&self) -> bool {
        self.flags & flag::END != 0
    }

    pub fn request_id(&self) -> RequestId {
        RequestId(self.id)
    }
}

/// The application.
pub struct App {
    pub reactor: Reactor,
    pub address: SocketAddr,
    words: Vec<u32>,
    bytes: Vec<u8>,
    large: Vec<Option<Vec<u8>>>,
    /// Notices that no test has taken yet.
    pub inbox: VecDeque<Seen>,
    /// Buffers that the reactor has dropped arrive here.
    pub returned: (Sender<Vec<u8>>, Receiver<Vec<u8>>),
}

impl App {
    pub fn new(limits: Limits) -> App {
        let mut reactor = Reactor::new(limits).unwrap();
        let bind =
            Bind::Internet { address: "127.0.0.1:0".parse().unwrap(), ipv6_only: false, reuse_port: false };
        let facts = reactor.listen(&bind, 128).unwrap();
        let Address::Internet(address) = facts.address else { panic!("not an internet address") };
        reactor.start();
        App {
            reactor,
            address,
            words: vec![0; 64 * RECORD_WORDS],
            bytes: vec![0; 64 * 1024],
            large: Vec::new(),
            inbox: VecDeque::new(),
            returned: channel(),
        }
    }

    /// Provides a buffer for the next bytes of a body.
    pub fn provide(&mut self, request: &Seen, size: usize, is_whole: bool) -> Result<(), Stale> {
        let memory = Memory::boxed(size, &self.returned.0);
        self.reactor.receive_body(request.slot, request.request_id(), memory, is_whole)
    }

    pub fn connect(&self) -> Peer {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nonblocking(true).unwrap();
        Peer { stream, received: Vec::new(), has_ended: false }
    }

    /// One round: a turn, its notices, and a flush.
    pub fn round(&mut self) {
        let mut batch = Batch::new(&mut self.words, &mut self.bytes, 0, &mut self.large);
        self.reactor.turn(&mut batch, Some(Duration::ZERO)).unwrap();
        let records = batch.records();
        for record in self.words.chunks_exact(RECORD_WORDS).take(records) {
            let flags = record[0] >> 16;
            let (mut target, mut client) = (String::new(), 0);
            let is_request = record[0] & 0xff == Kind::Request as u32;
            if is_request {
                let block = match flags & flag::SPILLED {
                    0 => &self.bytes[record[4] as usize..],
                    _ => self.large[record[4] as usize].as_deref().unwrap(),
                };
                let head = HeadBlock::at(block, 0).unwrap();
                target = String::from_utf8_lossy(head.target()).into_owned();
                client = head.client_id();
            }
            let bytes = match flags & flag::LARGE {
                0 if [Kind::Body as u32, Kind::RawRead as u32].contains(&(record[0] & 0xff)) => {
                    let mut memory = self.returned.1.try_recv().unwrap_or_default();
                    memory.truncate(record[7] as usize);
                    memory
                }
                0 => self.bytes[record[5] as usize..][..record[6] as usize].to_vec(),
                _ => self.large[record[5] as usize].take().unwrap(),
            };
            let has_trailers = flags & flag::TRAILERS != 0;
            self.inbox.push_back(Seen {
                kind: record[0] & 0xff,
                flags,
                slot: record[1],
                id: u64::from(record[2]) | u64::from(record[3]) << 32,
                detail: record[4],
                bytes,
                target,
                client,
                count: record[7],
                trailers: has_trailers.then(|| self.large[record[4] as usize].take().unwrap()),
            });
        }
        self.reactor.flush();
    }

    /// Runs rounds until `done` returns a value.
    #[track_caller]
    pub fn until<R>(&mut self, what: &str, mut done: impl FnMut(&mut App) -> Option<R>) -> R {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(result) = done(self) {
                return result;
            }
            assert!(Instant::now() < end, "no {what}; the notices are {:?}", self.inbox);
            self.round();
            std::thread::yield_now();
        }
    }

    /// The next notice of a kind; others stay in the inbox.
    #[track_caller]
    pub fn next(&mut self, kind: Kind) -> Seen {
        self.until(&format!("{kind:?}"), |app| {
            let at = app.inbox.iter().position(|seen| seen.is(kind))?;
            app.inbox.remove(at)
        })
    }

    /// Has a peer's connection become raw; returns its slot and the id of its client.
    #[track_caller]
    pub fn upgraded(&mut self, peer: &mut Peer) -> (u32, u64) {
        peer.sends(UPGRADE);
        let request = self.next(Kind::Request);
        self.reactor.upgrade(request.slot, request.request_id(), None).unwrap();
        self.next(Kind::Upgraded);
        (request.slot, request.client)
    }

    /// Takes the abort of a request, which is the only notice left.
    #[track_caller]
    pub fn aborts_alone(&mut self, request: &Seen) {
        assert_eq!(self.next(Kind::Aborted).id, request.id);
        self.round();
        assert!(self.inbox.is_empty(), "there is no other notice: {:?}", self.inbox);
    }

    /// Answers 200 with a text.
    pub fn respond(&mut self, seen: &Seen, body: &str) {
        let answer = Answer {
            status: 200,
            reason: None,
            fields: b"",
            payload: Payload::Full(body.as_bytes()),
            close: false,
            own: Own::default(),
        };
        self.reactor.respond(seen.slot, seen.request_id(), answer).unwrap();
    }

    /// Runs rounds until what the peer has received ends with `text`.
    #[track_caller]
    pub fn receives(&mut self, peer: &mut Peer, text: &str) {
        self.until(text, |_| {
            peer.read();
            peer.received.ends_with(text.as_bytes()).then_some(())
        });
    }

    /// Runs rounds until the peer has received the end; returns all that it received.
    #[track_caller]
    pub fn ends(&mut self, peer: &mut Peer) -> String {
        self.until("end", |_| {
            peer.read();
            peer.has_ended.then(|| String::from_utf8_lossy(&peer.received).into_owned())
        })
    }
}

/// The other end of a connection.
pub struct Peer {
    pub stream: TcpStream,
    pub received: Vec<u8>,
    /// The connection was closed or reset.
    pub has_ended: bool,
}

impl Peer {
    pub fn sends(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    pub fn closes_its_side(&self) {
        self.stream.shutdown(std::net::Shutdown::Write).unwrap();
    }

    pub fn read(&mut self) {
        let mut buffer = [0; 64 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.has_ended = true,
            Ok(count) => self.received.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.has_ended = true,
        }
    }
}

pub const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
pub const UPGRADE: &str = "GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
