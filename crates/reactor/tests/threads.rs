//! Reactors on threads of their own, with an application that is slow, late or wrong.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod memory;
mod thread_app;

use std::collections::HashMap;
use std::io::IoSlice;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use memory::Memory;
use protocol::{Answer, Own, Payload, RequestId};
use reactor::{BATCHES, Kind, ThreadHandle};
use thread_app::{App, PANICKED, PATIENCE, Seen, get, numbers, read_answers};

#[test]
fn connections_are_distributed_evenly() {
    for threads in [1, 2, 3, 4] {
        let mut app = App::new(threads);
        let mut streams = (0..60).map(|_| app.connect()).collect::<Vec<_>>();
        streams.iter_mut().for_each(|stream| stream.write_all(get("/").as_bytes()).unwrap());
        let mut by_thread = HashMap::new();
        let mut seen = 0;
        while seen < 60 {
            app.round(&mut |_, request| {
                *by_thread.entry(ThreadHandle::split(request.slot).0).or_insert(0) += 1;
                seen += 1;
            });
        }
        assert_eq!(by_thread, (0..threads).map(|thread| (thread, 60 / threads)).collect());
    }
}

#[test]
fn a_new_connection_goes_to_the_thread_where_one_has_closed() {
    let mut app = App::new(3);
    let mut streams = Vec::new();
    let mut ask = |app: &mut App| {
        let mut stream = app.connect();
        stream.write_all(get("/").as_bytes()).unwrap();
        let mut thread = None;
        while thread.is_none() {
            app.round(&mut |app, request| {
                thread = Some(ThreadHandle::split(request.slot).0);
                app.respond(request.slot, request.id, b"");
            });
        }
        assert_eq!(read_answers(&mut stream, 1), [""]);
        streams.push(stream);
        (streams.len() - 1, thread.unwrap())
    };
    let places = (0..9).map(|_| ask(&mut app).1).collect::<Vec<_>>();
    let left = places.iter().position(|place| *place == 1).unwrap();
    let gone = streams.remove(left);
    let count = |app: &mut App| app.handles[1].ask(|reactor| reactor.client_count()).unwrap();
    drop(gone);
    while count(&mut app) == 3 {
        thread::yield_now();
    }
    let mut stream = app.connect();
    stream.write_all(get("/").as_bytes()).unwrap();
    let mut thread = None;
    while thread.is_none() {
        app.round(&mut |_, seen| {
            if seen.is(Kind::Request) {
                thread = Some(ThreadHandle::split(seen.slot).0);
            }
        });
    }
    assert_eq!(thread, Some(1));
}

#[test]
fn each_answer_reaches_its_request_among_late_repeated_and_invalid_ones() {
    const CLIENTS: usize = 24;
    const ROUNDS: usize = 20;
    const PIPELINED: usize = 8;
    let mut app = App::new(3);
    let clients = (0..CLIENTS)
        .map(|client| {
            let mut stream = app.connect();
            thread::spawn(move || {
                for round in 0..ROUNDS {
                    let targets = (0..PIPELINED).map(|at| format!("/{client}/{round}/{at}"));
                    let targets = targets.collect::<Vec<_>>();
                    let sent = targets.iter().map(|target| get(target)).collect::<String>();
                    stream.write_all(sent.as_bytes()).unwrap();
                    assert_eq!(read_answers(&mut stream, PIPELINED), targets);
                }
            })
        })
        .collect::<Vec<_>>();
    let mut number = numbers();
    let mut open: Vec<Seen> = Vec::new();
    let mut answered: Vec<(u32, u64)> = Vec::new();
    let mut seen = 0;
    let end = Instant::now() + PATIENCE;
    while seen < CLIENTS * ROUNDS * PIPELINED || !open.is_empty() {
        assert!(Instant::now() < end, "{seen} requests were seen, {} are open", open.len());
        // Some requests are answered in a later round, while new ones still arrive.
        while !open.is_empty() && (open.len() > 16 || number(4) != 0) {
            let request = open.swap_remove(number(open.len()));
            app.respond(request.slot, request.id, request.target.as_bytes());
            answered.push((request.slot, request.id));
            if number(3) == 0 {
                let (slot, request_id) = answered[number(answered.len())];
                app.respond(slot, request_id, b"twice");
            }
            if number(8) == 0 {
                app.respond(number(1 << 26) as u32, 1 << 45, b"invented");
            }
        }
        app.handles.iter_mut().for_each(ThreadHandle::hand_over);
        if seen < CLIENTS * ROUNDS * PIPELINED {
            if app.rung.try_recv().is_err() {
                thread::yield_now();
                continue;
            }
            app.doorbell.answer();
            for thread in 0..app.handles.len() {
                while let Some(notices) = app.handles[thread].next_notices() {
                    let requests = app.unpack(thread, notices);
                    let requests = requests.into_iter().filter(|seen| seen.is(Kind::Request));
                    let before = open.len();
                    open.extend(requests);
                    seen += open.len() - before;
                }
            }
        }
    }
    clients.into_iter().for_each(|client| client.join().unwrap());
}

