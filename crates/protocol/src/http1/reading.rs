//! Reading requests: bytes in, events out.

use llhttp::{ErrorKind, Method, ParseError, Progress, Record, State};

use crate::context::Context;
use crate::error::RequestError;
use crate::event::{Body, Event, Head, Pieces, Request, RequestId, Step, Version};
use crate::http::list::is_token;
use crate::http1::head::{self, Checked};
use crate::http1::pipeline::RequestFlags;
use crate::http1::{Connection, Partial, Reading, Undecided};
use crate::limits::Limits;
use crate::timestamp::Timestamp;

/// A record of TLS begins with its type and its version, whose first byte never changes. RFC 8446 §5.1.
const HANDSHAKE: u8 = 22;
const TLS_MAJOR: u8 = 3;
/// How PROXY headers begin; the line ends ahead of that of version 2 mean nothing in HTTP.
const PROXY_HEADERS: [&[u8]; 3] = [b"PROXY TCP", b"PROXY UNKNOWN", b"\0\r\nQUIT\n"];

impl Connection {
    pub(crate) fn handle_input<'a>(&'a mut self, cx: &'a mut Context, input: &'a [u8]) -> Step<'a> {
        if input.is_empty() {
            return Step::none(0);
        }
        match self.reading {
            Reading::Idle if matches!(input, [b'\r' | b'\n', ..]) => Step::none(empty_lines(input)),
            Reading::Idle => match self.may_begin(cx, &[], input) {
                Some(true) if self.incoming.is_none() => self.read_head(cx, input),
                None => self.keep_undecided(cx, input),
                Some(may_begin) => {
                    self.is_paused = !may_begin;
                    Step::none(0)
                }
            },
            Reading::Head => self.read_rest_of_head(cx, input),
            Reading::Body => self.read_body(cx, input),
            Reading::AwaitingUpgrade | Reading::TakenOver => Step::none(0),
            Reading::Closed => {
                self.leaves_unread = true;
                Step::none(input.len())
            }
        }
    }

    /// Whether a request that begins like this may start beside those that run; None while its method isn't
    /// known. Decided before anything is parsed.
    #[inline]
    fn may_begin(&self, cx: &Context, before: &[u8], input: &[u8]) -> Option<bool> {
        if self.pipeline.is_empty() {
            return Some(true);
        }
        if self.pipeline.len() as u64 >= cx.limits.pipeline_limit {
            return Some(false);
        }
        let is_safe = match begins_safe(input) {
            Some(is_safe) if before.is_empty() => is_safe,
            _ => begins_safe(&[before, input].concat())?,
        };
        Some(self.pipeline.lets_start(is_safe))
    }

    /// Keeps the beginning of a head unparsed.
    #[cold]
    pub(super) fn keep_undecided<'a>(&'a mut self, cx: &Context, input: &[u8]) -> Step<'a> {
        let partial = Partial {
            bytes: input.to_vec(),
            record: Record::default(),
            begun: cx.now,
            undecided: Some(Undecided::MayBegin),
        };
        self.partial = Some(Box::new(partial));
        self.reading = Reading::Head;
        self.rearm(cx);
        Step::none(input.len())
    }

    /// A head that begins with this input and, in nearly every case, ends in it.
    #[inline]
    fn read_head<'a>(&'a mut self, cx: &'a mut Context, input: &'a [u8]) -> Step<'a> {
        if let Some((checked, len)) = cx.sections.find(self.section, input, &cx.limits, &mut cx.record) {
            return self.accept_repeated(cx, input, &checked, len);
        }
        cx.record.clear();
        let progress = self.parser.execute(input, &mut cx.record);
        if cx.record.head_complete {
            return self.accept(cx, input, None, progress);
        }
        self.keep_head(cx, input, progress)
    }

    /// A head whose section the client has sent before, and behind which nothing belongs to the message.
    #[inline]
    fn accept_repeated<'a>(
        &'a mut self,
        cx: &'a mut Context,
        input: &'a [u8],
        checked: &Checked,
        len: usize,
    ) -> Step<'a> {
        let request_id = cx.next_request_id();
        self.pipeline.push(request_id, RequestFlags::of(checked));
        self.message_complete();
        self.rearm(cx);
        step_with_request(cx, input, request_id, checked, Body::None, len)
    }

    /// The head continues in the next input: its bytes and spans are kept, so that parsing continues where it stopped.
    #[cold]
    fn keep_head<'a>(&'a mut self, cx: &'a mut Context, input: &[u8], progress: Progress) -> Step<'a> {
        match progress.state {
            State::Failed(error) if !is_undecided(input, &error, &cx.limits) => {
                self.refuse_to(cx, syntax_error(input, error, &cx.limits), is_head(input));
                self.note_packet(|| input.to_vec());
            }
            state => {
                let mut record = std::mem::take(&mut cx.record);
                record.offset = input.len() as u32;
                let undecided = Undecided::of(state);
                self.partial =
                    Some(Box::new(Partial { bytes: input.to_vec(), record, begun: cx.now, undecided }));
                self.reading = Reading::Head;
                self.check_partial(cx);
            }
        }
        self.rearm(cx);
        self.step_taking(input.len())
    }

    #[cold]
    fn read_rest_of_head<'a>(&'a mut self, cx: &'a mut Context, input: &'a [u8]) -> Step<'a> {
        let Some(partial) = self.partial.as_deref() else { return Step::none(input.len()) };
        match partial.undecided {
            None => {}
            Some(Undecided::Method(error)) => return self.read_undecided_method(cx, input, error),
            Some(Undecided::MayBegin) => match self.may_begin(cx, &partial.bytes, input) {
                Some(true) if self.incoming.is_none() => {}
                None => return self.read_more_of_method(input),
                Some(may_begin) => {
                    self.is_paused = !may_begin;
                    self.rearm(cx);
                    return Step::none(0);
                }
            },
        }
        let Some(partial) = self.partial.as_deref_mut() else { return Step::none(input.len()) };
        if partial.undecided.take().is_some() {
            // The beginning of a known method: it completes nothing.
            self.parser.execute(&partial.bytes, &mut partial.record);
            partial.record.offset = partial.bytes.len() as u32;
            // While it was paused the client wasn't late.
            partial.begun = cx.now;
        }
        let progress = self.parser.execute(input, &mut partial.record);
        partial.bytes.extend_from_slice(&input[..progress.consumed]);
        if partial.record.head_complete {
            let begun = Some(partial.begun);
            if let Some(partial) = self.partial.take() {
                cx.record = partial.record;
                cx.head_bytes = partial.bytes;
            }
            return self.accept(cx, input, begun, progress);
        }
        partial.record.offset = partial.bytes.len() as u32;
        if let State::Failed(error) = progress.state {
            let offset = partial.bytes.len();
            partial.bytes.extend_from_slice(&input[progress.consumed..]);
            let error = ParseError { offset, ..error };
            if is_undecided(&partial.bytes, &error, &cx.limits) {
                partial.undecided = Some(Undecided::Method(error));
            } else {
                let error = syntax_error(&partial.bytes, error, &cx.limits);
                self.refuse(cx, error);
            }
        } else {
            self.check_partial(cx);
        }
        self.rearm(cx);
        self.step_taking(input.len())
    }

    /// More of a method that may still be a safe one.
    fn read_more_of_method<'a>(&'a mut self, input: &[u8]) -> Step<'a> {
        if let Some(partial) = &mut self.partial {
            partial.bytes.extend_from_slice(input);
        }
        Step::none(input.len())
    }

    /// More of a request line whose method the parser doesn't know.
    fn read_undecided_method<'a>(
        &'a mut self,
        cx: &mut Context,
        input: &[u8],
        error: ParseError,
    ) -> Step<'a> {
        if let Some(partial) = &mut self.partial {
            partial.bytes.extend_from_slice(input);
            if !is_undecided(&partial.bytes, &error, &cx.limits) {
                let error = syntax_error(&partial.bytes, error, &cx.limits);
                self.refuse(cx, error);
            }
        }
        self.rearm(cx);
        self.step_taking(input.len())
    }

    /// Checks the limits while a head is arriving.
    fn check_partial(&mut self, cx: &mut Context) {
        let Some(partial) = &self.partial else { return };
        let limits = &cx.limits;
        let len = partial.bytes.len() as u64;
        let error = if partial.record.fields.is_empty() && len > limits.request_line_limit.saturating_add(4) {
            Some(RequestError::RequestLineTooLong)
        } else if let Some(first) = partial.record.fields.first()
            && len - u64::from(first.name.start) > limits.header_size_limit.saturating_add(4)
        {
            Some(RequestError::HeadersTooLarge)
        } else {
            head::check_size(&partial.record, limits).err()
        };
        if let Some(error) = error {
            self.refuse(cx, error);
        }
    }

    /// A head is complete: it is checked and becomes a request, perhaps with its body. `begun` is when its first
    /// byte came, if that was in an earlier input.
    #[inline]
    fn accept<'a>(
        &'a mut self,
        cx: &'a mut Context,
        input: &'a [u8],
        begun: Option<Timestamp>,
        progress: Progress,
    ) -> Step<'a> {
        let is_partial = begun.is_some();
        let bytes = if is_partial { &cx.head_bytes[..] } else { input };
        let checked = head::check(
            &self.parser,
            bytes,
            &mut cx.record,
            &cx.limits,
            &mut cx.known_host,
            self.serves_https,
        );
        let checked = match checked {
            Ok(checked) => checked,
            Err(error) => return self.refuse_head(cx, input, is_partial, error),
        };
        let head_end = progress.consumed;
        let mut progress = match progress.state {
            State::Coded => self.parser.execute_chunked(input, progress.consumed, &mut cx.record),
            _ => progress,
        };
        let failure = match progress.state {
            State::Failed(error) => Some(RequestError::Syntax { kind: error.kind, offset: error.offset }),
            _ => head::check_framing(&cx.record, &cx.limits),
        };
        if let Some(error) = failure {
            if !cx.limits.node_style || !self.parser.restart_chunked(&mut cx.record) {
                return self.refuse_head(cx, input, is_partial, error);
            }
            // As with Node, the application gets the request, whose body fails when it is read.
            progress = Progress { consumed: head_end, state: State::More };
        }
        let request_id = cx.next_request_id();
        self.pipeline.push(request_id, RequestFlags::of(&checked));
        let is_complete = progress.state == State::Complete;
        let body_len = cx.record.body.iter().map(|span| span.len() as u64).sum::<u64>();
        let has_body = !is_complete || body_len > 0 || self.parser.is_chunked();
        let is_whole = is_complete && body_len <= cx.limits.body_size_limit && cx.record.trailers.is_empty();
        let mut declared = None;
        if is_whole {
            self.message_complete();
            if !has_body && !is_partial {
                self.section = cx.sections.keep(&checked, &input[..progress.consumed], &cx.record);
            }
        } else {
            let bytes = if is_partial { &cx.head_bytes[..] } else { input };
            declared = head::declared_length(bytes, &cx.record);
            self.begin_body(cx, request_id, &checked, declared, input, is_complete);
            if let Some((incoming, begun)) = self.incoming.as_mut().zip(begun) {
                incoming.body.begin_at(cx, begun);
            }
        }
        self.rearm(cx);
        let cx = &*cx;
        let body = match (has_body, is_whole) {
            (false, _) => Body::None,
            (true, true) => Body::Whole(Pieces { input, spans: &cx.record.body }),
            (true, false) => {
                Body::Arriving { is_over: declared.is_some_and(|length| length > cx.limits.body_size_limit) }
            }
        };
        let bytes = if is_partial { &cx.head_bytes[..] } else { input };
        step_with_request(cx, bytes, request_id, &checked, body, progress.consumed)
    }

    #[cold]
    fn refuse_head<'a>(
        &'a mut self,
        cx: &'a mut Context,
        input: &[u8],
        is_partial: bool,
        error: RequestError,
    ) -> Step<'a> {
        let is_head = self.parser.method() == Some(Method::HEAD);
        self.refuse_to(cx, error, is_head);
        self.note_packet(|| if is_partial { cx.head_bytes.clone() } else { input.to_vec() });
        self.rearm(cx);
        self.step_taking(input.len())
    }
}

