//! What the event loop calls, and what makes it call.

use std::ffi::c_int;

/// An object that the event loop calls. A [`super::LoopHandle`] holds one strong reference to it, so it lives
/// until the handle is closed and the loop has seen that.
pub(crate) trait OnLoop {
    /// The source is ready: its descriptor is readable, or its bell was rung.
    fn on_source(&self);
    /// The timer has expired.
    fn on_timer(&self);
    /// The loop is about to wait for events.
    fn on_prepare(&self);
    /// The handle is closed and its memory freed. No call follows.
    fn on_closed(&self);
}

/// The event that makes the loop call [`OnLoop::on_source`].
pub(crate) enum Source {
    /// This descriptor is readable.
    Descriptor(c_int),
    /// A thread has rung the bell.
    Bell,
}