#[test]
fn a_thread_whose_batches_are_all_taken_reads_no_more_and_loses_no_request() {
    const CLIENTS: usize = 100;
    const PIPELINED: usize = 50;
    let mut app = App::new(2);
    let mut streams = (0..CLIENTS).map(|_| app.connect()).collect::<Vec<_>>();
    for (client, stream) in streams.iter_mut().enumerate() {
        let sent = (0..PIPELINED).map(|at| get(&format!("/{client}/{at}"))).collect::<String>();
        stream.write_all(sent.as_bytes()).unwrap();
    }
    app.rung.recv_timeout(PATIENCE).unwrap();
    app.doorbell.answer();
    // All batches are taken one by one and kept; from then on the threads have none to fill.
    let mut batches = Vec::new();
    for thread in 0..2 {
        while batches.len() < (thread + 1) * BATCHES {
            // The thread still executes commands.
            app.handles[thread].ask(|_| ()).unwrap();
            batches.extend(app.handles[thread].next_notices().map(|notices| (thread, notices)));
        }
    }
    let held = batches.iter().map(|(_, notices)| notices.records()).sum::<usize>();
    assert!(held <= 2 * BATCHES * 256, "{held}");
    for handle in &mut app.handles {
        handle.ask(|_| ()).unwrap();
        assert!(handle.next_notices().is_none());
    }
    let mut seen = 0;
    let answer = |app: &mut App, request: Seen| {
        app.respond(request.slot, request.id, request.target.as_bytes());
    };
    for (thread, notices) in batches {
        for request in app.unpack(thread, notices) {
            seen += 1;
            answer(&mut app, request);
        }
    }
    app.handles.iter_mut().for_each(ThreadHandle::hand_over);
    while seen < CLIENTS * PIPELINED {
        app.round(&mut |app, request| {
            seen += 1;
            answer(app, request);
        });
    }
    for (client, stream) in streams.iter_mut().enumerate() {
        let targets = (0..PIPELINED).map(|at| format!("/{client}/{at}")).collect::<Vec<_>>();
        assert_eq!(read_answers(stream, PIPELINED), targets);
    }
}

