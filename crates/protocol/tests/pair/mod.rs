//! A client and a server in memory, with a clock that moves by hand.
//!
//! The server is a [`Connection`] driven as the reactor does it. The application logs each event and answers as the
//! test says. The log is a list of lines, in order.

#![allow(unreachable_pub, dead_code, reason = "each test file uses a part of it")]

mod owned_event;
mod promises;
mod text;
mod tunnel;

use protocol::{
    Answer, CloseReason, Connection, Context, Credit, Direct, Event, External, Finish, Limits, Own, Payload,
    RequestId, SecurityEvent, Timestamp,
};

use owned_event::OwnedEvent;
use text::{abbreviated, lines};
pub use tunnel::Tunnel;

/// Bytes that the server reads at once.
const RECEIVED_AT_ONCE: usize = 64 * 1024;
/// Bytes of a file that it gives at once.
const FILE_PORTION: usize = 2;
/// Most steps that it takes with them in one visit.
const STEPS: usize = 64;

/// What the application does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Asks for each body and answers `200` with `ok` once the body is complete.
    Answer,
    /// Asks for each body; the test answers.
    Hold,
    /// Does neither.
    Ignore,
}

/// Both ends of one connection.
pub struct Pair {
    pub cx: Context,
    pub connection: Connection,
    habit: Habit,
    inbox: Vec<u8>,
    has_ended: bool,
    /// The client doesn't read.
    pub is_client_stuck: bool,
    request_ids: Vec<RequestId>,
    /// What happened, one line each; bytes to the client are logged as they were sent, line by line.
    pub log: Vec<String>,
    /// Bytes that the client has received.
    pub received: Vec<u8>,
    is_over: bool,
    /// How many more bytes of the raw connection the application wants.
    raw_wanted: u64,
    /// Bodies are received straight into the application's memory where the connection allows it.
    pub is_direct: bool,
    is_node_style: bool,
    /// The client's TLS, if they speak it, and how many bytes of ciphertext come to the server at once.
    tunnel: Option<Tunnel>,
    pub ciphertext_step: usize,
    /// The body that is asked for as a whole, and what has come of it.
    wanted: Option<(RequestId, Vec<u8>)>,
}

impl Pair {
    pub fn new(limits: Limits, habit: Habit) -> Pair {
        let is_node_style = limits.node_style;
        let cx = Context::new(limits);
        let connection = Connection::new(&cx);
        Pair {
            cx,
            connection,
            habit,
            inbox: Vec::new(),
            has_ended: false,
            is_client_stuck: false,
            request_ids: Vec::new(),
            log: Vec::new(),
            received: Vec::new(),
            is_over: false,
            raw_wanted: 0,
            is_direct: false,
            is_node_style,
            tunnel: None,
            ciphertext_step: usize::MAX,
            wanted: None,
        }
    }

    /// The same over TLS, with the handshake done.
    pub fn secured(limits: Limits, habit: Habit) -> Pair {
        let (tunnel, config) = Tunnel::new();
        let mut pair = Pair::new(limits, habit);
        pair.connection = Connection::secured(&pair.cx, config, false);
        pair.tunnel = Some(tunnel);
        while pair.connection.is_handshaking() {
            pair.deliver_ciphertext();
            pair.transmit();
        }
        assert!(!pair.is_over && pair.log.is_empty(), "the handshake has failed: {:?}", pair.log);
        pair
    }

    /// What the client has for the server goes through TLS.
    fn deliver_ciphertext(&mut self) {
        let mut ciphertext = self.tunnel.as_mut().map_or_else(Vec::new, Tunnel::outgoing);
        for piece in ciphertext.chunks_mut(self.ciphertext_step) {
            self.connection.decrypt(&mut self.cx, piece, &mut self.inbox);
            self.poll_security();
            if !self.connection.is_handshaking() {
                self.pump();
            }
        }
    }

    /// The client sends bytes that its TLS knows nothing of.
    pub fn client_sends_raw(&mut self, bytes: &[u8], step: usize) {
        for piece in bytes.chunks(step.max(1)) {
            self.connection.decrypt(&mut self.cx, &mut piece.to_vec(), &mut self.inbox);
            self.poll_security();
            self.pump();
        }
    }

