//! The native side of a request in instructions: read, parse, dispatch record, answer, flush.
//!
//! `instructions WORK COUNT` serves COUNT rounds of one work and ends. Counted twice under callgrind, with
//! different COUNTs, the difference is what a round costs, without start and end. `bench/instructions.mjs`
//! does this and compares with the numbers in its file.
//!
//! The client is in this process, and each of its rounds is one write and one read of constant length.

#![allow(clippy::expect_used, reason = "a benchmark that can't run says why and ends")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use protocol::{Answer, Limits, Payload, RequestId};
use reactor::{Address, Batch, Bind, Kind, RECORD_WORDS, Reactor};

/// What a client sends in one round, and how many answers it waits for.
struct Work {
    name: &'static str,
    request: &'static [u8],
    requests: usize,
    /// Each request is a stream of HTTP/2, whose header block `request` is.
    is_http2: bool,
}

/// The preface, SETTINGS, their acknowledgement, and a window for the connection that lasts.
const HTTP2_HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0\
    \0\0\x04\x08\0\0\0\0\0\x7f\0\0\0";
/// GET / with two fields that enter the compression table, and the same with references to these.
const HTTP2_FIRST: &[u8] = b"\x82\x84\x86\x41\x0elocalhost:8080\x7a\x05bench";
const HTTP2_NEXT: &[u8] = b"\x82\x84\x86\xbf\xbe";

/// HEADERS with all of the block that end the stream.
fn request_frame(stream: u32, block: &[u8]) -> Vec<u8> {
    let length = (block.len() as u32).to_be_bytes();
    [&length[1..], &[1, 5][..], &stream.to_be_bytes()[..], block].concat()
}

const FIELDS: &[u8] = b"content-type: text/plain\r\n";
const BODY: &[u8] = b"Hello, World!";

fn works() -> Vec<Work> {
    let post = [
        &b"POST /echo HTTP/1.1\r\nHost: localhost:8080\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n"[..],
        &[b'x'; 1024],
    ];
    let hello = b"GET / HTTP/1.1\r\nHost: localhost:8080\r\n\r\n";
    vec![
        Work { name: "hello", request: hello, requests: 1, is_http2: false },
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
            is_http2: false,
        },
        Work { name: "post 1 KiB", request: post.concat().leak(), requests: 1, is_http2: false },
        Work { name: "pipelined x16", request: hello.repeat(16).leak(), requests: 16, is_http2: false },
        Work { name: "h2 x10", request: HTTP2_NEXT, requests: 10, is_http2: true },
        Work { name: "h2 x100", request: HTTP2_NEXT, requests: 100, is_http2: true },
    ]
}

/// The reactor with one connection to it.
struct Bench {
    reactor: Reactor,
    client: TcpStream,
    /// The next stream of HTTP/2.
    stream: u32,
    words: Vec<u32>,
    bytes: Vec<u8>,
    large: Vec<Option<Vec<u8>>>,
}

impl Bench {
    fn open(http2_cleartext: bool) -> Bench {
        let limits = Limits { http2_cleartext, ..Limits::default() };
        let mut reactor = Reactor::new(limits).expect("a reactor");
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
            stream: 1,
            words: vec![0; 1024 * RECORD_WORDS],
            bytes: vec![0; 64 * 1024],
            large: Vec::new(),
        }
    }

    /// What the client sends next.
    fn input(&mut self, work: &Work) -> Vec<u8> {
        if !work.is_http2 {
            return work.request.to_vec();
        }
        let mut input = if self.stream == 1 { HTTP2_HELLO.to_vec() } else { Vec::new() };
        for _ in 0..work.requests {
            let block = if self.stream == 1 { HTTP2_FIRST } else { work.request };
            input.extend(request_frame(self.stream, block));
            self.stream += 2;
        }
        input
    }

    /// One round; returns how many bytes the client received.
    fn round(&mut self, work: &Work, received: &mut [u8]) -> usize {
        let input = self.input(work);
        self.client.write_all(&input).expect("a write");
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
                    has_own_date: false,
                };
                self.reactor.respond(record[1], request_id, answer).expect("an open request");
                answered += 1;
            }
            self.reactor.flush();
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
    let mut bench = Bench::open(work.is_http2);
    let mut received = vec![0; 64 * 1024];
    let first = bench.round(work, &mut received);
    assert!(work.is_http2 || received.starts_with(b"HTTP/1.1 200 OK\r\n"), "the answer is a good one");
    assert!(received[..first].ends_with(BODY), "and whole");
    // Of HTTP/2 the first round has the settings as well.
    let first = if work.is_http2 { bench.round(work, &mut received) } else { first };
    for _ in 1..count {
        assert_eq!(bench.round(work, &mut received), first, "each round is the same");
    }
}
