//! Commands and questions about a whole server. A question to another thread is waited for, since it is rare.

use std::sync::Arc;

use protocol::Limits;
use reactor::{Bind, ListenError, ListenerFacts, Reactor};

use crate::bridge::Bridge;
use crate::mode::Mode;

impl Bridge {
    /// Asks the reactor, or the accepting one of several. None when its thread has ended.
    fn ask<R: Send + 'static>(&self, ask: impl FnOnce(&mut Reactor) -> R + Send + 'static) -> Option<R> {
        match &self.mode {
            Mode::InLoop(mode) => Some(ask(&mut mode.reactor())),
            Mode::Threaded(mode) => mode.thread(0, |thread, _| thread.ask(ask)).flatten(),
        }
    }

    /// Asks every reactor.
    fn ask_each<R: Send + 'static>(&self, ask: fn(&mut Reactor) -> R) -> Vec<R> {
        match &self.mode {
            Mode::InLoop(mode) => vec![ask(&mut mode.reactor())],
            Mode::Threaded(mode) => {
                let mut questions = Vec::new();
                mode.each(|thread| questions.push(thread.begin_ask(ask)));
                questions.into_iter().filter_map(|question| question.recv().ok()).collect()
            }
        }
    }

    /// Gives every reactor a command.
    fn command_each(&self, run: impl Fn(&mut Reactor) + Clone + Send + 'static) {
        self.before_command();
        match &self.mode {
            Mode::InLoop(mode) => run(&mut mode.reactor()),
            Mode::Threaded(mode) => mode.each(|thread| {
                let run = run.clone();
                thread.run(u32::MAX, &[], move |reactor, _| run(reactor));
                thread.hand_over();
            }),
        }
    }

    /// Binds a listening socket. None when the engine is closed.
    pub(crate) fn listen(
        &self,
        bind: &Bind,
        backlog: i32,
    ) -> Option<Result<Arc<ListenerFacts>, ListenError>> {
        match &self.mode {
            Mode::InLoop(mode) => Some(mode.reactor().listen(bind, backlog)),
            Mode::Threaded(mode) => mode.listen(bind, backlog),
        }
    }

    /// Has each new connection announced, and wait for its driver.
    pub(crate) fn announce_accepted(&self) {
        self.command_each(Reactor::announce_accepted);
    }

    /// Begins to accept connections.
    pub(crate) fn start(&self) {
        self.command_each(Reactor::start);
    }

    /// Accepts the connections that wait, then closes the listening sockets.
    pub(crate) fn stop_listening(&self) {
        self.before_command();
        self.ask(Reactor::stop_listening);
    }

    /// Ends each client once its requests are answered; an `Idle` notice follows when none is left.
    pub(crate) fn stop_gracefully(&self) {
        self.command_each(Reactor::stop_gracefully);
    }

    /// Closes every client; an `Idle` notice follows. Returns how many requests and upgraded connections that has
    /// cut off.
    pub(crate) fn close_all(&self) -> usize {
        self.before_command();
        self.ask_each(Reactor::close_all).into_iter().sum()
    }

    /// Closes the clients that have never sent a whole request.
    pub(crate) fn close_silent(&self) {
        self.command_each(Reactor::close_silent);
    }

    /// How many requests were refused, by code. A code may occur several times.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.ask_each(|reactor| reactor.refusals().collect::<Vec<_>>()).into_iter().flatten()
    }

    /// How many connections are open.
    pub(crate) fn client_count(&self) -> usize {
        self.ask_each(|reactor| reactor.client_count()).into_iter().sum()
    }

    /// Pauses or resumes beginning further requests.
    pub(crate) fn pause_requests(&self, is_paused: bool) {
        match is_paused {
            true => self.command_each(|reactor| reactor.pause_requests(true)),
            false => self.command_each(|reactor| reactor.pause_requests(false)),
        }
    }

    /// Has JavaScript asked for the pages of what is no request.
    pub(crate) fn ask_for_pages(&self) {
        self.command_each(Reactor::ask_for_pages);
    }

    /// Puts other limits of connections and requests in force.
    pub(crate) fn replace_limits(&self, limits: &Limits) {
        let limits = limits.clone();
        self.command_each(move |reactor| reactor.replace_limits(limits.clone()));
    }

    /// Has each refused request announced.
    pub(crate) fn explain_refusals(&self) {
        self.command_each(Reactor::explain_refusals);
    }
}
