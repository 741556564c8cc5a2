//! Encryption of large bodies from the memory in which they are, straight into what the socket is given.
//!
//! ```text
//!   head │ body │ suffix ──► portions of 64 KiB, or a little more ──► ciphertext (of the context) ──► socket
//! ```
//! Each portion goes to the socket before the next is encrypted. Of the one that the socket takes only in part the
//! ciphertext is kept, and its plaintext counts as unsent.

use std::io::IoSlice;
use std::ops::Range;

use super::secured::PORTION;
use crate::output::{Send, total_of};
use crate::tls::Session;

/// Longest content of a record. RFC 8446 §5.1.
const RECORD: usize = 16 * 1024;

pub(super) struct Sealing<'a> {
    session: &'a mut Session,
    ciphertext: &'a mut Vec<u8>,
    send: Send<'a>,
    /// The beginnings of records of which one part doesn't fill all.
    joint: Vec<u8>,
    /// Ciphertext that the socket hasn't taken, and of how many bytes it is.
    pub(super) unsent: Range<usize>,
    pub(super) in_flight: usize,
    /// The session can't encrypt any more.
    pub(super) has_failed: bool,
}

impl<'a> Sealing<'a> {
    pub(super) fn new(session: &'a mut Session, ciphertext: &'a mut Vec<u8>, send: Send<'a>) -> Sealing<'a> {
        Sealing {
            session,
            ciphertext,
            send,
            joint: Vec::new(),
            unsent: 0..0,
            in_flight: 0,
            has_failed: false,
        }
    }

    /// Encrypts and sends `parts`, one behind the other. Returns how many of their bytes have left whole.
    pub(super) fn take(&mut self, parts: &[IoSlice<'_>]) -> usize {
        let total = total_of(parts);
        let mut taken = 0;
        while taken < total && self.in_flight == 0 && !self.has_failed {
            // What would be a short record of its own goes along.
            let end = if total - taken < PORTION + RECORD { total } else { taken + PORTION };
            let portion = taken..end;
            let Some(length) = self.seal(parts, portion.clone()) else {
                self.has_failed = true;
                break;
            };
            let sealed = self.ciphertext.get(..length).unwrap_or_default();
            let sent = (self.send)(&[IoSlice::new(sealed)]);
            if sent < length {
                self.unsent = sent..length;
                self.in_flight = portion.len();
                break;
            }
            taken = portion.end;
        }
        taken
    }

    /// Encrypts a range of `parts`. Returns the length of the ciphertext; None when the session can't go on.
    fn seal(&mut self, parts: &[IoSlice<'_>], portion: Range<usize>) -> Option<usize> {
        let mut at = portion.start;
        let mut length = 0;
        while at < portion.end {
            let wanted = portion.end - at;
            let piece = piece_at(parts, at, wanted);
            let bytes = if piece.len() == wanted {
                piece
            } else if piece.len() >= RECORD {
                // Its last bytes share a record with the next part.
                piece.get(..piece.len() - piece.len() % RECORD)?
            } else {
                self.joint.clear();
                while self.joint.len() < wanted.min(RECORD) {
                    let rest = wanted.min(RECORD) - self.joint.len();
                    let next = piece_at(parts, at + self.joint.len(), rest);
                    self.joint.extend_from_slice(next);
                }
                &self.joint
            };
            length = self.session.write_into(bytes, self.ciphertext, length)?;
            at += bytes.len();
        }
        Some(length)
    }
}

/// What stands at `at` in `parts`, as far as it lies in one of them, and `longest` bytes at most.
fn piece_at<'a>(parts: &'a [IoSlice<'_>], mut at: usize, longest: usize) -> &'a [u8] {
    for part in parts {
        match part.get(at..) {
            Some(piece) if !piece.is_empty() => return piece.get(..longest).unwrap_or(piece),
            _ => at -= part.len(),
        }
    }
    &[]
}
