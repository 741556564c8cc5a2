//! A buffer that a test provides for a body, and gets back when the reactor drops it.

#![allow(unreachable_pub, reason = "each test file has this as a module")]

use std::sync::mpsc::Sender;

use reactor::RecvBuffer;

pub struct Memory {
    bytes: Vec<u8>,
    back: Sender<Vec<u8>>,
}

impl Memory {
    pub fn boxed(size: usize, back: &Sender<Vec<u8>>) -> Box<Memory> {
        Box::new(Memory { bytes: vec![0; size], back: back.clone() })
    }
}

impl RecvBuffer for Memory {
    fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let _ = self.back.send(std::mem::take(&mut self.bytes));
    }
}
