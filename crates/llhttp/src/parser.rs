//! The parser: the one safe interface to llhttp.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;

use crate::chunks::{Chunks, Read};
use crate::error::{ErrorKind, ParseError};
use crate::ffi;
use crate::method::Method;
use crate::record::{Record, Span};

/// A parser of HTTP/1 requests, strict in all of llhttp's settings. About a hundred bytes, no heap.
///
/// Whether a further request may follow is the caller's to decide: for the parser one may.
pub struct Parser {
    raw: ffi::llhttp_t,
    /// The framing of a chunked body, from the end of its head to the last chunk.
    chunks: Option<Chunks>,
}

// SAFETY: between calls the struct refers to the static settings alone. Its other pointers are null, are set
// by the next call before they are read (`data`, `_span_pos0`), are compared and never dereferenced (`error_pos`,
// whose offset is taken before `execute` returns), are numbers (`_current`), or point to code (`_span_cb0`).
unsafe impl Send for Parser {}

/// How far one call of [`Parser::execute`] got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How many bytes of the input belong to this message.
    pub consumed: usize,
    /// Where the message stands.
    pub state: State,
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All input was consumed and the message continues.
    More,
    /// The head is complete and has a Transfer-Encoding, whose value llhttp can't be trusted with. If it is one
    /// `chunked`, [`Parser::execute_chunked`] continues; else the message has to be refused.
    Coded,
    /// The message is complete and the parser waits right after it. A further `execute` parses what follows as HTTP.
    Complete,
    /// The bytes aren't a request. Every further call fails the same way until [`Parser::reset`].
    Failed(ParseError),
}

static SETTINGS: ffi::llhttp_settings_t = ffi::llhttp_settings_t {
    on_message_begin: Some(on_message_begin),
    on_url: Some(on_url),
    on_status: None,
    on_method: None,
    on_version: None,
    on_header_field: Some(on_header_field),
    on_header_value: Some(on_header_value),
    on_chunk_extension_name: None,
    on_chunk_extension_value: None,
    on_headers_complete: Some(on_headers_complete),
    on_body: Some(on_body),
    on_message_complete: Some(on_message_complete),
    on_url_complete: None,
    on_status_complete: None,
    on_method_complete: None,
    on_version_complete: None,
    on_header_field_complete: None,
    on_header_value_complete: None,
    on_chunk_extension_name_complete: None,
    on_chunk_extension_value_complete: None,
    on_chunk_header: None,
    on_chunk_complete: None,
    on_reset: None,
};

impl Default for Parser {
    fn default() -> Parser {
        Parser::new()
    }
}

impl Parser {
    /// A parser at the beginning of a connection.
    pub fn new() -> Parser {
        let mut raw = MaybeUninit::<ffi::llhttp_t>::zeroed();
        // SAFETY: llhttp_init fills the whole struct; the settings are static, as it demands.
        let mut raw = unsafe {
            ffi::llhttp_init(raw.as_mut_ptr(), ffi::HTTP_REQUEST, &SETTINGS);
            raw.assume_init()
        };
        // llhttp takes Proxy-Connection for Connection, and would parse nothing behind a `close` in it.
        raw.lenient_flags = ffi::LENIENT_KEEP_ALIVE;
        Parser { raw, chunks: None }
    }

    /// Forgets everything, errors too.
    pub fn reset(&mut self) {
        *self = Parser::new();
    }

    /// Parses `input` until the message ends, the parser fails, or the input is used up, and adds what it saw to
    /// `record`. `input` and `record.offset` together must stay below 4 GiB.
    #[inline]
    pub fn execute(&mut self, input: &[u8], record: &mut Record) -> Progress {
        if self.chunks.is_some() {
            return self.read_chunks(input, 0, record);
        }
        self.execute_from(input, 0, record)
    }

    /// Goes on behind a head whose [`State`] was `Coded` and whose one transfer coding is `chunked`: at offset `at` of
    /// the same input.
    #[cold]
    pub fn execute_chunked(&mut self, input: &[u8], at: usize, record: &mut Record) -> Progress {
        self.raw.flags |= ffi::F_CHUNKED;
        self.chunks = Some(Chunks::new());
        self.read_chunks(input, at, record)
    }

