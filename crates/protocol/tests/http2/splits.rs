//! However the network cuts a client's bytes, they mean the same.

use proptest::prelude::*;

use crate::server::Server;
use crate::wire::*;

fn conversation() -> Vec<u8> {
    let front = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/x")];
    [
        headers(0, 1, &front[..2]),
        continuation(0, 1, &[]),
        continuation(END_HEADERS, 1, &[front[2], front[3], ("cookie", "a=b"), ("cookie", "c=d")]),
        data(1, b"some content"),
        headers(END_HEADERS | END_STREAM, 3, &[front[0], front[1], front[2], (":path", "*")]),
        window_update(1, 5),
        window_update(3, 5),
        ping(),
        headers(END_HEADERS | END_STREAM, 1, &[("sum", "12")]),
    ]
    .concat()
}

/// What the application gets, with pieces of a body put together, and the frames that are sent.
fn outcome(pieces: &[&[u8]]) -> (Vec<String>, String) {
    let mut server = Server::new();
    let mut told = Vec::new();
    for piece in pieces {
        told.extend(server.reads(piece).lines().map(String::from));
    }
    told.push(server.asks(0, 1_000));
    (told, server.sends())
}

proptest! {
    #[test]
    fn a_split_changes_nothing(mut cuts in prop::collection::vec(0_usize..300, 0..20)) {
        let bytes = conversation();
        cuts.extend([0, bytes.len()]);
        cuts.retain(|cut| *cut <= bytes.len());
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        prop_assert_eq!(outcome(&pieces), outcome(&[&bytes]));
    }
}

proptest! {
    #[test]
    fn any_frames_are_survived(script in prop::collection::vec(any::<u8>(), 0..400)) {
        crate::script::play(&script);
    }
}
