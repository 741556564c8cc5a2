//! The connection's deadline: when it has waited long enough, and for what.

use crate::answer::{AnswerError, Finish};
use crate::context::Context;
use crate::error::{CloseReason, RequestError};
use crate::event::RequestId;
use crate::http1::{Connection, Reading};
use crate::timestamp::Timestamp;

/// Milliseconds between two checks of a connection whose handler runs.
const RUNNING_STEP_MILLIS: u64 = 1000;

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The next request.
    Idle,
    /// The first request, which has to come in time as the rest of a head has.
    First,
    /// The rest of a head.
    Head,
    /// More of a body.
    Body,
    /// A handler, or room in its pipeline: the client isn't late.
    Running,
    /// The application's page for what was no request.
    Page,
    /// The peer to take what is sent.
    Write,
}

/// A moment and what happens then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: Timestamp,
    kind: Kind,
}

impl Deadline {
    /// That of a connection which has just been accepted.
    pub(super) fn first(cx: &Context, idle_time: u64) -> Deadline {
        match cx.limits.node_style {
            true => Deadline { at: head_deadline(cx, cx.now), kind: Kind::First },
            false => Deadline { at: cx.now.after_millis(idle_time), kind: Kind::Idle },
        }
    }
}

/// When a head that began at `begun` must be complete.
fn head_deadline(cx: &Context, begun: Timestamp) -> Timestamp {
    begun.after_millis(cx.limits.header_timeout).min(cx.limits.request_deadline(begun))
}

