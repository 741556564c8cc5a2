//! Finds the frames in a connection's bytes. RFC 9113 §4.1.
//!
//! nghttp2 reports the frames that it acts on. Floods are made of the others: frames that it ignores, header
//! blocks that never end, priorities. This scanner sees every frame header on its way to nghttp2, and the
//! payload of the small frames that are judged here.

use crate::ffi;
use crate::received::StreamId;

/// Bytes of a frame header.
pub(crate) const HEADER_BYTES: usize = 9;
/// Bytes of the preface, `PRI * HTTP/2.0` and so on. RFC 9113 §3.4.
const PREFACE_BYTES: usize = 24;
/// Payload of a WINDOW_UPDATE. RFC 9113 §6.9.
const WINDOW_UPDATE_BYTES: usize = 4;
/// Payload that is looked at: a PRIORITY_UPDATE with a short field value.
const PAYLOAD_BYTES: usize = 64;

/// A frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct FrameHeader {
    pub(crate) length: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl FrameHeader {
    fn parse(bytes: &[u8; HEADER_BYTES]) -> FrameHeader {
        let [a, b, c, kind, flags, s, t, u, v] = *bytes;
        FrameHeader {
            length: u32::from_be_bytes([0, a, b, c]) as usize,
            kind,
            flags,
            stream: u32::from_be_bytes([s, t, u, v]) & 0x7fff_ffff,
        }
    }

    pub(crate) fn id(&self) -> StreamId {
        StreamId(self.stream)
    }

    pub(crate) fn has(&self, flag: u32) -> bool {
        u32::from(self.flags) & flag != 0
    }

    /// Whether nghttp2 gets the frame only when its payload was judged, and perhaps not at all.
    pub(crate) fn is_held(&self) -> bool {
        self.kind == ffi::WINDOW_UPDATE && self.length == WINDOW_UPDATE_BYTES
    }

    fn has_judged_payload(&self) -> bool {
        matches!(self.kind, ffi::PRIORITY | ffi::WINDOW_UPDATE | ffi::PRIORITY_UPDATE)
            && self.length <= PAYLOAD_BYTES
    }
}

/// What a step of the scanner came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The end of the input.
    Nothing,
    /// A frame header, whose last byte is the last one taken.
    Header(FrameHeader),
    /// The last byte of a payload that is judged; `payload` has it.
    Payload(FrameHeader),
}

/// Where a connection's bytes stand between frames.
#[derive(Debug)]
pub(crate) struct Scanner {
    preface_left: usize,
    header: [u8; HEADER_BYTES],
    header_len: usize,
    frame: FrameHeader,
    payload_left: usize,
    payload: Vec<u8>,
}

impl Scanner {
    pub(crate) fn new() -> Scanner {
        Scanner {
            preface_left: PREFACE_BYTES,
            header: [0; HEADER_BYTES],
            header_len: 0,
            frame: FrameHeader::default(),
            payload_left: 0,
            payload: Vec::new(),
        }
    }

    /// Goes on to the next thing to look at. Returns how many bytes that took.
    pub(crate) fn advance(&mut self, input: &[u8]) -> (usize, Seen) {
        let mut taken = self.preface_left.min(input.len());
        self.preface_left -= taken;
        while taken < input.len() {
            let rest = &input[taken..];
            if self.payload_left > 0 {
                let piece = &rest[..self.payload_left.min(rest.len())];
                taken += piece.len();
                self.payload_left -= piece.len();
                if self.frame.has_judged_payload() {
                    self.payload.extend_from_slice(piece);
                    if self.payload_left == 0 {
                        return (taken, Seen::Payload(self.frame));
                    }
                }
                continue;
            }
            let free = &mut self.header[self.header_len..];
            let piece = &rest[..free.len().min(rest.len())];
            free[..piece.len()].copy_from_slice(piece);
            taken += piece.len();
            self.header_len += piece.len();
            if self.header_len == HEADER_BYTES {
                self.header_len = 0;
                self.frame = FrameHeader::parse(&self.header);
                self.payload_left = self.frame.length;
                self.payload.clear();
                return (taken, Seen::Header(self.frame));
            }
        }
        (taken, Seen::Nothing)
    }

    /// How many of the last bytes mustn't go to nghttp2 yet: those of a header that isn't complete, or of a
    /// frame that is held.
    pub(crate) fn held(&self) -> usize {
        if self.payload_left > 0 && self.frame.is_held() {
            HEADER_BYTES + self.payload.len()
        } else {
            self.header_len
        }
    }

    /// The header, or the held frame, that was complete last: for when it came in several inputs.
    pub(crate) fn last_frame(&self) -> ([u8; HEADER_BYTES + WINDOW_UPDATE_BYTES], usize) {
        let mut bytes = [0; HEADER_BYTES + WINDOW_UPDATE_BYTES];
        bytes[..HEADER_BYTES].copy_from_slice(&self.header);
        if !self.frame.is_held() {
            return (bytes, HEADER_BYTES);
        }
        let length = self.payload.len().min(WINDOW_UPDATE_BYTES);
        bytes[HEADER_BYTES..HEADER_BYTES + length].copy_from_slice(&self.payload[..length]);
        (bytes, HEADER_BYTES + length)
    }

    /// The payload of the frame that `Seen::Payload` told of.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }
}
