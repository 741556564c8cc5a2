//! Events that outlive the call that gave them.

use protocol::{Body, Event, Expectation, RequestError, RequestId};

/// An event without its borrows.
pub enum OwnedEvent {
    Request { request_id: RequestId, line: String, body: Option<Vec<u8>> },
    Body { request_id: RequestId, bytes: Vec<u8>, trailers: Option<String> },
    Piece { kind: &'static str, bytes: Vec<u8> },
    Unparsed { request_id: RequestId, error: RequestError },
    Other(String),
}

impl OwnedEvent {
    pub fn of(event: Event<'_>) -> OwnedEvent {
        match event {
            Event::Request(request) => {
                let target = String::from_utf8_lossy(request.head.target.of(request.head.bytes));
                let mut line = format!("request {} {target}", request.method.name());
                let traits = [
                    (request.version == protocol::Version::Http10, " 1.0"),
                    (request.upgrade, " upgrade"),
                    (request.expectation == Expectation::Continue, " expects-continue"),
                    (request.expectation == Expectation::Other, " expects-other"),
                    (!request.keep_alive, " last"),
                ];
                traits.iter().filter(|(is_so, _)| *is_so).for_each(|(_, word)| line.push_str(word));
                let body = match request.body {
                    Body::None => Some(Vec::new()),
                    Body::Whole(pieces) => Some(pieces.iter().flatten().copied().collect()),
                    Body::Arriving { .. } => None,
                };
                OwnedEvent::Request { request_id: request.request_id, line, body }
            }
            Event::Body { bytes, end: false, .. } => OwnedEvent::Piece { kind: "piece", bytes },
            Event::Body { request_id, bytes, trailers, .. } => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let trailers = trailers.map(|trailers| {
                    let lines = trailers.iter().map(|(name, value)| text(name) + "=" + &text(value));
                    lines.collect::<Vec<_>>().join(", ")
                });
                OwnedEvent::Body { request_id, bytes, trailers }
            }
            Event::Raw { bytes } => OwnedEvent::Piece { kind: "raw", bytes: bytes.to_vec() },
            Event::RawUnread { bytes } if bytes.is_empty() => OwnedEvent::Other("raw nothing".to_owned()),
            Event::RawUnread { bytes } => OwnedEvent::Piece { kind: "raw", bytes },
            Event::RawEnd => OwnedEvent::Other("raw end".to_owned()),
            Event::BodyLimit { .. } => OwnedEvent::Other("body over its limit".to_owned()),
            Event::BodyFailed { error, .. } => OwnedEvent::Other(format!("body failed: {error}")),
            Event::Reset { code, .. } => OwnedEvent::Other(format!("reset {code}")),
            Event::Unparsed { request_id, error } => OwnedEvent::Unparsed { request_id, error },
            Event::HalfClosed => OwnedEvent::Other("half-closed".to_owned()),
        }
    }
}
