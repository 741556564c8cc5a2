//! Requests over real sockets: in, out, in order, and what becomes of answers that come too late.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod app;

use app::{App, GET};
use protocol::{Answer, Limits, Payload, Ticket};
use reactor::{Gone, Kind};

fn answer(body: &[u8]) -> Answer<'_> {
    Answer { status: 200, reason: None, fields: b"", payload: Payload::Full(body), close: false }
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
fn answers_leave_in_the_order_of_requests_whatever_order_they_are_given_in() {
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
fn an_answer_twice_late_or_to_nobody_changes_nothing() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    peer.sends(GET);
    let request = app.next(Kind::Request);
    let (slot, ticket) = (request.slot, request.ticket());
    app.respond(&request, "once");
    assert_eq!(app.reactor.respond(slot, ticket, answer(b"twice")), Err(Gone));
    assert_eq!(app.reactor.respond(slot, Ticket(1 << 40), answer(b"invented")), Err(Gone));
    assert_eq!(app.reactor.respond(999, ticket, answer(b"elsewhere")), Err(Gone));
    app.receives(&mut peer, "once");
    drop(peer);
    app.until("the close", |app| (app.reactor.client_count() == 0).then_some(()));
    // Its place goes to another client, whom an old ticket can't reach.
    let mut other = app.connect();
    other.sends(GET);
    let second = app.next(Kind::Request);
    assert_eq!(second.slot, slot);
    assert_eq!(app.reactor.respond(slot, ticket, answer(b"stale")), Err(Gone));
    app.respond(&second, "right");
    app.receives(&mut other, "right");
}

#[test]
fn whoever_leaves_is_told_of_once_and_last() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    peer.sends(GET);
    let request = app.next(Kind::Request);
    // A reset: the peer closes with bytes unread.
    app.reactor.inform(request.slot, request.ticket(), 103, b"").unwrap();
    app.round();
    drop(peer);
    let aborted = app.next(Kind::Aborted);
    assert_eq!(aborted.id, request.id);
    app.round();
    assert!(app.inbox.is_empty(), "nothing follows: nobody watched the client; {:?}", app.inbox);
    assert_eq!(app.reactor.client_count(), 0);
}

#[test]
fn a_peer_that_does_not_read_holds_a_bounded_part_of_a_stream() {
    let mut app = App::new(Limits::default());
    let mut peer = app.connect();
    peer.sends(GET);
    let request = app.next(Kind::Request);
    let (slot, ticket) = (request.slot, request.ticket());
    let open = Answer { payload: Payload::Stream { length: None }, ..answer(b"") };
    app.reactor.respond(slot, ticket, open).unwrap();
    let piece = vec![b'x'; 8 * 1024];
    let mut written = 0_usize;
    // The kernel takes some megabytes before it blocks.
    while app.reactor.write(slot, ticket, &piece).unwrap() <= 64 * 1024 {
        written += piece.len();
        app.reactor.flush();
        assert!(written < 64 << 20, "nobody says stop");
    }
    app.until("Drained", |app| {
        let mut sink = [0; 64 * 1024];
        let _ = std::io::Read::read(&mut peer.stream, &mut sink);
        app.inbox.iter().any(|seen| seen.is(Kind::Drained)).then_some(())
    });
    app.reactor.end(slot, ticket, b"").unwrap();
    app.receives(&mut peer, "0\r\n\r\n");
}

#[test]
fn a_graceful_stop_waits_for_answers_and_is_told_when_all_have_gone() {
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
