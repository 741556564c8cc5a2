//! The Date field, formatted once a second. RFC 9110 §6.6.1.

use std::time::{Duration, UNIX_EPOCH};

/// A `date` field line, ready to be sent.
#[derive(Debug, Clone)]
pub struct Date {
    line: Vec<u8>,
}

impl Date {
    pub(crate) fn new() -> Date {
        let mut date = Date { line: Vec::new() };
        date.refresh(0);
        date
    }

    /// Formats the line for a Unix time in seconds.
    pub fn refresh(&mut self, unix_seconds: u64) {
        let time = UNIX_EPOCH + Duration::from_secs(unix_seconds);
        self.line.clear();
        self.line.extend_from_slice(b"date: ");
        self.line.extend_from_slice(httpdate::fmt_http_date(time).as_bytes());
        self.line.extend_from_slice(b"\r\n");
    }

    /// The value alone.
    pub(crate) fn value(&self) -> &[u8] {
        let line = self.line.strip_prefix(b"date: ").unwrap_or(&self.line);
        line.strip_suffix(b"\r\n").unwrap_or(line)
    }

    /// `date: …` with its line end.
    pub fn line(&self) -> &[u8] {
        &self.line
    }
}
