//! Native errors as JavaScript sees them: a stable code and a message that names the place.

use napi::{Error, Status};
use reactor::ListenError;

/// Binding failed. The message begins with the system's own name of the error, which TypeScript
/// takes off and makes the `code` of its error class.
pub(crate) fn listen_error(error: &ListenError) -> Error {
    let code = system_code(&error.source);
    Error::new(Status::GenericFailure, format!("{code} {}: {}", error.address, error.source))
}

/// Something failed for want of a system's resource.
pub(crate) fn system_error(what: &str, error: &std::io::Error) -> Error {
    Error::new(Status::GenericFailure, format!("{} {what}: {error}", system_code(error)))
}

/// The name that C programs and Node know an error by.
fn system_code(error: &std::io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EADDRINUSE) => "EADDRINUSE",
        Some(libc::EADDRNOTAVAIL) => "EADDRNOTAVAIL",
        Some(libc::EACCES) => "EACCES",
        Some(libc::EPERM) => "EPERM",
        Some(libc::ENOENT) => "ENOENT",
        Some(libc::ENOTDIR) => "ENOTDIR",
        Some(libc::EINVAL) => "EINVAL",
        Some(libc::EMFILE) => "EMFILE",
        Some(libc::ENFILE) => "ENFILE",
        Some(libc::ENOMEM) => "ENOMEM",
        Some(libc::EAFNOSUPPORT) => "EAFNOSUPPORT",
        Some(libc::ENAMETOOLONG) => "ENAMETOOLONG",
        _ => "EIO",
    }
}
