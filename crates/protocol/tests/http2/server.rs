//! The server's side, driven as the reactor does it. The application notes what it gets, one line each.

use protocol::Way;
use protocol::http2::Connection;
use protocol::{Answer, Body, Context, Credit, Event, Limits, Own, Payload, Refusal, RequestId, Timestamp};

use crate::wire::*;

pub(crate) struct Server {
    pub(crate) cx: Context,
    pub(crate) connection: Connection,
    pub(crate) request_ids: Vec<RequestId>,
    out: Vec<u8>,
}

impl Server {
    /// A connection that has exchanged settings.
    pub(crate) fn new() -> Server {
        Server::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Server {
        Server::on(limits, Way::default())
    }

    pub(crate) fn on(limits: Limits, way: Way) -> Server {
        let mut server = Server::begin(limits, way);
        server.reads(&frame(4, ACK, 0, b""));
        server
    }

    /// A connection whose client hasn't acknowledged our settings.
    pub(crate) fn unacknowledged(limits: Limits) -> Server {
        Server::begin(limits, Way::default())
    }

    fn begin(limits: Limits, way: Way) -> Server {
        let cx = Context::new(limits);
        let connection = Connection::new(&cx, way).unwrap();
        let mut server = Server { cx, connection, request_ids: Vec::new(), out: Vec::new() };
        server.reads(&[PREFACE.to_vec(), settings(&[])].concat());
        server.sends();
        server
    }

    /// What the server sends first, one frame a line.
    pub(crate) fn greeting(limits: &Limits, way: Way) -> String {
        let mut cx = Context::new(limits.clone());
        let mut connection = Connection::new(&cx, way).unwrap();
        connection.flush(&mut cx);
        describe(connection.unsent())
    }

    /// Takes input. Returns what the application gets.
    pub(crate) fn reads(&mut self, mut input: &[u8]) -> String {
        let mut lines = Vec::new();
        loop {
            let step = self.connection.handle_input(&mut self.cx, input);
            let (taken, is_done) = (step.taken, step.taken == 0 && step.event.is_none());
            lines.extend(step.event.map(|event| line(event, &mut self.request_ids)));
            input = &input[taken..];
            if is_done {
                break;
            }
        }
        lines.extend(self.events());
        lines.join("\n")
    }

    /// Takes 45,000 bytes of content on each stream.
    pub(crate) fn receives_much(&mut self, streams: &[u32]) {
        for stream in streams {
            for _ in 0..3 {
                self.reads(&data(*stream, &[0; 15_000]));
            }
        }
    }

    /// What the application gets otherwise.
    pub(crate) fn events(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(event) = self.connection.poll_event(&self.cx) {
            lines.push(line(event, &mut self.request_ids));
        }
        lines
    }

    /// Returns the frames that are sent, one a line.
    pub(crate) fn sends(&mut self) -> String {
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        self.sends_to(&mut out);
        self.out = out;
        describe(&self.out)
    }

    /// Adds the bytes that are sent to `out`.
    pub(crate) fn sends_to(&mut self, out: &mut Vec<u8>) {
        self.connection.flush(&mut self.cx);
        while !self.connection.unsent().is_empty() {
            out.extend_from_slice(self.connection.unsent());
            let count = self.connection.unsent().len();
            self.connection.handle_sent(&mut self.cx, count);
        }
    }

    /// Has the application asked for pages.
    pub(crate) fn asks_for_pages(mut self) -> Server {
        self.cx.ask_for_pages(8);
        self
    }

    /// The refusals since the last call: their text, and what is known of their answer.
    pub(crate) fn refusals(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.connection.poll_refusal())
            .map(|Refusal { error, unparsed }| match unparsed {
                None => error.to_string(),
                Some(None) => format!("{error}: unanswered"),
                Some(Some(answer)) => format!("{error}: {} with {}", answer.status, answer.length),
            })
            .collect()
    }

    /// The number of the request that came `at` so many others.
    pub(crate) fn request(&self, at: usize) -> RequestId {
        self.request_ids[at]
    }

    pub(crate) fn answers(&mut self, at: usize, status: u16, payload: Payload<'_>) -> bool {
        let answer = Answer { status, reason: None, fields: b"", payload, close: false, own: Own::default() };
        self.connection.handle_answer(&mut self.cx, self.request_ids[at], answer).is_ok()
    }

    /// Grants credit for a body. Returns what that brings.
    pub(crate) fn asks(&mut self, at: usize, bytes: u64) -> String {
        self.connection.handle_credit(&mut self.cx, self.request_ids[at], Credit::Bytes(bytes)).unwrap();
        self.events().join("\n")
    }

    /// Lets time pass, with the timer that a reactor would set.
    pub(crate) fn waits(&mut self, millis: u64) {
        let end = self.cx.now.0 + millis;
        while let Some(at) = self.connection.poll_timeout(Timestamp(0)).filter(|at| at.0 <= end) {
            self.cx.now = at.max(self.cx.now);
            self.connection.handle_timeout(&mut self.cx);
        }
        self.cx.now = Timestamp(end);
    }
}

fn line(event: Event<'_>, request_ids: &mut Vec<RequestId>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match event {
        Event::Request(request) => {
            request_ids.push(request.request_id);
            let head = request.head;
            let mut line = format!("{} {} ", request.request_id.0, request.method.name());
            line += &text(head.target.of(head.bytes));
            for field in head.fields {
                line += &format!(" {}={}", text(field.name.of(head.bytes)), text(field.value.of(head.bytes)));
            }
            if request.claims_https {
                line += " claims https";
            }
            match request.body {
                Body::None => {}
                Body::Arriving { .. } => line += " + body",
                Body::Whole(pieces) => {
                    line += &format!(" + {}", pieces.iter().map(text).collect::<String>());
                }
            }
            line
        }
        Event::Body { request_id, bytes, end, trailers } => {
            let mut line = format!("{} body {}", request_id.0, bytes.len());
            for (name, value) in trailers.iter().flat_map(|trailers| trailers.iter()) {
                line += &format!(" {}={}", text(name), text(value));
            }
            if end { line + " end" } else { line }
        }
        Event::BodyLimit { request_id, .. } => format!("{} over its limit", request_id.0),
        Event::Unparsed { request_id, error } => {
            request_ids.push(request_id);
            format!("{} is no request: {error}", request_id.0)
        }
        Event::Reset { request_id, code, .. } => format!("{} reset {code}", request_id.0),
        Event::BodyFailed { request_id, error } => format!("{} failed: {error}", request_id.0),
        other => format!("{other:?}"),
    }
}
