//! Bodies of requests, raw connections and streamed answers over real sockets.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod app;
mod memory;

use app::{App, GET, UPGRADE};
use protocol::{Answer, Limits, Own, Payload};
use reactor::{Kind, Stale, UpgradeError};

#[test]
fn a_body_is_delivered_as_far_as_there_is_a_buffer_for_it() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    peer.sends("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
    let request = app.next(Kind::Request);
    app.provide(&request, 3, false).unwrap();
    assert_eq!(app.next(Kind::Body).bytes, b"012");
    app.round();
    assert!(app.inbox.is_empty(), "no more than was requested: {:?}", app.inbox);
    app.provide(&request, 100, false).unwrap();
    assert_eq!(app.next(Kind::Body).bytes, b"34");
    app.provide(&request, 100, false).unwrap();
    assert_eq!(app.provide(&request, 100, false), Err(Stale), "one buffer at a time");
    app.returned.1.try_recv().unwrap();
    peer.sends("56789");
    let last = app.next(Kind::Body);
    assert_eq!((&last.bytes[..], last.is_end()), (&b"56789"[..], true));
    assert_eq!(app.provide(&request, 100, false), Err(Stale), "the body is complete");
    app.respond(&request, "done");
    app.receives(&mut peer, "done");
}

#[test]
fn a_buffer_is_requested_when_bytes_have_arrived() {
    let mut app = App::new(Limits::default());
    let (mut silent, mut peer) = (app.connect(), app.connect());
    let begin = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n";
    silent.sends(begin);
    let other = app.next(Kind::Request);
    app.reactor.await_body(other.slot, other.request_id(), true).unwrap();
    peer.sends(begin);
    let request = app.next(Kind::Request);
    app.reactor.await_body(request.slot, request.request_id(), true).unwrap();
    app.round();
    assert!(app.inbox.is_empty(), "{:?}", app.inbox);
    peer.sends("0123");
    let ready = app.next(Kind::BodyReady);
    assert_eq!((ready.request_id(), ready.count), (request.request_id(), 4));
    app.round();
    assert!(app.inbox.is_empty(), "it is announced once: {:?}", app.inbox);
    app.provide(&request, 10, true).unwrap();
    peer.sends("456789");
    let last = app.next(Kind::Body);
    assert_eq!((&last.bytes[..], last.is_end()), (&b"0123456789"[..], true));
    // After the answer the rest of the body can't be received any more.
    silent.sends("0123456789");
    app.next(Kind::BodyReady);
    app.respond(&other, "early");
    app.receives(&mut silent, "early");
    assert_eq!(app.reactor.await_body(other.slot, other.request_id(), true), Err(Stale));
    silent.sends(GET);
    app.next(Kind::Request);
}

#[test]
fn a_buffer_for_a_whole_body_is_returned_when_it_is_full() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    peer.sends("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0");
    let request = app.next(Kind::Request);
    app.provide(&request, 8, true).unwrap();
    for piece in ["12", "34", "5", "6"] {
        peer.sends(piece);
        app.round();
        app.round();
    }
    assert!(app.inbox.is_empty(), "{:?}", app.inbox);
    peer.sends("789");
    let full = app.next(Kind::Body);
    assert_eq!((&full.bytes[..], full.is_end()), (&b"01234567"[..], false));
    app.provide(&request, 2, true).unwrap();
    let last = app.next(Kind::Body);
    assert_eq!((&last.bytes[..], last.is_end()), (&b"89"[..], true));
    app.respond(&request, "done");
    app.receives(&mut peer, "done");
}

