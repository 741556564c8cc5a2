//! The addon: the border between the reactor and JavaScript.
//!
//! ```text
//!  engine, facts, limits    the cold API, one #[napi] class or object each
//!  commands                 what JavaScript tells the reactor, wherever that runs
//!  hot                      the functions on the path of every request, by raw Node-API
//!  bridge                   what carries notices into JavaScript and commands out of it
//!  in_loop, threaded        its two kinds: the reactor on Node's own event loop, or on threads of its own
//!  attachment               how the event loop calls it
//!  uv, scope, value         what these are made of
//!  unacknowledged           what the reactor may not ask the system itself, being free of unsafe code
//! ```
//! Nothing is decided here that could be tested without Node. Everything here runs on the thread of
//! the environment that made the engine, but for the ring of a bell; a panic never leaves a function that C calls.

mod attachment;
mod bridge;
mod commands;
mod engine;
mod error;
mod facts;
mod hot;
mod in_loop;
mod lent;
mod limits;
mod portion_size;
mod scope;
mod threaded;
mod unacknowledged;
mod uv;
mod value;
