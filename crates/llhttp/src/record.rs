//! What the parser saw of a message, as offsets.

use std::ops::Range;

/// A piece of the input, half open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// The same as a range, for slicing.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Length in bytes.
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether it has no bytes.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Its bytes; empty if it doesn't lie in `bytes`.
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.range()).unwrap_or(&[])
    }
}

/// One field line, without the white space before the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Field {
    /// The name, in the letter case received.
    pub name: Span,
    /// The value.
    pub value: Span,
}

/// What was seen of one message. It belongs to the caller, so that one record serves many connections.
///
/// Spans of the head count from the message's first byte, however many inputs it came in; spans of the body count
/// from the beginning of the present input.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// How many bytes of this message's head came in earlier inputs; set by the caller.
    pub offset: u32,
    /// The message has begun: a byte other than a line end was seen.
    pub begun: bool,
    /// The request target.
    pub target: Span,
    /// The head's fields in order.
    pub fields: Vec<Field>,
    /// The head is complete.
    pub head_complete: bool,
    /// Pieces of the body in this input, in order, without chunk framing.
    pub body: Vec<Span>,
    /// Bytes of chunk extensions in this message so far, all that stands between size and line end.
    pub extension_bytes: u32,
    /// The same of one chunk: the most that any had.
    pub longest_extensions: u32,
    /// Fields of the trailer section, whose spans are into `trailer_bytes`.
    pub trailers: Vec<Field>,
    /// Names and values of the trailer section, copied.
    pub trailer_bytes: Vec<u8>,
    /// The message is complete.
    pub complete: bool,
    /// The last piece was one of a field's name.
    pub(crate) in_name: bool,
}

impl Record {
    /// Prepares it for the next message; memory is kept.
    pub fn clear(&mut self) {
        self.offset = 0;
        self.begun = false;
        self.target = Span::default();
        self.fields.clear();
        self.head_complete = false;
        self.body.clear();
        self.extension_bytes = 0;
        self.longest_extensions = 0;
        self.trailers.clear();
        self.trailer_bytes.clear();
        self.complete = false;
        self.in_name = false;
    }

    /// Takes out what is needed to parse the rest of the message without its head: the pieces of the body in this
    /// input, the trailer section so far, the count of extensions.
    pub fn split_off_body(&mut self) -> Record {
        Record {
            begun: true,
            head_complete: true,
            body: std::mem::take(&mut self.body),
            extension_bytes: self.extension_bytes,
            longest_extensions: self.longest_extensions,
            trailers: std::mem::take(&mut self.trailers),
            trailer_bytes: std::mem::take(&mut self.trailer_bytes),
            in_name: self.in_name,
            ..Record::default()
        }
    }

    /// Forgets the chunks of the body.
    pub(crate) fn clear_chunks(&mut self) {
        self.body.clear();
        self.extension_bytes = 0;
        self.longest_extensions = 0;
    }

    /// Prepares it for the next input of the same message.
    pub fn clear_body(&mut self) {
        self.body.clear();
    }

    #[inline]
    pub(crate) fn target_piece(&mut self, piece: Span) {
        if self.target.end == 0 {
            self.target.start = piece.start;
        }
        self.target.end = piece.end;
    }

    #[inline]
    pub(crate) fn name_piece(&mut self, piece: Span) {
        match self.fields.last_mut() {
            Some(field) if self.in_name => field.name.end = piece.end,
            _ => {
                self.in_name = true;
                // llhttp reports no piece of an empty value: its span stays at the end of the name.
                let value = Span { start: piece.end, end: piece.end };
                self.fields.push(Field { name: piece, value });
            }
        }
    }

    #[inline]
    pub(crate) fn value_piece(&mut self, piece: Span) {
        if let Some(field) = self.fields.last_mut() {
            if self.in_name {
                field.value.start = piece.start;
            }
            field.value.end = piece.end;
        }
        self.in_name = false;
    }

    #[cold]
    pub(crate) fn trailer_name_piece(&mut self, piece: &[u8]) {
        let start = self.trailer_bytes.len() as u32;
        self.trailer_bytes.extend_from_slice(piece);
        let end = self.trailer_bytes.len() as u32;
        match self.trailers.last_mut() {
            Some(field) if self.in_name => field.name.end = end,
            _ => {
                self.in_name = true;
                let value = Span { start: end, end };
                self.trailers.push(Field { name: Span { start, end }, value });
            }
        }
    }

    #[cold]
    pub(crate) fn trailer_value_piece(&mut self, piece: &[u8]) {
        let start = self.trailer_bytes.len() as u32;
        self.trailer_bytes.extend_from_slice(piece);
        if let Some(field) = self.trailers.last_mut() {
            if self.in_name {
                field.value.start = start;
            }
            field.value.end = self.trailer_bytes.len() as u32;
        }
        self.in_name = false;
    }
}
