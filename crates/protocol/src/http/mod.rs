//! Parts of HTTP that are the same in all versions. RFC 9110.

pub(crate) mod date;
pub(crate) mod host;
pub(crate) mod list;
pub(crate) mod status;
pub(crate) mod target;
pub(crate) mod trailers;
