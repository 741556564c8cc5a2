//! A server for judges of HTTP/2: `cargo run -p protocol --example h2 -- 127.0.0.1:8080`, h2c by prior knowledge.
//! It answers each request with its body, or with a greeting, over blocking sockets, one thread for each.

use std::collections::HashMap;
use std::env;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use protocol::Way;
use protocol::http2::Connection;
use protocol::{Answer, Body, Context, Credit, Event, Limits, Own, Payload, RequestId};

#[expect(clippy::disallowed_methods, reason = "a server for judges has a socket of its own")]
fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let listener = TcpListener::bind(address)?;
    for socket in listener.incoming() {
        let socket = socket?;
        thread::spawn(move || serve(socket));
    }
    Ok(())
}

fn serve(mut socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut cx = Context::new(Limits::default());
    let Some(mut connection) = Connection::new(&cx, Way::default()) else { return Ok(()) };
    let mut bodies = HashMap::new();
    let mut input = vec![0; 16 * 1024];
    loop {
        connection.flush(&mut cx);
        while !connection.unsent().is_empty() {
            let count = socket.write(connection.unsent())?;
            connection.handle_sent(&mut cx, count);
        }
        if connection.finish().is_some() {
            return Ok(());
        }
        let count = socket.read(&mut input)?;
        if count == 0 {
            return Ok(());
        }
        let mut rest = &input[..count];
        loop {
            let step = connection.handle_input(&mut cx, rest);
            let (taken, had_event) = (step.taken, step.event.is_some());
            let step = step.event.map(taken_in);
            rest = &rest[taken..];
            if let Some(step) = step {
                answer(&mut connection, &mut cx, &mut bodies, step);
            }
            if taken == 0 && !had_event {
                break;
            }
        }
    }
}

/// What the server does about an event.
enum Step {
    Greet(RequestId),
    Read(RequestId),
    Keep(RequestId, Vec<u8>, bool),
    Raise(RequestId),
    Nothing,
}

fn taken_in(event: Event<'_>) -> Step {
    match event {
        Event::Request(request) => match request.body {
            Body::None => Step::Greet(request.request_id),
            _ => Step::Read(request.request_id),
        },
        Event::Body { request_id, bytes, end, .. } => Step::Keep(request_id, bytes, end),
        Event::BodyLimit { request_id, .. } => Step::Raise(request_id),
        _ => Step::Nothing,
    }
}

fn answer(
    connection: &mut Connection,
    cx: &mut Context,
    bodies: &mut HashMap<RequestId, Vec<u8>>,
    step: Step,
) {
    // A stream that has ended meanwhile isn't answered; nothing has to be done about it.
    let _ = match step {
        Step::Greet(request_id) => respond(connection, cx, request_id, b"Hello, world!"),
        Step::Read(request_id) => connection.handle_credit(cx, request_id, Credit::Bytes(u64::MAX)),
        Step::Keep(request_id, bytes, end) => {
            let body = bodies.entry(request_id).or_default();
            body.extend_from_slice(&bytes);
            match end {
                true => {
                    let body = bodies.remove(&request_id).unwrap_or_default();
                    respond(connection, cx, request_id, &body)
                }
                false => Ok(()),
            }
        }
        Step::Raise(request_id) => connection.handle_raise(cx, request_id, u64::MAX),
        Step::Nothing => Ok(()),
    };
}

fn respond(
    connection: &mut Connection,
    cx: &mut Context,
    request_id: RequestId,
    body: &[u8],
) -> Result<(), protocol::AnswerError> {
    let fields = b"content-type: text/plain\r\n";
    let payload = Payload::Full(body);
    connection.handle_answer(
        cx,
        request_id,
        Answer { status: 200, reason: None, fields, payload, close: false, own: Own::default() },
    )
}
