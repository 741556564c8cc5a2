//! Memory that a test has answers sent from.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file has this as a module; a test fails by it"
)]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use reactor::SendBuffer;

/// Memory that can be shrunk while it is held, and says when it isn't any more.
pub struct Held {
    bytes: Vec<u8>,
    length: Arc<Mutex<usize>>,
    returned: Sender<()>,
}

/// Memory with a copy of `bytes`; its length, which can be changed; and what receives when it is given back.
pub fn held(bytes: &[u8]) -> (Box<Held>, Arc<Mutex<usize>>, Receiver<()>) {
    let (returned, is_returned) = channel();
    let length = Arc::new(Mutex::new(bytes.len()));
    (Box::new(Held { bytes: bytes.to_vec(), length: length.clone(), returned }), length, is_returned)
}

impl SendBuffer for Held {
    fn bytes(&mut self) -> &[u8] {
        &self.bytes[..*self.length.lock().unwrap()]
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.returned.send(());
    }
}
