//! A client's frames as bytes, and a server's as text.
// Each test uses a part of it.
#![allow(dead_code, unreachable_pub)]

use nghttp2::ErrorCode;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const ACK: u8 = 1;

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

pub fn data(stream: u32, payload: &[u8]) -> Vec<u8> {
    frame(0, 0, stream, payload)
}

pub fn last_data(stream: u32, payload: &[u8]) -> Vec<u8> {
    frame(0, END_STREAM, stream, payload)
}

pub fn headers(flags: u8, stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(1, flags, stream, &block(fields))
}

/// A request that is over with its header list.
pub fn get(stream: u32) -> Vec<u8> {
    headers(END_HEADERS | END_STREAM, stream, &[(":method", "GET"), (":path", "/")])
}

/// A request whose content follows.
pub fn post(stream: u32) -> Vec<u8> {
    headers(END_HEADERS, stream, &[(":method", "POST"), (":path", "/")])
}

pub fn priority(stream: u32, depends_on: u32) -> Vec<u8> {
    frame(2, 0, stream, &[&depends_on.to_be_bytes()[..], &[16]].concat())
}

pub fn rst_stream(stream: u32, code: u32) -> Vec<u8> {
    frame(3, 0, stream, &code.to_be_bytes())
}

pub fn settings(entries: &[(u16, u32)]) -> Vec<u8> {
    let entry = |(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()[..]].concat();
    frame(4, 0, 0, &entries.iter().flat_map(entry).collect::<Vec<_>>())
}

pub fn ping() -> Vec<u8> {
    frame(6, 0, 0, b"12345678")
}

pub fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(8, 0, stream, &increment.to_be_bytes())
}

pub fn continuation(flags: u8, stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(9, flags, stream, &block(fields))
}

pub fn priority_update(stream: u32, value: &str) -> Vec<u8> {
    frame(16, 0, 0, &[&stream.to_be_bytes()[..], value.as_bytes()].concat())
}

/// Literals without indexing and without Huffman. RFC 7541 §6.2.2.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            integer(&mut bytes, 0, 7, text.len());
            bytes.extend(text.as_bytes());
        }
    }
    bytes
}

/// RFC 7541 §5.1.
fn integer(bytes: &mut Vec<u8>, first: u8, bits: u32, value: usize) {
    let largest = (1 << bits) - 1;
    if value < largest {
        bytes.push(first | value as u8);
        return;
    }
    bytes.push(first | largest as u8);
    let mut rest = value - largest;
    while rest >= 128 {
        bytes.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    bytes.push(rest as u8);
}

/// Frames in bytes, one a line.
pub fn describe(mut bytes: &[u8]) -> String {
    const KINDS: [&str; 10] = [
        "DATA",
        "HEADERS",
        "PRIORITY",
        "RST_STREAM",
        "SETTINGS",
        "PUSH_PROMISE",
        "PING",
        "GOAWAY",
        "WINDOW_UPDATE",
        "CONTINUATION",
    ];
    let mut lines = Vec::new();
    while let Some((header, rest)) = bytes.split_at_checked(9) {
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
        let payload = &rest[..length];
        let kind = KINDS.get(header[3] as usize).map_or(format!("{:#x}", header[3]), |kind| kind.to_string());
        let number = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().expect("four bytes"));
        let code = |at: usize| ErrorCode(number(at));
        let what = match header[3] {
            0 => format!("{length} bytes"),
            3 => code(0).to_string(),
            7 => format!("after {} {}", number(0), code(4)),
            8 => format!("+{}", number(0)),
            _ => String::new(),
        };
        let end = if header[3] < 2 && header[4] & END_STREAM != 0 { " end" } else { "" };
        let ack = if matches!(header[3], 4 | 6) && header[4] & ACK != 0 { " ack" } else { "" };
        lines.push(format!("{stream} {kind} {what}{end}{ack}").replace("  ", " ").trim_end().to_string());
        bytes = &rest[length..];
    }
    lines.join("\n")
}
