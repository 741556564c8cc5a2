//! Reactors on threads of their own, and what stands between them and the application's thread.
//!
//! ```text
//!  application's thread                              I/O thread, one of n
//!                    commands, a batch at a time
//!   ThreadHandle ─────────────────────────────────► Mailbox ─► Reactor ◄─► sockets
//!                ◄─────────────────────────────────
//!                    notices, a batch at a time; then one ring of the doorbell for all threads
//! ```
//! A batch of notices is returned empty and filled again, and there are only [`BATCHES`] per thread: while
//! the application has all of them, the thread doesn't read from its sockets. So a slow application slows its
//! clients down and doesn't fill memory.
//!
//! The two sides share only:
//!
//! | what | written by | read by |
//! |---|---|---|
//! | queue of messages | application, accepting thread | the thread |
//! | queue of notices, queue of spare command batches | the thread | application |
//! | queue of emptied batches | application | the thread |
//! | [`Park`] | the thread when it goes to sleep and wakes; senders that wake it | both |
//! | [`Doorbell`] | threads set it, the application clears it | both |
//! | [`ClientIndex`] | the thread at accept and close | application, once for each `Client` it makes |
//! | loads | the accepting thread adds, each thread subtracts | the accepting thread |
//! | [`Admission`] | each thread at accept and close | the same; the accepting thread |
//! | [`Facts`] | see there | both |
//!
//! The queues are the standard library's, which take no lock unless a thread blocks in them; here none does.
//! The lock of the client index is not on the path of a request.

mod body_pool;
mod client_index;
mod command_batch;
mod doorbell;
mod handle;
mod mailbox;
mod message;
mod notice_batch;
mod park;
mod siblings;
mod thread;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{channel, sync_channel};

use protocol::Limits;

use crate::admission::{Admission, ConnectionLimits};
use crate::client::Unacknowledged;
use crate::reactor::Reactor;
use body_pool::BodyPool;
use client_index::ClientIndex;
pub use doorbell::Doorbell;
pub use handle::ThreadHandle;
use mailbox::Mailbox;
pub use notice_batch::Notices;
use siblings::ThreadSiblings;
use thread::IoThread;
pub use thread::ReportPanic;

#[cfg(doc)]
use crate::application::Facts;
#[cfg(doc)]
use park::Park;

/// Batches of notices of one thread. One is being filled, one is being handled, and the others are on the
/// way.
pub const BATCHES: usize = 4;

/// Starts `count` reactors, each on a thread of its own. The first accepts all connections and distributes
/// them. `ask` is for [`Reactor::ask_unacknowledged`].
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
) -> io::Result<Vec<ThreadHandle>> {
    let admission = Admission::new(connections);
    let mut reactors = Vec::with_capacity(count);
    let mut mailboxes = Vec::with_capacity(count);
    let mut receivers = Vec::with_capacity(count);
    for _ in 0..count {
        let mut reactor = Reactor::new(limits.clone())?;
        reactor.ask_unacknowledged(ask);
        reactor.admit_by(admission.clone());
        let waker = reactor.waker().ok_or(io::ErrorKind::NotConnected)?;
        let (sender, receiver) = channel();
        mailboxes.push(Mailbox::new(sender, waker));
        receivers.push(receiver);
        reactors.push(reactor);
    }
    let loads: Arc<[AtomicUsize]> = (0..count).map(|_| AtomicUsize::new(0)).collect();
    let mut handles = Vec::with_capacity(count);
    for (index, (mut reactor, messages)) in reactors.into_iter().zip(receivers).enumerate() {
        let clients = Arc::new(ClientIndex::default());
        let siblings = ThreadSiblings::new(index, loads.clone(), mailboxes.clone(), clients.clone());
        reactor.join(Box::new(siblings), index, count);
        let (notices_in, notices) = sync_channel(BATCHES);
        let (emptied, emptied_out) = sync_channel(BATCHES);
        let (spare_in, spare) = sync_channel(BATCHES);
        for _ in 0..BATCHES {
            // The queue has room for all of them, and its other end is still here.
            let _ = emptied.try_send(Box::new(Notices::new()));
        }
        let mailbox = mailboxes[index].clone();
        let registry = if index == 0 { Some(reactor.listener_registry()?) } else { None };
        let pool = BodyPool::default();
        let thread = IoThread {
            reactor,
            messages,
            emptied: emptied_out,
            notices: notices_in,
            spare: spare_in,
            park: mailbox.park(),
            doorbell: doorbell.clone(),
            pool: pool.clone(),
            next_trim: 0,
            report,
        };
        let thread = thread.start(index)?;
        handles.push(ThreadHandle::new(mailbox, notices, emptied, (spare, pool), clients, registry, thread));
    }
    Ok(handles)
}
