//! Large answers and pieces whose bytes stay with the application: wherever the socket stops taking them, the bytes sent
//! are those of a copied answer.

#![allow(clippy::unwrap_used, reason = "an unexpected result fails the test")]

use std::io::IoSlice;

use protocol::{
    Answer, AnswerError, CloseReason, Connection, Context, Event, Finish, HIGH_WATER, Limits, Payload,
    RequestId, is_large,
};

const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Bytes that differ, so that an exchange of two would show.
fn body() -> Vec<u8> {
    (0..40_000_u32).map(|at| (at % 251) as u8).collect()
}

fn next(cx: &mut Context, connection: &mut Connection) -> RequestId {
    let step = connection.handle_input(cx, HEAD);
    let Some(Event::Request(request)) = step.event else { panic!("no request") };
    request.request_id
}

fn asked(cx: &mut Context) -> (Connection, RequestId) {
    let mut connection = Connection::new(cx);
    let request_id = next(cx, &mut connection);
    (connection, request_id)
}

fn answer(payload: Payload<'_>) -> Answer<'_> {
    Answer { status: 200, reason: None, fields: b"", payload, close: false, own: protocol::Own::default() }
}

/// Takes `limit` bytes in all, into `wire`.
fn socket<'a>(limit: usize, wire: &'a mut Vec<u8>) -> impl FnMut(&[IoSlice<'_>]) -> usize + 'a {
    let mut left = limit;
    move |parts| {
        let before = wire.len();
        wire.extend(parts.iter().flat_map(|part| part.iter().copied()).take(left));
        left -= wire.len() - before;
        wire.len() - before
    }
}

/// Sends the rest in portions, as the reactor does. `held` are the bytes of the request's part.
fn drain(cx: &mut Context, connection: &mut Connection, held: &[u8], portion: usize, wire: &mut Vec<u8>) {
    loop {
        let unsent = connection.poll_transmit(cx).to_vec();
        if !unsent.is_empty() {
            wire.extend_from_slice(&unsent);
            connection.handle_sent(cx, unsent.len());
            continue;
        }
        let Some(next) = connection.poll_external() else { return };
        let at = held.len() - next.missing as usize;
        let offered = [&held[at..], next.behind].concat();
        let count = offered.len().min(portion);
        wire.extend_from_slice(&offered[..count]);
        connection.handle_external_sent(cx, count as u64);
    }
}

/// Where the socket stops: everywhere near the ends of the parts, and at some points between.
fn stops() -> impl Iterator<Item = usize> {
    (0..300).step_by(7).chain((300..40_000).step_by(1997)).chain((39_900..40_400).step_by(13))
}

#[test]
fn a_whole_answer_is_the_same_wherever_the_socket_stops() {
    let body = body();
    let mut cx = Context::new(Limits::default());
    let (mut connection, request_id) = asked(&mut cx);
    connection.handle_answer(&mut cx, request_id, answer(Payload::Full(&body))).unwrap();
    let copied = connection.poll_transmit(&mut cx).to_vec();
    for stop in stops() {
        for portion in [1000, 17_000, usize::MAX] {
            let (mut connection, request_id) = asked(&mut cx);
            let mut wire = Vec::new();
            let mut send = socket(stop, &mut wire);
            let whole = answer(Payload::Full(&body));
            let held = connection.handle_answer_held(&mut cx, request_id, whole, &mut send).unwrap();
            drop(send);
            assert!(held == 0 || held <= body.len() && is_large(&body[..held]), "few bytes are copied");
            assert_eq!(connection.is_open(request_id), held > 0);
            assert_eq!(connection.is_written(request_id), held == 0);
            drain(&mut cx, &mut connection, &body, portion, &mut wire);
            assert_eq!(wire, copied, "stopped at {stop}");
            assert!(connection.is_written(request_id));
            next(&mut cx, &mut connection);
        }
    }
}

#[test]
fn a_head_and_the_memory_behind_it_may_leave_together_wherever_the_socket_stops() {
    let body = body();
    let mut cx = Context::new(Limits::default());
    let (mut connection, request_id) = asked(&mut cx);
    assert!(connection.poll_together().is_none());
    connection.handle_answer(&mut cx, request_id, answer(Payload::Full(&body))).unwrap();
    assert!(connection.poll_together().is_none(), "all is in the output");
    let copied = connection.poll_transmit(&mut cx).to_vec();
    for stop in stops().map(|stop| stop + 1) {
        let (mut connection, request_id) = asked(&mut cx);
        let whole = answer(Payload::Full(&body));
        let held = connection.handle_answer_held(&mut cx, request_id, whole, &mut |_| 0).unwrap();
        assert_eq!(held, body.len());
        assert!(connection.poll_external().is_none(), "the head comes first");
        let (before, part) = connection.poll_together().unwrap();
        assert_eq!((part.request_id, part.missing, part.behind), (request_id, held as u64, &b""[..]));
        let (own, offered) = (before.len(), [before, &body].concat());
        let count = stop.min(offered.len());
        let mut wire = offered[..count].to_vec();
        connection.handle_sent(&mut cx, count.min(own));
        if count > own {
            connection.handle_external_sent(&mut cx, (count - own) as u64);
        }
        drain(&mut cx, &mut connection, &body, usize::MAX, &mut wire);
        assert_eq!(wire, copied, "stopped at {stop}");
        assert!(connection.is_written(request_id));
        next(&mut cx, &mut connection);
    }
}

#[test]
fn a_piece_is_the_same_wherever_the_socket_stops_and_what_is_written_meanwhile_follows_it() {
    let body = body();
    for length in [None, Some(40_005)] {
        let mut cx = Context::new(Limits::default());
        let (mut connection, request_id) = asked(&mut cx);
        connection.handle_answer(&mut cx, request_id, answer(Payload::Stream { length })).unwrap();
        connection.handle_write(&mut cx, request_id, &body).unwrap();
        connection.handle_write(&mut cx, request_id, b"after").unwrap();
        connection.handle_end(&mut cx, request_id, b"").unwrap();
        let copied = connection.poll_transmit(&mut cx).to_vec();
        for stop in stops() {
            for portion in [3000, usize::MAX] {
                let (mut connection, request_id) = asked(&mut cx);
                connection.handle_answer(&mut cx, request_id, answer(Payload::Stream { length })).unwrap();
                let mut wire = Vec::new();
                let mut send = socket(stop, &mut wire);
                let held = connection
                    .handle_write_held(&mut cx, request_id, &[IoSlice::new(&body)], &mut send)
                    .unwrap();
                drop(send);
                assert!(connection.backlog(request_id) >= held);
                connection.handle_write(&mut cx, request_id, b"after").unwrap();
                connection.handle_end(&mut cx, request_id, b"").unwrap();
                drain(&mut cx, &mut connection, &body, portion, &mut wire);
                assert_eq!(wire, copied, "stopped at {stop}, length {length:?}");
                assert!(connection.is_written(request_id));
            }
        }
    }
}

#[test]
fn a_piece_in_several_places_is_that_of_one_wherever_the_socket_stops() {
    let body = body();
    let cuts = [0, 1, 15_000, 15_000, 39_999, body.len()];
    let parts: Vec<_> = cuts.windows(2).map(|cut| IoSlice::new(&body[cut[0]..cut[1]])).collect();
    for length in [None, Some(40_000)] {
        for stop in stops() {
            let mut wires = [Vec::new(), Vec::new()];
            for (wire, piece) in wires.iter_mut().zip([&[IoSlice::new(&body)], &parts[..]]) {
                let mut cx = Context::new(Limits::default());
                let (mut connection, request_id) = asked(&mut cx);
                connection.handle_answer(&mut cx, request_id, answer(Payload::Stream { length })).unwrap();
                let mut send = socket(stop, wire);
                connection.handle_write_held(&mut cx, request_id, piece, &mut send).unwrap();
                drop(send);
                connection.handle_end(&mut cx, request_id, b"").unwrap();
                drain(&mut cx, &mut connection, &body, usize::MAX, wire);
                assert!(connection.is_written(request_id));
            }
            assert_eq!(wires[0], wires[1], "stopped at {stop}, length {length:?}");
        }
    }
}

#[test]
fn nothing_of_an_answer_that_waits_for_its_turn_is_copied() {
    let body = vec![b'x'; 100 * 1024 * 1024];
    let mut refuse = |_: &[IoSlice<'_>]| -> usize { panic!("an answer that waits for its turn is offered") };
    for is_whole in [true, false] {
        let mut cx = Context::new(Limits::default());
        let (mut connection, first) = asked(&mut cx);
        let second = next(&mut cx, &mut connection);
        let held = if is_whole {
            connection.handle_answer_held(&mut cx, second, answer(Payload::Full(&body)), &mut refuse)
        } else {
            let stream = answer(Payload::Stream { length: None });
            connection.handle_answer(&mut cx, second, stream).unwrap();
            connection.handle_write_held(&mut cx, second, &[IoSlice::new(&body)], &mut refuse)
        };
        assert_eq!(held, Ok(body.len()));
        assert!(connection.backlog(second) >= body.len());
        assert_eq!(connection.poll_external(), None, "its turn hasn't come");
        connection.handle_answer(&mut cx, first, answer(Payload::Full(b"one"))).unwrap();
        assert!(connection.poll_transmit(&mut cx).len() < HIGH_WATER);
        let unsent = connection.poll_transmit(&mut cx).len();
        connection.handle_sent(&mut cx, unsent);
        let external = connection.poll_external().unwrap();
        assert_eq!((external.request_id, external.missing), (second, body.len() as u64));
    }
}

#[test]
fn a_socket_is_offered_a_portion_of_a_very_long_body() {
    let body = vec![b'x'; 100 * 1024 * 1024];
    let mut cx = Context::new(Limits::default());
    let (mut connection, request_id) = asked(&mut cx);
    let mut offered = 0;
    let mut send = |parts: &[IoSlice<'_>]| {
        offered = parts.iter().map(|part| part.len()).sum();
        offered
    };
    let whole = answer(Payload::Full(&body));
    let held = connection.handle_answer_held(&mut cx, request_id, whole, &mut send).unwrap();
    assert!(offered < 2 * 1024 * 1024);
    assert!(held > 98 * 1024 * 1024);
}

#[test]
fn a_part_whose_memory_is_gone_aborts_the_connection() {
    let body = body();
    // What HTTP/1.0 gets has no end but that of the connection.
    for (head, finish) in [(HEAD, Finish::Linger), (b"GET / HTTP/1.0\r\n\r\n", Finish::Reset)] {
        let mut cx = Context::new(Limits::default());
        let mut connection = Connection::new(&cx);
        let step = connection.handle_input(&mut cx, head);
        let Some(Event::Request(request)) = step.event else { panic!("no request") };
        let request_id = request.request_id;
        connection.handle_answer(&mut cx, request_id, answer(Payload::Stream { length: None })).unwrap();
        connection.handle_write_held(&mut cx, request_id, &[IoSlice::new(&body)], &mut |_| 0).unwrap();
        connection.handle_write(&mut cx, request_id, b"never sent").unwrap();
        let unsent = connection.poll_transmit(&mut cx).len();
        connection.handle_sent(&mut cx, unsent);
        connection.handle_external_failed(&mut cx);
        assert_eq!(connection.poll_external(), None);
        assert!(connection.poll_transmit(&mut cx).is_empty());
        assert_eq!(connection.finish(), Some(finish));
        assert_eq!(connection.close_reason(), CloseReason::Aborted);
        assert_eq!(connection.handle_end(&mut cx, request_id, b""), Err(AnswerError::Stale));
    }
}

#[test]
fn a_piece_that_outgrows_its_length_is_cut_off_there() {
    let body = body();
    let mut cx = Context::new(Limits::default());
    let (mut connection, request_id) = asked(&mut cx);
    connection.handle_answer(&mut cx, request_id, answer(Payload::Stream { length: Some(39_000) })).unwrap();
    let result = connection.handle_write_held(&mut cx, request_id, &[IoSlice::new(&body)], &mut |_| 0);
    assert_eq!(result, Err(AnswerError::TooLong));
    assert!(connection.poll_transmit(&mut cx).ends_with(&body[..39_000]));
}

#[test]
fn no_body_leaves_in_answer_to_head() {
    let body = body();
    let mut cx = Context::new(Limits::default());
    let mut connection = Connection::new(&cx);
    let step = connection.handle_input(&mut cx, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    let Some(Event::Request(request)) = step.event else { panic!("no request") };
    let request_id = request.request_id;
    let whole = answer(Payload::Full(&body));
    assert_eq!(connection.handle_answer_held(&mut cx, request_id, whole, &mut |_| 0), Ok(0));
    assert!(connection.poll_transmit(&mut cx).ends_with(b"content-length: 40000\r\n\r\n"));
}