    fn poll_security(&mut self) {
        while let Some(event) = self.connection.poll_security(&mut self.cx) {
            match event {
                SecurityEvent::Established => self.connection.handle_agreed(&self.cx),
                SecurityEvent::Failed(failure) => self.log.push(format!("TLS failed: {failure}")),
                SecurityEvent::NeedsCertificate(_) => {}
            }
        }
    }

    pub fn client_sends(&mut self, bytes: &[u8]) {
        match &mut self.tunnel {
            Some(tunnel) => {
                tunnel.write(bytes);
                self.deliver_ciphertext();
            }
            None => self.inbox.extend_from_slice(bytes),
        }
        self.pump();
    }

    /// The client closes its sending side.
    pub fn client_ends(&mut self) {
        self.has_ended = true;
        self.pump();
    }

    /// The client reads everything that was sent.
    pub fn client_reads_again(&mut self) {
        self.is_client_stuck = false;
        self.pump();
    }

    pub fn server_stops(&mut self) {
        self.connection.handle_stop(&mut self.cx);
        self.pump();
    }

    /// Moves the clock; each deadline on the way is handled at its time.
    pub fn advance(&mut self, millis: u64) {
        let end = self.cx.now.after_millis(millis);
        while let Some(at) =
            self.connection.poll_timeout(Timestamp(0)).filter(|at| *at <= end && !self.is_over)
        {
            self.cx.now = self.cx.now.max(at);
            self.connection.handle_timeout(&mut self.cx);
            self.poll_security();
            self.pump();
        }
        self.cx.now = end;
    }

    /// The request id of request number `number`, from 1.
    pub fn request_id(&self, number: usize) -> RequestId {
        number
            .checked_sub(1)
            .and_then(|at| self.request_ids.get(at))
            .copied()
            .unwrap_or(RequestId(u64::MAX - 1))
    }

    /// How many requests the application got.
    pub fn requests(&self) -> usize {
        self.request_ids.len()
    }

    pub fn answer(&mut self, number: usize, answer: Answer<'_>) {
        let request_id = self.request_id(number);
        if self.connection.handle_answer(&mut self.cx, request_id, answer).is_err() {
            self.log.push(format!("answer {number} is stale"));
        }
        self.pump();
    }

    /// Answers with a status and a text.
    pub fn respond(&mut self, number: usize, status: u16, body: &str) {
        let payload = Payload::Full(body.as_bytes());
        self.answer(
            number,
            Answer { status, reason: None, fields: b"", payload, close: false, own: Own::default() },
        );
    }

    pub fn command(
        &mut self,
        run: impl FnOnce(&mut Connection, &mut Context) -> Result<(), protocol::AnswerError>,
    ) {
        if let Err(error) = run(&mut self.connection, &mut self.cx) {
            self.log.push(format!("{error:?}"));
        }
        self.pump();
    }

    /// The file that comes next, if there is one, can't be read.
    pub fn fail_file(&mut self) {
        if self.connection.poll_external().is_some() {
            self.connection.handle_external_failed(&mut self.cx);
            self.pump();
        }
    }

    /// Has the application ask for a whole body, which is logged at its end.
    pub fn want_body(&mut self, request_id: RequestId) {
        if self.connection.is_open(request_id)
            && self.wanted.as_ref().is_none_or(|(wanted, _)| *wanted != request_id)
        {
            self.wanted = Some((request_id, Vec::new()));
        }
        self.command(|connection, cx| connection.handle_credit(cx, request_id, Credit::Whole(u64::MAX)));
    }

    /// Has the application ask for raw pieces until it has so many bytes.
    pub fn read_raw(&mut self, bytes: u64) {
        self.raw_wanted += bytes;
        let wanted = self.raw_wanted;
        self.command(|connection, _| connection.handle_raw_ask(wanted));
    }

    /// Gives a raw connection back to HTTP, with bytes that the application had read beyond its own.
    pub fn serve(&mut self, unread: &[u8]) {
        match self.connection.handle_serve(&mut self.cx) {
            Ok(rest) => {
                self.inbox.splice(..0, unread.iter().copied().chain(rest)).for_each(drop);
                self.has_ended = self.connection.has_peer_ended();
            }
            Err(error) => self.log.push(format!("{error:?}")),
        }
        self.pump();
    }

