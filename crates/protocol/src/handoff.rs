//! What one protocol of a connection leaves to the next when they are switched.

use crate::output::Output;

/// The connection's state that belongs to no protocol.
#[derive(Debug)]
pub(crate) struct Handoff {
    /// Bytes that are still to be sent, ahead of all that follow.
    pub(crate) output: Output,
    /// Bytes that were read and not used: the next protocol's first input.
    pub(crate) unread: Vec<u8>,
    /// The peer has closed its sending side.
    pub(crate) has_peer_ended: bool,
    /// Requests for `https:` are served.
    pub(crate) serves_https: bool,
    /// No request may follow the next one: the server stops.
    pub(crate) is_last: bool,
    /// The peer has the idle time of local ones.
    pub(crate) is_local: bool,
}
