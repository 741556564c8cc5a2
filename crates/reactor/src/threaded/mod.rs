//! Reactors on threads of their own, and what stands between them and the application's thread.
//!
//! ```text
//!  application's thread                              I/O thread, one of n
//!                 commands, a batch at a time
//!   Link ──────────────────────────────────────► Mailbox ─► Reactor ◄─► sockets
//!        ◄──────────────────────────────────────
//!                 notices, a batch at a time; then one ring of the doorbell for all threads
//! ```
//! Every batch of notices comes back empty and is filled again, and there are only [`BATCHES`] of
//! them: a thread whose batches are all with the application reads no more from its sockets, so that
//! a slow application slows its clients down instead of filling memory.
//!
//! What the two sides share, and nothing else, is:
//!
//! | what | written by | read by |
//! |---|---|---|
//! | queue of messages | application, accepting thread | the thread |
//! | queue of notices, queue of spare command batches | the thread | application |
//! | queue of emptied batches | application | the thread |
//! | [`Sleep`] | the thread when it goes to sleep and wakes; whoever wakes it | both |
//! | [`Doorbell`] | threads set it, the application clears it | both |
//! | [`Roster`] | the thread at accept and close | application, once for each client it asks for |
//! | loads | the accepting thread adds, each thread subtracts | the accepting thread |
//! | [`Admission`] | each thread at accept and close | the same; the accepting thread |
//! | [`Facts`] | see there | both |
//!
//! The queues are the standard library's, which take no lock as long as nobody blocks in them; here
//! nobody does. The roster's lock is not on the path of a request.

mod company;
mod doorbell;
mod link;
mod notices;
mod orders;
mod sleep;
mod thread;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{channel, sync_channel};

use protocol::Limits;

use crate::admission::{Admission, ConnectionLimits};
use crate::expiry::Unacknowledged;
use crate::reactor::Reactor;
pub(crate) use company::{Company, Newcomer, Roster};
pub use doorbell::Doorbell;
pub use link::Link;
pub use notices::Notices;
use sleep::Mailbox;
use thread::IoThread;

#[cfg(doc)]
use crate::facts::Facts;
#[cfg(doc)]
use sleep::Sleep;

/// Batches of notices of one thread. One is being filled, one is being handled, and the others wait
/// for one or the other.
pub const BATCHES: usize = 4;

/// Called with the id of a client that was closed because of a panic on its thread.
pub type ReportPanic = fn(u64);

/// Starts `count` reactors, each on a thread of its own. The first accepts all connections and hands
/// them round. `ask` is for [`Reactor::ask_unacknowledged`].
///
/// # Errors
/// The system has no descriptors or no threads left.
pub fn start(
    limits: &Limits,
    connections: ConnectionLimits,
    count: usize,
    doorbell: &Arc<Doorbell>,
    report: ReportPanic,
    ask: Unacknowledged,
) -> io::Result<Vec<Link>> {
    let admission = Admission::new(connections);
    let mut reactors = Vec::with_capacity(count);
    let mut mailboxes = Vec::with_capacity(count);
    let mut receivers = Vec::with_capacity(count);
    for index in 0..count {
        let mut reactor = Reactor::new(limits.clone())?;
        reactor.ask_unacknowledged(ask);
        reactor.admit_by(admission.clone());
        reactor.cx.share_request_ids(index as u64, count as u64);
        let waker = reactor.waker().ok_or(io::ErrorKind::NotConnected)?;
        let (sender, receiver) = channel();
        mailboxes.push(Mailbox::new(sender, waker));
        receivers.push(receiver);
        reactors.push(reactor);
    }
    let loads: Arc<[AtomicUsize]> = (0..count).map(|_| AtomicUsize::new(0)).collect();
    let mut links = Vec::with_capacity(count);
    for (index, (mut reactor, messages)) in reactors.into_iter().zip(receivers).enumerate() {
        let roster = Arc::new(Roster::default());
        reactor.company = Some(Company::new(index, loads.clone(), mailboxes.clone(), roster.clone()));
        let (notices_in, notices) = sync_channel(BATCHES);
        let (emptied, emptied_out) = sync_channel(BATCHES);
        let (spare_in, spare) = sync_channel(BATCHES);
        for _ in 0..BATCHES {
            // There is room for all of them, and the other end is in our hands.
            let _ = emptied.try_send(Box::new(Notices::new()));
        }
        let mailbox = mailboxes[index].clone();
        let registry = if index == 0 { Some(reactor.registry()?) } else { None };
        let thread = IoThread {
            reactor,
            messages,
            emptied: emptied_out,
            notices: notices_in,
            spare: spare_in,
            sleep: mailbox.sleep(),
            doorbell: doorbell.clone(),
            report,
        };
        let handle = thread.start(index)?;
        links.push(Link::new(mailbox, notices, emptied, spare, roster, registry, handle));
    }
    Ok(links)
}
