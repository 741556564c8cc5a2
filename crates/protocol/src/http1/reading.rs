//! Reading requests: bytes in, events out.

use llhttp::{ErrorKind, Method, ParseError, Progress, State};

use crate::context::Context;
use crate::error::RequestError;
use crate::event::{Body, Event, Head, Pieces, Request, Step, Ticket, Version};
use crate::http1::body::Receiving;
use crate::http1::head::{self, Checked};
use crate::http1::window::Traits;
use crate::http1::{Connection, Partial, Reading};

impl Connection {
    /// Takes bytes from the peer; gives at most one event. To be called with the rest until there is
    /// none. Bytes not taken then aren't wanted now: they are to be offered again once `wants_input`.
    pub fn handle_input<'a>(&'a mut self, cx: &'a mut Context, input: &'a [u8]) -> Step<'a> {
        if input.is_empty() {
            return Step::none(0);
        }
        match self.reading {
            Reading::Idle if self.receiving.is_none() && self.may_begin(cx, input) => {
                self.read_head(cx, input)
            }
            Reading::Idle => {
                self.is_held = !self.window.is_empty();
                Step::none(0)
            }
            Reading::Head => self.read_rest_of_head(cx, input),
            Reading::Body => self.read_body(cx, input),
            Reading::Barrier => Step::none(0),
            Reading::Closed => Step::none(input.len()),
        }
    }

    /// Whether a request that begins like this may start beside those that run. Its method is looked
    /// at before anything is parsed.
    #[inline]
    fn may_begin(&self, cx: &Context, input: &[u8]) -> bool {
        if self.window.is_empty() {
            return true;
        }
        if self.window.len() as u64 >= cx.limits.pipeline_limit {
            return false;
        }
        let start = input.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(input.len());
        let input = &input[start..];
        let is_safe =
            [&b"GET "[..], b"HEAD ", b"OPTIONS ", b"TRACE "].iter().any(|method| input.starts_with(method));
        self.window.lets_start(is_safe)
    }

    /// A head that begins with this input, and in nearly every case ends in it too.
    #[inline]
    fn read_head<'a>(&'a mut self, cx: &'a mut Context, input: &'a [u8]) -> Step<'a> {
        cx.record.clear();
        let progress = self.parser.execute(input, &mut cx.record);
        if cx.record.head_complete {
            return self.accept(cx, input, false, progress);
        }
        self.keep_head(cx, input, progress)
    }

    /// The head goes on in the next input: what was seen of it is kept, so that parsing goes on where
    /// it ended.
    #[cold]
    fn keep_head<'a>(&'a mut self, cx: &'a mut Context, input: &[u8], progress: Progress) -> Step<'a> {
        if let State::Failed(error) = progress.state {
            self.refuse(cx, syntax_error(input, error));
        } else if cx.record.begun {
            let mut record = std::mem::take(&mut cx.record);
            record.offset = input.len() as u32;
            self.partial = Some(Box::new(Partial { bytes: input.to_vec(), record, begun: cx.now }));
            self.reading = Reading::Head;
            self.check_partial(cx);
        }
        self.rearm(cx);
        Step::none(input.len())
    }

    #[cold]
    fn read_rest_of_head<'a>(&'a mut self, cx: &'a mut Context, input: &'a [u8]) -> Step<'a> {
        let Some(partial) = &mut self.partial else { return Step::none(input.len()) };
        let progress = self.parser.execute(input, &mut partial.record);
        partial.bytes.extend_from_slice(&input[..progress.consumed]);
        if partial.record.head_complete {
            if let Some(partial) = self.partial.take() {
                cx.record = partial.record;
                cx.head_bytes = partial.bytes;
            }
            return self.accept(cx, input, true, progress);
        }
        partial.record.offset = partial.bytes.len() as u32;
        if let State::Failed(error) = progress.state {
            let at = partial.bytes.len();
            partial.bytes.extend_from_slice(&input[progress.consumed..]);
            let error = syntax_error(&partial.bytes, ParseError { offset: at, ..error });
            self.refuse(cx, error);
        } else {
            self.check_partial(cx);
        }
        self.rearm(cx);
        Step::none(input.len())
    }

    /// Limits hold while a head is still arriving.
    fn check_partial(&mut self, cx: &mut Context) {
        let Some(partial) = &self.partial else { return };
        let limits = &cx.limits;
        let len = partial.bytes.len() as u64;
        let error = if partial.record.fields.is_empty() && len > limits.request_line_limit.saturating_add(2) {
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

    /// A head has come whole: it is checked and becomes a request, perhaps with its body.
    #[inline]
    fn accept<'a>(
        &'a mut self,
        cx: &'a mut Context,
        input: &'a [u8],
        is_partial: bool,
        progress: Progress,
    ) -> Step<'a> {
        let bytes = if is_partial { &cx.head_bytes[..] } else { input };
        let checked = match head::check(&self.parser, bytes, &mut cx.record, &cx.limits, &mut cx.known_host) {
            Ok(checked) => checked,
            Err(error) => return self.refuse_head(cx, input, error),
        };
        let failure = match progress.state {
            State::Failed(error) => Some(RequestError::Syntax { kind: error.kind, offset: error.offset }),
            _ => head::check_framing(&cx.record, &cx.limits),
        };
        if let Some(error) = failure {
            return self.refuse_head(cx, input, error);
        }
        let ticket = cx.next_ticket();
        self.window.push(ticket, Traits::of(&checked));
        let is_complete = progress.state == State::Complete;
        let body_len = cx.record.body.iter().map(|span| span.len() as u64).sum::<u64>();
        let has_body = !is_complete || body_len > 0 || self.parser.is_chunked();
        let is_whole = is_complete && body_len <= cx.limits.body_size_limit;
        let mut declared = None;
        if is_whole {
            self.message_complete();
        } else {
            let bytes = if is_partial { &cx.head_bytes[..] } else { input };
            declared = head::declared_length(bytes, &cx.record);
            self.begin_body(cx, ticket, &checked, declared, input, is_complete);
        }
        self.rearm(cx);
        let cx = &*cx;
        let body = match (has_body, is_whole) {
            (false, _) => Body::None,
            (true, true) => Body::Whole(Pieces { input, spans: &cx.record.body }),
            (true, false) => Body::Arriving { declared },
        };
        let bytes = if is_partial { &cx.head_bytes[..] } else { input };
        let end = cx.record.fields.last().map_or(cx.record.target.end, |field| field.value.end);
        let head = Head {
            bytes: bytes.get(..end as usize).unwrap_or(bytes),
            target: cx.record.target,
            fields: &cx.record.fields,
        };
        let request = Request {
            ticket,
            method: checked.method,
            version: checked.version,
            keep_alive: checked.keep_alive,
            upgrade: checked.is_upgrade,
            expects_continue: checked.expects_continue,
            head,
            body,
        };
        Step { taken: progress.consumed, event: Some(Event::Request(request)) }
    }

    #[cold]
    fn refuse_head<'a>(&'a mut self, cx: &'a mut Context, input: &[u8], error: RequestError) -> Step<'a> {
        self.refuse(cx, error);
        self.rearm(cx);
        Step::none(input.len())
    }

    #[cold]
    fn begin_body(
        &mut self,
        cx: &mut Context,
        ticket: Ticket,
        checked: &Checked,
        declared: Option<u64>,
        input: &[u8],
        is_complete: bool,
    ) {
        let rest = cx.record.split_off_body();
        let mut body = Receiving::new(cx, ticket, declared, checked.expects_continue, rest);
        body.take_in(input);
        if is_complete {
            body.complete();
            self.message_complete();
        } else {
            self.reading = Reading::Body;
        }
        self.receiving = Some(Box::new(body));
    }
}

