//! Limits as JavaScript gives them: times in seconds, sizes in bytes, `null` where the default stays.

use napi::{Error, Result, Status};
use napi_derive::napi;
use protocol::Limits;
use reactor::ConnectionLimits;

/// Limits of one server. Times are in seconds, sizes in bytes; `Infinity` means no limit, `null` the default.
#[napi(object, use_nullable = true)]
#[derive(Default)]
pub struct EngineLimits {
    /// How long a connection may be idle between requests.
    pub http1_timeout: Option<f64>,
    /// The same for peers that are local or proxies.
    pub local_http1_timeout: Option<f64>,
    /// How long a PROXY header may take, from the moment the connection was accepted.
    pub proxy_header_timeout: Option<f64>,
    /// How long a header section may take, from its first byte.
    pub header_timeout: Option<f64>,
    /// How long a request's body may make no progress.
    pub body_timeout: Option<f64>,
    /// Bytes a second at which a request's body must come on average; 0 for no minimum.
    pub minimum_body_rate: Option<f64>,
    /// How long one whole request may take; 0 for no limit.
    pub request_timeout: Option<f64>,
    /// How long an answer may make no progress because the client doesn't read.
    pub write_timeout: Option<f64>,
    /// Whether a client that has closed its sending side behind a whole request is still answered.
    pub allow_half_close: Option<bool>,
    /// Bytes of a request's body.
    pub body_size_limit: Option<f64>,
    /// Bytes of a header section.
    pub header_size_limit: Option<f64>,
    /// Fields of a header section.
    pub header_field_limit: Option<f64>,
    /// Bytes of a request line.
    pub request_line_limit: Option<f64>,
    /// Bytes of all chunk extensions of one body.
    pub chunk_extension_limit: Option<f64>,
    /// Requests of one connection that may run or wait at the same time.
    pub pipeline_limit: Option<f64>,
    /// How long an HTTP/2 connection may be without a stream.
    pub http2_timeout: Option<f64>,
    /// The same for peers that are local or proxies.
    pub local_http2_timeout: Option<f64>,
    /// Silence of an HTTP/2 client after which it is sent a PING; 0 for none.
    pub http2_ping_interval: Option<f64>,
    /// Origins that a client may use an HTTP/2 connection for.
    pub origins: Option<Vec<String>>,
    /// Streams of one HTTP/2 connection that may run at the same time.
    pub concurrent_stream_limit: Option<f64>,
    /// Bytes to which the receive window of an HTTP/2 stream may grow.
    pub http2_window_limit: Option<f64>,
    /// Whether HTTP/2 is spoken without TLS to clients that begin with its preface.
    pub http2_cleartext: Option<bool>,
    /// Whether extended CONNECT is taken over HTTP/2. RFC 8441.
    pub extended_connect: Option<bool>,
    /// Requests of one connection; 0 for no limit.
    pub requests_per_connection: Option<f64>,
    /// How long a connection takes requests; 0 for no limit.
    pub connection_age: Option<f64>,
    /// How long its requests may then take; 0 for no limit.
    pub connection_age_grace: Option<f64>,
    /// How long a TLS handshake may take, from its first byte.
    pub tls_setup_timeout: Option<f64>,
    /// Whether answers of HTTP/1 look as those of node:http.
    pub node_style: Option<bool>,
    /// Whether HTTP/1.1 requests may lack a Host.
    pub allow_missing_host: Option<bool>,
    /// Connections of the server.
    pub connection_limit: Option<f64>,
    /// Connections of one IPv4 address, or one IPv6 /56.
    pub connections_per_ip_limit: Option<f64>,
    /// Networks of proxies, as CIDR blocks, and `unix`. That limit doesn't apply to them, and their PROXY headers are
    /// believed. Local networks aren't counted either.
    pub proxies: Option<Vec<String>>,
}

impl EngineLimits {
    /// The limits of a connection, in the engine's units.
    pub(crate) fn to_limits(&self) -> Limits {
        let mut limits = Limits::default();
        let millis = |place: &mut u64, seconds: Option<f64>| {
            if let Some(seconds) = seconds {
                // The cast saturates: Infinity becomes the largest count.
                *place = (seconds * 1000.0).ceil() as u64;
            }
        };
        millis(&mut limits.http1_timeout, self.http1_timeout);
        millis(&mut limits.local_http1_timeout, self.local_http1_timeout);
        millis(&mut limits.proxy_header_timeout, self.proxy_header_timeout);
        millis(&mut limits.header_timeout, self.header_timeout);
        millis(&mut limits.body_timeout, self.body_timeout);
        millis(&mut limits.request_timeout, self.request_timeout);
        millis(&mut limits.write_timeout, self.write_timeout);
        millis(&mut limits.http2_timeout, self.http2_timeout);
        millis(&mut limits.local_http2_timeout, self.local_http2_timeout);
        millis(&mut limits.http2_ping_interval, self.http2_ping_interval);
        millis(&mut limits.connection_age, self.connection_age.filter(|age| *age > 0.0));
        millis(&mut limits.connection_age_grace, self.connection_age_grace.filter(|grace| *grace > 0.0));
        millis(&mut limits.tls_setup_timeout, self.tls_setup_timeout);
        let count = |place: &mut u64, value: Option<f64>| {
            if let Some(value) = value {
                *place = value as u64;
            }
        };
        count(&mut limits.minimum_body_rate, self.minimum_body_rate);
        count(&mut limits.body_size_limit, self.body_size_limit);
        count(&mut limits.header_size_limit, self.header_size_limit);
        count(&mut limits.header_field_limit, self.header_field_limit);
        count(&mut limits.request_line_limit, self.request_line_limit);
        count(&mut limits.chunk_extension_limit, self.chunk_extension_limit);
        count(&mut limits.pipeline_limit, self.pipeline_limit);
        let narrow = |place: &mut u32, value: Option<f64>| {
            if let Some(value) = value {
                *place = value as u32;
            }
        };
        narrow(&mut limits.concurrent_stream_limit, self.concurrent_stream_limit);
        narrow(&mut limits.http2_window_limit, self.http2_window_limit);
        let requests = self.requests_per_connection.filter(|requests| *requests > 0.0);
        narrow(&mut limits.requests_per_connection, requests);
        if let Some(origins) = &self.origins {
            limits.origins.clone_from(origins);
        }
        if let Some(allowed) = self.allow_half_close {
            limits.allow_half_close = allowed;
        }
        if let Some(allowed) = self.http2_cleartext {
            limits.http2_cleartext = allowed;
        }
        if let Some(allowed) = self.extended_connect {
            limits.extended_connect = allowed;
        }
        if let Some(is_wanted) = self.node_style {
            limits.node_style = is_wanted;
        }
        if let Some(allowed) = self.allow_missing_host {
            limits.allow_missing_host = allowed;
        }
        limits
    }

    /// The limits on the number of connections.
    ///
    /// # Errors
    /// One of the networks can't be parsed.
    pub(crate) fn to_connection_limits(&self) -> Result<ConnectionLimits> {
        let mut limits = ConnectionLimits::default();
        let count = |place: &mut usize, value: Option<f64>| {
            if let Some(value) = value {
                *place = value as usize;
            }
        };
        count(&mut limits.total, self.connection_limit);
        count(&mut limits.per_address, self.connections_per_ip_limit);
        for text in self.proxies.iter().flatten() {
            if text == "unix" {
                limits.trusts_unix = true;
                continue;
            }
            let network = text.parse().map_err(|error| Error::new(Status::InvalidArg, format!("{error}")));
            limits.proxies.push(network?);
        }
        Ok(limits)
    }
}
