//! How many sent bytes the peer hasn't acknowledged, by the system's count.
//!
//! The reactor is free of unsafe code, so it is given this function.

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
use std::ffi::c_int;
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
use std::os::fd::AsRawFd;
#[cfg(unix)]
use std::os::fd::BorrowedFd;
#[cfg(windows)]
use std::os::windows::io::BorrowedSocket as BorrowedFd;

/// Bytes in the socket's send queue: not sent yet, or not acknowledged. None where the system doesn't tell.
#[cfg(target_os = "linux")]
pub(crate) fn unacknowledged(socket: BorrowedFd<'_>) -> Option<u32> {
    let mut count: c_int = 0;
    // SAFETY: the descriptor is open as long as it is borrowed; the call writes one int.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &mut count) };
    (result == 0).then(|| u32::try_from(count).ok()).flatten()
}

/// Bytes in the socket's send queue: not sent yet, or not acknowledged. None where the system doesn't tell.
#[cfg(target_vendor = "apple")]
pub(crate) fn unacknowledged(socket: BorrowedFd<'_>) -> Option<u32> {
    let mut count: c_int = 0;
    let mut size = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open as long as it is borrowed; the call writes one int and its size.
    let result = unsafe {
        let count = std::ptr::from_mut(&mut count).cast();
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_NWRITE, count, &mut size)
    };
    (result == 0).then(|| u32::try_from(count).ok()).flatten()
}

/// None: the system doesn't tell.
#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
pub(crate) fn unacknowledged(_: BorrowedFd<'_>) -> Option<u32> {
    None
}
