//! How many requests of a pipeline are begun, and when.

mod pair;

use pair::{Habit, Pair};
use protocol::{Answer, Credit, Limits, Own, Payload};

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
    assert!(pair.requests() < 1000, "{} requests were answered", pair.requests());
    assert!(pair.connection.poll_transmit(&mut pair.cx).len() < 128 * 1024);
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

fn opens_stream() -> Answer<'static> {
    let payload = Payload::Stream { length: None };
    Answer { status: 200, reason: None, fields: b"", payload, close: false, own: Own::default() }
}

#[test]
fn a_streamed_answer_doesn_t_wait_for_what_is_unsent_of_earlier_ones() {
    let mut pair = Pair::new(Limits::default(), Habit::Hold);
    pair.is_client_stuck = true;
    pair.client_sends(&GET.repeat(4));
    let backlogs = |pair: &Pair| [1, 2, 3].map(|number| pair.connection.backlog(pair.request_id(number)));
    // The third one comes before its turn.
    let third = pair.request_id(3);
    pair.answer(3, opens_stream());
    pair.command(|connection, cx| connection.handle_write(cx, third, &[b'3'; 3000]));
    pair.respond(1, 200, &"1".repeat(50_000));
    pair.answer(2, opens_stream());
    let second = pair.request_id(2);
    pair.command(|connection, cx| connection.handle_write(cx, second, &[b'2'; 2000]));
    let [_, of_second, of_third] = backlogs(&pair);
    assert!((2000..2300).contains(&of_second), "{of_second}");
    assert!((3000..3300).contains(&of_third), "{of_third}");
    // What is sent of the first one changes nothing.
    pair.command(|connection, cx| {
        connection.handle_sent(cx, 40_000);
        Ok(())
    });
    assert_eq!(backlogs(&pair), [0, of_second, of_third]);
    pair.command(|connection, cx| connection.handle_end(cx, second, b""));
    assert_eq!(backlogs(&pair), [0, 0, of_third]);
    pair.command(|connection, cx| connection.handle_write(cx, third, &[b'3'; 1000]));
    assert!(backlogs(&pair)[2] > of_third + 1000);
    pair.client_reads_again();
    assert_eq!(backlogs(&pair), [0, 0, 0]);
    pair.command(|connection, cx| connection.handle_end(cx, third, b""));
    assert_eq!(pair.connection.owed(), 1);
}

#[test]
fn a_request_that_came_while_a_streamed_answer_filled_the_pipeline_is_served() {
    let mut pair = Pair::new(Limits { pipeline_limit: 1, ..Limits::default() }, Habit::Hold);
    pair.client_sends(GET);
    pair.answer(1, opens_stream());
    pair.client_sends(GET);
    assert_eq!(pair.requests(), 1);
    let first = pair.request_id(1);
    pair.command(|connection, cx| connection.handle_end(cx, first, b""));
    assert_eq!(pair.requests(), 2);
}

#[test]
fn a_request_that_came_before_the_body_ahead_of_it_was_read_is_served() {
    for offered in [GET, &GET[..2]] {
        let mut pair = Pair::new(Limits::default(), Habit::Ignore);
        pair.client_sends(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
        pair.answer(1, opens_stream());
        pair.client_sends(b"56789");
        // It comes in the same input, all of which is offered.
        let taken = pair.connection.handle_input(&mut pair.cx, offered).taken;
        let first = pair.request_id(1);
        pair.command(|connection, cx| connection.handle_credit(cx, first, Credit::Bytes(100)));
        pair.command(|connection, cx| connection.handle_end(cx, first, b""));
        pair.client_sends(&GET[taken..]);
        assert_eq!(pair.requests(), 2, "{:?}", pair.log);
    }
}

#[test]
fn a_request_that_waits_for_the_body_before_it_to_be_read_is_not_late() {
    let mut pair = Pair::new(Limits::default(), Habit::Ignore);
    pair.client_sends(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234");
    pair.answer(1, opens_stream());
    pair.client_sends(b"56789");
    assert_eq!(pair.connection.handle_input(&mut pair.cx, b"G").taken, 1);
    pair.advance(20_000);
    let first = pair.request_id(1);
    pair.command(|connection, cx| connection.handle_credit(cx, first, Credit::Bytes(100)));
    pair.client_sends(&GET[1..]);
    assert_eq!(pair.requests(), 2, "{:?}", pair.log);
}

#[test]
fn an_aborted_answer_leaves_those_before_it_complete() {
    for is_begun in [false, true] {
        let mut pair = Pair::new(Limits::default(), Habit::Hold);
        pair.client_sends(&GET.repeat(3));
        if is_begun {
            pair.answer(2, opens_stream());
        }
        let second = pair.request_id(2);
        pair.command(|connection, _| connection.handle_abort(second));
        pair.respond(3, 200, "after it");
        assert!(!pair.is_over());
        pair.respond(1, 200, "whole");
        assert!(pair.received.ends_with(b"\r\n\r\nwhole"), "{:?}", pair.log);
        assert!(pair.is_over());
        let [second, third] = [pair.request_id(2), pair.request_id(3)];
        assert_eq!(pair.connection.unanswered().collect::<Vec<_>>(), [second, third]);
    }
}
