//! What is sent, as readable texts: `traces/*.txt`.
//!
//! ```text
//! ## title                      RFC
//! = header_timeout 1000         a limit
//! = hold                        the application answers on command (ignore: and doesn't ask for bodies)
//! = exempt                      the peer belongs to the server's operator
//! = plaintext                   not over TLS
//! = whole                       the bytes aren't split: the result depends on their coming together
//! > GET / HTTP/1.1␍␊            bytes from the client; no line end but those shown
//! ! respond 1 200 ok            the application, the clock, the end of the stream
//! < request GET /               events, bytes to the client, how the connection ended
//! ```
//! Each trace runs with the bytes between two commands in one piece and byte by byte, each with and without bodies
//! received straight into the application's memory, and over TLS. With `UPDATE_TRACES` in the environment the expectations are
//! written from what happens; review the difference.

#![allow(clippy::unwrap_used, reason = "a malformed trace fails the test")]

mod pair;

use std::fs;
use std::path::Path;

use pair::{Habit, Pair};
use protocol::{Answer, Connection, Credit, Limits, Own, Payload, Way};

#[derive(Default)]
struct Trace {
    title: String,
    settings: Vec<String>,
    steps: Vec<Step>,
    expected: Vec<String>,
}

enum Step {
    Sends(Vec<u8>),
    Command(String),
}

#[test]
fn traces_come_out_as_written() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traces");
    let mut failures = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if std::env::var_os("UPDATE_TRACES").is_some() {
            update(&path);
        }
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        for trace in parse(&fs::read_to_string(&path).unwrap()) {
            count += 1;
            let has = |setting: &str| trace.settings.iter().any(|own| own == setting);
            let is_whole_only = has("whole");
            for (is_split, is_direct) in [(false, false), (true, false), (false, true), (true, true)] {
                if is_split && is_whole_only {
                    continue;
                }
                let log = run(&trace, is_split, is_direct, false);
                if log != trace.expected {
                    let how = if is_split { "byte by byte" } else { "whole" };
                    let how = if is_direct { format!("{how}, direct") } else { how.to_owned() };
                    let difference = difference(&trace.expected, &log);
                    failures.push(format!("{file}: {} ({how})\n{difference}", trace.title));
                }
            }
            for is_split in [false, true] {
                if has("plaintext") || is_split && is_whole_only {
                    continue;
                }
                let log = run(&trace, is_split, false, true);
                if log != trace.expected {
                    let how = if is_split { "byte by byte" } else { "whole" };
                    let difference = difference(&trace.expected, &log);
                    failures.push(format!("{file}: {} (over TLS, {how})\n{difference}", trace.title));
                }
            }
        }
    }
    assert!(count > 50, "only {count} traces were found");
    assert!(failures.is_empty(), "{} of {count}:\n\n{}", failures.len(), failures.join("\n\n"));
}

fn parse(text: &str) -> Vec<Trace> {
    let mut traces: Vec<Trace> = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            traces.push(Trace { title: title.to_owned(), ..Trace::default() });
            continue;
        }
        let Some(trace) = traces.last_mut() else { continue };
        match line.split_once(' ').unwrap_or((line, "")) {
            ("=", setting) => trace.settings.push(setting.trim().to_owned()),
            (">", text) => match trace.steps.last_mut() {
                Some(Step::Sends(bytes)) => bytes.extend(bytes_of(text)),
                _ => trace.steps.push(Step::Sends(bytes_of(text))),
            },
            ("!", command) => trace.steps.push(Step::Command(command.to_owned())),
            ("<", line) => trace.expected.push(line.to_owned()),
            ("", _) => {}
            _ => panic!("a trace has the line {line:?}"),
        }
    }
    traces
}

/// `␍`, `␊`, `␉`, `␀` and `\xHH` stand for the bytes they name; `…N×c` for N times the character.
fn bytes_of(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        match character {
            '␍' => bytes.push(b'\r'),
            '␊' => bytes.push(b'\n'),
            '␉' => bytes.push(b'\t'),
            '␀' => bytes.push(0),
            '\\' if rest.starts_with('x') => {
                bytes.push(u8::from_str_radix(&rest[1..3], 16).unwrap());
                rest = &rest[3..];
            }
            '…' => {
                let (count, after) = rest.split_once('×').unwrap();
                let repeated = after.chars().next().unwrap();
                bytes.extend(repeated.to_string().repeat(count.parse().unwrap()).bytes());
                rest = &after[repeated.len_utf8()..];
            }
            other => bytes.extend(other.to_string().bytes()),
        }
    }
    bytes
}