#[test]
fn a_buffer_is_dropped_when_its_body_can_not_be_received_any_more() {
    let mut app = App::new(Limits::default());
    let begin = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123";
    for cause in ["answered", "left", "broken", "closed"] {
        let mut peer = app.connect();
        match cause {
            "broken" => peer.sends("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
            _ => peer.sends(begin),
        }
        let request = app.next(Kind::Request);
        app.provide(&request, 100, true).unwrap();
        app.round();
        assert!(app.returned.1.try_recv().is_err(), "{cause}: it is still in use");
        match cause {
            "answered" => app.respond(&request, "early"),
            "left" => drop(peer),
            "broken" => peer.sends("nonsense\r\n"),
            _ => assert!(app.reactor.close(request.slot, request.client)),
        }
        app.until(cause, |app| app.returned.1.try_recv().ok());
        app.round();
        app.inbox.retain(|seen| seen.is(Kind::Body));
        assert!(app.inbox.is_empty(), "{cause}: {:?}", app.inbox);
    }
}

#[test]
fn the_sender_of_a_body_that_is_not_read_is_stopped() {
    let limits = Limits { body_size_limit: u64::MAX, ..Limits::default() };
    let mut app = App::new(limits);
    let mut peer = app.connect();
    peer.sends("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
    let request = app.next(Kind::Request);
    let piece = vec![b'x'; 64 * 1024];
    let mut sent = 0;
    let mut refusals = 0;
    // The kernel buffers some megabytes; then it takes no more.
    while refusals < 1000 {
        match std::io::Write::write(&mut peer.stream, &piece) {
            Ok(count) => {
                sent += count;
                refusals = 0;
            }
            Err(_) => refusals += 1,
        }
        app.round();
        assert!(sent < 256 << 20, "the sender is never stopped");
    }
    let mut received = 0;
    while received < sent {
        app.provide(&request, 1 << 20, false).unwrap();
        received += app.next(Kind::Body).bytes.len();
    }
    assert_eq!(received, sent);
}

#[test]
fn the_limit_and_the_end_of_a_body_can_follow_in_one_visit() {
    let limits = Limits { body_size_limit: 4, ..Limits::default() };
    let mut app = App::new(limits);
    let mut peer = app.connect();
    peer.sends("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let request = app.next(Kind::Request);
    app.provide(&request, 100, false).unwrap();
    peer.sends("6\r\n012345\r\n0\r\nX-Sum: 6\r\n\r\n");
    assert_eq!(app.next(Kind::Body).bytes, b"0123");
    app.provide(&request, 100, false).unwrap();
    app.next(Kind::BodyLimit);
    app.reactor.raise_body_limit(request.slot, request.request_id(), 6).unwrap();
    let last = app.next(Kind::Body);
    assert_eq!((&last.bytes[..], last.is_end()), (&b"45"[..], true));
    assert_eq!(last.trailers.as_deref(), Some(&b"X-Sum\n6\n"[..]));
}

/// Asks for raw bytes until these have arrived.
#[track_caller]
fn raw_bytes(app: &mut App, slot: u32, client: u64, expected: &[u8]) {
    let mut bytes = Vec::new();
    while bytes.len() < expected.len() {
        app.reactor.ask_raw(slot, client, 1024).unwrap();
        bytes.extend(app.next(Kind::Raw).bytes);
    }
    assert_eq!(bytes, expected);
}

#[test]
fn an_upgrade_follows_earlier_answers_and_its_first_bytes_are_those_left_unread() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    peer.sends(&format!("{GET}{UPGRADE}left over"));
    let first = app.next(Kind::Request);
    let second = app.next(Kind::Request);
    let (slot, client) = (second.slot, second.client);
    app.reactor.upgrade(slot, second.request_id(), Some(b"upgrade: echo\r\n")).unwrap();
    assert_eq!(app.reactor.upgrade(slot, second.request_id(), None), Err(UpgradeError::Stale));
    app.respond(&first, "first");
    assert_eq!(app.next(Kind::Upgraded).id, second.id);
    app.receives(&mut peer, "firstHTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\n\r\n");
    raw_bytes(&mut app, slot, client, b"left over");
    peer.sends("and more");
    raw_bytes(&mut app, slot, client, b"and more");
    app.reactor.write_raw(slot, client, b"echo").unwrap();
    app.receives(&mut peer, "echo");
}

#[test]
fn each_side_of_a_raw_connection_ends_independently() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    let (slot, client) = app.upgraded(&mut peer);
    app.reactor.write_raw(slot, client, b"bye").unwrap();
    app.reactor.end_raw(slot, client).unwrap();
    assert_eq!(app.reactor.write_raw(slot, client, b"more"), Err(Stale));
    assert_eq!(app.ends(&mut peer), "bye");
    peer.sends("still here");
    raw_bytes(&mut app, slot, client, b"still here");
    peer.closes_its_side();
    app.reactor.ask_raw(slot, client, 1024).unwrap();
    assert!(app.next(Kind::Raw).is_end());
    assert_eq!(app.next(Kind::Closed).id, client);
    assert_eq!(app.reactor.client_count(), 0);
}

#[test]
fn a_client_that_closes_before_its_upgrade_aborts_the_request() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    peer.sends(&format!("{GET}{UPGRADE}"));
    let first = app.next(Kind::Request);
    let second = app.next(Kind::Request);
    app.reactor.upgrade(second.slot, second.request_id(), None).unwrap();
    app.reactor.close(first.slot, first.client);
    let aborted = [app.next(Kind::Aborted).id, app.next(Kind::Aborted).id];
    assert_eq!(aborted, [first.id, second.id]);
}

#[test]
fn a_connection_waits_for_its_driver_and_can_be_passed_to_another() {
    let mut app = App::new(Limits::default());
    app.reactor.announce_accepted();
    let mut peer = app.connect();
    peer.sends("PING\r\n");
    let accepted = app.next(Kind::Accepted);
    let (slot, client) = (accepted.slot, accepted.id);
    app.round();
    assert!(app.inbox.is_empty(), "nothing is read: {:?}", app.inbox);
    assert_eq!(app.reactor.watch_accepted(slot, client).map(|facts| facts.id()), Some(client));
    app.reactor.take_raw(slot, client).unwrap();
    assert_eq!(app.reactor.take_raw(slot, client), Err(Stale));
    raw_bytes(&mut app, slot, client, b"PING\r\n");
    app.reactor.serve(slot, client, b"GET /unread HTTP/1.1\r\n", false).unwrap();
    peer.sends("Host: a\r\n\r\n");
    let request = app.next(Kind::Request);
    assert_eq!(request.target, "/unread");
    app.respond(&request, "served");
    app.receives(&mut peer, "served");
}

