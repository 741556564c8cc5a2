//! New connections at the limits, and the idle ones that are closed for them.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod app;
mod memory;

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use app::{App, GET, Peer};
use protocol::Limits;
use reactor::{Admission, ConnectionLimits, Consequence, Kind};
use socket2::{Domain, SockRef, Socket, Type};

/// An application with these limits, which counts loopback addresses like any others.
fn app_for(total: usize, per_address: usize) -> App {
    let mut app = App::new(Limits::default());
    let limits = ConnectionLimits { total, per_address, exempt: Vec::new(), ..ConnectionLimits::default() };
    app.reactor.admit_by(Admission::new(limits));
    app
}

/// A connection from this address of the loopback network, after its first request.
fn connect_from(app: &mut App, from: &str) -> Peer {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(from.parse::<IpAddr>().unwrap(), 0).into()).unwrap();
    socket.connect(&app.address.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(true).unwrap();
    let mut peer = Peer { stream, received: Vec::new(), has_ended: false };
    serve(app, &mut peer);
    peer
}

fn connect(app: &mut App) -> Peer {
    let mut peer = app.connect();
    serve(app, &mut peer);
    peer
}

/// Sends a request and answers it.
fn serve(app: &mut App, peer: &mut Peer) {
    peer.received.clear();
    peer.sends(GET);
    let request = app.next(Kind::Request);
    app.respond(&request, "served");
    app.receives(peer, "served");
}

fn is_open(app: &mut App, peer: &mut Peer) -> bool {
    app.round();
    peer.read();
    !peer.has_ended
}

/// Runs rounds until the reactor's clock has advanced.
fn wait(app: &mut App) {
    let before = app.reactor.now_millis();
    app.until("later time", |app| (app.reactor.now_millis() > before).then_some(()));
}

#[test]
fn connections_up_to_the_limit_are_taken() {
    let mut app = app_for(3, 100);
    let mut peers: Vec<Peer> = (0..3).map(|_| connect(&mut app)).collect();
    assert!(peers.iter_mut().all(|peer| is_open(&mut app, peer)));
    assert_eq!(app.reactor.client_count(), 3);
}

#[test]
fn the_connection_that_has_been_idle_for_longest_is_closed_for_a_new_one() {
    let mut app = app_for(3, 100);
    let mut peers: Vec<Peer> = Vec::new();
    for _ in 0..3 {
        peers.push(connect(&mut app));
        wait(&mut app);
    }
    // The first is used again, so the second has been idle for longest.
    serve(&mut app, &mut peers[0]);
    wait(&mut app);
    let mut last = connect(&mut app);
    assert_eq!(app.ends(&mut peers[1]).matches("served").count(), 1);
    wait(&mut app);
    let _more = connect(&mut app);
    app.ends(&mut peers[2]);
    assert!(is_open(&mut app, &mut peers[0]) && is_open(&mut app, &mut last));
    assert_eq!(app.reactor.client_count(), 3);
}

#[test]
fn a_connection_with_an_unread_request_is_not_idle() {
    let mut app = app_for(2, 100);
    let mut first = connect(&mut app);
    wait(&mut app);
    let mut second = connect(&mut app);
    first.sends(GET);
    let mut third = app.connect();
    third.sends(GET);
    for _ in 0..2 {
        let request = app.next(Kind::Request);
        app.respond(&request, "too");
    }
    app.receives(&mut first, "too");
    app.receives(&mut third, "too");
    app.ends(&mut second);
}

#[test]
fn a_new_connection_is_answered_503_when_none_is_idle() {
    let mut app = app_for(2, 100);
    let mut busy: Vec<Peer> = (0..2).map(|_| connect(&mut app)).collect();
    busy.iter_mut().for_each(|peer| peer.sends(GET));
    let requests = [app.next(Kind::Request), app.next(Kind::Request)];
    let mut refused = app.connect();
    let answer = app.ends(&mut refused);
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
    assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
    let rejected = app.next(Kind::Rejected);
    assert_eq!((rejected.detail, rejected.count), (Consequence::RejectedInAll.number(), 1));
    assert_eq!(rejected.bytes, b"127.0.0.1");
    assert!(app.reactor.refusals().any(|refusal| refusal == ("BUSBAR_CONNECTION_LIMIT", 1)));
    for (request, peer) in requests.iter().zip(&mut busy) {
        app.respond(request, "still there");
        app.receives(peer, "still there");
    }
}

