//! Limits of clients: times in milliseconds, sizes in bytes, `u64::MAX` for no limit.
//!
//! The defaults are those of the public options, all of which the addon sets.

use crate::timestamp::Timestamp;

/// Limits of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Idle keep-alive, as the `keep-alive` field announces it. The connection is closed a second later, so that a
    /// request sent in the last moment is still served.
    pub http1_timeout: u64,
    /// The same for peers that are local or proxies: their own idle time must be shorter than ours.
    pub local_http1_timeout: u64,
    /// The PROXY header of a connection that must begin with one, from the moment it was accepted.
    pub proxy_header_timeout: u64,
    /// The header section, from its first byte.
    pub header_timeout: u64,
    /// A body of which no byte comes.
    pub body_timeout: u64,
    /// Bytes a second that must come of a body on average after five seconds, and that the peer must take of an answer
    /// on average over `write_timeout`; 0 = off.
    pub minimum_body_rate: u64,
    /// Receipt of one request, from its first byte to its last; 0 = off.
    pub request_timeout: u64,
    /// Unsent bytes of which the peer takes none, or fewer than the minimum rate asks for.
    pub write_timeout: u64,
    /// A client that closes its sending side after a whole request still waits for its answer.
    pub allow_half_close: bool,
    /// One request's body.
    pub body_size_limit: u64,
    /// The header section.
    pub header_size_limit: u64,
    /// Fields in the header section.
    pub header_field_limit: u64,
    /// The request line.
    pub request_line_limit: u64,
    /// Chunk extensions of one body, in the style of node:http of one chunk. Nothing legitimate sends any
    /// (CVE-2024-22019).
    pub chunk_extension_limit: u64,
    /// Requests of one HTTP/1 connection that run or wait at once.
    pub pipeline_limit: u64,
    /// Streams of one HTTP/2 connection that run at once.
    pub concurrent_stream_limit: u32,
    /// An HTTP/2 connection without a stream.
    pub http2_timeout: u64,
    /// The same for peers that are local or proxies.
    pub local_http2_timeout: u64,
    /// Silence of an HTTP/2 client after which it is sent a PING; 0 = off.
    pub http2_ping_interval: u64,
    /// Origins that a client may use an HTTP/2 connection for, as `https://example.org`. RFC 8336.
    pub origins: Vec<String>,
    /// What the receive window of a stream may grow to.
    pub http2_window_limit: u32,
    /// HTTP/2 is spoken without TLS to clients that begin with its preface.
    pub http2_cleartext: bool,
    /// Extended CONNECT is taken. RFC 8441.
    pub extended_connect: bool,
    /// Requests of one connection; the last one is announced as such.
    pub requests_per_connection: u32,
    /// Time after which a connection takes no more requests.
    pub connection_age: u64,
    /// What its requests may then take.
    pub connection_age_grace: u64,
    /// A TLS handshake, from its first byte.
    pub tls_setup_timeout: u64,
    /// Answers of HTTP/1 look as those of node:http, and its connections are served and ended as Node does.
    pub node_style: bool,
    /// HTTP/1.1 requests may lack a Host.
    pub allow_missing_host: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            http1_timeout: 15_000,
            local_http1_timeout: 75_000,
            proxy_header_timeout: 5_000,
            header_timeout: 15_000,
            body_timeout: 15_000,
            minimum_body_rate: 240,
            request_timeout: 0,
            write_timeout: 15_000,
            allow_half_close: false,
            body_size_limit: 131_072,
            header_size_limit: 32_768,
            header_field_limit: 256,
            request_line_limit: 16_384,
            chunk_extension_limit: 16_384,
            pipeline_limit: 64,
            concurrent_stream_limit: 100,
            http2_timeout: 60_000,
            local_http2_timeout: 75_000,
            http2_ping_interval: 0,
            origins: Vec::new(),
            http2_window_limit: 4_194_304,
            http2_cleartext: false,
            extended_connect: false,
            requests_per_connection: u32::MAX,
            connection_age: u64::MAX,
            connection_age_grace: u64::MAX,
            tls_setup_timeout: 5_000,
            node_style: false,
            allow_missing_host: false,
        }
    }
}

impl Limits {
    /// When a request that began at `begun` must be complete.
    pub(crate) fn request_deadline(&self, begun: Timestamp) -> Timestamp {
        begun.after_millis(if self.request_timeout == 0 { u64::MAX } else { self.request_timeout })
    }

    /// How many unsent bytes a peer has to take within `millis` to be one that reads. Byte by byte is no progress.
    pub(crate) fn least_read(&self, millis: u64) -> u64 {
        (millis.saturating_mul(self.minimum_body_rate) / 1000).max(1)
    }
}
