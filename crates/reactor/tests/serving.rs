//! Requests and answers over real sockets, their order, and answers that are given too late.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod app;
mod memory;

use app::{App, GET};
use protocol::{Answer, Limits, Payload, RequestId};
use reactor::{Kind, Stale};

fn answer(body: &[u8]) -> Answer<'_> {
    Answer {
        status: 200,
        reason: None,
        fields: b"",
        payload: Payload::Full(body),
        close: false,
        has_own_date: false,
    }
}

#[test]
fn a_connection_serves_one_request_after_the_other() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    for number in 0..3 {
        peer.sends(GET);
        let request = app.next(Kind::Request);
        assert_eq!(request.target, "/");
        app.respond(&request, &format!("answer {number}"));
        app.receives(&mut peer, &format!("answer {number}"));
    }
    assert_eq!(app.reactor.client_count(), 1);
}

#[test]
fn answers_are_sent_in_the_order_of_their_requests() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    peer.sends(&GET.repeat(5));
    let requests = (0..5).map(|_| app.next(Kind::Request)).collect::<Vec<_>>();
    for at in [3, 0, 4, 2, 1] {
        app.respond(&requests[at], &format!("<{at}>"));
    }
    app.receives(&mut peer, "<4>");
    let text = String::from_utf8_lossy(&peer.received).into_owned();
    let places = (0..5).map(|at| text.find(&format!("<{at}>")).unwrap()).collect::<Vec<_>>();
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn pipelined_requests_are_in_one_batch() {
    let mut app = App::new(Limits::default());
    let mut peers = (0..5).map(|_| app.connect()).collect::<Vec<_>>();
    app.until("the clients", |app| (app.reactor.client_count() == peers.len()).then_some(()));
    peers.iter_mut().for_each(|peer| peer.sends(&GET.repeat(30)));
    let mut left = 5 * 30;
    // A batch of this application has room for 64.
    app.until("all requests", |app| {
        let mut clients = app.inbox.drain(..).map(|seen| seen.client).collect::<Vec<_>>();
        left -= clients.len();
        clients.sort_unstable();
        for together in clients.chunk_by(|one, other| one == other) {
            assert_eq!(together.len(), 30);
        }
        (left == 0).then_some(())
    });
}

#[test]
fn a_second_answer_and_one_for_an_unknown_or_closed_request_are_stale() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    peer.sends(GET);
    let request = app.next(Kind::Request);
    let (slot, request_id) = (request.slot, request.request_id());
    app.respond(&request, "once");
    assert_eq!(app.reactor.respond(slot, request_id, answer(b"twice")), Err(Stale));
    assert_eq!(app.reactor.respond(slot, RequestId(1 << 40), answer(b"invented")), Err(Stale));
    assert_eq!(app.reactor.respond(999, request_id, answer(b"elsewhere")), Err(Stale));
    app.receives(&mut peer, "once");
    drop(peer);
    app.until("the close", |app| (app.reactor.client_count() == 0).then_some(()));
    // The slot is used for another client, which an old request id can't reach.
    let mut other = app.connect();
    other.sends(GET);
    let second = app.next(Kind::Request);
    assert_eq!(second.slot, slot);
    assert_eq!(app.reactor.respond(slot, request_id, answer(b"stale")), Err(Stale));
    app.respond(&second, "right");
    app.receives(&mut other, "right");
}

#[test]
fn aborted_is_the_only_notice_of_an_unwatched_client_that_closes() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    peer.sends(GET);
    let request = app.next(Kind::Request);
    // The peer closes with unread bytes, which is a reset.
    app.reactor.inform(request.slot, request.request_id(), 103, b"").unwrap();
    app.round();
    drop(peer);
    let aborted = app.next(Kind::Aborted);
    assert_eq!(aborted.id, request.id);
    app.round();
    assert!(app.inbox.is_empty(), "there is no other notice: {:?}", app.inbox);
    assert_eq!(app.reactor.client_count(), 0);
}

#[test]
fn a_stream_to_a_peer_that_does_not_read_is_held_at_the_high_water_mark() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    peer.sends(GET);
    let request = app.next(Kind::Request);
    let (slot, request_id) = (request.slot, request.request_id());
    let open = Answer { payload: Payload::Stream { length: None }, ..answer(b"") };
    app.reactor.respond(slot, request_id, open).unwrap();
    let piece = vec![b'x'; 8 * 1024];
    let mut written = 0_usize;
    // The kernel takes some megabytes before it blocks.
    while app.reactor.write(slot, request_id, &piece).unwrap() <= 64 * 1024 {
        written += piece.len();
        app.reactor.flush();
        assert!(written < 64 << 20, "the high-water mark is never reached");
    }
    app.until("Drained", |app| {
        let mut sink = [0; 64 * 1024];
        let _ = std::io::Read::read(&mut peer.stream, &mut sink);
        app.inbox.iter().any(|seen| seen.is(Kind::Drained)).then_some(())
    });
    app.reactor.end(slot, request_id, b"").unwrap();
    app.receives(&mut peer, "0\r\n\r\n");
}

