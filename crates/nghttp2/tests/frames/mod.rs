//! A session with its events as text.
// Each test uses a part of it.
#![allow(dead_code, unreachable_pub)]

mod wire;

pub use wire::*;

use nghttp2::{Event, ListLimits, Received, Session, Settings};

pub const LIMITS: ListLimits = ListLimits { bytes: 16 * 1024, fields: 100, crumbs: 50 };
pub const SETTINGS: Settings = Settings {
    concurrent_streams: 100,
    stream_window: 65_535,
    connection_window: 1 << 20,
    list_bytes: 16 * 1024,
    extended_connect: false,
};

/// A session that has exchanged settings.
pub struct Server {
    pub session: Session,
    pub received: Received,
    pub out: Vec<u8>,
}

impl Server {
    /// A session that has seen nothing.
    pub fn silent() -> Server {
        let session = Session::new(SETTINGS, LIMITS).expect("there is memory");
        Server { session, received: Received::default(), out: Vec::new() }
    }

    pub fn new() -> Server {
        let mut server = Server::silent();
        server.reads(&[PREFACE.to_vec(), settings(&[]), frame(4, ACK, 0, b"")].concat());
        server.sends();
        server
    }

    /// Takes input. Returns the events, one a line.
    pub fn reads(&mut self, input: &[u8]) -> String {
        self.received.clear();
        self.session.handle_input(input, &mut self.received).expect("the session continues");
        self.text(input)
    }

    /// Returns the frames that are sent, one a line.
    pub fn sends(&mut self) -> String {
        self.received.clear();
        self.out.clear();
        self.session.poll_transmit(&mut self.out, usize::MAX, &mut self.received).expect("it continues");
        describe(&self.out)
    }

    /// The events of the last call.
    pub fn text(&self, input: &[u8]) -> String {
        let lines = self.received.events.iter().map(|event| self.line(event, input));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn line(&self, event: &Event, input: &[u8]) -> String {
        let list = |list: &nghttp2::List| {
            let (bytes, fields) = self.received.list(list);
            let text = |span: nghttp2::Span| String::from_utf8_lossy(span.of(bytes)).into_owned();
            let lines = fields.iter().map(|field| format!(" {}={}", text(field.name), text(field.value)));
            let overflow = list.overflow.map_or(String::new(), |overflow| format!(" over {overflow:?}"));
            lines.collect::<String>() + &overflow
        };
        let end = |end: &bool| if *end { " end" } else { "" };
        match event {
            Event::Request { stream, list: lines, end: is_end, priority } => {
                let priority = priority.map_or(String::new(), |priority| format!(" u={}", priority.urgency));
                format!("{} request{}{}{priority}", stream.0, list(lines), end(is_end))
            }
            Event::Trailers { stream, list: lines, end: is_end } => {
                format!("{} trailers{}{}", stream.0, list(lines), end(is_end))
            }
            Event::Data { stream, bytes } => {
                format!("{} data {}", stream.0, String::from_utf8_lossy(bytes.of(input)))
            }
            Event::End { stream } => format!("{} end", stream.0),
            Event::Reset { stream, code } => format!("{} reset {code}", stream.0),
            Event::Closed { stream, code } => format!("{} closed {code}", stream.0),
            Event::Sent { stream, bytes, queued } => format!("{} sent {bytes}, {queued} wait", stream.0),
            Event::Reprioritized { stream, priority } => format!("{} u={}", stream.0, priority.urgency),
            other => format!("{other:?}"),
        }
    }
}
