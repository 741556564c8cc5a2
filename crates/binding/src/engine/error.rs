//! Native errors as JavaScript gets them: a message that begins with the system's name of the error.
//!
//! TypeScript takes that name off the message and makes it the `code` of its error class.

use napi::{Error, Status};
use reactor::ListenError;

/// A listening socket couldn't be bound; the message names the address.
pub(crate) fn listen_error(error: &ListenError) -> Error {
    let code = system_code(&error.source);
    Error::new(Status::GenericFailure, format!("{code} {}: {}", error.address, error.source))
}

/// The system lacks a resource; `what` names it.
pub(crate) fn system_error(what: &str, error: &std::io::Error) -> Error {
    Error::new(Status::GenericFailure, format!("{} {what}: {error}", system_code(error)))
}

/// The name of an error in C and in Node.
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
        Some(libc::EROFS) => "EROFS",
        Some(libc::ELOOP) => "ELOOP",
        Some(libc::EISDIR) => "EISDIR",
        Some(libc::EBADF) => "EBADF",
        Some(libc::ENOTSOCK) => "ENOTSOCK",
        None if error.kind() == std::io::ErrorKind::InvalidInput => "EINVAL",
        _ => "EIO",
    }
}