#[test]
fn drained_comes_once_and_with_the_latest_mark() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    peer.sends(GET);
    let request = app.next(Kind::Request);
    let (slot, request_id) = (request.slot, request.request_id());
    let open = Answer { payload: Payload::Stream { length: None }, ..answer(b"") };
    app.reactor.respond(slot, request_id, open).unwrap();
    app.reactor.write(slot, request_id, b"one").unwrap();
    app.reactor.notify_drained(slot, request_id, 3);
    app.reactor.write(slot, request_id, b"two").unwrap();
    app.reactor.notify_drained(slot, request_id, 6);
    let drained = app.next(Kind::Drained);
    assert_eq!((drained.id, drained.detail, drained.count), (request.id, 6, 1));
    app.reactor.end(slot, request_id, b"").unwrap();
    app.receives(&mut peer, "0\r\n\r\n");
    assert!(app.inbox.is_empty(), "there is no other notice: {:?}", app.inbox);
}

#[test]
fn a_graceful_stop_waits_for_answers_and_ends_with_idle() {
    let mut app = App::new(Limits::default());
    let mut idle = app.connect();
    let mut busy = app.connect();
    busy.sends(GET);
    let request = app.next(Kind::Request);
    app.reactor.stop_listening();
    app.reactor.stop_gracefully();
    assert_eq!(app.ends(&mut idle), "");
    app.respond(&request, "last words");
    assert!(app.ends(&mut busy).ends_with("last words"));
    drop((idle, busy));
    app.next(Kind::Idle);
}

#[test]
fn a_stop_serves_what_has_reached_the_kernel() {
    let mut app = App::new(Limits::default());
    let mut used = app.connect();
    used.sends(GET);
    let request = app.next(Kind::Request);
    app.respond(&request, "first");
    app.receives(&mut used, "first");
    // Nothing of this is read when the stop begins: two requests on a kept connection, one on a connection that
    // isn't accepted yet.
    used.sends(&GET.repeat(2));
    let mut new = app.connect();
    new.sends(GET);
    app.reactor.stop_listening();
    app.reactor.stop_gracefully();
    for _ in 0..3 {
        let request = app.next(Kind::Request);
        app.respond(&request, "late");
    }
    let answers = app.ends(&mut used);
    assert_eq!(answers.matches("late").count(), 2, "{answers}");
    assert_eq!(answers.matches("connection: close").count(), 1, "only the last says so: {answers}");
    let answer = app.ends(&mut new);
    assert!(answer.contains("connection: close") && answer.ends_with("late"), "{answer}");
    drop((used, new));
    app.next(Kind::Idle);
}

#[test]
fn half_a_head_may_be_completed_after_a_stop_has_begun() {
    let mut app = App::new(Limits::default());
    let (start, rest) = GET.split_at(10);
    // One half is read already, one waits in the kernel.
    let mut read = app.connect();
    read.sends(start);
    app.until("client", |app| (app.reactor.client_count() == 1).then_some(()));
    app.round();
    let mut unread = app.connect();
    unread.sends(start);
    app.reactor.stop_listening();
    app.reactor.stop_gracefully();
    app.round();
    for peer in [&mut read, &mut unread] {
        peer.sends(rest);
        let request = app.next(Kind::Request);
        app.respond(&request, "whole");
        let answer = app.ends(peer);
        assert!(answer.contains("connection: close") && answer.ends_with("whole"), "{answer}");
    }
    drop((read, unread));
    app.next(Kind::Idle);
}

#[test]
fn requests_that_come_after_the_beginning_of_a_stop_do_not_prolong_it() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    peer.sends(&GET.repeat(2));
    app.reactor.stop_listening();
    app.reactor.stop_gracefully();
    let request = app.next(Kind::Request);
    let second = app.next(Kind::Request);
    for _ in 0..10 {
        peer.sends(GET);
        app.round();
    }
    app.respond(&request, "one");
    app.respond(&second, "two");
    let answers = app.ends(&mut peer);
    assert!(answers.ends_with("two") && answers.matches("connection: close").count() == 1, "{answers}");
    assert!(app.inbox.iter().all(|seen| !seen.is(Kind::Request)));
}

