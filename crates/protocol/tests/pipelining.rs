//! How much of a pipeline is taken at once.

mod pair;

use pair::{Habit, Pair};
use protocol::Limits;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn at_most_64_requests_of_a_connection_run_or_wait() {
    let mut pair = Pair::new(Limits::default(), Habit::Hold);
    pair.client_sends(&GET.repeat(100));
    assert_eq!(pair.requests(), 64);
    assert!(!pair.connection.wants_input());
    pair.respond(1, 200, "one");
    assert_eq!(pair.requests(), 65);
    for number in 2..=100 {
        pair.respond(number, 200, "more");
    }
    assert_eq!(pair.requests(), 100);
    assert_eq!(pair.connection.owed(), 0);
}

#[test]
fn nothing_is_read_while_answers_pile_up() {
    let mut pair = Pair::new(Limits::default(), Habit::Answer);
    pair.is_client_stuck = true;
    pair.client_sends(&GET.repeat(10_000));
    assert!(pair.requests() < 1000, "{} requests were answered into the void", pair.requests());
    assert!(pair.connection.transmit().len() < 128 * 1024);
    assert!(!pair.connection.wants_input());
    pair.client_reads_again();
    assert_eq!(pair.requests(), 10_000);
}

#[test]
fn early_answers_leave_in_order_however_many_they_are() {
    let mut pair = Pair::new(Limits::default(), Habit::Hold);
    pair.client_sends(&GET.repeat(64));
    for number in (1..=64).rev() {
        pair.respond(number, 200, &format!("<{number}>"));
    }
    let received = String::from_utf8_lossy(&pair.received).into_owned();
    let order: Vec<usize> = received
        .split('<')
        .filter_map(|part| part.split_once('>'))
        .filter_map(|(number, _)| number.parse().ok())
        .collect();
    assert_eq!(order, (1..=64).collect::<Vec<_>>());
}
