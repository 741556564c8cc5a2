//! The loop of an I/O thread.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::application::Batch;
use crate::io::Listener;
use crate::reactor::Reactor;
use crate::threaded::ReportPanic;
use crate::threaded::command_batch::Orders;
use crate::threaded::doorbell::Doorbell;
use crate::threaded::notice_batch::Notices;
use crate::threaded::park::Sleep;
use crate::threaded::siblings::Newcomer;

/// What a thread is told.
pub(crate) enum Message {
    /// Commands of the application's.
    Orders(Orders),
    /// A connection that another thread has accepted.
    Newcomer(Newcomer),
    /// A listener that was bound on another thread, and is watched already.
    Listener(Listener),
    /// Close everything and end.
    End,
}

/// Everything that moves to the thread.
pub(crate) struct IoThread {
    pub(crate) reactor: Reactor,
    pub(crate) messages: Receiver<Message>,
    pub(crate) emptied: Receiver<Box<Notices>>,
    pub(crate) notices: SyncSender<Box<Notices>>,
    pub(crate) spare: SyncSender<Orders>,
    pub(crate) sleep: Arc<Sleep>,
    pub(crate) doorbell: Arc<Doorbell>,
    pub(crate) report: ReportPanic,
}

/// The thread has been told to end.
struct Ended;

impl IoThread {
    /// Starts it.
    pub(crate) fn start(self, index: usize) -> io::Result<JoinHandle<()>> {
        // Linux cuts names off behind 15 bytes.
        Builder::new().name(format!("busbar-io-{index}")).spawn(move || self.run())
    }

    fn run(mut self) {
        let mut batch = None;
        while self.round(&mut batch).is_ok() {}
        // Answers that came with the order to end are offered to the kernel.
        self.guarded(Reactor::flush);
        self.reactor.release();
    }

    /// Messages, then one turn, which sleeps when there is nothing to do.
    fn round(&mut self, batch: &mut Option<Box<Notices>>) -> Result<(), Ended> {
        let mut is_told = false;
        while let Ok(message) = self.messages.try_recv() {
            is_told = true;
            self.take(message)?;
        }
        if is_told {
            self.guarded(Reactor::flush);
        }
        if batch.is_none() {
            *batch = self.emptied.try_recv().ok();
        }
        let wait = self.wait(batch)?;
        self.turn(batch, wait);
        self.sleep.end();
        Ok(())
    }

    /// How long the coming turn may sleep. With no batch left only time, a message or an emptied batch
    /// lead on, whatever the sockets have.
    fn wait(&mut self, batch: &mut Option<Box<Notices>>) -> Result<Option<Duration>, Ended> {
        if batch.is_some() && self.reactor.has_work() {
            return Ok(Some(Duration::ZERO));
        }
        self.sleep.announce(batch.is_none());
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
        Ok(self.reactor.next_timeout().map(Duration::from_millis))
    }

    fn turn(&mut self, place: &mut Option<Box<Notices>>, wait: Option<Duration>) {
        let Some(notices) = place else {
            let mut nothing = Vec::new();
            let mut full = Batch::new(&mut [], &mut [], 0, &mut nothing);
            return self.guarded(|reactor| {
                let _ = reactor.turn(&mut full, wait);
            });
        };
        let mut batch = notices.batch();
        // A poller that fails is as good as one with nothing ready: connections are found again by
        // the next readiness or their deadline.
        self.guarded(|reactor| {
            let _ = reactor.turn(&mut batch, wait);
        });
        let (records, used) = (batch.records(), batch.used());
        if records == 0 {
            return;
        }
        notices.set_filled(records, used);
        if let Some(filled) = place.take() {
            // There is room: no more batches exist than the queue holds.
            let _ = self.notices.try_send(filled);
            self.doorbell.ring();
        }
    }

    fn take(&mut self, message: Message) -> Result<(), Ended> {
        // The thread may have slept for long.
        self.reactor.tick();
        match message {
            Message::Orders(mut orders) => {
                orders.turn_round();
                while !orders.is_empty() {
                    self.guarded(|reactor| orders.carry_out(reactor));
                }
                let _ = self.spare.try_send(orders.cleared());
            }
            Message::Listener(listener) => self.reactor.add_listener(listener),
            Message::Newcomer(newcomer) => self.guarded(|reactor| reactor.add_client(newcomer)),
            Message::End => return Err(Ended),
        }
        Ok(())
    }

    /// A panic closes the client it came from, and nobody else's connection is touched.
    fn guarded(&mut self, run: impl FnOnce(&mut Reactor)) {
        let reactor = &mut self.reactor;
        if catch_unwind(AssertUnwindSafe(|| run(reactor))).is_err()
            && let Some(id) = self.reactor.recover()
        {
            (self.report)(id);
        }
    }
}
