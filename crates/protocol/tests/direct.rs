//! Bodies in chunks that are received straight into the application's memory: what is left there is the content.

#![allow(clippy::unwrap_used, reason = "an unexpected result fails the test")]

use protocol::{Connection, Context, Credit, Direct, Event, FRAMED_ROOM, Limits, RequestError, RequestId};

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

fn asked(cx: &mut Context, credit: u64) -> (Connection, RequestId) {
    let mut connection = Connection::new(cx);
    let step = connection.handle_input(cx, HEAD);
    let Some(Event::Request(request)) = step.event else { panic!("no request") };
    let request_id = request.request_id;
    connection.handle_credit(cx, request_id, Credit::Bytes(credit)).unwrap();
    (connection, request_id)
}

/// Content in chunks of several sizes, and the same on the wire, with extensions and a trailer section.
fn body() -> (Vec<u8>, Vec<u8>) {
    let content = (0..5000_u32).map(|at| (at % 251) as u8).collect::<Vec<_>>();
    let mut wire = Vec::new();
    let mut rest = &content[..];
    for size in [1, 700, 3, 0x1f, 2000, 1, 1, 1200].into_iter().cycle() {
        let (chunk, behind) = rest.split_at(rest.len().min(size));
        wire.extend_from_slice(format!("{:x};a=b\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    wire.extend_from_slice(b"0\r\nA: b\r\n\r\n");
    (content, wire)
}

#[test]
fn wherever_the_bytes_are_split_the_content_is_joined_and_what_follows_is_left() {
    let (content, wire) = body();
    let follows = b"GET /next HTTP/1.1\r\n";
    let all = [&wire[..], follows].concat();
    for size in [1, 2, 3, 7, 64, 511, 999, 4096, usize::MAX] {
        let mut cx = Context::new(Limits::default());
        let (mut connection, asked) = asked(&mut cx, 1 << 20);
        let (mut received, mut at, mut ended) = (Vec::new(), 0, None);
        while ended.is_none() {
            assert!(connection.direct_room() > all.len());
            let mut memory = all[at..].iter().copied().take(size).collect::<Vec<_>>();
            let Direct { content, taken, event } = connection.handle_direct(&mut cx, &mut memory);
            at += taken;
            received.extend_from_slice(&memory[..content]);
            match event {
                Some(Event::Body { request_id, bytes, end: true, trailers }) => {
                    assert!(request_id == asked && bytes.is_empty());
                    ended = trailers;
                }
                event => assert!(event.is_none() && taken == memory.len()),
            }
        }
        assert_eq!(received, content, "in reads of {size}");
        assert_eq!(ended.unwrap().iter().collect::<Vec<_>>(), [(&b"A"[..], &b"b"[..])]);
        assert_eq!(at, wire.len(), "what follows is left");
        assert_eq!(connection.direct_room(), 0);
    }
}

#[test]
fn content_before_a_fault_of_the_framing_is_counted_and_the_fault_announced() {
    let mut cx = Context::new(Limits::default());
    let (mut connection, request_id) = asked(&mut cx, 1 << 20);
    let mut memory = *b"3\r\nabc\r\nx";
    let Direct { content, event, .. } = connection.handle_direct(&mut cx, &mut memory);
    assert_eq!(&memory[..content], b"abc");
    assert!(matches!(
        event,
        Some(Event::BodyFailed { request_id: failed, error: RequestError::Syntax { .. } }) if failed == request_id
    ));
}

#[test]
fn extensions_and_trailers_have_their_limits() {
    let extension = [b"1;", &[b'a'; 17_000][..], b"\r\nx\r\n"].concat();
    let trailers = [b"0\r\nA: ", &[b'a'; 70_000][..], b"\r\n\r\n"].concat();
    for (mut memory, expected) in
        [(extension, RequestError::ExtensionsTooLarge), (trailers, RequestError::TrailersTooLarge)]
    {
        let mut cx = Context::new(Limits::default());
        let (mut connection, _) = asked(&mut cx, 1 << 20);
        let Direct { event, .. } = connection.handle_direct(&mut cx, &mut memory);
        assert!(matches!(event, Some(Event::BodyFailed { error, .. }) if error == expected), "{expected:?}");
    }
}

#[test]
fn no_more_comes_directly_than_is_asked_for_and_allowed() {
    let mut cx = Context::new(Limits { body_size_limit: 1000, ..Limits::default() });
    let (mut connection, _) = asked(&mut cx, 5000);
    assert_eq!(connection.direct_room(), 1000);
    let mut memory = [&b"1f4\r\n"[..], &[b'x'; 500]].concat();
    assert_eq!(connection.handle_direct(&mut cx, &mut memory).content, 500);
    assert_eq!(connection.direct_room(), 0, "less than {FRAMED_ROOM} are left");
    let (connection, _) = asked(&mut cx, FRAMED_ROOM - 1);
    assert_eq!(connection.direct_room(), 0);
}
