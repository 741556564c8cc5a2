//! Raw connections that bring many bytes, which are received into memory of the application.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod app;
mod memory;

use std::io::Write;

use app::{App, Peer, Seen};
use memory::Memory;
use protocol::Limits;
use reactor::{Kind, Stale};

/// Bytes that differ, so that an exchange of two would show.
fn long(count: u32) -> Vec<u8> {
    (0..count).map(|at| (at % 251) as u8).collect()
}

impl App {
    /// The next notice about bytes of a raw connection.
    fn raw_notice(&mut self) -> Seen {
        self.until("bytes of a raw connection", |app| {
            let is_raw = |seen: &Seen| {
                [Kind::Raw, Kind::RawReady, Kind::RawRead].into_iter().any(|kind| seen.is(kind))
            };
            app.inbox.iter().position(is_raw).and_then(|at| app.inbox.remove(at))
        })
    }

    fn provide_raw(&mut self, slot: u32, client: u64, size: usize) -> Result<(), Stale> {
        let memory = Memory::boxed(size, &self.returned.0);
        self.reactor.receive_raw(slot, client, memory)
    }

    /// Reads as an application does; returns the bytes of the piece, and whether they were received into its memory.
    fn raw_piece(&mut self, slot: u32, client: u64) -> (Vec<u8>, bool) {
        self.reactor.ask_raw(slot, client, 65_536).unwrap();
        let seen = self.raw_notice();
        if !seen.is(Kind::RawReady) {
            return (seen.bytes, false);
        }
        assert_eq!((seen.slot, seen.id), (slot, client));
        self.provide_raw(slot, client, seen.count as usize).unwrap();
        let seen = self.raw_notice();
        let is_direct = seen.is(Kind::RawRead);
        (seen.bytes, is_direct)
    }
}

/// A raw connection whose last bytes were many.
fn busy() -> (App, Peer, u32, u64) {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    let (slot, client) = app.upgraded(&mut peer);
    peer.stream.set_nonblocking(false).unwrap();
    peer.stream.write_all(&long(40_000)).unwrap();
    let mut count = 0;
    while count < 40_000 {
        count += app.raw_piece(slot, client).0.len();
    }
    (app, peer, slot, client)
}

#[test]
fn many_bytes_come_in_memory_of_the_application_and_few_in_a_notice() {
    let (mut app, mut peer, slot, client) = busy();
    let bytes = long(300_000);
    peer.stream.write_all(&bytes).unwrap();
    let (mut received, mut direct) = (Vec::new(), 0);
    while received.len() < bytes.len() {
        let (piece, is_direct) = app.raw_piece(slot, client);
        direct += if is_direct { piece.len() } else { 0 };
        received.extend(piece);
    }
    assert!(received == bytes && direct > 100_000, "{direct} bytes without a copy");
    for text in ["few", "fewer"] {
        peer.sends(text);
        assert_eq!(app.raw_piece(slot, client), (text.into(), false));
    }
}

#[test]
fn an_ask_that_is_taken_back_is_answered_once_however_far_it_is() {
    for step in ["asked", "announced", "provided"] {
        let (mut app, mut peer, slot, client) = busy();
        if step != "asked" {
            peer.stream.write_all(&long(40_000)).unwrap();
        }
        app.reactor.ask_raw(slot, client, 65_536).unwrap();
        if step != "asked" {
            app.next(Kind::RawReady);
        }
        if step == "provided" {
            app.provide_raw(slot, client, 1000).unwrap();
        }
        app.reactor.ask_raw(slot, client, 0).unwrap();
        for _ in 0..10 {
            app.round();
        }
        let answers = app.inbox.iter().filter(|seen| seen.is(Kind::Raw) && seen.bytes.is_empty()).count();
        // What was announced is to be received.
        assert_eq!(answers, usize::from(step != "announced"), "{step}");
        if step == "announced" {
            app.provide_raw(slot, client, 50_000).unwrap();
            assert_eq!(app.next(Kind::RawRead).count, 40_000);
        }
        assert_eq!(app.reactor.serve(slot, client, b"", false), Ok(()), "{step}");
    }
}

#[test]
fn the_end_of_the_peer_answers_an_ask_and_gives_the_memory_back() {
    for is_provided in [false, true] {
        let (mut app, peer, slot, client) = busy();
        if is_provided {
            app.provide_raw(slot, client, 1000).unwrap();
        } else {
            app.reactor.ask_raw(slot, client, 65_536).unwrap();
        }
        app.round();
        peer.closes_its_side();
        assert!(app.next(Kind::Raw).is_end());
        app.round();
        assert_eq!(app.returned.1.try_recv().is_ok(), is_provided);
    }
}

#[test]
fn memory_is_given_back_when_the_client_closes() {
    let (mut app, peer, slot, client) = busy();
    app.provide_raw(slot, client, 1000).unwrap();
    app.reactor.close(slot, client);
    app.round();
    app.returned.1.try_recv().unwrap();
    assert_eq!(app.provide_raw(slot, client, 1000), Err(Stale));
    drop(peer);
}
