//! Chunked framing: from chunks to content. RFC 9112 §7.1.
//!
//! ```text
//!   size ─► extensions ─► CR LF ─► data ─► CR LF ─► size …          (size > 0)
//!                              └─► the trailer section, which is the caller's
//! ```
//! llhttp refuses white space around `;` and `=` of extensions, which a recipient has to parse (RFC 9112 §7.1.1), and
//! its table of quoted bytes had a mistake. So the framing is read here. Extensions are checked, counted and dropped.

use crate::error::ErrorKind;
use crate::record::{Record, Span};

/// Digits of a chunk size that count as such: a u64 has no more. Further ones, which can only be zeros ahead of it,
/// count as an extension, so that they are limited.
const SIZE_DIGITS: u8 = 16;

/// Where the framing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first digit of a size.
    SizeStart,
    /// Behind so many digits of a size.
    Size {
        digits: u8,
    },
    /// In white space behind a size or an extension: another extension has to follow.
    Blank,
    /// Behind `;` and perhaps white space.
    NameStart,
    Name,
    /// In white space behind a name.
    NameBlank,
    /// Behind `=` and perhaps white space.
    ValueStart,
    Value,
    Quoted,
    /// Behind a backslash in a quoted value.
    QuotedPair,
    /// Behind a quoted value.
    ValueEnd,
    /// Behind the CR of a line with a size.
    SizeLf,
    /// In the data.
    Data,
    /// Behind the data.
    DataCr,
    DataLf,
    /// Nothing more is read.
    Failed(ErrorKind),
}

/// One chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunks {
    state: State,
    /// The size of the chunk; in its data, how many bytes are missing.
    size: u64,
    /// Bytes of this chunk's extensions so far.
    extensions: u32,
}

/// How far the framing got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// The input is used up.
    More,
    /// The last chunk has ended at this offset: the trailer section follows.
    Last(usize),
    /// The byte at this offset can't stand there.
    Failed(ErrorKind, usize),
}

impl Chunks {
    pub(crate) fn new() -> Chunks {
        Chunks { state: State::SizeStart, size: 0, extensions: 0 }
    }

    /// Reads `input` from `at` on, and adds content and extensions to `record`.
    pub(crate) fn read(&mut self, input: &[u8], mut at: usize, record: &mut Record) -> Read {
        while let Some(&byte) = input.get(at) {
            if self.state == State::Data {
                let here =
                    usize::try_from(self.size).map_or(input.len() - at, |size| size.min(input.len() - at));
                record.body.push(Span { start: at as u32, end: (at + here) as u32 });
                self.size -= here as u64;
                at += here;
                if self.size == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            match self.next(byte, record) {
                Ok(next) => self.state = next,
                Err(kind) => {
                    self.state = State::Failed(kind);
                    return Read::Failed(kind, at);
                }
            }
            at += 1;
            if self.state == State::Data && self.size == 0 {
                return Read::Last(at);
            }
        }
        Read::More
    }

    /// The state behind a byte that isn't data.
    fn next(&mut self, byte: u8, record: &mut Record) -> Result<State, ErrorKind> {
        let is_extension = !matches!(
            self.state,
            State::SizeStart | State::Size { .. } | State::SizeLf | State::DataCr | State::DataLf
        );
        if is_extension && byte != b'\r' || byte == b';' {
            self.count_extension(record);
        }
        match (self.state, byte) {
            (State::SizeStart, _) => {
                self.extensions = 0;
                self.size = hex_digit(byte).ok_or(ErrorKind::Chunk)?;
                Ok(State::Size { digits: 1 })
            }
            (State::Size { digits }, _) => match hex_digit(byte) {
                Some(digit) => {
                    if digits >= SIZE_DIGITS {
                        self.count_extension(record);
                    }
                    let shifted = self.size.checked_mul(16).ok_or(ErrorKind::Chunk)?;
                    self.size = shifted + digit;
                    Ok(State::Size { digits: digits.saturating_add(1) })
                }
                None => behind(byte).ok_or(if byte == b'\n' { ErrorKind::LineEnd } else { ErrorKind::Chunk }),
            },
            (State::Blank, b' ' | b'\t') => Ok(State::Blank),
            (State::Blank, b';') => Ok(State::NameStart),
            (State::Blank, _) => Err(ErrorKind::Chunk),
            (State::NameStart, b' ' | b'\t') => Ok(State::NameStart),
            (State::NameStart | State::Name, _) if is_token_byte(byte) => Ok(State::Name),
            (State::Name | State::NameBlank, b' ' | b'\t') => Ok(State::NameBlank),
            (State::Name | State::NameBlank, b'=') => Ok(State::ValueStart),
            (State::NameBlank, b';') => Ok(State::NameStart),
            (State::ValueStart, b' ' | b'\t') => Ok(State::ValueStart),
            (State::ValueStart, b'"') => Ok(State::Quoted),
            (State::ValueStart | State::Value, _) if is_token_byte(byte) => Ok(State::Value),
            (State::Quoted, b'"') => Ok(State::ValueEnd),
            (State::Quoted, b'\\') => Ok(State::QuotedPair),
            (State::Quoted | State::QuotedPair, _) if is_text_byte(byte) => Ok(State::Quoted),
            (State::Name | State::Value | State::ValueEnd, _) => behind(byte).ok_or(fault(byte)),
            (State::SizeLf, b'\n') => Ok(State::Data),
            (State::DataLf, b'\n') => Ok(State::SizeStart),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::Failed(kind), _) => Err(kind),
            _ => Err(fault(byte)),
        }
    }

    fn count_extension(&mut self, record: &mut Record) {
        self.extensions = self.extensions.saturating_add(1);
        record.extension_bytes = record.extension_bytes.saturating_add(1);
        record.longest_extensions = record.longest_extensions.max(self.extensions);
    }
}

/// What may follow a size or a whole extension: white space ahead of an extension, one, or the end of the line.
fn behind(byte: u8) -> Option<State> {
    match byte {
        b' ' | b'\t' => Some(State::Blank),
        b';' => Some(State::NameStart),
        b'\r' => Some(State::SizeLf),
        _ => None,
    }
}

/// What is wrong with a byte in a line.
fn fault(byte: u8) -> ErrorKind {
    if byte == b'\n' { ErrorKind::LineEnd } else { ErrorKind::Line }
}

fn hex_digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

/// RFC 9110 §5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A byte of a quoted string, or behind a backslash in one. RFC 9110 §5.6.4.
fn is_text_byte(byte: u8) -> bool {
    byte == b'\t' || byte >= b' ' && byte != 0x7f
}
