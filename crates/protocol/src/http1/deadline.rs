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
    /// The next moment at which `handle_timeout` is due. The application may put that off to `floor`, but it
    /// may not let a head, a slow body or an unread answer take longer.
    #[inline]
    pub fn poll_timeout(&self, floor: Timestamp) -> Option<Timestamp> {
        let at = match self.deadline.kind {
            Kind::Idle | Kind::Running => self.deadline.at.max(floor),
            Kind::Body => self.deadline.at.max(floor).min(self.slow_body_deadline()),
            Kind::Head | Kind::Write => self.deadline.at,
        };
        (at.0 != u64::MAX).then_some(at)
    }

    /// Whether nothing is waited for but another request.
    pub fn is_idle(&self) -> bool {
        self.deadline.kind == Kind::Idle
    }

    /// Whether the peer is waited for to take what is sent.
    pub fn is_sending(&self) -> bool {
        self.deadline.kind == Kind::Write
    }

    /// The peer has acknowledged more of what was sent before, so it does read: time begins anew.
    pub fn handle_acknowledged(&mut self, cx: &Context) {
        self.rearm_after_sending(cx);
    }

    /// Bytes have been sent: the rest, if there is one, has its whole time again.
    #[inline]
    pub(super) fn rearm_after_sending(&mut self, cx: &Context) {
        self.deadline.kind = Kind::Running;
        self.rearm(cx);
    }

    /// The deadline has passed.
    pub fn handle_timeout(&mut self, cx: &mut Context) {
        match self.deadline.kind {
            Kind::Running => {
                self.rearm(cx);
                if self.deadline.kind == Kind::Running && self.deadline.at.0 != u64::MAX {
                    self.deadline.at = cx.now.after_millis(RUNNING_STEP_MILLIS);
                }
                return;
            }
            Kind::Idle => {
                self.reading = Reading::Closed;
                self.reason = CloseReason::IdleTimeout;
                self.ending = Some(Finish::Linger);
            }
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

    /// Notes what the connection waits for now. Called after progress: time begins anew, but for a
    /// head, whose deadline doesn't move as bytes trickle in, and for unsent bytes, which only their
    /// sending helps.
    #[inline]
    pub(super) fn rearm(&mut self, cx: &Context) {
        let (kind, millis) = if self.reading == Reading::Raw {
            (Kind::Running, u64::MAX)
        } else if !self.out.is_empty() || self.poll_file().is_some() {
            if self.deadline.kind == Kind::Write {
                return;
            }
            (Kind::Write, cx.limits.write_timeout)
        } else {
            match self.reading {
                // Held, or behind a body that the application lets wait: we are the ones who don't read.
                Reading::Head if !self.is_held && self.receiving.is_none() => return self.rearm_head(cx),
                Reading::Body => return self.rearm_body(cx),
                Reading::Idle if self.pipeline.is_empty() => (Kind::Idle, cx.limits.http1_timeout),
                _ => (Kind::Running, cx.limits.http1_timeout),
            }
        };
        self.deadline = Deadline { at: cx.now.after_millis(millis), kind };
    }

    #[cold]
    fn rearm_head(&mut self, cx: &Context) {
        let begun = self.partial.as_ref().map_or(cx.now, |partial| partial.begun);
        let at = begun.after_millis(cx.limits.header_timeout).min(cx.limits.request_deadline(begun));
        self.deadline = Deadline { at, kind: Kind::Head };
    }

    #[cold]
    fn rearm_body(&mut self, cx: &Context) {
        let body = self.receiving.as_mut().and_then(|body| {
            body.note_data_rate(cx.now);
            body.data_rate.is_awaited().then_some(body)
        });
        self.deadline = match body {
            Some(body) => Deadline { at: body.data_rate.still_at(), kind: Kind::Body },
            // We are the ones who don't read.
            None => Deadline { at: cx.now.after_millis(cx.limits.http1_timeout), kind: Kind::Running },
        };
    }

    /// When the body is too slow, whatever the application thinks of it. Once the answer has begun a slow
    /// body may be one half of a conversation.
    #[cold]
    fn slow_body_deadline(&self) -> Timestamp {
        let Some(body) = &self.receiving else { return Timestamp(u64::MAX) };
        if self.pipeline.is_answering(body.request_id) {
            return body.complete_by;
        }
        body.data_rate.too_slow_at().min(body.complete_by)
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
        match &self.receiving {
            Some(body) if cx.now >= body.complete_by => RequestError::RequestTimeout,
            Some(body) if cx.now < body.data_rate.still_at() => RequestError::BodyTooSlow,
            _ => RequestError::BodyTimeout,
        }
    }
}
