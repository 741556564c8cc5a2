//! What the parser sees, as readable texts: `traces/*.txt`. Each trace runs in one piece and byte by byte; offsets
//! of errors count from the first byte of the trace.
//!
//! ```text
//! ## title
//! > GET / HTTP/1.1␍␊            bytes; no line end but those shown
//! < GET / 1.1                   method, target and version of a head
//! < Host: a                     its fields
//! < body "hi"                   its body, without chunks
//! < complete                    the end of the message; what follows is the next one
//! ```

#![allow(clippy::unwrap_used, reason = "a malformed trace fails the test")]

use std::fs;
use std::path::Path;

use llhttp::{Parser, Record, State};

#[test]
fn traces_come_out_as_written() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traces/requests.txt");
    let text = fs::read_to_string(path).unwrap();
    let sections: Vec<_> = text.split("\n## ").skip(1).collect();
    assert!(sections.len() > 10, "only {} traces were found", sections.len());
    for section in sections {
        let bytes: String = section.lines().filter_map(|line| line.strip_prefix("> ")).collect();
        let bytes =
            bytes.replace('␍', "\r").replace('␊', "\n").replace('␀', "\0").replace('␉', "\t").into_bytes();
        let expected: Vec<_> = section.lines().filter_map(|line| line.strip_prefix("< ")).collect();
        let title = section.lines().next().unwrap_or("");
        assert_eq!(run(&bytes, bytes.len()), expected, "{title} (whole)");
        assert_eq!(run(&bytes, 1), expected, "{title} (byte by byte)");
    }
}

/// Parses `bytes` in pieces of `size`, message after message.
fn run(bytes: &[u8], size: usize) -> Vec<String> {
    let mut log = Vec::new();
    let mut parser = Parser::new();
    let mut message = Message::default();
    let mut offset = 0;
    for piece in bytes.chunks(size) {
        let mut rest = piece;
        while !rest.is_empty() {
            let mut progress = parser.execute(rest, &mut message.record);
            if progress.state == State::Coded {
                // Whether the coding may be accepted is protocol's to decide.
                progress = parser.execute_chunked(rest, progress.consumed, &mut message.record);
            }
            message.take_in(&parser, rest, progress.consumed);
            offset += progress.consumed;
            rest = &rest[progress.consumed..];
            match progress.state {
                State::More | State::Coded => {}
                State::Complete => log.append(&mut std::mem::take(&mut message).lines(true)),
                State::Failed(error) => {
                    log.append(&mut message.lines(false));
                    log.push(format!("error {:?} at {offset}", error.kind));
                    return log;
                }
            }
        }
    }
    log.append(&mut message.lines(false));
    log
}

#[derive(Default)]
struct Message {
    record: Record,
    head: Vec<u8>,
    first: Option<String>,
    body: Vec<u8>,
}

impl Message {
    fn take_in(&mut self, parser: &Parser, input: &[u8], consumed: usize) {
        if self.first.is_none() {
            self.head.extend_from_slice(&input[..consumed]);
            self.record.offset = self.head.len() as u32;
        }
        for piece in &self.record.body {
            self.body.extend_from_slice(piece.of(input));
        }
        self.record.clear_body();
        if self.record.head_complete && self.first.is_none() {
            let method = parser.method().map_or("?", |method| method.name());
            let target = String::from_utf8_lossy(self.record.target.of(&self.head)).into_owned();
            let (major, minor) = parser.version();
            self.first = Some(format!("{method} {target} {major}.{minor}"));
        }
    }

    fn lines(&self, is_complete: bool) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut lines = Vec::new();
        let Some(first) = &self.first else { return lines };
        lines.push(first.clone());
        for field in &self.record.fields {
            lines.push(format!("{}: {}", text(field.name.of(&self.head)), text(field.value.of(&self.head))));
        }
        if !self.body.is_empty() {
            lines.push(format!("body {:?}", text(&self.body)));
        }
        for field in &self.record.trailers {
            let bytes = &self.record.trailer_bytes;
            lines.push(format!("trailer {}: {}", text(field.name.of(bytes)), text(field.value.of(bytes))));
        }
        if is_complete {
            lines.push("complete".to_owned());
        }
        lines
    }
}
