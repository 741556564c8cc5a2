//! The versions of what is linked in.

// In tests nothing is registered with Node-API, so nothing calls these.
#![cfg_attr(test, allow(dead_code))]

use napi_derive::napi;

/// The libraries that are linked in, with their versions.
#[napi(object)]
pub(crate) struct LinkedVersions {
    pub llhttp: String,
    pub nghttp2: String,
    pub rustls: String,
    /// Name and version.
    pub crypto: String,
}

/// The versions of the libraries that are linked in.
#[napi(catch_unwind)]
pub(crate) fn linked_versions() -> LinkedVersions {
    let protocol::Versions { llhttp, nghttp2, rustls, crypto } = protocol::versions();
    LinkedVersions { llhttp, nghttp2, rustls, crypto }
}
