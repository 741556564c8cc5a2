//! Which idle connection is closed for a new one.

use protocol::Timestamp;

use crate::client::Clients;

/// Candidates found by one search, so that a burst of new connections doesn't search all clients for each.
const CANDIDATES: usize = 64;
/// After a search that found few, the next one waits for one millisecond per so many connections: searching
/// must not become the main work of the server.
const SEARCHED_PER_MILLI: usize = 1000;

/// Finds idle connections among the clients of one reactor.
#[derive(Default)]
pub(super) struct Eviction {
    /// Connections that were idle for longest at the last search, the longest at the end.
    candidates: Vec<Candidate>,
    /// Until then another search is unlikely to find any.
    search_at: Timestamp,
}

/// An idle connection: when its idle time ends, its slot and its id.
type Candidate = (Timestamp, u32, u64);

impl Eviction {
    /// The slot of a connection that has been idle for longest, as far as the searches are recent.
    pub(super) fn longest_idle(&mut self, clients: &Clients, now: Timestamp) -> Option<u32> {
        if let Some(slot) = self.next_candidate(clients, now) {
            return Some(slot);
        }
        if now < self.search_at {
            return None;
        }
        self.search(clients, now);
        self.next_candidate(clients, now)
    }

    /// The next candidate that is still as idle as it was.
    fn next_candidate(&mut self, clients: &Clients, now: Timestamp) -> Option<u32> {
        while let Some((until, slot, id)) = self.candidates.pop() {
            let is_same = clients.with_id(slot, id).is_some();
            if is_same && idle_until(clients, slot, now) == Some(until) && has_no_input(clients, slot) {
                return Some(slot);
            }
        }
        None
    }

    fn search(&mut self, clients: &Clients, now: Timestamp) {
        let idle = clients
            .iter()
            .filter_map(|(slot, client)| Some((client.idle_until(now)?, slot, client.facts.id())));
        self.candidates = idle.collect();
        if self.candidates.len() > CANDIDATES {
            self.candidates.select_nth_unstable(CANDIDATES);
            self.candidates.truncate(CANDIDATES);
        } else {
            self.search_at = now.after_millis((clients.len() / SEARCHED_PER_MILLI) as u64);
        }
        self.candidates.sort_unstable_by(|a, b| b.cmp(a));
    }
}

/// The connection among `slots` that has been idle for longest.
pub(super) fn longest_idle_of(
    clients: &Clients,
    slots: impl Iterator<Item = u32>,
    now: Timestamp,
) -> Option<u32> {
    let idle = slots.filter_map(|slot| Some((idle_until(clients, slot, now)?, slot)));
    let mut idle: Vec<_> = idle.collect();
    idle.sort_unstable();
    idle.into_iter().map(|(_, slot)| slot).find(|slot| has_no_input(clients, *slot))
}

fn idle_until(clients: &Clients, slot: u32, now: Timestamp) -> Option<Timestamp> {
    clients.get(slot)?.idle_until(now)
}

/// Whether the kernel holds no bytes of the client that weren't read.
fn has_no_input(clients: &Clients, slot: u32) -> bool {
    clients.get(slot).is_some_and(|client| client.socket.waiting() == 0)
}
