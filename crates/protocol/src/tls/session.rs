//! One connection's TLS.
//!
//! rustls is used without its buffers: records are decrypted where they lie in the input, and encrypted
//! straight into the caller's output. A session that waits holds no bytes of a record.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use rustls::pki_types::UnixTime;
use rustls::server::UnbufferedServerConnection;
use rustls::{Error, HandshakeKind};

use super::answers::Answer;
use super::certificate::Certificate;
use super::config::{Config, Decision};
use super::engine::{self, Step};
use super::failure::{Failure, Fault};
use super::handshake::{Handshake, Outcome};
use super::hello::{Hello, Learnt};
use super::info::Info;
use super::records::{self, Budget, Pending};

/// Bytes that a client may send until the handshake is done.
const HANDSHAKE_BYTES: usize = 64 * 1024;
/// A fatal alert `unrecognized_name`, which rustls has no way to send. RFC 6066 §3, RFC 8446 §6.
const UNRECOGNISED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// What has happened to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A certificate for this name is wanted; `handle_certificate` continues. The caller sets the deadline.
    NeedsCertificate(String),
    /// The handshake is done: `info` and `write` may be used.
    Established,
    /// The client speaks plain HTTP. The session is over; the caller may answer in plain text.
    PlainHttp(Failure),
    /// The client will send no more data, and has said so by close_notify. `write` still works.
    PeerClosed,
    /// The client will send no more bytes, and has not said so: data may be missing. `write` still works.
    Truncated,
    /// The session is over. What there is to send, an alert, is in the output.
    Failed(Failure),
}

/// One connection's TLS: ciphertext on one side, plaintext on the other.
pub struct Session {
    config: Arc<Config>,
    state: State,
    pending: Pending,
    budget: Budget,
    events: VecDeque<Event>,
    outcome: Outcome,
    /// Bytes that came before the handshake was done.
    handshake_bytes: usize,
    has_peer_closed: bool,
    has_closed: bool,
}

enum State {
    /// Nothing has come.
    Fresh,
    /// The ClientHello is gathered to learn the name in it.
    Gathering(Box<Hello>),
    /// The application is asked for a certificate for `name`.
    Asking { hello: Box<Hello>, name: String },
    /// rustls shakes hands.
    Handshaking { connection: UnbufferedServerConnection, handshake: Arc<Handshake> },
    /// Data flows.
    Established(UnbufferedServerConnection),
    /// It failed, and is of no use any more.
    Over,
}

impl Session {
    /// A session of a connection that has just been accepted.
    pub fn new(config: Arc<Config>, now: UnixTime) -> Session {
        Session {
            config,
            state: State::Fresh,
            pending: Pending::default(),
            budget: Budget::new(now),
            events: VecDeque::new(),
            outcome: Outcome::default(),
            handshake_bytes: 0,
            has_peer_closed: false,
            has_closed: false,
        }
    }

    /// Takes all of `input`, which is decrypted in place. Data is added to `plaintext`, bytes to send to `output`.
    /// Of the events that follow, `Established` belongs before the data and all others behind it.
    pub fn handle_input(
        &mut self,
        now: UnixTime,
        input: &mut [u8],
        plaintext: &mut Vec<u8>,
        output: &mut Vec<u8>,
    ) {
        let Some(first) = input.first() else { return };
        match &mut self.state {
            State::Over => return,
            // Every record of a handshake begins with a number below 32, every method with a letter.
            State::Fresh if first.is_ascii_alphabetic() => {
                self.state = State::Over;
                self.events.push_back(Event::PlainHttp(Failure::of_fault(Fault::PlainHttp, true)));
                return;
            }
            State::Fresh if self.config.asks() => self.state = State::Gathering(Box::new(Hello::new())),
            State::Fresh => self.begin(now, None, output),
            State::Gathering(_)
            | State::Asking { .. }
            | State::Handshaking { .. }
            | State::Established(_) => {}
        }
        if !matches!(self.state, State::Established(_)) {
            self.handshake_bytes += input.len();
        }
        match &mut self.state {
            State::Gathering(hello) => {
                let learnt = hello.add(input);
                self.on_learnt(now, learnt, plaintext, output);
            }
            State::Asking { hello, .. } => hello.keep(input),
            _ => self.feed(now, input, plaintext, output),
        }
        if self.is_handshaking() && self.handshake_bytes > HANDSHAKE_BYTES {
            self.end(Failure::of_fault(Fault::HandshakeTooLarge, true));
        }
    }

    /// The client's end of the connection: no more bytes will come.
    pub fn handle_eof(&mut self) {
        match self.state {
            // A probe that only connects is no failure.
            State::Fresh => {
                self.state = State::Over;
                self.events.push_back(Event::PeerClosed);
            }
            State::Gathering(_) | State::Asking { .. } | State::Handshaking { .. } => {
                self.end(Failure::of_fault(Fault::Cut, true));
            }
            State::Established(_) if !mem::replace(&mut self.has_peer_closed, true) => {
                // Half a record stays: rustls counts on seeing again what it has begun to read.
                self.events.push_back(Event::Truncated);
            }
            State::Established(_) | State::Over => {}
        }
    }

