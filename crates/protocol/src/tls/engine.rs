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
    let mut room = plaintext.len() + plaintext.len().div_ceil(RECORD) * OVERHEAD + AHEAD;
    loop {
        match connection.process_tls_records(records).state? {
            ConnectionState::EncodeTlsData(data) => encode(data, output),
            ConnectionState::TransmitTlsData(data) => data.done(),
            ConnectionState::WriteTraffic(mut traffic) => {
                let start = output.len();
                output.resize(start + room, 0);
                match traffic.encrypt(plaintext, output.get_mut(start..).unwrap_or_default()) {
                    Ok(written) => {
                        output.truncate(start + written);
                        return Ok(());
                    }
                    Err(EncryptError::InsufficientSize(needed)) => {
                        output.truncate(start);
                        room = needed.required_size.max(room + 1);
                    }
                    Err(EncryptError::EncryptExhausted) => {
                        output.truncate(start);
                        return Err(Error::EncryptError);
                    }
                }
            }
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
    // The size is told only by an attempt with too little room.
    if let Err(EncodeError::InsufficientSize(needed)) = data.encode(&mut []) {
        output.resize(start + needed.required_size, 0);
        let written = data.encode(output.get_mut(start..).unwrap_or_default()).unwrap_or(0);
        output.truncate(start + written);
    }
}