    /// Has chunks that have failed read again, from the first on. False when it isn't they that have failed.
    #[cold]
    pub fn restart_chunked(&mut self, record: &mut Record) -> bool {
        let Some(chunks) = &mut self.chunks else { return false };
        *chunks = Chunks::new();
        record.clear_chunks();
        true
    }

    /// The content of a chunked body. llhttp sees no more of it than its last chunk, ahead of the trailer section.
    #[cold]
    fn read_chunks(&mut self, input: &[u8], at: usize, record: &mut Record) -> Progress {
        let Some(chunks) = &mut self.chunks else { return self.execute_from(input, at, record) };
        match chunks.read(input, at, record) {
            Read::More => Progress { consumed: input.len(), state: State::More },
            Read::Failed(kind, offset) => {
                Progress { consumed: offset, state: State::Failed(ParseError { kind, offset }) }
            }
            Read::Last(end) => {
                self.chunks = None;
                self.raw.error = ffi::HPE_OK;
                match self.run(b"0\r\n", 0, record) {
                    ffi::HPE_OK => self.execute_from(input, end, record),
                    code => {
                        let error = ParseError { kind: ErrorKind::from_code(code), offset: end };
                        Progress { consumed: end, state: State::Failed(error) }
                    }
                }
            }
        }
    }

    #[inline]
    fn execute_from(&mut self, input: &[u8], from: usize, record: &mut Record) -> Progress {
        if matches!(self.raw.error, ffi::HPE_PAUSED | ffi::HPE_PAUSED_UPGRADE) {
            self.raw.error = ffi::HPE_OK;
        }
        let mut code = self.run(input, from, record);
        if code == ffi::HPE_PAUSED_UPGRADE && !record.complete {
            // The pause belongs to the message before, which asked for an upgrade and was answered as HTTP.
            self.raw.error = ffi::HPE_OK;
            code = self.run(input, from, record);
        }
        while code == ffi::HPE_INVALID_CONTENT_LENGTH {
            let Some(next) = self.pass_tab(input, record) else { break };
            code = next;
        }
        match code {
            ffi::HPE_OK => Progress { consumed: input.len(), state: State::More },
            ffi::HPE_PAUSED if record.complete => {
                Progress { consumed: self.stopped_at(input), state: State::Complete }
            }
            ffi::HPE_PAUSED => Progress { consumed: self.stopped_at(input), state: State::Coded },
            code => {
                let offset = self.stopped_at(input);
                let error = ParseError { kind: ErrorKind::from_code(code), offset };
                Progress { consumed: offset, state: State::Failed(error) }
            }
        }
    }

    /// llhttp before 9.4 refuses a TAB behind the digits of Content-Length, which means as little there as a space
    /// (RFC 9110 §5.6.3). Puts the parser where it stands behind a space instead, and continues; None when it has
    /// failed for another reason.
    #[cold]
    fn pass_tab(&mut self, input: &[u8], record: &mut Record) -> Option<i32> {
        let at = self.stopped_at(input);
        if self.raw.reason.is_null() || input.get(at) != Some(&b'\t') {
            return None;
        }
        // SAFETY: a reason is a string constant of llhttp's. Only it marks an overflow.
        if unsafe { CStr::from_ptr(self.raw.reason) } != ffi::REASON_INVALID_CONTENT_LENGTH {
            return None;
        }
        let behind_space = behind_length();
        self.raw._current = behind_space.state as *mut c_void;
        // The span of the value, which llhttp has ended, continues; the call sets where.
        self.raw._span_pos0 = ptr::from_ref(input).cast::<c_void>().cast_mut();
        self.raw._span_cb0 = behind_space.span_callback as *mut c_void;
        self.raw.error = ffi::HPE_OK;
        Some(self.run(input, at + 1, record))
    }

    /// Runs llhttp over `input` from `from` on.
    #[inline]
    fn run(&mut self, input: &[u8], from: usize, record: &mut Record) -> i32 {
        let rest = input.get(from..).unwrap_or(&[]);
        let mut call = Call { input: input.as_ptr(), len: input.len(), record };
        self.raw.data = ptr::from_mut(&mut call).cast();
        // SAFETY: `raw` was initialised by `new`; llhttp reads at most `rest.len()` bytes. It calls back only
        // from within this call, while `call` lives. A span that is open across inputs is set to the beginning
        // of the new input before it is used.
        let code = unsafe { ffi::llhttp_execute(&mut self.raw, rest.as_ptr().cast::<c_char>(), rest.len()) };
        self.raw.data = ptr::null_mut();
        code
    }

