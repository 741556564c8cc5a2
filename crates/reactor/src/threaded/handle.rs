//! The application's handle to one I/O thread.

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use protocol::{Answer, RequestId, is_large};

use super::body_pool::BodyPool;
use super::client_index::ClientIndex;
use super::command_batch::CommandBatch;
use super::mailbox::Mailbox;
use super::message::Message;
use super::notice_batch::{Notices, SLOT_BITS};
use crate::application::Facts;
use crate::io::{Bind, ListenError, ListenerFacts, ListenerRegistry};
use crate::reactor::Reactor;

/// One thread, as the application sees it. Commands are collected until [`ThreadHandle::hand_over`]; those
/// that come too late change nothing.
pub struct ThreadHandle {
    mailbox: Mailbox<Message>,
    notices: Receiver<Box<Notices>>,
    emptied: SyncSender<Box<Notices>>,
    spare: Receiver<CommandBatch>,
    commands: CommandBatch,
    pool: BodyPool,
    clients: Arc<ClientIndex>,
    /// Only for the thread that accepts: registers its listeners; and how many there are.
    accepting: Option<(ListenerRegistry, u32)>,
    thread: Option<JoinHandle<()>>,
}

impl ThreadHandle {
    pub(super) fn new(
        mailbox: Mailbox<Message>,
        notices: Receiver<Box<Notices>>,
        emptied: SyncSender<Box<Notices>>,
        (spare, pool): (Receiver<CommandBatch>, BodyPool),
        clients: Arc<ClientIndex>,
        registry: Option<ListenerRegistry>,
        thread: JoinHandle<()>,
    ) -> ThreadHandle {
        let accepting = registry.map(|registry| (registry, 0));
        let commands = CommandBatch::default();
        ThreadHandle {
            mailbox,
            notices,
            emptied,
            spare,
            commands,
            pool,
            clients,
            accepting,
            thread: Some(thread),
        }
    }

    /// The number of the thread and the slot on it, from a slot in a notice.
    pub fn split(slot: u32) -> (usize, u32) {
        ((slot >> SLOT_BITS) as usize, slot & ((1 << SLOT_BITS) - 1))
    }

    /// Binds a listening socket for all threads, on the application's thread, without waiting for another.
    ///
    /// # Errors
    /// The address can't be bound, or this isn't the handle of the thread that accepts.
    pub fn listen(&mut self, bind: &Bind, backlog: i32) -> Result<Arc<ListenerFacts>, ListenError> {
        let Some((registry, count)) = &mut self.accepting else {
            let source = std::io::ErrorKind::NotConnected.into();
            return Err(ListenError { address: bind.to_string(), source });
        };
        let listener = registry.bind(bind, backlog, *count)?;
        let facts = listener.facts.clone();
        *count += 1;
        self.mailbox.send(Message::Listener(listener));
        Ok(facts)
    }

    /// Answers a request.
    pub fn respond(&mut self, slot: u32, request_id: RequestId, answer: &Answer<'_>, tells_written: bool) {
        self.commands.respond(slot, request_id, answer, tells_written, &self.pool);
        self.hand_over_many();
    }