    /// The answer to `NeedsCertificate`; None for the default certificate, kept for no other connection.
    pub fn handle_certificate(
        &mut self,
        now: UnixTime,
        answer: Option<&Answer>,
        plaintext: &mut Vec<u8>,
        output: &mut Vec<u8>,
    ) {
        match mem::replace(&mut self.state, State::Over) {
            State::Asking { hello, name } => {
                if let Some(answer) = answer {
                    self.config.keep_answer(&name, answer, now);
                }
                let certificate = answer.and_then(|answer| answer.certificate.clone());
                self.start(now, *hello, certificate, plaintext, output);
            }
            state => self.state = state,
        }
    }

    /// Encrypts `plaintext` into `output`, in as few records as it fits. False: the handshake isn't done, or the
    /// session has ended, and nothing was written.
    pub fn write(&mut self, plaintext: &[u8], output: &mut Vec<u8>) -> bool {
        self.encrypt(|connection, records| engine::write(connection, records, plaintext, output)).is_some()
    }

    /// The same into `room`, from `start` on, which costs no filling of memory ahead of the encryption: `room` grows
    /// where it is too short, and is never shortened. Returns where the result ends.
    pub fn write_into(&mut self, plaintext: &[u8], room: &mut Vec<u8>, start: usize) -> Option<usize> {
        self.encrypt(|connection, records| engine::seal(connection, records, plaintext, room, start))
    }

    fn encrypt<T>(
        &mut self,
        run: impl FnOnce(&mut UnbufferedServerConnection, &mut [u8]) -> Result<T, Error>,
    ) -> Option<T> {
        let State::Established(connection) = &mut self.state else { return None };
        if self.has_closed {
            return None;
        }
        match run(connection, self.pending.bytes()) {
            Ok(done) => Some(done),
            Err(error) => {
                self.end(Failure::of_error(&error, false, false));
                None
            }
        }
    }

    /// Says that no more data will follow. The client may still send.
    pub fn close_notify(&mut self, output: &mut Vec<u8>) {
        if let State::Established(connection) = &mut self.state
            && !mem::replace(&mut self.has_closed, true)
        {
            engine::close(connection, self.pending.bytes(), output);
        }
    }

