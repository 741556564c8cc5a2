//! Which answers leave first. RFC 9218.

use protocol::Payload;

use crate::server::Server;
use crate::wire::*;

fn request(stream: u32, priority: Option<&str>) -> Vec<u8> {
    let front = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    let priority = priority.map(|value| ("priority", value));
    let fields: Vec<_> = front.into_iter().chain(priority).collect();
    headers(END_HEADERS | END_STREAM, stream, &fields)
}

/// The streams in the order in which their content leaves, each as often as it has a frame.
fn order(server: &mut Server, answers: usize, bytes: usize) -> Vec<u32> {
    for at in 0..answers {
        assert!(server.answers(at, 200, Payload::Full(&vec![7; bytes])));
    }
    let sent = server.sends();
    let content = sent.lines().filter(|line| line.contains(" DATA "));
    content.map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn a_more_urgent_request_is_answered_first() {
    let mut server = Server::new();
    server.reads(&[request(1, Some("u=5")), request(3, None), request(5, Some("u=0"))].concat());
    assert_eq!(order(&mut server, 3, 10), [5, 3, 1]);
}

#[test]
fn what_cant_be_parsed_as_a_priority_is_ignored() {
    let mut server = Server::new();
    server.reads(&[request(1, Some("?")), request(3, Some("u=1")), request(5, None)].concat());
    assert_eq!(order(&mut server, 3, 10), [3, 1, 5]);
}

#[test]
fn an_update_counts_more_than_the_field_before_and_behind_its_request() {
    let mut server = Server::new();
    let early = [priority_update(3, "u=0"), request(1, None), request(3, Some("u=7"))].concat();
    server.reads(&early);
    assert_eq!(order(&mut server, 2, 10), [3, 1]);
    let mut server = Server::new();
    let late = [request(1, Some("u=0")), request(3, None), priority_update(1, "u=7")].concat();
    server.reads(&late);
    assert_eq!(order(&mut server, 2, 10), [3, 1]);
}

#[test]
fn incremental_answers_share_the_connection_and_others_follow_each_other() {
    for (priority, expected) in [(Some("i"), [1, 3, 1, 3]), (None, [1, 1, 3, 3])] {
        let mut server = Server::new();
        server.reads(&[request(1, priority), request(3, priority)].concat());
        // Two frames each, for which the windows have room.
        assert_eq!(order(&mut server, 2, 32_000), expected, "{priority:?}");
    }
}

#[test]
fn the_priorities_of_rfc_7540_mean_nothing() {
    let mut server = Server::new();
    // Stream 1 depends on stream 3, with the least weight.
    let tree = frame(2, 0, 1, &[0, 0, 0, 3, 0]);
    server.reads(&[request(1, None), request(3, None), tree].concat());
    assert_eq!(order(&mut server, 2, 10), [1, 3]);
}
