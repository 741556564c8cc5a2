//! An application of reactors on threads of their own.

#![allow(unreachable_pub, reason = "each test file has this as a module")]

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use protocol::{Answer, Limits, Own, Payload, RequestId};
use reactor::{
    Address, Bind, ConnectionLimits, Doorbell, HeadBlock, Kind, Notices, RECORD_WORDS, ThreadHandle, flag,
    start,
};

/// Time that an expected event may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The client closed by the latest panic.
pub static PANICKED: AtomicU64 = AtomicU64::new(0);

/// A request or another notice, out of its batch.
#[derive(Debug, Clone)]
pub struct Seen {
    pub kind: u32,
    pub slot: u32,
    pub id: u64,
    pub target: String,
    pub client: u64,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn is(&self, kind: Kind) -> bool {
        self.kind == kind as u32
    }
}

/// The application: its memory, and the handles of its threads.
pub struct App {
    pub handles: Vec<ThreadHandle>,
    pub doorbell: Arc<Doorbell>,
    pub rung: Receiver<()>,
    pub address: SocketAddr,
    pub words: Vec<u32>,
    pub memory: Vec<u8>,
    pub used: usize,
}

impl App {
    pub fn new(threads: usize) -> App {
        let (ring, rung) = channel();
        let doorbell = Arc::new(Doorbell::new(move || {
            let _ = ring.send(());
        }));
        let report = |id| PANICKED.store(id, Relaxed);
        let mut handles =
            start(&Limits::default(), ConnectionLimits::default(), threads, &doorbell, report, |_| None)
                .unwrap();
        let address = "127.0.0.1:0".parse().unwrap();
        let bind = Bind::Internet { address, ipv6_only: false, reuse_port: false };
        let facts = handles[0].listen(&bind, 1024).unwrap();
        let Address::Internet(address) = facts.address else { panic!("not an internet address") };
        handles[0].ask(|reactor| reactor.start());
        let (words, memory) = (vec![0; 256 * RECORD_WORDS], vec![0; 64 * 1024]);
        App { handles, doorbell, rung, address, words, memory, used: 0 }
    }

    /// Waits for a ring and gives every notice to `on_notice`.
    #[track_caller]
    pub fn round(&mut self, on_notice: &mut impl FnMut(&mut App, Seen)) {
        self.rung.recv_timeout(PATIENCE).unwrap();
        self.doorbell.answer();
        for thread in 0..self.handles.len() {
            while let Some(notices) = self.handles[thread].next_notices() {
                for seen in self.unpack(thread, notices) {
                    on_notice(self, seen);
                }
            }
        }
        self.handles.iter_mut().for_each(ThreadHandle::hand_over);
    }

    pub fn unpack(&mut self, thread: usize, mut notices: Box<Notices>) -> Vec<Seen> {
        let at = self.used.next_multiple_of(4);
        let at = if at + notices.used() > self.memory.len() { 0 } else { at };
        self.used = at + notices.used();
        assert!(notices.copy_to(&mut self.words, &mut self.memory, at, thread as u32));
        let (records, mut large) = (notices.records(), notices.take_large());
        self.handles[thread].give_back(notices);
        let records = self.words.chunks_exact(RECORD_WORDS).take(records);
        records
            .map(|record| {
                let flags = record[0] >> 16;
                let (mut target, mut client) = (String::new(), 0);
                if record[0] & 0xff == Kind::Request as u32 {
                    let block = match flags & flag::SPILLED {
                        0 => &self.memory[record[4] as usize..],
                        _ => large[record[4] as usize].as_deref().unwrap(),
                    };
                    let head = HeadBlock::at(block, 0).unwrap();
                    target = String::from_utf8_lossy(head.target()).into_owned();
                    client = head.client_id();
                }
                let body = match flags & flag::LARGE {
                    0 => self.memory[record[5] as usize..][..record[6] as usize].to_vec(),
                    _ => large[record[5] as usize].take().unwrap(),
                };
                let id = u64::from(record[2]) | u64::from(record[3]) << 32;
                Seen { kind: record[0] & 0xff, slot: record[1], id, target, client, body }
            })
            .collect()
    }

    pub fn respond(&mut self, slot: u32, request_id: u64, body: &[u8]) {
        let payload = Payload::Full(body);
        let answer =
            Answer { status: 200, reason: None, fields: b"", payload, close: false, own: Own::default() };
        let (thread, slot) = ThreadHandle::split(slot);
        if let Some(handle) = self.handles.get_mut(thread) {
            handle.respond(slot, RequestId(request_id), &answer, false);
        }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

/// The bodies of `count` answers of a connection, in the order of their arrival.
pub fn read_answers(stream: &mut TcpStream, count: usize) -> Vec<String> {
    let mut received = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let text = String::from_utf8_lossy(&received).into_owned();
        let answers = text.split("HTTP/1.1 200 OK\r\n").skip(1).filter_map(|answer| {
            let (head, body) = answer.split_once("\r\n\r\n")?;
            let length = head.split("content-length: ").nth(1)?.lines().next()?;
            (body.len() == length.parse::<usize>().ok()?).then(|| body.to_owned())
        });
        let answers = answers.collect::<Vec<_>>();
        if answers.len() == count {
            return answers;
        }
        match stream.read(&mut buffer) {
            Ok(0) => return answers,
            Ok(count) => received.extend_from_slice(&buffer[..count]),
            Err(error) => panic!("{error} after {text}"),
        }
    }
}

pub fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// Numbers that look random and are the same in every run.
pub fn numbers() -> impl FnMut(usize) -> usize {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    }
}
