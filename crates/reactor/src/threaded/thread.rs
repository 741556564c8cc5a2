//! The loop of an I/O thread.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::body_pool::BodyPool;
use super::command_batch::CommandBatch;
use super::doorbell::Doorbell;
use super::message::Message;
use super::notice_batch::Notices;
use super::park::Park;
use crate::application::Batch;
use crate::reactor::Reactor;

/// Called with the id of a client that was closed because of a panic on its thread.
pub type ReportPanic = fn(u64);

/// Everything that moves to the thread.
pub(super) struct IoThread {
    pub(super) reactor: Reactor,
    pub(super) messages: Receiver<Message>,
    pub(super) emptied: Receiver<Box<Notices>>,
    pub(super) notices: SyncSender<Box<Notices>>,
    pub(super) spare: SyncSender<CommandBatch>,
    pub(super) park: Arc<Park>,
    pub(super) doorbell: Arc<Doorbell>,
    pub(super) pool: BodyPool,
    /// On the reactor's clock.
    pub(super) next_trim: u64,
    pub(super) report: ReportPanic,
}

/// Milliseconds between two trims of the pool.
const TRIM_INTERVAL: u64 = 1000;

/// The thread is to end.
struct Ended;

impl IoThread {
    /// Starts it.
    pub(super) fn start(self, index: usize) -> io::Result<JoinHandle<()>> {
        // Linux truncates names to 15 bytes.
        Builder::new().name(format!("busbar-io-{index}")).spawn(move || self.run())
    }

    fn run(mut self) {
        let mut batch = None;
        while self.round(&mut batch).is_ok() {}
        // Answers that were given right before the end are offered to the kernel.
        self.guarded(Reactor::flush);
        self.reactor.release();
    }

    /// Takes messages, then one turn, which sleeps when there is nothing to do.
    fn round(&mut self, batch: &mut Option<Box<Notices>>) -> Result<(), Ended> {
        let mut has_messages = false;
        while let Ok(message) = self.messages.try_recv() {
            has_messages = true;
            self.take(message)?;
        }
        if has_messages {
            self.guarded(Reactor::flush);
        }
        if batch.is_none() {
            *batch = self.emptied.try_recv().ok();
        }
        let wait = self.wait(batch)?;
        self.turn(batch, wait);
        self.park.end();
        if self.reactor.now_millis() >= self.next_trim {
            self.pool.trim();
            self.next_trim = self.reactor.now_millis() + TRIM_INTERVAL;
        }
        Ok(())
    }

    /// How long the coming turn may sleep. Without a batch the sockets aren't read, and the thread sleeps
    /// until the next deadline, a message or an emptied batch.
    fn wait(&mut self, batch: &mut Option<Box<Notices>>) -> Result<Option<Duration>, Ended> {
        if batch.is_some() && self.reactor.has_work() {
            return Ok(Some(Duration::ZERO));
        }
        self.park.announce(batch.is_some());
        if let Ok(message) = self.messages.try_recv() {
            self.take(message)?;
            self.guarded(Reactor::flush);
            return Ok(Some(Duration::ZERO));
        }
        if batch.is_none() {
            *batch = self.emptied.try_recv().ok();
            if batch.is_some() {
                return Ok(Some(Duration::ZERO));
            }
        }
        let deadline = self.reactor.next_timeout();
        let trim = (!self.pool.is_empty()).then_some(TRIM_INTERVAL);
        Ok(deadline.into_iter().chain(trim).min().map(Duration::from_millis))
    }

    fn turn(&mut self, slot: &mut Option<Box<Notices>>, wait: Option<Duration>) {
        let Some(notices) = slot else {
            let mut nothing = Vec::new();
            let mut full = Batch::new(&mut [], &mut [], 0, &mut nothing);
            return self.guarded(|reactor| {
                let _ = reactor.turn(&mut full, wait);
            });
        };
        let mut batch = notices.batch();
        // After an error of the poller the thread continues: connections are served at the next readiness or
        // their deadline.
        self.guarded(|reactor| {
            let _ = reactor.turn(&mut batch, wait);
        });
        let (records, used) = (batch.records(), batch.used());
        if records == 0 {
            return;
        }
        notices.set_filled(records, used);
        if let Some(filled) = slot.take() {
            // It always fits: no more batches exist than the queue holds.
            let _ = self.notices.try_send(filled);
            self.doorbell.ring();
        }
    }

    fn take(&mut self, message: Message) -> Result<(), Ended> {
        // The thread may have slept for long.
        self.reactor.tick();
        match message {
            Message::Commands(mut commands) => {
                commands.reverse();
                while !commands.is_empty() {
                    self.guarded(|reactor| commands.apply(reactor));
                }
                // In the next commands the application may close a client, behind an answer that has left for it.
                self.guarded(Reactor::flush);
                let _ = self.spare.try_send(commands.cleared());
            }
            Message::Listener(listener) => self.reactor.add_listener(listener),
            Message::Accepted(accepted) => self.guarded(|reactor| reactor.add_client(accepted)),
            Message::End => return Err(Ended),
        }
        Ok(())
    }

    /// A panic closes the client that was worked on; other connections stay open.
    fn guarded(&mut self, run: impl FnOnce(&mut Reactor)) {
        let reactor = &mut self.reactor;
        if catch_unwind(AssertUnwindSafe(|| run(reactor))).is_err()
            && let Some(id) = self.reactor.recover()
        {
            (self.report)(id);
        }
    }
}
