//! Unix sockets, and listening sockets that the process was given.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use mio::net::{TcpListener, UnixListener};
use socket2::{Domain, SockAddr, Socket as RawSocket, Type};

use super::{Address, Kind, Listener, ListenerFacts, set_inherited};

/// Binds a unix socket.
pub(super) fn bind(path: &Path, mode: Option<u32>, backlog: i32, index: u32) -> io::Result<Listener> {
    let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
    let address = SockAddr::unix(path)?;
    if let Err(error) = socket.bind(&address) {
        let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
        if error.kind() != io::ErrorKind::AddrInUse || !is_socket || has_listening_server(&address) {
            return Err(error);
        }
        std::fs::remove_file(path)?;
        socket.bind(&address)?;
    }
    if let Some(mode) = mode {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    socket.set_nonblocking(true)?;
    socket.listen(backlog)?;
    let facts = Arc::new(ListenerFacts::new(Address::Unix(path.to_owned()), index));
    let kind = Kind::Unix(UnixListener::from_std(socket.into()));
    Ok(Listener { kind, facts, owns_file: true, is_ready: true })
}

/// Takes a socket that listens already.
pub(super) fn inherit(descriptor: &OwnedFd, backlog: i32, index: u32) -> io::Result<Listener> {
    let socket = RawSocket::from(descriptor.try_clone()?);
    must_listen(&socket, backlog)?;
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    let (kind, address) = match address.as_socket() {
        Some(internet) => {
            set_inherited(&socket)?;
            (Kind::Tcp(TcpListener::from_std(socket.into())), Address::Internet(internet))
        }
        None => {
            let path = address.as_pathname().map(Path::to_owned).unwrap_or_default();
            (Kind::Unix(UnixListener::from_std(socket.into())), Address::Unix(path))
        }
    };
    let facts = Arc::new(ListenerFacts::new(address, index));
    Ok(Listener { kind, facts, owns_file: false, is_ready: true })
}

/// Fails unless the socket listens.
#[cfg(not(target_vendor = "apple"))]
fn must_listen(socket: &RawSocket, _backlog: i32) -> io::Result<()> {
    if socket.is_listener()? {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket doesn't listen"))
}

/// Has the socket listen: these systems don't say whether it does. It fails for a connected one.
#[cfg(target_vendor = "apple")]
fn must_listen(socket: &RawSocket, backlog: i32) -> io::Result<()> {
    socket.listen(backlog)
}

/// Whether a server listens on this unix socket; the file alone may be left over from a crash. The check
/// doesn't block: a server whose backlog is full counts as listening.
fn has_listening_server(address: &SockAddr) -> bool {
    let probe = RawSocket::new(Domain::UNIX, Type::STREAM, None);
    let result = probe.and_then(|probe| {
        probe.set_nonblocking(true)?;
        probe.connect(address)
    });
    result.map_or_else(|error| error.kind() != io::ErrorKind::ConnectionRefused, |()| true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    use super::super::Bind;
    use super::*;

    #[test]
    fn a_unix_socket_whose_backlog_is_full_is_in_use_and_binding_does_not_block() {
        let path = std::env::temp_dir().join(format!("busbar-busy-{}", std::process::id()));
        let bind = Bind::Unix { path: path.clone(), mode: None };
        let busy = Listener::bind(&bind, 0, 0).unwrap();
        // Linux lets one more connection wait than the backlog says.
        let waiting = UnixStream::connect(&path).unwrap();
        let (sender, receiver) = channel();
        let another = bind.clone();
        thread::spawn(move || {
            sender.send(Listener::bind(&another, 0, 0).err().map(|error| error.source.kind()))
        });
        assert_eq!(receiver.recv_timeout(Duration::from_secs(20)), Ok(Some(io::ErrorKind::AddrInUse)));
        assert!(path.exists());
        drop((busy, waiting));
    }
}