    pub fn now(&self) -> Timestamp {
        self.cx.now
    }

    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Does everything that can be done now.
    pub fn pump(&mut self) {
        loop {
            let before = (self.inbox.len(), self.log.len(), self.has_ended);
            self.feed();
            self.poll_events();
            self.transmit();
            self.poll_raw();
            if (self.inbox.len(), self.log.len(), self.has_ended) == before {
                break;
            }
        }
        if !self.is_over
            && let Some(finish) = self.connection.finish()
        {
            self.is_over = true;
            let how = match finish {
                Finish::Close => "close",
                Finish::Linger => "linger",
                Finish::Reset => "reset",
            };
            let why = match self.connection.close_reason() {
                CloseReason::Refused(error) => format!("refused, {}", error.code()),
                reason => format!("{reason:?}"),
            };
            self.log.push(format!("{how}: {why}"));
        }
    }

    /// As the reactor does it: what was received at once is offered until none of it is taken, even when
    /// `wants_input` has changed meanwhile.
    fn feed(&mut self) {
        while !self.inbox.is_empty() && !self.is_over && self.connection.wants_input() {
            let room = self.connection.direct_room().min(self.inbox.len());
            if self.is_direct && room > 0 {
                self.feed_directly(room);
                continue;
            }
            let count = self.inbox.len().min(RECEIVED_AT_ONCE);
            let input = self.inbox.drain(..count).collect::<Vec<_>>();
            let mut taken = 0;
            for _ in 0..STEPS {
                let step = self.connection.handle_input(&mut self.cx, &input[taken..]);
                let is_idle = step.taken == 0 && step.event.is_none();
                taken += step.taken;
                if let Some(Event::Request(request)) = &step.event {
                    promises::check(request, self.is_node_style);
                }
                if let Some(event) = step.event.map(OwnedEvent::of) {
                    self.notify(event);
                    self.transmit();
                }
                if is_idle {
                    break;
                }
            }
            self.inbox.splice(..0, input[taken..].iter().copied()).for_each(drop);
            if taken == 0 {
                break;
            }
        }
        if self.has_ended && self.inbox.is_empty() && !self.is_over {
            self.has_ended = false;
            self.connection.handle_eof(&mut self.cx);
            self.poll_security();
        }
    }

    fn feed_directly(&mut self, room: usize) {
        let kind = if self.connection.is_raw() { "raw" } else { "piece" };
        let mut bytes = self.inbox.drain(..room).collect::<Vec<_>>();
        let Direct { content, taken, event } = self.connection.handle_direct(&mut self.cx, &mut bytes);
        self.inbox.splice(..0, bytes[taken..].iter().copied()).for_each(drop);
        bytes.truncate(content);
        let event = match event {
            Some(Event::Body { request_id, bytes: rest, trailers: None, end: true }) if rest.is_empty() => {
                OwnedEvent::Body { request_id, bytes, trailers: None }
            }
            None if bytes.is_empty() => return self.transmit(),
            None => OwnedEvent::Piece { kind, bytes },
            Some(event) => {
                self.notify(OwnedEvent::Piece { kind, bytes });
                OwnedEvent::of(event)
            }
        };
        self.notify(event);
        self.transmit();
    }

    fn poll_events(&mut self) {
        while let Some(event) = self.connection.poll_event(&mut self.cx) {
            let event = OwnedEvent::of(event);
            self.notify(event);
        }
    }

    fn transmit(&mut self) {
        self.transmit_output();
        while self.give_file() {
            self.transmit_output();
        }
    }

    /// Gives the next bytes of a file, of which the socket takes none at once; false when no file comes next.
    fn give_file(&mut self) -> bool {
        let next = self.connection.poll_external().filter(|_| !self.is_client_stuck);
        let Some(External { missing, .. }) = next else { return false };
        let bytes = vec![b'f'; usize::try_from(missing).unwrap_or(1).min(FILE_PORTION)];
        self.connection.handle_external_bytes(&mut self.cx, &bytes, &mut |_| 0);
        true
    }

