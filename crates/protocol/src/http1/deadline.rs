//! When a connection has waited long enough, and for what.

use crate::answer::Finish;
use crate::context::Context;
use crate::error::{CloseReason, RequestError};
use crate::http1::{Connection, Reading};
use crate::timestamp::Timestamp;

/// How often a connection whose handler runs is looked at.
const RUNNING_STEP_MILLIS: u64 = 1000;

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The next request.
    Idle,
    /// The rest of a head.
    Head,
    /// More of a body.
    Body,
    /// A handler, or room in its pipeline: the client isn't late.
    Running,
    /// The peer taking what we send.
    Write,
}

/// A moment and what happens then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: Timestamp,
    kind: Kind,
}

impl Deadline {
    pub(super) fn idle(cx: &Context) -> Deadline {
        Deadline { at: cx.now.after_millis(cx.limits.http1_timeout), kind: Kind::Idle }
    }
}

impl Connection {
    /// The next moment at which `handle_timeout` is due.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        (self.deadline.at.0 != u64::MAX).then_some(self.deadline.at)
    }

    /// Bytes have been sent: the rest, if there is one, has its whole time again.
    #[inline]
    pub(super) fn rearm_after_sending(&mut self, cx: &Context) {
        self.deadline.kind = Kind::Running;
        self.rearm(cx);
    }

    /// Whether the application may put the present deadline off: it may not let a head, or an unread
    /// answer, take longer.
    pub fn is_timeout_extendable(&self) -> bool {
        matches!(self.deadline.kind, Kind::Idle | Kind::Body | Kind::Running)
    }

    /// The deadline has passed.
    pub fn handle_timeout(&mut self, cx: &mut Context) {
        match self.deadline.kind {
            Kind::Running => {
                self.deadline.at = cx.now.after_millis(RUNNING_STEP_MILLIS);
                return;
            }
            Kind::Idle => {
                self.reading = Reading::Closed;
                self.reason = CloseReason::IdleTimeout;
                self.ending = Some(Finish::Linger);
            }
            Kind::Head => self.refuse(cx, RequestError::HeadTimeout),
            Kind::Body => self.fail_body(cx, RequestError::BodyTimeout),
            Kind::Write => {
                self.reading = Reading::Closed;
                self.reason = CloseReason::WriteTimeout;
                self.ending = Some(Finish::Reset);
            }
        }
        self.rearm(cx);
    }

    /// Notes what the connection waits for now. Called after progress: time begins anew, but for a
    /// head, whose deadline doesn't move as bytes trickle in, and for unsent bytes, which only their
    /// sending helps.
    #[inline]
    pub(super) fn rearm(&mut self, cx: &Context) {
        let (kind, millis) = if self.reading == Reading::Raw {
            (Kind::Running, u64::MAX)
        } else if !self.out.is_empty() {
            if self.deadline.kind == Kind::Write {
                return;
            }
            (Kind::Write, cx.limits.write_timeout)
        } else {
            match self.reading {
                Reading::Head => return self.rearm_head(cx),
                Reading::Body => return self.rearm_body(cx),
                Reading::Idle if self.window.is_empty() => (Kind::Idle, cx.limits.http1_timeout),
                _ => (Kind::Running, cx.limits.http1_timeout),
            }
        };
        self.deadline = Deadline { at: cx.now.after_millis(millis), kind };
    }

    #[cold]
    fn rearm_head(&mut self, cx: &Context) {
        let begun = self.partial.as_ref().map_or(cx.now, |partial| partial.begun);
        let mut at = begun.after_millis(cx.limits.header_timeout);
        if cx.limits.request_timeout > 0 {
            at = at.min(begun.after_millis(cx.limits.request_timeout));
        }
        self.deadline = Deadline { at, kind: Kind::Head };
    }

    #[cold]
    fn rearm_body(&mut self, cx: &Context) {
        let waits = self.receiving.as_ref().filter(|body| body.has_room());
        let Some(body) = waits else {
            // We are the ones who don't read.
            let at = cx.now.after_millis(cx.limits.http1_timeout);
            self.deadline = Deadline { at, kind: Kind::Running };
            return;
        };
        let mut at = cx.now.after_millis(cx.limits.body_timeout);
        if cx.limits.request_timeout > 0 {
            at = at.min(body.begun.after_millis(cx.limits.request_timeout));
        }
        self.deadline = Deadline { at, kind: Kind::Body };
    }
}