    /// Offset at which the last call paused or failed.
    fn stopped_at(&self, input: &[u8]) -> usize {
        // Only addresses are compared: a failed parser keeps a position in an earlier input, which counts as the
        // beginning.
        (self.raw.error_pos as usize).checked_sub(input.as_ptr() as usize).map_or(0, |at| at.min(input.len()))
    }

    /// The method; valid once the head is complete, None for one of another protocol.
    pub fn method(&self) -> Option<Method> {
        Method::from_number(self.raw.method)
    }

    /// Major and minor version; valid once the head is complete.
    pub fn version(&self) -> (u8, u8) {
        (self.raw.http_major, self.raw.http_minor)
    }

    /// The body is chunked; valid while the message lasts, its completion included.
    #[inline]
    pub fn is_chunked(&self) -> bool {
        self.raw.flags & ffi::F_CHUNKED != 0
    }
}

/// How llhttp stands behind `Content-Length: 1` and a space, as numbers.
struct BehindLength {
    state: usize,
    span_callback: usize,
}

/// llhttp's states have no names outside of it: a parser of its own shows this one.
fn behind_length() -> &'static BehindLength {
    static BEHIND: OnceLock<BehindLength> = OnceLock::new();
    BEHIND.get_or_init(|| {
        let mut parser = Parser::new();
        parser.run(b"GET / HTTP/1.1\r\nContent-Length: 1 ", 0, &mut Record::default());
        BehindLength { state: parser.raw._current as usize, span_callback: parser.raw._span_cb0 as usize }
    })
}

/// What a callback needs to know of the `execute` call it is part of.
struct Call<'a> {
    input: *const u8,
    len: usize,
    record: &'a mut Record,
}

/// The `execute` call that a callback is part of.
///
/// # Safety
/// `parser` must be the one that `run` has just given to llhttp.
#[inline]
unsafe fn call_of<'a>(parser: *mut ffi::llhttp_t) -> &'a mut Call<'a> {
    // SAFETY: `run` set `data` to a `Call` that outlives llhttp_execute, and has no other reference to it meanwhile.
    unsafe { &mut *(*parser).data.cast() }
}

/// A piece as offsets into the input, shifted by `base`.
#[inline]
fn span(call: &Call<'_>, at: *const c_char, len: usize, base: u32) -> Span {
    let start = base.wrapping_add((at as usize).wrapping_sub(call.input as usize) as u32);
    Span { start, end: start.wrapping_add(len as u32) }
}

/// A piece as bytes.
fn bytes<'a>(call: &Call<'a>, at: *const c_char, len: usize) -> &'a [u8] {
    let start = (at as usize).wrapping_sub(call.input as usize);
    if start.checked_add(len).is_none_or(|end| end > call.len) {
        return &[];
    }
    // SAFETY: the bounds were checked against the input, which lives as long as the call.
    unsafe { std::slice::from_raw_parts(call.input.add(start), len) }
}

unsafe extern "C" fn on_message_begin(parser: *mut ffi::llhttp_t) -> c_int {
    // SAFETY: llhttp passes the parser of the running call, here and below.
    unsafe { call_of(parser) }.record.begun = true;
    ffi::HPE_OK
}

unsafe extern "C" fn on_url(parser: *mut ffi::llhttp_t, at: *const c_char, len: usize) -> c_int {
    // SAFETY: as above.
    let call = unsafe { call_of(parser) };
    let piece = span(call, at, len, call.record.offset);
    call.record.target_piece(piece);
    ffi::HPE_OK
}

unsafe extern "C" fn on_header_field(parser: *mut ffi::llhttp_t, at: *const c_char, len: usize) -> c_int {
    // SAFETY: as above.
    let call = unsafe { call_of(parser) };
    if call.record.head_complete {
        let piece = bytes(call, at, len);
        call.record.trailer_name_piece(piece);
    } else {
        let piece = span(call, at, len, call.record.offset);
        call.record.name_piece(piece);
    }
    ffi::HPE_OK
}