impl Connection {
    /// The application may put an idle connection off to `floor`, or a body that stands still; a head, a slow body
    /// or an unread answer may take no longer than its limit.
    #[inline]
    pub(crate) fn poll_timeout(&self, floor: Timestamp) -> Option<Timestamp> {
        let at = match self.deadline.kind {
            Kind::Idle | Kind::First | Kind::Running => self.deadline.at.max(floor),
            Kind::Body => self.deadline.at.max(floor).min(self.slow_body_deadline()),
            Kind::Head | Kind::Write | Kind::Page => self.deadline.at,
        };
        (at.0 != u64::MAX).then_some(at)
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.deadline.kind, Kind::Idle | Kind::First)
    }

    /// Since when it is idle; None when it isn't.
    pub(crate) fn idle_since(&self, cx: &Context) -> Option<Timestamp> {
        let time = match self.deadline.kind {
            Kind::Idle => self.idle_time,
            Kind::First => head_deadline(cx, Timestamp(0)).0,
            _ => return None,
        };
        Some(Timestamp(self.deadline.at.0.saturating_sub(time)))
    }

    /// Takes the time that the limits have for idle connections now.
    #[cold]
    pub(crate) fn renew_idle_time(&mut self, cx: &Context) {
        let renewed = cx.keep_alive(self.is_local).idle_time;
        let former = std::mem::replace(&mut self.idle_time, renewed);
        if self.deadline.kind == Kind::Idle && former != renewed {
            self.deadline.at = Timestamp(self.deadline.at.0.saturating_sub(former)).after_millis(renewed);
        }
    }

    pub(crate) fn is_sending(&self) -> bool {
        self.deadline.kind == Kind::Write
    }

    pub(crate) fn handle_acknowledged(&mut self, cx: &Context, bytes: u32) {
        if u64::from(bytes) >= cx.limits.least_read(self.write_timeout) {
            self.rearm_after_sending(cx);
        }
    }

    /// Bytes have been sent: the time for the rest, if there is one, starts again.
    #[inline]
    pub(crate) fn rearm_after_sending(&mut self, cx: &Context) {
        self.deadline.kind = Kind::Running;
        self.rearm(cx);
    }

    pub(crate) fn handle_timeout(&mut self, cx: &mut Context) {
        match self.deadline.kind {
            Kind::Running => {
                self.rearm(cx);
                if self.deadline.kind == Kind::Running && self.deadline.at.0 != u64::MAX {
                    self.deadline.at = cx.now.after_millis(RUNNING_STEP_MILLIS);
                }
                return;
            }
            // The application reads a body behind its answer.
            Kind::Idle if self.incoming.is_some() => {}
            Kind::Idle => {
                self.reading = Reading::Closed;
                self.reason = CloseReason::IdleTimeout;
                self.ending = Some(Finish::Linger);
            }
            Kind::Page => self.give_up_page(cx),
            Kind::First => self.refuse(cx, RequestError::HeadTimeout),
            Kind::Head => self.refuse(cx, self.late_head(cx)),
            Kind::Body => self.fail_body(cx, self.late_body(cx)),
            Kind::Write => {
                self.reading = Reading::Closed;
                self.reason = CloseReason::WriteTimeout;
                self.ending = Some(Finish::Reset);
            }
        }
        self.rearm(cx);
    }

    /// Sets the deadline for what the connection waits for now. Called after progress, which starts the time again;
    /// but the deadline of a head stays as its bytes trickle in, and that of unsent bytes until some are sent.
    #[inline]
    pub(super) fn rearm(&mut self, cx: &Context) {
        let (kind, millis) = if !self.output.is_empty() || self.awaits_external() {
            if self.deadline.kind == Kind::Write {
                return;
            }
            (Kind::Write, self.write_timeout)
        } else {
            match self.reading {
                // While reading is paused, or a body waits to be read by the application, the client isn't late.
                Reading::Head if !self.is_paused && self.incoming.is_none() => return self.rearm_head(cx),
                Reading::Body => return self.rearm_body(cx),
                Reading::Closed if self.refusal.is_some() => return self.rearm_page(cx),
                Reading::Idle if self.pipeline.is_empty() => {
                    self.write_timeout = cx.limits.write_timeout;
                    (Kind::Idle, self.idle_time)
                }
                _ => (Kind::Running, self.idle_time),
            }
        };
        self.deadline = Deadline { at: cx.now.after_millis(millis), kind };
    }

    /// Sets how long unsent bytes may wait for the peer, until the connection is idle.
    #[cold]
    pub(crate) fn handle_write_timeout(
        &mut self,
        cx: &Context,
        request_id: RequestId,
        millis: u64,
    ) -> Result<(), AnswerError> {
        if !self.is_open(request_id) {
            return Err(AnswerError::Stale);
        }
        self.write_timeout = millis;
        if self.deadline.kind == Kind::Write {
            self.deadline.at = cx.now.after_millis(millis);
        }
        Ok(())
    }

    /// After a refusal: for the page, or for the answers that are owed before it.
    #[cold]
    fn rearm_page(&mut self, cx: &Context) {
        self.deadline = match self.page_deadline() {
            Some(at) => Deadline { at, kind: Kind::Page },
            None => Deadline { at: cx.now.after_millis(self.idle_time), kind: Kind::Running },
        };
    }

    #[cold]
    fn rearm_head(&mut self, cx: &Context) {
        let begun = self.partial.as_ref().map_or(cx.now, |partial| partial.begun);
        self.deadline = Deadline { at: head_deadline(cx, begun), kind: Kind::Head };
    }

    #[cold]
    fn rearm_body(&mut self, cx: &Context) {
        let inactive_at = self.incoming.as_mut().and_then(|incoming| {
            incoming.body.update_deadlines(cx.now);
            incoming.body.inactive_at()
        });
        self.deadline = match inactive_at {
            Some(at) => Deadline { at, kind: Kind::Body },
            // While we don't read the body the client isn't late.
            None => Deadline { at: cx.now.after_millis(cx.limits.http1_timeout), kind: Kind::Running },
        };
    }

    /// When the body is too slow, whatever the application allows. Once the answer has begun a slow body may be one
    /// half of a conversation, so it has no minimum rate.
    #[cold]
    fn slow_body_deadline(&self) -> Timestamp {
        let Some(incoming) = &self.incoming else { return Timestamp(u64::MAX) };
        let is_answering = self.pipeline.is_answering(incoming.body.request_id());
        incoming.body.too_slow_at(!is_answering)
    }

    fn late_head(&self, cx: &Context) -> RequestError {
        let begun = self.partial.as_ref().map_or(cx.now, |partial| partial.begun);
        if cx.now >= begun.after_millis(cx.limits.header_timeout) {
            RequestError::HeadTimeout
        } else {
            RequestError::RequestTimeout
        }
    }

    fn late_body(&self, cx: &Context) -> RequestError {
        self.incoming.as_ref().map_or(RequestError::BodyTimeout, |incoming| incoming.body.lateness(cx.now))
    }
}