/// The step of a request whose head was parsed from `bytes` into the record.
#[inline]
fn step_with_request<'a>(
    cx: &'a Context,
    bytes: &'a [u8],
    request_id: RequestId,
    checked: &Checked,
    body: Body<'a>,
    taken: usize,
) -> Step<'a> {
    let end = cx.record.fields.last().map_or(cx.record.target.end, |field| field.value.end);
    let head = Head {
        bytes: bytes.get(..end as usize).unwrap_or(bytes),
        target: cx.record.target,
        fields: &cx.record.fields,
    };
    let request = Request {
        request_id,
        method: checked.method,
        version: checked.version,
        keep_alive: checked.keep_alive,
        upgrade: checked.is_upgrade,
        claims_https: false,
        expectation: checked.expectation,
        head,
        body,
    };
    Step { taken, event: Some(Event::Request(request)) }
}

impl RequestFlags {
    fn of(checked: &Checked) -> RequestFlags {
        RequestFlags {
            is_head: checked.method == Method::HEAD,
            is_http10: checked.version == Version::Http10,
            // What follows a CONNECT is meant for its tunnel: nothing of it is HTTP. RFC 9931.
            wants_close: !checked.keep_alive || checked.method == Method::CONNECT,
            is_safe: checked.method.is_safe(),
            is_upgrade: checked.is_upgrade,
        }
    }
}