unsafe extern "C" fn on_header_value(parser: *mut ffi::llhttp_t, at: *const c_char, len: usize) -> c_int {
    // SAFETY: as above.
    let call = unsafe { call_of(parser) };
    if call.record.head_complete {
        let piece = bytes(call, at, len);
        call.record.trailer_value_piece(piece);
    } else {
        let piece = span(call, at, len, call.record.offset);
        call.record.value_piece(piece);
    }
    ffi::HPE_OK
}

unsafe extern "C" fn on_headers_complete(parser: *mut ffi::llhttp_t) -> c_int {
    // SAFETY: as above.
    unsafe { call_of(parser) }.record.head_complete = true;
    // SAFETY: llhttp passes a live parser.
    let flags = unsafe { (*parser).flags };
    if flags & ffi::F_TRANSFER_ENCODING != 0 { ffi::HPE_PAUSED } else { ffi::HPE_OK }
}

unsafe extern "C" fn on_body(parser: *mut ffi::llhttp_t, at: *const c_char, len: usize) -> c_int {
    // SAFETY: as above.
    let call = unsafe { call_of(parser) };
    let piece = span(call, at, len, 0);
    call.record.body.push(piece);
    ffi::HPE_OK
}

unsafe extern "C" fn on_message_complete(parser: *mut ffi::llhttp_t) -> c_int {
    // SAFETY: as above.
    unsafe { call_of(parser) }.record.complete = true;
    ffi::HPE_PAUSED
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";

    /// Content and trailers of a body, and how many of its bytes were taken; None when it isn't complete.
    type Seen = Option<(Vec<u8>, Vec<u8>, usize)>;

    fn seen(body: &[u8], record: &Record, consumed: usize) -> Seen {
        let content = record.body.iter().flat_map(|span| span.of(body)).copied().collect();
        record.complete.then(|| (content, record.trailer_bytes.clone(), consumed))
    }

    fn read_here(body: &[u8]) -> Seen {
        let (mut parser, mut record) = (Parser::new(), Record::default());
        parser.execute(HEAD, &mut record);
        let progress = parser.execute_chunked(body, 0, &mut record);
        seen(body, &record, progress.consumed)
    }

    fn read_by_llhttp(body: &[u8]) -> Seen {
        let (mut parser, mut record) = (Parser::new(), Record::default());
        parser.execute(HEAD, &mut record);
        parser.raw.flags |= ffi::F_CHUNKED;
        parser.raw.error = ffi::HPE_OK;
        parser.run(body, 0, &mut record);
        seen(body, &record, parser.stopped_at(body))
    }

    /// Numbers that look random and are the same in each run.
    fn numbers() -> impl FnMut(usize) -> usize {
        let mut state = 1_u64;
        move |below| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        }
    }

    #[test]
    fn chunks_without_blanks_are_read_as_llhttp_reads_them() {
        const PARTS: [&str; 16] = [
            "0\r\n\r\n",
            "1\r\nx\r\n",
            "2;a\r\nxy\r\n",
            "00A;b=c\r\n0123456789\r\n",
            "1;d=\"e;\\\"\"\r\n\n\r\n",
            "0;f=g;h\r\n\r\n",
            "0\r\nX: y\r\n\r\n",
            "\r\n",
            "\n",
            "\r",
            "1",
            ";",
            "=",
            "\"",
            "g",
            "ffffffffffffffffff",
        ];
        let mut number = numbers();
        let mut complete = 0;
        for _ in 0..20_000 {
            let count = 1 + number(6);
            let mut body: String = (0..count).map(|_| PARTS[number(PARTS.len())]).collect();
            body.push_str(PARTS[0]);
            let here = read_here(body.as_bytes());
            // llhttp takes extensions without a name or a value, which are refused here.
            if here.is_some()
                || !body.contains(";;")
                    && !body.contains(";=")
                    && !body.contains("=;")
                    && !body.contains("=\r")
            {
                assert_eq!(here, read_by_llhttp(body.as_bytes()), "{body:?}");
            }
            complete += usize::from(here.is_some());
        }
        assert!(complete > 2_000, "only {complete} bodies were complete");
    }
}
