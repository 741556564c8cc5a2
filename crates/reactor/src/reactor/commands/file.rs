//! Files in answers: sent by the kernel from its page cache, without a copy into our memory.

use std::fs::File;

use protocol::{AnswerError, RequestId};

use super::Stale;
use crate::client::FileRange;
use crate::reactor::Reactor;

impl Reactor {
    /// Sends the next `length` bytes of a streamed answer, whose length must be declared, from byte `offset`
    /// of a file. [`Reactor::end`] may follow at once.
    ///
    /// # Errors
    /// [`Stale`] when the stream isn't open any more, has less than that left, or its protocol takes no
    /// files.
    pub fn send_file(
        &mut self,
        slot: u32,
        request_id: RequestId,
        file: File,
        offset: u64,
        length: u64,
    ) -> Result<(), Stale> {
        let is_wanted = self
            .try_command(slot, |connection, cx| match connection.takes_files() {
                true => connection.handle_file(cx, request_id, length),
                false => Err(AnswerError::Stale),
            })
            .map_err(|_| Stale)?;
        if let Some(client) = self.clients.get_mut(slot).filter(|_| is_wanted) {
            client.files.push(FileRange::new(request_id, file, offset));
        }
        Ok(())
    }
}