impl Undecided {
    fn of(state: State) -> Option<Undecided> {
        match state {
            State::Failed(error) => Some(Undecided::Method(error)),
            _ => None,
        }
    }
}

/// Whether a head that begins like this is that of a HEAD request.
pub(super) fn is_head(bytes: &[u8]) -> bool {
    bytes.starts_with(b"HEAD ")
}

/// Counts the line ends before a request, which mean nothing. RFC 9112 §2.2.
#[cold]
fn empty_lines(input: &[u8]) -> usize {
    input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

/// Whether a request that begins like this has a safe method; None while that isn't known. What can't be a request, since
/// all methods are of capital letters, is as safe: it is refused.
fn begins_safe(input: &[u8]) -> Option<bool> {
    if input.first().is_some_and(|byte| !byte.is_ascii_uppercase()) {
        return Some(true);
    }
    let methods = [&b"GET "[..], b"HEAD ", b"OPTIONS ", b"TRACE "];
    if methods.iter().any(|method| input.starts_with(method)) {
        return Some(true);
    }
    let may_become = methods.iter().any(|method| method.starts_with(input));
    (!may_become).then_some(false)
}

/// Whether more of the request line is needed to know what is wrong with its method. Node doesn't wait for it.
fn is_undecided(bytes: &[u8], error: &ParseError, limits: &Limits) -> bool {
    if limits.node_style {
        return false;
    }
    let line = request_line(bytes);
    let method = line.split(|&byte| byte == b' ').next().unwrap_or(b"");
    error.kind == ErrorKind::Method
        && line.len() == bytes.len()
        && line.len() as u64 <= limits.request_line_limit
        && is_token(method)
}

fn request_line(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == b'\r' || byte == b'\n').next().unwrap_or(b"")
}