    /// Sends more of a streamed answer, a piece whose bytes may lie in several places; with a mark,
    /// [`Reactor::notify_drained`] follows. A large piece is copied once, and sent from there.
    pub fn write(&mut self, slot: u32, request_id: RequestId, piece: &[IoSlice<'_>], mark: Option<u32>) {
        let [bytes] = piece else {
            return self.write_long(slot, request_id, piece, mark);
        };
        if is_large(bytes) {
            return self.write_long(slot, request_id, piece, mark);
        }
        self.run(slot, bytes, move |reactor, bytes| {
            if let (Ok(_), Some(mark)) = (reactor.write(slot, request_id, bytes), mark) {
                reactor.notify_drained(slot, request_id, mark);
            }
        });
    }

    fn write_long(&mut self, slot: u32, request_id: RequestId, piece: &[IoSlice<'_>], mark: Option<u32>) {
        self.commands.write(slot, request_id, self.pool.copy(piece), mark);
        self.hand_over_many();
    }

    /// Sends on a raw connection; with a mark, [`Reactor::notify_raw_drained`] follows. A large piece is copied once, and
    /// sent from there as far as the kernel takes it.
    pub fn write_raw(&mut self, slot: u32, client: u64, bytes: &[u8], mark: Option<u32>) {
        let write = move |reactor: &mut Reactor, bytes: &[u8]| {
            if let (Ok(_), Some(mark)) = (reactor.write_raw(slot, client, bytes), mark) {
                reactor.notify_raw_drained(slot, mark);
            }
        };
        if !is_large(bytes) {
            return self.run(slot, bytes, write);
        }
        self.commands.run_with(slot, self.pool.copy(&[IoSlice::new(bytes)]), write);
        self.hand_over_many();
    }

    /// Has `run` executed on the thread, with these bytes, on behalf of the client at `slot`, which is closed
    /// should it panic.
    pub fn run(&mut self, slot: u32, bytes: &[u8], run: impl FnOnce(&mut Reactor, &[u8]) + Send + 'static) {
        self.commands.run(slot, bytes, run);
        self.hand_over_many();
    }

    /// Has `ask` executed on the thread and waits for its result: at most for the length of a turn. None when
    /// the thread has ended.
    pub fn ask<R: Send + 'static>(
        &mut self,
        ask: impl FnOnce(&mut Reactor) -> R + Send + 'static,
    ) -> Option<R> {
        self.begin_ask(ask).recv().ok()
    }

    /// The same without waiting: several threads can be asked at once.
    pub fn begin_ask<R: Send + 'static>(
        &mut self,
        ask: impl FnOnce(&mut Reactor) -> R + Send + 'static,
    ) -> Receiver<R> {
        let (answer, answered) = sync_channel(1);
        self.run(u32::MAX, &[], move |reactor, _| {
            let _ = answer.try_send(ask(reactor));
        });
        self.hand_over();
        answered
    }

    /// Has the thread end after the commands given so far. Dropping the handle waits for it.
    pub fn begin_end(&mut self) {
        self.hand_over();
        self.mailbox.send(Message::End);
    }

    /// Sends the collected commands to the thread.
    pub fn hand_over(&mut self) {
        if !self.commands.is_empty() {
            let fresh = self.spare.try_recv().unwrap_or_default();
            self.mailbox.send(Message::Commands(std::mem::replace(&mut self.commands, fresh)));
        }
    }

    fn hand_over_many(&mut self) {
        if self.commands.is_much() {
            self.hand_over();
        }
    }

    /// The next batch of notices; None when there is none now.
    pub fn next_notices(&self) -> Option<Box<Notices>> {
        self.notices.try_recv().ok()
    }

    /// Gives a batch back, to be filled again.
    pub fn give_back(&self, notices: Box<Notices>) {
        let _ = self.emptied.try_send(notices);
        self.mailbox.wake_for_batch();
    }

    /// The facts of an open client; None when it is closed.
    pub fn facts(&self, slot: u32, id: u64) -> Option<Arc<Facts>> {
        self.clients.find(slot, id)
    }
}

impl Drop for ThreadHandle {
    /// Closes everything on the thread, and waits until it has ended.
    fn drop(&mut self) {
        self.begin_end();
        if let Some(thread) = self.thread.take() {
            // An error is a panic, which was reported when it happened.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    use protocol::Limits;

    use super::*;
    use crate::admission::ConnectionLimits;
    use crate::threaded::{Doorbell, start};

    #[test]
    fn a_thread_that_has_nothing_to_do_frees_the_memory_of_earlier_bodies() {
        let doorbell = Arc::new(Doorbell::new(|| {}));
        let limits = ConnectionLimits::default();
        let mut handles = start(&Limits::default(), limits, 1, &doorbell, |_| {}, |_| None).unwrap();
        let handle = &mut handles[0];
        // The request doesn't exist: the thread drops the body, which returns its memory to the pool, and then answers.
        handle.write(0, RequestId(1), &[IoSlice::new(&[0; 1024 * 1024])], None);
        assert_eq!(handle.ask(|reactor| reactor.client_count()), Some(0));
        let begun = Instant::now();
        while !handle.pool.is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(20));
            sleep(Duration::from_millis(10));
        }
    }
}