#[test]
fn bodies_of_any_size_are_delivered_completely() {
    let mut app = App::new(2);
    let (back, returned) = channel();
    for size in [1, 4096, 4097, 40_000, 120_000] {
        let mut stream = app.connect();
        let body = "x".repeat(size);
        write!(stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n{body}").unwrap();
        let mut received = None;
        while received.is_none() {
            app.round(&mut |app, seen| {
                if seen.is(Kind::Request) && seen.body.is_empty() {
                    let (thread, slot) = ThreadHandle::split(seen.slot);
                    let request_id = RequestId(seen.id);
                    let memory = Memory::boxed(size, &back);
                    app.handles[thread].run(slot, &[], move |reactor, _| {
                        reactor.receive_body(slot, request_id, memory, true).unwrap();
                    });
                } else {
                    app.respond(seen.slot, seen.id, b"");
                    received = Some(if seen.is(Kind::Body) { returned.recv().unwrap() } else { seen.body });
                }
            });
        }
        assert_eq!(read_answers(&mut stream, 1), [""]);
        assert_eq!(received.unwrap(), body.as_bytes());
    }
}

#[test]
fn a_panic_closes_its_client_and_no_other() {
    let mut app = App::new(1);
    let (mut one, mut other) = (app.connect(), app.connect());
    let mut requests = Vec::new();
    for stream in [&mut one, &mut other] {
        stream.write_all(get("/").as_bytes()).unwrap();
        let before = requests.len();
        while requests.len() == before {
            app.round(&mut |_, seen| requests.push(seen));
        }
    }
    app.handles[0].run(requests[0].slot, &[], |_, _| panic!("on purpose, in a test"));
    app.respond(requests[1].slot, requests[1].id, b"fine");
    app.handles[0].hand_over();
    assert_eq!(read_answers(&mut one, 1), Vec::<String>::new());
    assert_eq!(read_answers(&mut other, 1), ["fine"]);
    assert_eq!(PANICKED.load(Relaxed), requests[0].client);
    other.write_all(get("/again").as_bytes()).unwrap();
    let mut again = None;
    while again.is_none() {
        app.round(&mut |_, seen| again = seen.is(Kind::Request).then_some(seen.target));
    }
    assert_eq!(again.unwrap(), "/again");
}

#[test]
fn dropping_the_handles_closes_all_connections_although_answers_are_owed() {
    for threads in [1, 2, 4] {
        let mut app = App::new(threads);
        let mut streams = (0..20).map(|_| app.connect()).collect::<Vec<_>>();
        streams.iter_mut().for_each(|stream| stream.write_all(get("/").repeat(3).as_bytes()).unwrap());
        let mut seen = 0;
        while seen < 30 {
            app.round(&mut |_, _| seen += 1);
        }
        let address = app.address;
        drop(app);
        for mut stream in streams {
            // The end, or a reset.
            assert!(!matches!(stream.read(&mut [0; 64]), Ok(1..)));
        }
        assert!(TcpStream::connect(address).is_err());
    }
}

#[test]
fn the_facts_of_a_client_are_found_while_it_is_open() {
    let mut app = App::new(2);
    let streams = (0..4).map(|_| app.connect()).collect::<Vec<_>>();
    let mut requests = Vec::new();
    for mut stream in &streams {
        stream.write_all(get("/").as_bytes()).unwrap();
    }
    while requests.len() < 4 {
        app.round(&mut |_, seen| requests.push(seen));
    }
    for request in &requests {
        let (thread, slot) = ThreadHandle::split(request.slot);
        let facts = app.handles[thread].facts(slot, request.client).unwrap();
        assert!(facts.watch());
        assert_eq!((facts.id(), facts.pending_responses()), (request.client, 1));
        assert!(app.handles[thread].facts(slot, request.client + 1000).is_none());
    }
    drop(streams);
    for request in &requests {
        app.respond(request.slot, request.id, b"");
    }
    app.handles.iter_mut().for_each(ThreadHandle::hand_over);
    let mut closed = Vec::new();
    while closed.len() < 4 {
        app.round(&mut |_, seen| {
            if seen.is(Kind::Closed) {
                closed.push(seen.id);
            }
        });
    }
    for request in requests {
        let (thread, slot) = ThreadHandle::split(request.slot);
        assert!(closed.contains(&request.client));
        assert!(app.handles[thread].facts(slot, request.client).is_none());
    }
}

#[test]
fn an_answer_given_right_before_the_end_is_sent() {
    let mut app = App::new(2);
    let mut stream = app.connect();
    stream.write_all(get("/").as_bytes()).unwrap();
    let mut request = None;
    while request.is_none() {
        app.round(&mut |_, seen| request = Some(seen));
    }
    let request = request.unwrap();
    app.respond(request.slot, request.id, b"the last");
    drop(app);
    assert_eq!(read_answers(&mut stream, 1), ["the last"]);
}

#[test]
fn an_answer_of_commands_before_those_that_close_its_client_is_sent() {
    let mut app = App::new(1);
    let mut stream = app.connect();
    stream.write_all(get("/").as_bytes()).unwrap();
    let mut is_closed = false;
    while !is_closed {
        app.round(&mut |app, request| {
            let (_, slot) = ThreadHandle::split(request.slot);
            let (done, busy) = channel();
            // The thread gets to the rest only when all of it waits.
            app.handles[0].run(slot, &[], move |_, _| busy.recv().unwrap());
            app.handles[0].hand_over();
            app.respond(request.slot, request.id, b"bye");
            app.handles[0].hand_over();
            app.handles[0].run(slot, &[], move |reactor, _| assert_eq!(reactor.close_all(), 0));
            app.handles[0].hand_over();
            done.send(()).unwrap();
            is_closed = true;
        });
    }
    assert_eq!(read_answers(&mut stream, 1), ["bye"]);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn long_bodies_are_sent_unchanged_although_the_application_uses_its_memory_again() {
    const LONG: usize = 6_000_000;
    let mut app = App::new(1);
    let mut memory = vec![0; LONG];
    for (number, target) in ["/whole", "/pieces", "/whole"].into_iter().enumerate() {
        let mut stream = app.connect();
        stream.write_all(get(target).as_bytes()).unwrap();
        let mut is_served = false;
        while !is_served {
            app.round(&mut |app, seen| {
                if !seen.is(Kind::Request) {
                    return;
                }
                is_served = true;
                let (slot, request_id) = (ThreadHandle::split(seen.slot).1, RequestId(seen.id));
                memory.fill(b'0' + number as u8);
                if seen.target == "/whole" {
                    app.respond(seen.slot, seen.id, &memory);
                } else {
                    let payload = Payload::Stream { length: Some(LONG as u64) };
                    let stream = Answer {
                        status: 200,
                        reason: None,
                        fields: b"",
                        payload,
                        close: false,
                        own: Own::default(),
                    };
                    let thread = &mut app.handles[0];
                    thread.respond(slot, request_id, &stream, false);
                    memory
                        .chunks(300_000)
                        .for_each(|piece| thread.write(slot, request_id, &[IoSlice::new(piece)], None));
                    thread.run(slot, b"", move |reactor, _| reactor.end(slot, request_id, b"").unwrap());
                }
                memory.fill(b'-');
            });
        }
        let answers = read_long_answer(&mut stream);
        assert_eq!(answers.len(), LONG);
        assert!(answers.iter().all(|byte| *byte == b'0' + number as u8), "{target}");
    }
}

/// The body of one answer.
fn read_long_answer(stream: &mut TcpStream) -> Vec<u8> {
    let mut received = Vec::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "the answer is incomplete");
        received.extend_from_slice(&buffer[..count]);
        let Some(head) = received.windows(4).take(1000).position(|end| end == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&received[..head]).into_owned();
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
        if received.len() == head + 4 + length.parse::<usize>().unwrap() {
            return received.split_off(head + 4);
        }
    }
}
