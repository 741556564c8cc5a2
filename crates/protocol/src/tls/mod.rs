//! TLS as a layer between bytes of the network and bytes of a protocol. No socket, no clock, no thread.
//!
//! ```text
//!   ciphertext ──► handle_input ──►┌─────────┐──► plaintext (of the caller)
//!   end of input ► handle_eof ────►│ Session │──► output: ciphertext to send (of the caller)
//!   plaintext ───► write ─────────►│         │──► poll_event
//!                  close_notify ──►└─────────┘──► info
//!
//!   Fresh ──► Gathering ──► Asking ──► Handshaking ──► Established
//!     │    (only where the application   ▲    │             │
//!     │     gives certificates by name)  │    ▼             ▼
//!     └──────────────────────────────────┘  Over ◄──── (failure)
//! ```
//! How it is driven: `Session::new` at accept. Each input goes to `handle_input`; afterwards `output` is sent
//! whatever has happened, and the events are polled. `NeedsCertificate` is answered by `handle_certificate`.
//! After `Failed` or `PlainHttp` the connection is closed once the output is sent. After `PeerClosed` and
//! `Truncated` data may still be written; `close_notify` comes before the own end of the connection.
//! The caller keeps the deadline of the handshake, which runs from `has_begun` to `Established`.
//!
//! A [`Config`] is made from [`Settings`] and never changes: a reload makes another and swaps the `Arc`s, so
//! that running sessions keep theirs.
//!
//! Out of scope: reading files, names and checks of options (TypeScript), sockets and deadlines (`reactor`).

mod answers;
mod certificate;
mod client_auth;
mod config;
mod crypto;
mod development;
mod engine;
mod error;
mod facts;
mod failure;
mod handshake;
mod hello;
mod info;
mod info_bytes;
mod names;
mod ocsp;
mod pem;
mod records;
mod session;
mod settings;
mod ticket_keys;
mod tickets;

pub use answers::Answer;
pub use certificate::Certificate;
pub use config::Config;
pub use development::DevelopmentCertificate;
pub use error::{ConfigError, ConfigErrorCode, PeerError, Warning};
pub use facts::{AlternativeName, CertificateFacts};
pub use failure::{Alert, Failure};
pub use info::Info;
pub use rustls::pki_types::UnixTime;
pub use session::{Event, Session};
pub use settings::{
    CertificateSettings, ClientAuthMode, ClientAuthSettings, CrlPolicy, KeyLogSink, MinVersion, Settings,
    Source,
};
