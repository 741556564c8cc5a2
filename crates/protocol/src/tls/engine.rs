//! rustls' interface without buffers, reduced to steps.

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus};
use rustls::{Error, server::ServerConnectionData};

/// Longest content of a record. RFC 8446 §5.1.
const RECORD: usize = 16 * 1024;
/// Bytes that a record adds to its content, at most: header, explicit nonce or content type, tag.
const OVERHEAD: usize = 5 + 8 + 16;
/// Room for a KeyUpdate that goes ahead of the data.
const AHEAD: usize = 64;
/// Alerts and close_notify that can be queued behind a failure.
const QUEUED: usize = 8;

/// What one step has led to.
pub(super) enum Step {
    /// Something was done; more may be possible at once.
    Went,
    /// More input is needed.
    Waits,
    /// The client has sent close_notify.
    PeerClosed,
    /// The connection is broken.
    Failed(Error),
}

/// Processes records up to the next result. Returns how many bytes at the front of `records` are done with.
pub(super) fn step(
    connection: &mut UnbufferedServerConnection,
    records: &mut [u8],
    plaintext: &mut Vec<u8>,
    output: &mut Vec<u8>,
) -> (usize, Step) {
    let UnbufferedStatus { mut discard, state } = connection.process_tls_records(records);
    let step = match state {
        Ok(ConnectionState::ReadTraffic(mut traffic)) => {
            let mut step = Step::Went;
            while let Some(record) = traffic.next_record() {
                match record {
                    Ok(record) => {
                        discard += record.discard;
                        plaintext.extend_from_slice(record.payload);
                    }
                    Err(error) => {
                        step = Step::Failed(error);
                        break;
                    }
                }
            }
            step
        }
        Ok(ConnectionState::EncodeTlsData(data)) => {
            encode(data, output);
            Step::Went
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Step::Went
        }
        Ok(ConnectionState::PeerClosed) => Step::PeerClosed,
        Ok(_) => Step::Waits,
        Err(error) => Step::Failed(error),
    };
    (discard, step)
}

/// Encrypts `plaintext` into `output`. `records` is what was presented last and is not done with.
pub(super) fn write(
    connection: &mut UnbufferedServerConnection,
    records: &mut [u8],
    plaintext: &[u8],
    output: &mut Vec<u8>,
) -> Result<(), Error> {
    let start = output.len();
    let sealed = seal(connection, records, plaintext, output, start);
    output.truncate(*sealed.as_ref().unwrap_or(&start));
    sealed.map(|_| ())
}

/// Encrypts `plaintext` into `room`, from `start` on; `room` grows where it is too short, and is never shortened. Returns
/// where the result ends.
pub(super) fn seal(
    connection: &mut UnbufferedServerConnection,
    records: &mut [u8],
    plaintext: &[u8],
    room: &mut Vec<u8>,
    start: usize,
) -> Result<usize, Error> {
    let mut end = start;
    let mut needed = plaintext.len() + plaintext.len().div_ceil(RECORD) * OVERHEAD + AHEAD;
    loop {
        if room.len() < end + needed {
            room.resize(end + needed, 0);
        }
        let free = room.get_mut(end..).unwrap_or_default();
        match connection.process_tls_records(records).state? {
            ConnectionState::EncodeTlsData(mut data) => match data.encode(free) {
                Ok(written) => end += written,
                Err(EncodeError::InsufficientSize(size)) => needed = size.required_size.max(needed + 1),
                Err(EncodeError::AlreadyEncoded) => return Err(Error::EncryptError),
            },
            ConnectionState::TransmitTlsData(data) => data.done(),
            ConnectionState::WriteTraffic(mut traffic) => match traffic.encrypt(plaintext, free) {
                Ok(written) => return Ok(end + written),
                Err(EncryptError::InsufficientSize(size)) => needed = size.required_size.max(needed + 1),
                Err(EncryptError::EncryptExhausted) => return Err(Error::EncryptError),
            },
            ConnectionState::PeerClosed => {}
            _ => return Err(Error::HandshakeNotComplete),
        }
    }
}

/// Adds a close_notify to `output`, if the connection can still send.
pub(super) fn close(connection: &mut UnbufferedServerConnection, records: &mut [u8], output: &mut Vec<u8>) {
    for _ in 0..QUEUED {
        match connection.process_tls_records(records).state {
            Ok(ConnectionState::EncodeTlsData(data)) => encode(data, output),
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                let start = output.len();
                output.resize(start + AHEAD, 0);
                let written =
                    traffic.queue_close_notify(output.get_mut(start..).unwrap_or_default()).unwrap_or(0);
                output.truncate(start + written);
                return;
            }
            Ok(ConnectionState::PeerClosed) => {}
            _ => return,
        }
    }
}

/// Adds the alerts that a failure has left to `output`.
pub(super) fn flush_alerts(
    connection: &mut UnbufferedServerConnection,
    records: &mut [u8],
    output: &mut Vec<u8>,
) {
    for _ in 0..QUEUED {
        if !connection.wants_write() {
            return;
        }
        if let Ok(ConnectionState::EncodeTlsData(data)) = connection.process_tls_records(records).state {
            encode(data, output);
        }
    }
}

fn encode(mut data: EncodeTlsData<'_, ServerConnectionData>, output: &mut Vec<u8>) {
    let start = output.len();
    // The size is known only from an attempt with too little room.
    if let Err(EncodeError::InsufficientSize(needed)) = data.encode(&mut []) {
        output.resize(start + needed.required_size, 0);
        let written = data.encode(output.get_mut(start..).unwrap_or_default()).unwrap_or(0);
        output.truncate(start + written);
    }
}