#[test]
fn a_client_without_a_driver_is_announced_when_it_closes_and_closed_by_a_stop() {
    let mut app = App::new(Limits::default());
    app.reactor.announce_accepted();
    let peers = [app.connect(), app.connect()];
    let accepted = [app.next(Kind::Accepted), app.next(Kind::Accepted)];
    assert!(app.reactor.watch_accepted(accepted[0].slot, accepted[0].id).is_some());
    let [first, second] = peers;
    socket2::SockRef::from(&first.stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(first);
    assert_eq!(app.next(Kind::Closed).id, accepted[0].id);
    app.reactor.stop_listening();
    app.reactor.stop_gracefully();
    app.next(Kind::Idle);
    drop(second);
}

#[test]
fn no_bytes_are_lost_when_a_request_for_raw_bytes_is_taken_back() {
    let mut app = App::new(Limits::default());
    app.reactor.announce_accepted();
    let mut peer = app.connect();
    let accepted = app.next(Kind::Accepted);
    let (slot, client) = (accepted.slot, accepted.id);
    app.reactor.take_raw(slot, client).unwrap();
    app.reactor.ask_raw(slot, client, 1024).unwrap();
    app.reactor.ask_raw(slot, client, 0).unwrap();
    let answer = app.next(Kind::Raw);
    assert_eq!((&answer.bytes[..], answer.is_end()), (&b""[..], false));
    app.reactor.ask_raw(slot, client, 0).unwrap();
    peer.sends(GET);
    app.round();
    app.reactor.serve(slot, client, b"", false).unwrap();
    let request = app.next(Kind::Request);
    app.respond(&request, "served");
    app.receives(&mut peer, "served");
}

#[test]
fn a_request_is_served_when_its_peer_ended_before_a_driver_passed_it_on() {
    let mut app = App::new(Limits::default());
    app.reactor.announce_accepted();
    let mut peer = app.connect();
    let accepted = app.next(Kind::Accepted);
    let (slot, client) = (accepted.slot, accepted.id);
    app.reactor.take_raw(slot, client).unwrap();
    peer.sends(GET);
    raw_bytes(&mut app, slot, client, GET.as_bytes());
    peer.closes_its_side();
    app.reactor.ask_raw(slot, client, 1024).unwrap();
    assert!(app.next(Kind::Raw).is_end());
    app.reactor.serve(slot, client, GET.as_bytes(), false).unwrap();
    let request = app.next(Kind::Request);
    assert_eq!(app.next(Kind::HalfClosed).id, request.id);
    app.respond(&request, "served");
    assert!(app.ends(&mut peer).ends_with("served"));
}

#[test]
fn bytes_written_to_a_raw_connection_are_sent_before_it_closes() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    let (slot, client) = app.upgraded(&mut peer);
    app.reactor.write_raw(slot, client, b"bye").unwrap();
    app.reactor.close(slot, client);
    assert_eq!(app.ends(&mut peer), "bye");
}

#[test]
fn an_event_for_many_streams_is_sent_on_the_first_before_it_is_written_to_the_last() {
    let mut app = App::new(Limits::default());
    let mut peers: Vec<_> = (0..100).map(|_| app.connect()).collect();
    let mut requests = Vec::new();
    for peer in &mut peers {
        peer.sends(GET);
        let request = app.next(Kind::Request);
        let answer = Answer {
            status: 200,
            reason: None,
            fields: b"",
            payload: Payload::Stream { length: None },
            close: false,
            own: Own::default(),
        };
        app.reactor.respond(request.slot, request.request_id(), answer).unwrap();
        app.receives(peer, "\r\n\r\n");
        requests.push(request);
    }
    for request in &requests {
        app.reactor.write(request.slot, request.request_id(), b"event").unwrap();
    }
    // There was no flush yet. Bytes sent over loopback can be read when the send returns.
    peers[0].read();
    assert!(peers[0].received.ends_with(b"5\r\nevent\r\n"), "the first is not sent yet");
    let last = requests.last().unwrap();
    app.reactor.write(last.slot, last.request_id(), b"more").unwrap();
    let peer = peers.last_mut().unwrap();
    peer.read();
    assert!(peer.received.ends_with(b"\r\n\r\n"), "the last is sent together with its next write");
    app.reactor.flush();
    for peer in &mut peers[..99] {
        app.receives(peer, "\r\n\r\n5\r\nevent\r\n");
    }
    app.receives(&mut peers[99], "\r\n\r\n5\r\nevent\r\n4\r\nmore\r\n");
}