#[test]
fn closing_all_counts_requests_without_a_complete_answer() {
    let mut app = App::new(Limits::default());
    let mut idle = app.connect();
    let mut busy = app.connect();
    busy.sends(&GET.repeat(2));
    app.next(Kind::Request);
    let second = app.next(Kind::Request);
    let mut half = app.connect();
    half.sends("GET / HT");
    let mut upgraded = app.connect();
    upgraded.sends(app::UPGRADE);
    let request = app.next(Kind::Request);
    app.reactor.upgrade(request.slot, request.request_id(), Some(b"upgrade: echo\r\n")).unwrap();
    app.next(Kind::Upgraded);
    // The answer to the second request waits for the first.
    app.respond(&second, "never seen");
    app.round();
    assert_eq!(app.reactor.close_all(), 3);
    assert_eq!(app.reactor.close_all(), 0);
    for peer in [&mut idle, &mut busy, &mut half, &mut upgraded] {
        app.ends(peer);
    }
}

#[test]
fn a_request_that_waits_while_requests_are_paused_is_read_after_five_seconds() {
    let mut app = App::new(Limits::default());
    app.reactor.pause_requests(true);
    let mut peer = app.connect();
    let before = app.reactor.now_millis();
    peer.sends(GET);
    // The turn is due that reads the request.
    app.until("pause", |app| app.reactor.next_timeout().filter(|millis| *millis <= 5000));
    let request = app.next(Kind::Request);
    assert!(app.reactor.now_millis() >= before + 5000);
    assert_ne!(request.flags & reactor::flag::WAITED, 0);
    app.respond(&request, "at last");
    app.receives(&mut peer, "at last");
    // The next one waits as well, and is read in time when requests resume.
    peer.sends(GET);
    (0..100).for_each(|_| app.round());
    assert!(app.inbox.is_empty());
    app.reactor.pause_requests(false);
    assert_eq!(app.next(Kind::Request).flags & reactor::flag::WAITED, 0);
}

#[cfg(target_os = "linux")]
mod files {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    /// A file of `len` bytes whose name is removed already.
    fn file(len: usize) -> (File, Vec<u8>) {
        let path = std::env::temp_dir().join(format!("busbar-{}-{len}", std::process::id()));
        let bytes = (0..len).map(|at| b'a' + (at % 23) as u8).collect::<Vec<_>>();
        File::create(&path).unwrap().write_all(&bytes).unwrap();
        let file = File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        (file, bytes)
    }

    fn open(app: &mut App, peer: &mut app::Peer, length: u64) -> (u32, RequestId) {
        peer.sends(GET);
        let request = app.next(Kind::Request);
        let answer = Answer { payload: Payload::Stream { length: Some(length) }, ..answer(b"") };
        app.reactor.respond(request.slot, request.request_id(), answer).unwrap();
        (request.slot, request.request_id())
    }

    #[test]
    fn a_file_is_sent_between_the_bytes_before_and_after_it() {
        let mut app = App::new(Limits::default());
        let mut peer = app.connect();
        let (file, bytes) = file(5_000_000);
        let (slot, request_id) = open(&mut app, &mut peer, 4 + 4_999_000 + 4);
        app.reactor.write(slot, request_id, b"<<<<").unwrap();
        app.reactor.send_file(slot, request_id, file, 1000, 4_999_000).unwrap();
        app.reactor.write(slot, request_id, b">>>>").unwrap();
        app.reactor.end(slot, request_id, b"").unwrap();
        app.until("the file", |_| {
            peer.read();
            peer.received.ends_with(b">>>>").then_some(())
        });
        let head = peer.received.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        assert_eq!(&peer.received[head..head + 4], b"<<<<");
        assert!(peer.received[head + 4..peer.received.len() - 4] == bytes[1000..], "the file is unchanged");
        peer.sends(GET);
        let next = app.next(Kind::Request);
        app.respond(&next, "next");
        app.receives(&mut peer, "next");
    }

    #[test]
    fn a_file_that_is_too_short_aborts_the_connection() {
        let mut app = App::new(Limits::default());
        let mut peer = app.connect();
        let (file, _) = file(1000);
        let (slot, request_id) = open(&mut app, &mut peer, 2000);
        app.reactor.send_file(slot, request_id, file, 0, 2000).unwrap();
        app.reactor.end(slot, request_id, b"").unwrap();
        let received = app.ends(&mut peer);
        assert_eq!(app.next(Kind::FileFailed).request_id(), request_id);
        assert_eq!(received.len() - received.find("\r\n\r\n").unwrap() - 4, 1000);
    }