/// llhttp refuses an unknown method at the first byte that differs. The whole line shows whether it is a method at
/// all, which is 501, or else 400. With Node it's always 400.
#[cold]
fn syntax_error(bytes: &[u8], error: ParseError, limits: &Limits) -> RequestError {
    if let [HANDSHAKE] | [HANDSHAKE, TLS_MAJOR, ..] = bytes {
        return RequestError::Tls;
    }
    if PROXY_HEADERS.iter().any(|header| bytes.starts_with(header)) {
        return RequestError::ProxyHeader;
    }
    let mut parts = request_line(bytes).splitn(3, |&byte| byte == b' ');
    let (method, _, version) = (parts.next(), parts.next(), parts.next());
    match error.kind {
        ErrorKind::Method
            if !limits.node_style
                && method.is_some_and(is_token)
                && version.is_some_and(|version| version.starts_with(b"HTTP/1.")) =>
        {
            RequestError::UnknownMethod
        }
        ErrorKind::Version if is_other_version(bytes, error.offset) => RequestError::Version,
        kind => RequestError::Syntax { kind, offset: error.offset },
    }
}

/// Whether the parser refused a version that isn't supported; otherwise the end of the line is wrong. Only bytes
/// before `offset` count, since the others may not have come yet.
fn is_other_version(bytes: &[u8], offset: usize) -> bool {
    let seen = bytes.get(..offset).unwrap_or(bytes);
    let version = seen.rsplit(|&byte| byte == b' ').next().unwrap_or(b"");
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let mut parts = version.strip_prefix(b"HTTP/").unwrap_or(b"").splitn(2, |&byte| byte == b'.');
    parts.next().is_some_and(is_number)
        && parts.next().is_some_and(is_number)
        && !matches!(version, b"HTTP/1.1" | b"HTTP/1.0")
}