#[test]
fn many_rejections_give_one_notice() {
    let mut app = app_for(1, 100);
    let mut busy = connect(&mut app);
    busy.sends(GET);
    let request = app.next(Kind::Request);
    for _ in 0..50 {
        let mut refused = app.connect();
        app.ends(&mut refused);
    }
    assert!(app.reactor.refusals().any(|refusal| refusal == ("BUSBAR_CONNECTION_LIMIT", 50)));
    app.next(Kind::Rejected);
    assert!(app.inbox.iter().filter(|seen| seen.is(Kind::Rejected)).count() <= 1);
    app.respond(&request, "done");
}

#[test]
fn an_idle_connection_of_the_same_address_is_closed_at_the_limit_per_address() {
    let mut app = app_for(100, 2);
    let mut other = connect_from(&mut app, "127.0.0.2");
    wait(&mut app);
    let mut first = connect(&mut app);
    wait(&mut app);
    let mut second = connect(&mut app);
    let mut third = connect(&mut app);
    app.ends(&mut first);
    for peer in [&mut other, &mut second, &mut third] {
        assert!(is_open(&mut app, peer));
    }
}

#[test]
fn a_new_connection_is_answered_503_when_all_of_its_address_are_busy() {
    let mut app = app_for(100, 1);
    let mut busy = connect(&mut app);
    busy.sends(GET);
    let request = app.next(Kind::Request);
    let mut refused = app.connect();
    let answer = app.ends(&mut refused);
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n") && answer.contains("\r\ndate: "), "{answer}");
    let rejected = app.next(Kind::Rejected);
    assert_eq!(
        (rejected.detail, rejected.bytes),
        (Consequence::RejectedOfAddress.number(), b"127.0.0.1".to_vec())
    );
    // Other addresses are still served.
    connect_from(&mut app, "127.0.0.2");
    app.respond(&request, "done");
    app.receives(&mut busy, "done");
}

