//! What a reactor needs of the other reactors of its server, where there are any.

use std::sync::Arc;

use crate::application::Facts;
use crate::io::Accepted;

/// The reactors that serve the same listeners. Each has to be informed of its own connections, so that new
/// ones can be distributed.
pub(crate) trait Siblings: Send {
    /// Passes a new connection to one of the reactors, according to their load; returns it when it is for
    /// this one. `is_full` says that the server has as many connections as it takes.
    fn place(&mut self, accepted: Accepted, is_full: bool) -> Option<Accepted>;

    /// A connection that was placed here is a client now.
    fn taken(&self, facts: &Arc<Facts>);

    /// A connection that was placed here was rejected, or could not be served.
    fn not_taken(&self);

    /// The client at `slot` has ended.
    fn ended(&self, slot: u32);
}
