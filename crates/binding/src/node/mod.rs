//! What is used of Node-API and libuv, behind types. Nothing here knows HTTP or the reactor.
//!
//! ```text
//!  value         arguments, results, typed arrays, references
//!  scope         handle and callback scopes as guards
//!  loop_handle   a place in the event loop, over one of the two below
//!  uv            libuv's handles, where the runtime has libuv
//!  threadsafe    a threadsafe function of Node-API, everywhere else
//!  on_loop       what the event loop calls
//! ```

mod loop_handle;
mod on_loop;
mod scope;
mod threadsafe;
mod uv;
mod value;

pub(crate) use loop_handle::LoopHandle;
pub(crate) use on_loop::{OnLoop, Source};
pub(crate) use scope::{CallbackScope, HandleScope};
pub(crate) use value::{Call, Reference, Shared, typed_array, unshared_bytes};