    /// What has happened since the last call, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if self.events.is_empty() {
            self.events = VecDeque::new();
        }
        event
    }

    /// A byte has come: the deadline of the handshake runs from here.
    pub fn has_begun(&self) -> bool {
        !matches!(self.state, State::Fresh)
    }

    /// No data can flow yet.
    pub fn is_handshaking(&self) -> bool {
        match self.state {
            State::Fresh | State::Gathering(_) | State::Asking { .. } | State::Handshaking { .. } => true,
            State::Established(_) | State::Over => false,
        }
    }

    /// It failed: nothing can be read or written any more.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// What was agreed upon; None before the handshake is done.
    pub fn info(&self) -> Option<Info> {
        match &self.state {
            State::Established(connection) => {
                Some(Info::new(connection, self.outcome.server_name.as_deref()))
            }
            _ => None,
        }
    }

    /// The certificate that the client was shown: it tells for which names the connection may be used.
    pub fn certificate(&self) -> Option<&Arc<Certificate>> {
        self.outcome.certificate.as_ref()
    }

    /// The configuration under which it was accepted.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    fn on_learnt(&mut self, now: UnixTime, learnt: Learnt, plaintext: &mut Vec<u8>, output: &mut Vec<u8>) {
        let decision = match learnt {
            Learnt::Nothing => return,
            Learnt::Name(name) => self.config.decide(name.as_deref(), now),
            Learnt::Malformed => Decision::Begin(None),
        };
        let State::Gathering(hello) = mem::replace(&mut self.state, State::Over) else { return };
        match decision {
            Decision::Begin(certificate) => self.start(now, *hello, certificate, plaintext, output),
            Decision::Ask(name) => {
                self.events.push_back(Event::NeedsCertificate(name.clone()));
                self.state = State::Asking { hello, name };
            }
        }
    }

    /// Begins the handshake with what was gathered.
    fn start(
        &mut self,
        now: UnixTime,
        hello: Hello,
        certificate: Option<Arc<Certificate>>,
        plaintext: &mut Vec<u8>,
        output: &mut Vec<u8>,
    ) {
        self.begin(now, certificate, output);
        self.feed(now, &mut hello.into_bytes(), plaintext, output);
    }

    fn begin(&mut self, now: UnixTime, certificate: Option<Arc<Certificate>>, output: &mut Vec<u8>) {
        let begun = self.config.connection(now, certificate).and_then(|(config, handshake)| {
            UnbufferedServerConnection::new(config).map(|connection| (connection, handshake))
        });
        match begun {
            Ok((connection, handshake)) => self.state = State::Handshaking { connection, handshake },
            Err(error) => self.fail(&error, output.len(), output),
        }
    }

    /// Passes ciphertext to rustls: what lies whole in the input in place, the rest once it is whole.
    fn feed(&mut self, now: UnixTime, mut input: &mut [u8], plaintext: &mut Vec<u8>, output: &mut Vec<u8>) {
        if let State::Handshaking { handshake, .. } = &self.state {
            handshake.set_now(now);
        }
        while !input.is_empty() && !self.has_peer_closed && !self.is_over() {
            let data = plaintext.len();
            let count = if self.pending.is_empty() {
                let (end, count) = records::whole(input);
                let used = self.run(now, input, plaintext, output);
                self.pending.set(input.get(used..).unwrap_or_default(), end.saturating_sub(used));
                input = &mut [];
                count
            } else {
                let (taken, count) = self.pending.complete(input);
                if count > 0 {
                    let mut pending = mem::take(&mut self.pending);
                    let used = self.run(now, pending.bytes(), plaintext, output);
                    pending.discard(used);
                    self.pending = pending;
                }
                input = input.get_mut(taken..).unwrap_or_default();
                count
            };
            if let State::Established(_) = self.state
                && !self.budget.spend(count, plaintext.len().saturating_sub(data), now)
            {
                self.close_notify(output);
                self.end(Failure::of_fault(Fault::Flood, false));
            }
        }
        if self.has_peer_closed || self.is_over() {
            self.pending = Pending::default();
        }
    }

    /// Lets rustls work on `buffer`. Returns how many bytes at its front are done with.
    fn run(
        &mut self,
        now: UnixTime,
        buffer: &mut [u8],
        plaintext: &mut Vec<u8>,
        output: &mut Vec<u8>,
    ) -> usize {
        let mut used = 0;
        loop {
            let connection = match &mut self.state {
                State::Handshaking { connection, .. } | State::Established(connection) => connection,
                _ => return buffer.len(),
            };
            let (before, sent) = (plaintext.len(), output.len());
            let rest = buffer.get_mut(used..).unwrap_or_default();
            let (discard, step) = engine::step(connection, rest, plaintext, output);
            used += discard;
            let is_done = !connection.is_handshaking();
            match step {
                Step::Failed(error) => {
                    let rest = buffer.get_mut(used..).unwrap_or_default();
                    engine::flush_alerts(connection, rest, output);
                    self.fail(&error, sent, output);
                    return buffer.len();
                }
                Step::Went | Step::Waits | Step::PeerClosed => {}
            }
            let rest = buffer.get_mut(used..).unwrap_or_default();
            if is_done
                && matches!(self.state, State::Handshaking { .. })
                && !self.establish(now, rest, output)
            {
                plaintext.truncate(before);
                return buffer.len();
            }
            match step {
                Step::PeerClosed => {
                    self.has_peer_closed = true;
                    self.events.push_back(Event::PeerClosed);
                    return buffer.len();
                }
                Step::Waits => return used,
                _ => {}
            }
        }
    }

    /// The handshake is done. False: the session that it resumes may not be used any more. `rest` is what rustls
    /// has not processed.
    fn establish(&mut self, now: UnixTime, rest: &mut [u8], output: &mut Vec<u8>) -> bool {
        let State::Handshaking { mut connection, handshake } = mem::replace(&mut self.state, State::Over)
        else {
            return false;
        };
        self.outcome = handshake.outcome();
        let is_resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
        let client_auth = self.config.client_auth();
        // A resumed session has its chain from the ticket, which rustls doesn't verify again.
        let verdict = match connection.peer_certificates() {
            Some(chain) if is_resumed && client_auth.refuses_bad() => client_auth.check(chain, now),
            None if is_resumed && client_auth.needs_one() => client_auth.check(&[], now),
            _ => Ok(()),
        };
        if let Err(error) = verdict {
            engine::close(&mut connection, rest, output);
            self.end(Failure::of_peer(&error));
            return false;
        }
        self.state = State::Established(connection);
        self.budget = Budget::new(now);
        self.events.push_back(Event::Established);
        true
    }

    /// rustls has given up. `sent` is where its alert begins in `output`, if there is one.
    fn fail(&mut self, error: &Error, sent: usize, output: &mut Vec<u8>) {
        if let State::Handshaking { handshake, .. } = &self.state
            && handshake.lacks_certificate()
        {
            output.truncate(sent);
            output.extend_from_slice(&UNRECOGNISED_NAME);
            self.end(Failure::of_fault(Fault::UnrecognisedName, true));
            return;
        }
        let is_handshake = self.is_handshaking();
        self.end(Failure::of_error(error, output.len() > sent, is_handshake));
    }

    fn end(&mut self, failure: Failure) {
        self.state = State::Over;
        self.pending = Pending::default();
        self.events.push_back(Event::Failed(failure));
    }
}