    #[test]
    fn a_file_is_sent_after_earlier_answers() {
        let mut app = App::new(Limits::default());
        let mut peer = app.connect();
        let (file, _) = file(20);
        peer.sends(GET);
        let first = app.next(Kind::Request);
        let (slot, request_id) = open(&mut app, &mut peer, 20);
        app.reactor.send_file(slot, request_id, file, 0, 20).unwrap();
        app.reactor.end(slot, request_id, b"").unwrap();
        app.round();
        app.respond(&first, "first");
        app.receives(&mut peer, "abcdefghijklmnopqrst");
        assert!(String::from_utf8_lossy(&peer.received).contains("first"));
    }
}

#[test]
fn an_answer_reaches_a_client_that_sent_invalid_bytes_after_its_request_and_closed_its_side() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    // The client reads neither of the two answers yet; most of the invalid bytes are discarded.
    peer.sends(&[GET, &"?".repeat(200 * 1024)].concat());
    peer.closes_its_side();
    let request = app.next(Kind::Request);
    let body = vec![b'x'; 1024 * 1024];
    app.reactor.respond(request.slot, request.request_id(), answer(&body)).unwrap();
    app.until("the close", |app| (app.reactor.client_count() == 0).then_some(()));
    let received = app.ends(&mut peer);
    assert!(received.contains("HTTP/1.1 400 "), "{} bytes were received", received.len());
}

#[test]
fn a_request_whose_unread_body_fails_is_aborted() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    peer.sends("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let request = app.next(Kind::Request);
    peer.sends("no chunk\r\n");
    assert!(app.ends(&mut peer).starts_with("HTTP/1.1 400 "));
    drop(peer);
    let aborted = app.next(Kind::Aborted);
    assert_eq!(aborted.id, request.id);
    app.round();
    assert!(app.inbox.is_empty(), "there is no other notice: {:?}", app.inbox);
    assert_eq!(app.reactor.client_count(), 0);
}

#[test]
fn an_answer_queued_after_the_last_one_is_aborted_and_not_written() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    peer.sends(&GET.repeat(2));
    let [first, second] = [app.next(Kind::Request), app.next(Kind::Request)];
    app.respond(&second, "never seen");
    app.reactor.notify_written(second.slot, second.request_id());
    let last = Answer { close: true, ..answer(b"the last") };
    app.reactor.respond(first.slot, first.request_id(), last).unwrap();
    assert!(app.ends(&mut peer).ends_with("the last"));
    drop(peer);
    let aborted = app.next(Kind::Aborted);
    assert_eq!(aborted.id, second.id);
    app.round();
    assert!(app.inbox.is_empty(), "there is no other notice: {:?}", app.inbox);
}

#[test]
fn a_turn_asks_for_a_limited_number_of_pages() {
    let mut app = App::new(Limits::default());
    app.reactor.ask_for_pages();
    let mut peers: Vec<_> = (0..40).map(|_| app.connect()).collect();
    app.until("all connections", |app| (app.reactor.client_count() == 40).then_some(()));
    peers.iter_mut().for_each(|peer| peer.sends("GET / HTTP/1.1\r\n\r\n"));
    app.round();
    let in_one_turn = app.inbox.iter().filter(|seen| seen.is(Kind::Unparsed)).count();
    assert!((1..=32).contains(&in_one_turn), "{in_one_turn} pages");
    let mut given = 0;
    for peer in &mut peers {
        app.until("an answer", |app| {
            while let Some(at) = app.inbox.iter().position(|seen| seen.is(Kind::Unparsed)) {
                let wanted = app.inbox.remove(at).unwrap();
                assert_eq!(wanted.detail, 400);
                app.respond(&wanted, "page");
                given += 1;
            }
            peer.read();
            peer.has_ended.then_some(())
        });
        let answer = String::from_utf8_lossy(&peer.received);
        assert!(answer.ends_with("page") || answer.ends_with("requires a Host field\n"), "{answer}");
    }
    let pages = peers.iter().filter(|peer| peer.received.ends_with(b"page")).count();
    assert!(pages == given && pages < 40, "{pages} of {given} pages were sent");
    assert!(app.reactor.refusals().any(|refusal| refusal == ("BUSBAR_HOST_MISSING", 40)));
}
