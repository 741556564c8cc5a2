//! Commands and questions about a whole server. Questions to other threads are waited for: they are rare.

use std::sync::Arc;

use reactor::{Bind, ListenError, ListenerFacts, Reactor};

use crate::bridge::{Bridge, Side};

impl Bridge {
    /// A question about the reactor, or about that which accepts where there are several. None when it has
    /// been closed.
    fn ask<R: Send + 'static>(&self, ask: impl FnOnce(&mut Reactor) -> R + Send + 'static) -> Option<R> {
        match &self.side {
            Side::InLoop(side) => Some(ask(&mut side.reactor.borrow_mut())),
            Side::Threaded(side) => side.link(0, |link, _| link.ask(ask)).flatten(),
        }
    }

    /// The same of every reactor.
    fn ask_each<R: Send + 'static>(&self, ask: fn(&mut Reactor) -> R) -> Vec<R> {
        match &self.side {
            Side::InLoop(side) => vec![ask(&mut side.reactor.borrow_mut())],
            Side::Threaded(side) => {
                let mut questions = Vec::new();
                side.each(|link| questions.push(link.begin_ask(ask)));
                questions.into_iter().filter_map(|question| question.recv().ok()).collect()
            }
        }
    }

    /// The same of every reactor, with nothing to wait for.
    fn tell_each(&self, tell: fn(&mut Reactor)) {
        self.before_command();
        match &self.side {
            Side::InLoop(side) => tell(&mut side.reactor.borrow_mut()),
            Side::Threaded(side) => side.each(|link| {
                link.run(u32::MAX, &[], move |reactor, _| tell(reactor));
                link.hand_over();
            }),
        }
    }

    /// Binds a listening socket. None when the engine is closed.
    pub(crate) fn listen(
        &self,
        bind: &Bind,
        backlog: i32,
    ) -> Option<Result<Arc<ListenerFacts>, ListenError>> {
        match &self.side {
            Side::InLoop(side) => Some(side.reactor.borrow_mut().listen(bind, backlog)),
            Side::Threaded(side) => side.link(0, |link, _| link.listen(bind, backlog)),
        }
    }

    /// Has connections announced, and wait for their driver.
    pub(crate) fn announce_accepted(&self) {
        self.tell_each(Reactor::announce_accepted);
    }

    /// Begins to accept connections.
    pub(crate) fn start(&self) {
        self.tell_each(Reactor::start);
    }

    /// Closes the listening sockets.
    pub(crate) fn stop_listening(&self) {
        self.ask(Reactor::stop_listening);
    }

    /// Ends every client as soon as it owes nothing; an `Idle` notice follows when none is left.
    pub(crate) fn stop_gracefully(&self) {
        self.tell_each(Reactor::stop_gracefully);
    }

    /// Closes every client; an `Idle` notice follows.
    pub(crate) fn close_all(&self) {
        self.tell_each(Reactor::close_all);
    }

    /// How many requests were refused, by code; a code may come several times.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.ask_each(|reactor| reactor.refusals().collect::<Vec<_>>()).into_iter().flatten()
    }

    /// Has no further requests begun, or again.
    pub(crate) fn hold_requests(&self, is_held: bool) {
        match is_held {
            true => self.tell_each(|reactor| reactor.hold_requests(true)),
            false => self.tell_each(|reactor| reactor.hold_requests(false)),
        }
    }

    /// Has each refusal announced.
    pub(crate) fn explain_refusals(&self) {
        self.tell_each(Reactor::explain_refusals);
    }
}