impl Traits {
    fn of(checked: &Checked) -> Traits {
        Traits {
            is_head: checked.method == Method::HEAD,
            is_http10: checked.version == Version::Http10,
            wants_close: !checked.keep_alive,
            is_safe: checked.method.is_safe(),
            is_upgrade: checked.is_upgrade,
        }
    }
}

/// llhttp refuses a method it doesn't know at the first byte that differs. Whether what stands there is
/// a method at all, and so 501 and not 400, only the whole token tells.
#[cold]
fn syntax_error(bytes: &[u8], error: ParseError) -> RequestError {
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(0);
    let line = bytes[start..].split(|&byte| byte == b'\r' || byte == b'\n').next().unwrap_or(b"");
    let mut parts = line.splitn(3, |&byte| byte == b' ');
    let (method, _, version) = (parts.next(), parts.next(), parts.next());
    match error.kind {
        ErrorKind::Method
            if method
                .is_some_and(|method| !method.is_empty() && method.iter().copied().all(is_token_byte))
                && version.is_some_and(|version| version.starts_with(b"HTTP/1.")) =>
        {
            RequestError::UnknownMethod
        }
        ErrorKind::Version if version.is_some_and(|version| version.starts_with(b"HTTP/")) => {
            RequestError::Version
        }
        kind => RequestError::Syntax { kind, offset: error.offset },
    }
}

/// RFC 9110 §5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
