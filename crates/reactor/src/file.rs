//! Files in answers: sent by the kernel from its cache, without passing through our memory.

use std::fs::File;
use std::io;

use protocol::{AnswerError, RequestId};

use crate::command::Gone;
use crate::notice::{Kind, Notice};
use crate::reactor::Reactor;
use crate::socket::Socket;

/// Bytes of a file that one visit sends, so that a fast download doesn't hold up everybody else. A file
/// that isn't in the cache is read from the disk here, which is another reason to do it in portions.
const BYTES_PER_VISIT: u64 = 1024 * 1024;

/// A part of a file that an answer is to be filled with.
pub(crate) struct Region {
    request_id: RequestId,
    file: File,
    offset: u64,
}

/// Where sending a file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sending {
    /// There is no file whose turn it is.
    Nothing,
    /// The socket takes no more now.
    Blocked,
    /// The visit has sent its part; another should follow.
    Unfinished,
    /// The connection is of no use any more.
    Broken,
}

impl Reactor {
    /// Fills the next `length` bytes of a streamed answer, whose length must be declared, from a file.
    /// `end` may follow at once.
    ///
    /// # Errors
    /// [`Gone`] when the stream isn't open any more, is shorter than that, or its protocol takes no files.
    pub fn send_file(
        &mut self,
        slot: u32,
        request_id: RequestId,
        file: File,
        offset: u64,
        length: u64,
    ) -> Result<(), Gone> {
        let is_wanted = self
            .try_command(slot, |connection, cx| match connection.takes_files() {
                true => connection.handle_file(cx, request_id, length),
                false => Err(AnswerError::Stale),
            })
            .map_err(|_| Gone)?;
        if let Some(client) = self.clients.get_mut(slot as usize).filter(|_| is_wanted) {
            client.files.push(Region { request_id, file, offset });
        }
        Ok(())
    }

    /// Sends of the file whose turn it is what the socket takes and the visit allows.
    #[cold]
    pub(crate) fn send_file_part(&mut self, slot: u32) -> Sending {
        let mut budget = BYTES_PER_VISIT;
        loop {
            let Some(client) = self.clients.get_mut(slot as usize) else { return Sending::Nothing };
            let client = &mut **client;
            let Some((request_id, missing)) = client.connection.poll_file() else { return Sending::Nothing };
            if budget == 0 {
                return Sending::Unfinished;
            }
            let region = client.files.iter_mut().find(|region| region.request_id == request_id);
            let Some(region) = region else { return Sending::Broken };
            match send(&client.socket, region, missing.min(budget)) {
                Ok(0) => {
                    client.connection.handle_file_failed(&mut self.cx);
                    self.notices.push_back(Notice::of(Kind::FileFailed, slot, request_id.0));
                }
                Ok(count) => {
                    budget -= count;
                    client.connection.handle_file_sent(&mut self.cx, count);
                    if count == missing {
                        client.files.retain(|region| region.request_id != request_id);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Sending::Blocked,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Sending::Broken,
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn send(socket: &Socket, region: &mut Region, count: u64) -> io::Result<u64> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let sent = rustix::fs::sendfile(socket, &region.file, Some(&mut region.offset), count)?;
    Ok(sent as u64)
}

/// Other systems have calls of their own for this, which nobody has asked for yet.
#[cfg(not(target_os = "linux"))]
fn send(_: &Socket, _: &mut Region, _: u64) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}
