//! The native side of a request in instructions: read, parse, dispatch record, answer, flush.
//!
//! `instructions WORK COUNT` serves COUNT rounds of one work and ends. Counted twice under callgrind, with
//! different COUNTs, the difference is what a round costs, without start and end. `bench/instructions.mjs`
//! does this and compares with the numbers in its file.
//!
//! The client is in this process, and each of its rounds is one write and one read of constant length.

#![allow(clippy::expect_used, reason = "a benchmark that can't run says why and ends")]

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use protocol::{Answer, Limits, Own, Payload, RequestId};
use reactor::{Address, Batch, Bind, Kind, RECORD_WORDS, Reactor};

/// What a client sends in one round, and how many answers it waits for.
struct Work {
    name: &'static str,
    request: &'static [u8],
    requests: usize,
}

const FIELDS: &[u8] = b"content-type: text/plain\r\n";
const BODY: &[u8] = b"Hello, World!";

fn works() -> Vec<Work> {
    let post = [
        &b"POST /echo HTTP/1.1\r\nHost: localhost:8080\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n"[..],
        &[b'x'; 1024],
    ];
    let hello = b"GET / HTTP/1.1\r\nHost: localhost:8080\r\n\r\n";
    // No section is the one that the connection has sent before.
    let others = b"GET / HTTP/1.1\r\nHost: localhost:8080\r\nX-Request-Id: 1\r\n\r\n\
        GET / HTTP/1.1\r\nHost: localhost:8080\r\nX-Request-Id: 2\r\n\r\n";
    vec![
        Work { name: "hello", request: hello, requests: 1 },
        Work { name: "2 with new fields", request: others, requests: 2 },
        Work {
            name: "12 headers",
            request: b"GET /articles/42?page=2 HTTP/1.1\r\n\
                Host: localhost:8080\r\n\
                User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0\r\n\
                Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
                Accept-Language: en-US,en;q=0.5\r\n\
                Accept-Encoding: gzip, deflate, br\r\n\
                Referer: http://localhost:8080/articles\r\n\
                Connection: keep-alive\r\n\
                Cookie: session=0123456789abcdef; theme=dark\r\n\
                Upgrade-Insecure-Requests: 1\r\n\
                Sec-Fetch-Dest: document\r\n\
                Sec-Fetch-Mode: navigate\r\n\
                Cache-Control: max-age=0\r\n\r\n",
            requests: 1,
        },
        Work { name: "post 1 KiB", request: post.concat().leak(), requests: 1 },
        Work { name: "pipelined x16", request: hello.repeat(16).leak(), requests: 16 },
    ]
}

/// The reactor with one connection to it.
struct Bench {
    reactor: Reactor,
    client: TcpStream,
    words: Vec<u32>,
    bytes: Vec<u8>,
    large: Vec<Option<Vec<u8>>>,
}

impl Bench {
    fn open() -> Bench {
        let mut reactor = Reactor::new(Limits::default()).expect("a reactor");
        let bind =
            Bind::Internet { address: ([127, 0, 0, 1], 0).into(), ipv6_only: false, reuse_port: false };
        let facts = reactor.listen(&bind, 16).expect("a listener");
        reactor.start();
        let Address::Internet(address) = facts.address else { panic!("bound to an address of another kind") };
        let client = TcpStream::connect(address).expect("a connection");
        client.set_nodelay(true).expect("a socket of our own");
        Bench {
            reactor,
            client,
            words: vec![0; 1024 * RECORD_WORDS],
            bytes: vec![0; 64 * 1024],
            large: Vec::new(),
        }
    }

    /// One round; returns how many bytes the client received.
    fn round(&mut self, work: &Work, received: &mut [u8]) -> usize {
        self.client.write_all(work.request).expect("a write");
        let mut answered = 0;
        while answered < work.requests {
            let mut batch = Batch::new(&mut self.words, &mut self.bytes, 0, &mut self.large);
            self.reactor.turn(&mut batch, Some(Duration::ZERO)).expect("a turn");
            let records = batch.records();
            for record in self.words[..records * RECORD_WORDS].chunks_exact(RECORD_WORDS) {
                if record[0] & 0xff != Kind::Request as u32 {
                    continue;
                }
                let request_id = RequestId(u64::from(record[3]) << 32 | u64::from(record[2]));
                let payload = Payload::Full(BODY);
                let answer = Answer {
                    status: 200,
                    reason: None,
                    fields: FIELDS,
                    payload,
                    close: false,
                    own: Own::default(),
                };
                self.reactor.respond(record[1], request_id, answer).expect("an open request");
                answered += 1;
            }
            self.reactor.flush();
            // Both modes ask for it behind each turn.
            black_box(self.reactor.next_timeout());
        }
        self.client.read(received).expect("an answer")
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let works = works();
    let [name, count] = &arguments[..] else {
        works.iter().for_each(|work| println!("{}", work.name));
        return;
    };
    let work = works.iter().find(|work| work.name == name).expect("a work of this name");
    let count: u64 = count.parse().expect("a count");
    let mut bench = Bench::open();
    let mut received = vec![0; 64 * 1024];
    let first = bench.round(work, &mut received);
    assert!(received.starts_with(b"HTTP/1.1 200 OK\r\n"), "the answer is a good one");
    assert!(received[..first].ends_with(BODY), "and whole");
    for _ in 1..count {
        assert_eq!(bench.round(work, &mut received), first, "each round is the same");
    }
}
