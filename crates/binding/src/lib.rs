//! The addon: the border between the reactor and JavaScript.
//!
//! ```text
//!  engine, facts, limits    the cold API, one #[napi] class or object each
//!  commands                 what JavaScript tells the reactor, wherever that runs
//!  hot                      the functions on the path of every request, by raw Node-API
//!  in_loop                  the driver: the reactor on Node's own event loop
//!  uv, scope, value         what these are made of
//! ```
//! Nothing is decided here that could be tested without Node. Everything runs on the thread of the
//! environment that made the engine; a panic never leaves a function that C calls.

mod commands;
mod engine;
mod error;
mod facts;
mod hot;
mod in_loop;
mod limits;
mod pace;
mod scope;
mod uv;
mod value;