    fn transmit_output(&mut self) {
        while !self.is_client_stuck && !self.connection.is_all_sent() {
            let sent = self.connection.poll_transmit(&mut self.cx).to_vec();
            let bytes = match &mut self.tunnel {
                Some(tunnel) => tunnel.incoming(&sent),
                None => sent.clone(),
            };
            self.received.extend_from_slice(&bytes);
            self.log.extend(lines(&bytes));
            self.connection.handle_sent(&mut self.cx, sent.len());
            if sent.is_empty() || self.tunnel.is_none() {
                break;
            }
        }
    }

    fn poll_raw(&mut self) {
        if let Some(request_id) = self.connection.poll_upgraded() {
            let number =
                self.request_ids.iter().position(|known| *known == request_id).map_or(0, |at| at + 1);
            self.log.push(format!("upgraded {number}"));
        }
        if self.connection.poll_shutdown() {
            self.log.push("shutdown".to_owned());
        }
    }

    fn notify(&mut self, event: OwnedEvent) {
        match event {
            OwnedEvent::Request { request_id, line, body } => {
                self.request_ids.push(request_id);
                self.log.push(line);
                let number = self.request_ids.len();
                match body {
                    Some(body) => self.has_whole(number, &body),
                    None if self.habit == Habit::Ignore => {}
                    None => {
                        let credit = Credit::Whole(u64::MAX);
                        let asked = self.connection.handle_credit(&mut self.cx, request_id, credit);
                        assert!(asked.is_ok(), "a body that is arriving can be asked for");
                        self.wanted = Some((request_id, Vec::new()));
                    }
                }
            }
            OwnedEvent::Piece { kind: "piece", bytes } if self.wanted.is_some() => {
                if let Some((_, whole)) = &mut self.wanted {
                    whole.extend(bytes);
                }
            }
            OwnedEvent::Piece { kind, bytes } => {
                self.log_piece(kind, &bytes);
                if kind == "raw" {
                    self.raw_wanted = self.raw_wanted.saturating_sub(bytes.len() as u64);
                    let asked = self.connection.handle_raw_ask(self.raw_wanted);
                    assert!(asked.is_ok(), "a raw connection stays raw");
                }
            }
            OwnedEvent::Body { request_id, bytes, trailers } => {
                let number =
                    self.request_ids.iter().position(|known| *known == request_id).map_or(0, |at| at + 1);
                self.log.extend(trailers.map(|trailers| format!("trailers {trailers}")));
                let whole = match self.wanted.take_if(|(wanted, _)| *wanted == request_id) {
                    Some((_, came)) => [came, bytes].concat(),
                    None => bytes,
                };
                self.has_whole(number, &whole);
            }
            OwnedEvent::Unparsed { request_id, error } => {
                self.request_ids.push(request_id);
                self.log.push(format!("page wanted: {} {error}", error.status()));
            }
            OwnedEvent::Other(line) => self.log.push(line),
        }
    }

    /// Successive pieces are logged as one: where they were cut doesn't matter.
    fn log_piece(&mut self, kind: &str, bytes: &[u8]) {
        let text = abbreviated(&String::from_utf8_lossy(bytes).escape_default().to_string());
        match self.log.last_mut().filter(|line| line.starts_with(kind) && line.ends_with('"')) {
            Some(line) => line.insert_str(line.len() - 1, &text),
            None => self.log.push(format!("{kind} \"{text}\"")),
        }
    }

    fn has_whole(&mut self, number: usize, body: &[u8]) {
        if self.habit == Habit::Ignore && !body.is_empty() {
            self.log_piece("piece", body);
        } else if !body.is_empty() {
            self.log.push(format!("body {:?}", String::from_utf8_lossy(body)));
        }
        if self.habit == Habit::Answer {
            let request_id = self.request_id(number);
            let payload = Payload::Full(b"ok");
            let answer =
                Answer { status: 200, reason: None, fields: b"", payload, close: false, own: Own::default() };
            let _ = self.connection.handle_answer(&mut self.cx, request_id, answer);
        }
    }
}
