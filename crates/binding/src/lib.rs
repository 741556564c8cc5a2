//! The addon: it joins the reactor and JavaScript.
//!
//! ```text
//!  engine     the cold API, as #[napi] classes and objects: Engine, ClientFacts, limits, errors
//!  hot        the functions on the path of every request, by raw Node-API
//!     │
//!  bridge     one server: commands from JavaScript, calls from the event loop
//!     │
//!  mode       where the reactor runs: on Node's event loop, or on threads of its own
//!     │
//!  delivery   how notices get into JavaScript
//!     │
//!  node       what is used of Node-API and libuv
//! ```
//! A module imports only from those below it; `engine` makes the object that carries `hot`. Everything runs
//! on the thread of the environment that made the engine, except the ring of a bell, which threads call. A
//! panic never leaves a function that C calls. What can be decided without Node is decided below, in the
//! reactor, where it is tested.

mod bridge;
mod delivery;
mod engine;
mod hot;
mod mode;
mod node;
