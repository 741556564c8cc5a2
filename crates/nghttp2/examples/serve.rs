//! A server for judges of frames: `cargo run -p nghttp2 --example serve -- 127.0.0.1:8080`, h2c by prior
//! knowledge. It answers each request with its body, and doesn't check what the header list says.

use std::env;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use nghttp2::{Content, Error, Event, ListLimits, Received, Session, Settings, StreamId};

const LIMITS: ListLimits = ListLimits { bytes: 32 * 1024, fields: 256, crumbs: 1000 };
const SETTINGS: Settings = Settings {
    concurrent_streams: 100,
    stream_window: 65_535,
    connection_window: 1 << 20,
    list_bytes: 32 * 1024,
    extended_connect: false,
};

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
    let Ok(mut session) = Session::new(SETTINGS, LIMITS) else { return Ok(()) };
    let (mut received, mut out) = (Received::default(), Vec::new());
    let mut input = vec![0; 16 * 1024];
    loop {
        let mut failure: Result<(), Error> = Ok(());
        while failure.is_ok() && session.wants_write() {
            failure = session.poll_transmit(&mut out, 64 * 1024, &mut received);
            received.clear();
            socket.write_all(&out)?;
            out.clear();
        }
        if failure.is_err() || session.is_over() {
            return Ok(());
        }
        let count = socket.read(&mut input)?;
        if count == 0 || session.handle_input(&input[..count], &mut received).is_err() {
            return Ok(());
        }
        for event in &received.events {
            answer(&mut session, event, &input);
        }
        received.clear();
    }
}

fn answer(session: &mut Session, event: &Event, input: &[u8]) {
    // A stream that has ended meanwhile isn't answered; nothing has to be done about it.
    let _ = match event {
        Event::Request { stream, end, .. } if *end => {
            respond(session, *stream, Content::Full(b"Hello, world!"))
        }
        Event::Request { stream, .. } => respond(session, *stream, Content::Stream),
        Event::Data { stream, bytes } => {
            session.consume_connection(bytes.len());
            session.consume_stream(*stream, bytes.len());
            session.push(*stream, bytes.of(input)).map(drop)
        }
        Event::End { stream } | Event::Trailers { stream, .. } => session.finish(*stream),
        _ => Ok(()),
    };
}

fn respond(session: &mut Session, stream: StreamId, content: Content<'_>) -> Result<(), nghttp2::Gone> {
    let fields: [(&[u8], &[u8]); 2] = [(b":status", b"200"), (b"content-type", b"text/plain")];
    session.submit_response(stream, fields, content)
}
