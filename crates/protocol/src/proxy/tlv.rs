//! The fields behind the addresses of a version 2 header: type, length and value.

use super::ProxyError;
use super::crc32c::crc32c;

const CRC32C: u8 = 0x03;
const UNIQUE_ID: u8 = 0x05;
const SSL: u8 = 0x20;

/// Bytes of a unique id at most.
const MAX_UNIQUE_ID: usize = 128;
/// Bytes in the value of an SSL field ahead of its own fields: what the client has used, and whether its certificate
/// is good.
const SSL_PREFIX: usize = 5;
/// The client has used TLS.
const SSL_CLIENT: u8 = 1;

/// What the fields tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    /// The client has reached the proxy by TLS.
    pub(super) is_encrypted: bool,
}

/// Reads the fields of `header`, which begin at byte `at` and go to its end.
///
/// # Errors
/// `Version2` when a field ends outside, has a wrong length or is repeated; `Checksum` when that is wrong.
pub(super) fn read(header: &[u8], at: usize) -> Result<Fields, ProxyError> {
    let mut fields = Fields::default();
    let (mut has_checksum, mut has_ssl) = (false, false);
    for field in (Split { bytes: header, at }) {
        let (kind, value_at, value) = field?;
        let is_right = match kind {
            CRC32C => {
                let expected = value.try_into().map(u32::from_be_bytes).map_err(|_| ProxyError::Version2)?;
                // It is computed with zeros in its own place.
                let behind = header.get(value_at + 4..).unwrap_or(&[]);
                if crc32c(&[header.get(..value_at).unwrap_or(&[]), &[0; 4], behind]) != expected {
                    return Err(ProxyError::Checksum);
                }
                !std::mem::replace(&mut has_checksum, true)
            }
            SSL => {
                let (prefix, own) = value.split_at_checked(SSL_PREFIX).ok_or(ProxyError::Version2)?;
                fields.is_encrypted = prefix[0] & SSL_CLIENT != 0;
                let has_right_fields = Split { bytes: own, at: 0 }.all(|field| field.is_ok());
                !std::mem::replace(&mut has_ssl, true) && has_right_fields
            }
            UNIQUE_ID => value.len() <= MAX_UNIQUE_ID,
            _ => true,
        };
        if !is_right {
            return Err(ProxyError::Version2);
        }
    }
    Ok(fields)
}

/// Fields from byte `at` on: type, where the value begins, and the value.
struct Split<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Split<'a> {
    type Item = Result<(u8, usize, &'a [u8]), ProxyError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let field = rest.split_first_chunk().and_then(|([kind, high, low], rest)| {
            let value = rest.get(..usize::from(u16::from_be_bytes([*high, *low])))?;
            Some((*kind, self.at + 3, value))
        });
        // A field that ends outside is the last one.
        self.at = field.map_or(self.bytes.len(), |(_, value_at, value)| value_at + value.len());
        Some(field.ok_or(ProxyError::Version2))
    }
}
