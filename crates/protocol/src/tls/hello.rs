//! The ClientHello, gathered before the handshake begins to learn the server name in it.
//!
//! rustls reads a copy; the bytes themselves start the handshake once the certificate is decided.

use rustls::server::Acceptor;

/// Bytes of a ClientHello that is being gathered.
pub(super) struct Hello {
    bytes: Vec<u8>,
    acceptor: Acceptor,
}

/// What has been learnt.
pub(super) enum Learnt {
    /// More bytes are needed.
    Nothing,
    /// The name in a whole ClientHello.
    Name(Option<String>),
    /// It can't be read; the handshake will say why.
    Malformed,
}

impl Hello {
    pub(super) fn new() -> Hello {
        Hello { bytes: Vec::new(), acceptor: Acceptor::default() }
    }

    /// Adds bytes. Those behind the ClientHello are kept too.
    pub(super) fn add(&mut self, mut input: &[u8]) -> Learnt {
        self.bytes.extend_from_slice(input);
        while !input.is_empty() {
            match self.acceptor.read_tls(&mut input) {
                Ok(read) if read > 0 => {}
                _ => return Learnt::Malformed,
            }
            match self.acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    return Learnt::Name(accepted.client_hello().server_name().map(str::to_owned));
                }
                Err(_) => return Learnt::Malformed,
            }
        }
        Learnt::Nothing
    }

    /// Adds bytes that come while an answer is awaited.
    pub(super) fn keep(&mut self, input: &[u8]) {
        self.bytes.extend_from_slice(input);
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