fn run(trace: &Trace, is_split: bool, is_direct: bool, is_secured: bool) -> Vec<String> {
    let mut limits = Limits::default();
    let mut habit = Habit::Answer;
    let mut is_exempt = false;
    let mut asks_for_pages = false;
    for setting in &trace.settings {
        match setting.as_str() {
            "hold" => habit = Habit::Hold,
            "ignore" => habit = Habit::Ignore,
            "whole" | "plaintext" => {}
            "exempt" => is_exempt = true,
            "pages" => asks_for_pages = true,
            other => set(&mut limits, other),
        }
    }
    let mut pair = if is_secured { Pair::secured(limits, habit) } else { Pair::new(limits, habit) };
    pair.is_direct = is_direct;
    if asks_for_pages {
        // A budget of two.
        pair.cx.ask_for_pages(2);
    }
    if is_secured && is_split {
        pair.ciphertext_step = 1;
    }
    if is_exempt && !is_secured {
        pair.connection = Connection::cleartext(&pair.cx, Way { is_encrypted: true, is_exempt: false });
    }
    for step in &trace.steps {
        match step {
            Step::Sends(bytes) if is_split && !is_secured => {
                bytes.chunks(1).for_each(|byte| pair.client_sends(byte))
            }
            Step::Sends(bytes) => pair.client_sends(bytes),
            Step::Command(command) => obey(&mut pair, command),
        }
    }
    pair.log
}

fn set(limits: &mut Limits, setting: &str) {
    let (name, value) = setting.split_once(' ').unwrap_or((setting, "1"));
    let value: u64 = value.trim().parse().unwrap();
    match name {
        "http1_timeout" => limits.http1_timeout = value,
        "header_timeout" => limits.header_timeout = value,
        "body_timeout" => limits.body_timeout = value,
        "minimum_body_rate" => limits.minimum_body_rate = value,
        "request_timeout" => limits.request_timeout = value,
        "write_timeout" => limits.write_timeout = value,
        "allow_half_close" => limits.allow_half_close = true,
        "body_size_limit" => limits.body_size_limit = value,
        "header_size_limit" => limits.header_size_limit = value,
        "header_field_limit" => limits.header_field_limit = value,
        "request_line_limit" => limits.request_line_limit = value,
        "chunk_extension_limit" => limits.chunk_extension_limit = value,
        "pipeline_limit" => limits.pipeline_limit = value,
        "node_style" => limits.node_style = true,
        "allow_missing_host" => limits.allow_missing_host = true,
        _ => panic!("there is no limit {name}"),
    }
}

