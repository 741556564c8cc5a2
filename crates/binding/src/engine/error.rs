//! Native errors as JavaScript gets them: a message that begins with the system's name of the error.
//!
//! TypeScript takes that name off the message and makes it the `code` of its error class.

use std::io;

use napi::{Error, Status};
use reactor::ListenError;

/// A listening socket couldn't be bound; the message names the address.
pub(crate) fn listen_error(error: &ListenError) -> Error {
    let code = system_code(&error.source);
    Error::new(Status::GenericFailure, format!("{code} {}: {}", error.address, error.source))
}

/// The system lacks a resource; `what` names it.
pub(crate) fn system_error(what: &str, error: &io::Error) -> Error {
    Error::new(Status::GenericFailure, format!("{} {what}: {error}", system_code(error)))
}

/// The name of an error in C and in Node.
fn system_code(error: &io::Error) -> &'static str {
    let number = error.raw_os_error();
    match NAMES.iter().find(|(known, _)| number == Some(*known)) {
        Some((_, name)) => name,
        None if number.is_some() => "EIO",
        None => match error.kind() {
            io::ErrorKind::InvalidInput => "EINVAL",
            io::ErrorKind::Unsupported => "ENOTSUP",
            _ => "EIO",
        },
    }
}

#[cfg(unix)]
const NAMES: [(i32, &str); 17] = [
    (libc::EADDRINUSE, "EADDRINUSE"),
    (libc::EADDRNOTAVAIL, "EADDRNOTAVAIL"),
    (libc::EACCES, "EACCES"),
    (libc::EPERM, "EPERM"),
    (libc::ENOENT, "ENOENT"),
    (libc::ENOTDIR, "ENOTDIR"),
    (libc::EINVAL, "EINVAL"),
    (libc::EMFILE, "EMFILE"),
    (libc::ENFILE, "ENFILE"),
    (libc::ENOMEM, "ENOMEM"),
    (libc::EAFNOSUPPORT, "EAFNOSUPPORT"),
    (libc::ENAMETOOLONG, "ENAMETOOLONG"),
    (libc::EROFS, "EROFS"),
    (libc::ELOOP, "ELOOP"),
    (libc::EISDIR, "EISDIR"),
    (libc::EBADF, "EBADF"),
    (libc::ENOTSOCK, "ENOTSOCK"),
];

/// The numbers of Winsock, and of the system for files and memory.
#[cfg(windows)]
const NAMES: [(i32, &str); 13] = [
    (2, "ENOENT"),
    (3, "ENOENT"),
    (5, "EACCES"),
    (8, "ENOMEM"),
    (14, "ENOMEM"),
    (10013, "EACCES"),
    (10022, "EINVAL"),
    (10024, "EMFILE"),
    (10038, "ENOTSOCK"),
    (10047, "EAFNOSUPPORT"),
    (10048, "EADDRINUSE"),
    (10049, "EADDRNOTAVAIL"),
    (10055, "ENOMEM"),
];
