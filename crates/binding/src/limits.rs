//! Limits as JavaScript gives them: seconds and bytes, `null` for 'not given'.

use napi::{Error, Result, Status};
use napi_derive::napi;
use protocol::Limits;
use reactor::ConnectionLimits;

/// Limits of one server. Times are seconds, sizes bytes; `Infinity` lifts a limit, `null` leaves the default.
#[napi(object, use_nullable = true)]
#[derive(Default)]
pub struct EngineLimits {
    /// Idle keep-alive.
    pub http1_timeout: Option<f64>,
    /// The header section, from its first byte.
    pub header_timeout: Option<f64>,
    /// A body without progress.
    pub body_timeout: Option<f64>,
    /// Bytes a second that a body must bring on average; 0 = off.
    pub minimum_body_rate: Option<f64>,
    /// One whole request; 0 = off.
    pub request_timeout: Option<f64>,
    /// A client that doesn't read its answer.
    pub write_timeout: Option<f64>,
    /// A FIN behind a whole request isn't a departure.
    pub allow_half_close: Option<bool>,
    /// The body of a request.
    pub body_size_limit: Option<f64>,
    /// The header section.
    pub header_size_limit: Option<f64>,
    /// Fields in the header section.
    pub header_field_limit: Option<f64>,
    /// The request line.
    pub request_line_limit: Option<f64>,
    /// Chunk extensions of one body.
    pub chunk_extension_limit: Option<f64>,
    /// Requests of one connection that run or wait at once.
    pub pipeline_limit: Option<f64>,
    /// Connections.
    pub connection_limit: Option<f64>,
    /// Connections of one IPv4 address or IPv6 /56.
    pub connections_per_ip_limit: Option<f64>,
    /// Networks whose addresses aren't counted for that, besides local ones.
    pub proxies: Option<Vec<String>>,
}

impl EngineLimits {
    /// The same as the engine wants them.
    pub(crate) fn to_limits(&self) -> Limits {
        let mut limits = Limits::default();
        let millis = |place: &mut u64, seconds: Option<f64>| {
            if let Some(seconds) = seconds {
                // A cast saturates: Infinity becomes the largest count.
                *place = (seconds * 1000.0).ceil() as u64;
            }
        };
        millis(&mut limits.http1_timeout, self.http1_timeout);
        millis(&mut limits.header_timeout, self.header_timeout);
        millis(&mut limits.body_timeout, self.body_timeout);
        millis(&mut limits.request_timeout, self.request_timeout);
        millis(&mut limits.write_timeout, self.write_timeout);
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
        if let Some(allowed) = self.allow_half_close {
            limits.allow_half_close = allowed;
        }
        limits
    }

    /// How many connections the engine takes. Throws when one of the networks is none.
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
            let network = text.parse().map_err(|error| Error::new(Status::InvalidArg, format!("{error}")));
            limits.exempt.push(network?);
        }
        Ok(limits)
    }
}