fn obey(pair: &mut Pair, command: &str) {
    let mut words = command.splitn(4, ' ');
    let verb = words.next().unwrap();
    let first = words.next();
    let number: usize = first.and_then(|word| word.parse().ok()).unwrap_or(0);
    let request_id = pair.request_id(number);
    let (second, third) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let status = second.parse().unwrap_or(200);
    let whole =
        |payload, fields, close| Answer { status, reason: None, fields, payload, close, own: Own::default() };
    match verb {
        "respond" => pair.answer(number, whole(Payload::Full(third.as_bytes()), b"", false)),
        "last" => pair.answer(number, whole(Payload::Full(third.as_bytes()), b"", true)),
        "declare" => {
            // declare 1 5 abc: five bytes are declared, three are given.
            let payload = Payload::Declared { length: second.parse().unwrap(), bytes: third.as_bytes() };
            pair.answer(
                number,
                Answer { status: 200, reason: None, fields: b"", payload, close: false, own: Own::default() },
            );
        }
        "stream" => {
            // stream 1 5 205: of a declared length, or ?; the status is 200 unless it is given.
            let length = second.parse().ok();
            let status = third.parse().unwrap_or(200);
            let payload = Payload::Stream { length };
            pair.answer(
                number,
                Answer { status, reason: None, fields: b"", payload, close: false, own: Own::default() },
            );
        }
        "until-close" => pair.answer(number, Answer { status, ..whole(Payload::UntilClose, b"", false) }),
        "own" => {
            // own 1 200 Connection: x␍␊…: the application's lines stand for those of the connection and of the framing.
            let fields = bytes_of(third);
            let own = Own { date: false, connection: true, keep_alive: false, framing: true };
            pair.answer(
                number,
                Answer { own, ..whole(Payload::Declared { length: 2, bytes: b"ok" }, &fields, false) },
            );
        }
        "own-keep-alive" => {
            // own-keep-alive 1 200 A: b␍␊Connection: x␍␊…: the lines from Connection on stand for those of one that stays.
            let fields = bytes_of(third);
            let own = Own { keep_alive: true, ..Own::default() };
            pair.answer(number, Answer { own, ..whole(Payload::Full(b"ok"), &fields, false) });
        }
        "stream-last" => pair.answer(number, whole(Payload::Stream { length: None }, b"", true)),
        "write" => pair.command(|connection, cx| connection.handle_write(cx, request_id, second.as_bytes())),
        "end" => {
            let trailers = bytes_of(second);
            pair.command(|connection, cx| connection.handle_end(cx, request_id, &trailers));
        }
        "end-early" => {
            pair.command(|connection, cx| connection.handle_end_early(cx, request_id, b""));
        }
        "inform" => {
            let fields = bytes_of(third);
            pair.command(|connection, cx| connection.handle_inform(cx, request_id, status, &fields));
        }
        "want" => pair.want_body(request_id),
        "read" => {
            let bytes = second.parse().unwrap();
            pair.command(|connection, cx| connection.handle_credit(cx, request_id, Credit::Bytes(bytes)));
        }
        "upgrade" => {
            let fields = bytes_of(second);
            pair.command(|connection, cx| connection.handle_upgrade(cx, request_id, Some(&fields)).map(drop));
        }
        "detach" => pair.command(|connection, cx| connection.handle_upgrade(cx, request_id, None).map(drop)),
        "take-raw" => pair.command(|connection, _| connection.handle_take_raw()),
        "serve" => pair.serve(&bytes_of(first.unwrap_or(""))),
        "raw-read" => pair.read_raw(number as u64),
        "raw-take-back" => pair.command(|connection, _| connection.handle_raw_ask(0)),
        "raw-write" => {
            let bytes = bytes_of(first.unwrap_or(""));
            pair.command(|connection, cx| connection.handle_raw_write(cx, &bytes));
        }
        "raw-end" => pair.command(|connection, _| connection.handle_raw_end()),
        "raise" => {
            let limit = second.parse().unwrap();
            pair.command(|connection, cx| connection.handle_raise(cx, request_id, limit));
        }
        "rate" => {
            // rate 1 60000 -: sets the timeout and leaves the rate.
            let (timeout, rate) = (second.parse().ok(), third.parse().ok());
            pair.command(|connection, cx| connection.handle_data_rate(cx, request_id, timeout, rate));
        }
        "abort" => pair.command(|connection, _| connection.handle_abort(request_id)),
        "wait" => pair.advance(number as u64),
        "eof" => pair.client_ends(),
        "stop" => pair.server_stops(),
        "stuck" => pair.is_client_stuck = true,
        "unstuck" => pair.client_reads_again(),
        _ => panic!("there is no command {verb}"),
    }
}

fn update(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    let logs = parse(&text).into_iter().map(|trace| run(&trace, false, false, false)).collect::<Vec<_>>();
    let mut sections = text.split("\n## ");
    let mut updated = sections.next().unwrap().trim_end().to_owned();
    for (section, log) in sections.zip(logs) {
        let kept = section.lines().filter(|line| !line.starts_with("< ") && !line.is_empty());
        let lines = kept.map(str::to_owned).chain(log.iter().map(|line| format!("< {line}")));
        updated.push_str(&format!("\n\n## {}", lines.collect::<Vec<_>>().join("\n")));
    }
    updated.push('\n');
    fs::write(path, updated).unwrap();
}

fn difference(expected: &[String], found: &[String]) -> String {
    let common = expected.iter().zip(found).take_while(|(one, other)| one == other).count();
    let mut text = String::new();
    expected[..common].iter().for_each(|line| text.push_str(&format!("    {line}\n")));
    expected[common..].iter().for_each(|line| text.push_str(&format!("  - {line}\n")));
    found[common..].iter().for_each(|line| text.push_str(&format!("  + {line}\n")));
    text
}
