//! A script: bytes of a client, with what the application and the clock do in between.
//!
//! The first byte chooses habit and limits. After it bytes below 0x80 are the client's, and so is the byte after each
//! 0xff; the others are commands. So a script made by hand reads nearly like HTTP, and a fuzzer can put a command
//! anywhere.

#![allow(unreachable_pub, reason = "shared by a test and a fuzz target")]

use protocol::{Answer, Credit, Limits, Own, Payload};

use crate::pair::{Habit, Pair};

/// Bytes for one answer.
const BODY: &[u8] = b"ok";

/// Plays a script, and panics when a promise is broken. The pair checks the requests that the application gets; here
/// the answers that the client gets are checked. Over TLS it is the ciphertext that is cut.
pub fn play(script: &[u8], is_secured: bool) {
    let Some((&settings, script)) = script.split_first() else { return };
    let open = if is_secured { Pair::secured } else { Pair::new };
    let mut pair = open(limits(settings), habit(settings));
    let has_commands = run(&mut pair, script, script.len());
    check(&pair);
    if !has_commands && habit(settings) == Habit::Answer {
        // However the bytes are cut, the client gets the same answers, and is refused in both cases or in none. Which
        // of several reasons it gets may depend on what had come.
        let mut split = open(limits(settings), Habit::Answer);
        split.ciphertext_step = 1;
        run(&mut split, script, if is_secured { script.len() } else { 1 });
        check(&split);
        // A body above its limit waits for the application; an error after that may have come, or not.
        if [&pair, &split].iter().any(|pair| pair.log.iter().any(|line| line.starts_with("body over"))) {
            return;
        }
        let (whole, split) = (ahead_of_refusal(&pair.received), ahead_of_refusal(&split.received));
        assert_eq!(whole, split);
    }
}

fn habit(settings: u8) -> Habit {
    [Habit::Answer, Habit::Hold, Habit::Ignore][usize::from(settings) % 3]
}

fn limits(settings: u8) -> Limits {
    if settings & 0x40 == 0 {
        return Limits::default();
    }
    Limits {
        body_size_limit: 64,
        header_size_limit: 256,
        header_field_limit: 8,
        request_line_limit: 64,
        chunk_extension_limit: 16,
        pipeline_limit: 3,
        request_timeout: 30_000,
        allow_half_close: settings & 0x20 != 0,
        ..Limits::default()
    }
}

/// Returns whether there were commands.
fn run(pair: &mut Pair, script: &[u8], piece: usize) -> bool {
    let mut sends = Vec::new();
    let mut has_commands = false;
    let mut bytes = script.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            0xff => sends.extend(bytes.next()),
            0x80.. => {
                has_commands = true;
                flush(pair, &mut sends, piece);
                obey(pair, byte);
            }
            _ => sends.push(byte),
        }
    }
    flush(pair, &mut sends, piece);
    has_commands
}

fn flush(pair: &mut Pair, sends: &mut Vec<u8>, piece: usize) {
    sends.chunks(piece.max(1)).for_each(|bytes| pair.client_sends(bytes));
    sends.clear();
}

/// The low three bits choose a request, counted from the latest; the others choose the command.
fn obey(pair: &mut Pair, command: u8) {
    let number = pair.requests().saturating_sub(usize::from(command & 7));
    let request_id = pair.request_id(number);
    let status = 200 + 51 * u16::from(command & 7);
    let whole = |payload| Answer {
        status,
        reason: None,
        fields: b"x: y\r\n",
        payload,
        close: command & 4 != 0,
        own: Own::default(),
    };
    match command >> 3 {
        0x10 => pair.answer(number, whole(Payload::Full(BODY))),
        0x11 => pair.answer(number, whole(Payload::Stream { length: None })),
        0x12 => pair.answer(number, whole(Payload::Stream { length: Some(3) })),
        0x13 => pair.answer(number, whole(Payload::Declared { length: 2, bytes: BODY })),
        0x14 => pair.command(|connection, cx| connection.handle_write(cx, request_id, BODY)),
        0x15 => pair.command(|connection, cx| connection.handle_end(cx, request_id, b"z: z\r\n")),
        0x16 => pair.command(|connection, cx| connection.handle_inform(cx, request_id, 103, b"")),
        0x17 => pair.want_body(request_id),
        0x18 => pair.command(|connection, cx| connection.handle_credit(cx, request_id, Credit::Bytes(5))),
        0x19 => pair.command(|connection, cx| connection.handle_raise(cx, request_id, 1000)),
        0x1a => pair.advance([1, 999, 5001, 15_000][usize::from(command & 3)]),
        0x1b => pair.command(|connection, cx| {
            connection.handle_upgrade(cx, request_id, Some(b"upgrade: x\r\n")).map(drop)
        }),
        0x1c => pair.command(|connection, cx| connection.handle_upgrade(cx, request_id, None).map(drop)),
        0x1d if command & 1 == 0 => pair.read_raw(7),
        0x1d => pair.command(|connection, cx| connection.handle_raw_write(cx, BODY)),
        0x1e if command & 3 == 0 => pair.client_ends(),
        0x1e if command & 3 == 1 => pair.server_stops(),
        0x1e if command & 3 == 2 => pair.is_client_stuck = true,
        0x1e => pair.client_reads_again(),
        _ if command & 3 == 0 => {
            pair.command(|connection, cx| connection.handle_file(cx, request_id, 3).map(drop));
        }
        _ if command & 3 == 1 => pair.fail_file(),
        _ => pair.command(|connection, _| connection.handle_abort(request_id)),
    }
}

/// The client got answers alone: at most one for each request, and one refusal after them.
fn check(pair: &Pair) {
    let statuses = statuses(&pair.received);
    let finals = statuses.iter().filter(|(_, class)| *class != b'1').count();
    assert!(finals <= pair.requests() + 1, "{finals} answers to {} requests", pair.requests());
    assert!(statuses.first().is_none_or(|(at, _)| *at == 0), "an answer begins with something else");
    let owed = pair.connection.owed();
    assert!(owed <= pair.requests(), "{owed} of {} requests are owed an answer", pair.requests());
}

/// The offsets of status lines, and the classes of their statuses.
fn statuses(bytes: &[u8]) -> Vec<(usize, u8)> {
    let windows = bytes.windows(10).enumerate();
    windows
        .filter(|(_, window)| window.starts_with(b"HTTP/1.1 ") && window[9].is_ascii_digit())
        .map(|(at, window)| (at, window[9]))
        .collect()
}

/// The answers before a refusal, and whether there is one.
fn ahead_of_refusal(received: &[u8]) -> (String, bool) {
    let refused = statuses(received).into_iter().find(|(_, class)| matches!(class, b'4' | b'5'));
    let end = refused.map_or(received.len(), |(at, _)| at);
    (String::from_utf8_lossy(&received[..end]).into_owned(), refused.is_some())
}