#[test]
fn a_connection_that_ends_is_no_longer_counted() {
    let mut app = app_for(2, 1);
    for _ in 0..20 {
        let mut peer = connect(&mut app);
        peer.sends(GET);
        app.next(Kind::Request);
        SockRef::from(&peer.stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        app.until("close", |app| (app.reactor.client_count() == 0).then_some(()));
    }
    assert_eq!(app.reactor.refusals().count(), 0);
}

#[test]
fn local_addresses_are_not_counted_by_default() {
    let mut app = App::new(Limits::default());
    let limits = ConnectionLimits { per_address: 1, ..ConnectionLimits::default() };
    app.reactor.admit_by(Admission::new(limits));
    let mut peers: Vec<Peer> = (0..5).map(|_| connect(&mut app)).collect();
    assert!(peers.iter_mut().all(|peer| is_open(&mut app, peer)));
}

#[test]
fn a_request_for_https_over_plaintext_is_served_from_addresses_that_are_not_counted() {
    let request = "GET https://a/ HTTP/1.1\r\nHost: b\r\n\r\n";
    let mut exempt = App::new(Limits::default());
    let mut peer = exempt.connect();
    peer.sends(request);
    let seen = exempt.next(Kind::Request);
    exempt.respond(&seen, "served");
    exempt.receives(&mut peer, "served");
    let mut app = app_for(8, 8);
    let mut peer = app.connect();
    peer.sends(request);
    assert!(app.ends(&mut peer).starts_with("HTTP/1.1 421 "));
}

/// How many refusals have this code.
fn refusals(app: &App, code: &str) -> u64 {
    app.reactor.refusals().find(|(found, _)| *found == code).map_or(0, |(_, count)| count)
}

#[test]
fn a_burst_above_the_limit_closes_no_connection_without_an_answer() {
    let mut app = app_for(30, 100);
    let mut peers: Vec<Peer> = (0..60).map(|_| app.connect()).collect();
    peers.iter_mut().for_each(|peer| peer.sends(GET));
    for _ in 0..30 {
        let request = app.next(Kind::Request);
        app.respond(&request, "served");
    }
    for peer in &mut peers {
        app.until("answer", |_| {
            peer.read();
            (peer.received.ends_with(b"served") || peer.has_ended).then_some(())
        });
    }
    let served = peers.iter().filter(|peer| peer.received.ends_with(b"served")).count();
    let refused = peers.iter().filter(|peer| peer.received.starts_with(b"HTTP/1.1 503 ")).count();
    assert_eq!((served, refused), (30, 30));
    assert_eq!(refusals(&app, "BUSBAR_CONNECTION_LIMIT"), 30);
}

#[test]
fn a_connection_that_has_sent_nothing_is_idle_after_a_second() {
    let mut app = app_for(1, 100);
    let mut first = app.connect();
    app.until("client", |app| (app.reactor.client_count() == 1).then_some(()));
    let mut second = app.connect();
    assert!(app.ends(&mut second).starts_with("HTTP/1.1 503 "));
    let before = app.reactor.now_millis();
    app.until("a second", |app| (app.reactor.now_millis() >= before + 1000).then_some(()));
    let mut third = connect(&mut app);
    app.ends(&mut first);
    assert!(is_open(&mut app, &mut third));
}

#[test]
fn a_connection_that_has_sent_nothing_is_idle_after_a_short_header_timeout() {
    let mut app = App::new(Limits { header_timeout: 50, ..Limits::default() });
    app.reactor.admit_by(Admission::new(ConnectionLimits { total: 1, ..ConnectionLimits::default() }));
    let mut first = app.connect();
    app.until("client", |app| (app.reactor.client_count() == 1).then_some(()));
    let before = app.reactor.now_millis();
    app.until("50 ms", |app| (app.reactor.now_millis() >= before + 50).then_some(()));
    let mut second = app.connect();
    serve(&mut app, &mut second);
    app.ends(&mut first);
}

#[test]
fn connections_closed_for_new_ones_are_counted_and_announced() {
    let mut app = app_for(1, 100);
    let _idle = connect(&mut app);
    let _next = connect(&mut app);
    let evicted = app.next(Kind::Rejected);
    assert_eq!((evicted.detail, evicted.count), (Consequence::EvictedInAll.number(), 1));
    assert_eq!(refusals(&app, "BUSBAR_CONNECTION_LIMIT_EVICTED"), 1);

    let mut app = app_for(100, 1);
    let _idle = connect(&mut app);
    let _next = connect(&mut app);
    assert_eq!(app.next(Kind::Rejected).detail, Consequence::EvictedOfAddress.number());
    assert_eq!(refusals(&app, "BUSBAR_CONNECTIONS_PER_IP_LIMIT_EVICTED"), 1);
}

#[test]
fn a_rejected_connection_that_is_still_sending_receives_its_answer() {
    for (total, per_address) in [(1, 100), (100, 1)] {
        let mut app = app_for(total, per_address);
        let mut busy = connect(&mut app);
        busy.sends(GET);
        app.next(Kind::Request);
        let mut refused = app.connect();
        refused.sends("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n");
        app.round();
        // These bytes come after the answer was sent. A socket that is closed would reset the connection.
        for _ in 0..5 {
            refused.sends(&"x".repeat(10_000));
            app.round();
        }
        assert!(app.ends(&mut refused).starts_with("HTTP/1.1 503 "));
    }
}

#[test]
fn rejected_connections_linger_for_a_second_at_most_and_are_not_counted() {
    let mut app = app_for(1, 100);
    let mut busy = connect(&mut app);
    busy.sends(GET);
    let request = app.next(Kind::Request);
    let _refused: Vec<Peer> = (0..300)
        .map(|_| {
            let peer = app.connect();
            app.round();
            peer
        })
        .collect();
    app.until("rejections", |app| (refusals(app, "BUSBAR_CONNECTION_LIMIT") == 300).then_some(()));
    assert!(app.reactor.client_count() <= 1 + 256);
    app.until("the end of the lingering ones", |app| (app.reactor.client_count() == 1).then_some(()));
    app.respond(&request, "done");
    app.receives(&mut busy, "done");
}
