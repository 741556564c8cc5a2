//! Until when an OCSP response may be stapled. RFC 6960 §4.2.1.
//!
//! Only the two facts that decide about stapling are read: the status and `nextUpdate`. The signature is the
//! client's business.

const SEQUENCE: u8 = 0x30;
const ENUMERATED: u8 = 0x0a;
const OCTET_STRING: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const GENERALIZED_TIME: u8 = 0x18;
const CONTEXT_0: u8 = 0xa0;
/// `certStatus` of a certificate that is not revoked.
const GOOD: u8 = 0x80;

/// What a response says of its first certificate.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Status {
    /// Neither revoked nor unknown.
    pub(super) is_good: bool,
    /// Unix time in seconds at which newer information is available; None if always.
    pub(super) next_update: Option<i64>,
}

/// Reads a response; None if it is not one, or is not a successful one.
pub(super) fn read(der: &[u8]) -> Option<Status> {
    let mut response = Der(Der(der).take(SEQUENCE)?);
    if response.take(ENUMERATED)? != [0] {
        return None;
    }
    let mut bytes = Der(Der(response.take(CONTEXT_0)?).take(SEQUENCE)?);
    bytes.take(OBJECT_ID)?;
    let mut basic = Der(Der(bytes.take(OCTET_STRING)?).take(SEQUENCE)?);
    let mut data = Der(basic.take(SEQUENCE)?);
    if data.peek() == Some(CONTEXT_0) {
        data.take_any()?; // version
    }
    data.take_any()?; // responderID
    data.take(GENERALIZED_TIME)?; // producedAt
    let mut single = Der(Der(data.take(SEQUENCE)?).take(SEQUENCE)?);
    single.take(SEQUENCE)?; // certID
    let (status, _) = single.take_any()?;
    single.take(GENERALIZED_TIME)?; // thisUpdate
    let next_update = match single.peek() {
        Some(CONTEXT_0) => Some(read_time(Der(single.take(CONTEXT_0)?).take(GENERALIZED_TIME)?)?),
        _ => None,
    };
    Some(Status { is_good: status == GOOD, next_update })
}

/// `YYYYMMDDHHMMSSZ`, the only form that DER allows here. RFC 5280 §4.1.2.5.2.
fn read_time(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if text.len() != 14 {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970-01-01 in the Gregorian calendar, with years that begin in March.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// DER elements that have not been read.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The content of the next element, which must have this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.peek()? != tag {
            return None;
        }
        Some(self.take_any()?.1)
    }

    /// Tag and content of the next element.
    fn take_any(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            let count = usize::from(first & 0x7f);
            if count == 0 || count > 4 {
                return None;
            }
            let (digits, after) = rest.split_at_checked(count)?;
            length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
            rest = after;
        }
        let (content, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some((tag, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(read_time(b"19700101000000Z"), Some(0));
        assert_eq!(read_time(b"20000229123456Z"), Some(951_827_696));
        assert_eq!(read_time(b"20381231235959Z"), Some(2_177_452_799));
        assert_eq!(read_time(b"20381331235959Z"), None);
        assert_eq!(read_time(b"2038Z"), None);
    }

    #[test]
    fn a_response_cut_anywhere_is_none() {
        let response = response(b"20300101000000Z");
        assert_eq!(read(&response), Some(Status { is_good: true, next_update: Some(1_893_456_000) }));
        for length in 0..response.len() {
            assert_eq!(read(&response[..length]), None, "{length}");
        }
    }

    fn response(next_update: &[u8]) -> Vec<u8> {
        let time = element(GENERALIZED_TIME, next_update);
        let single =
            [element(SEQUENCE, b""), element(GOOD, b""), time.clone(), element(CONTEXT_0, &time)].concat();
        let data = [element(0xa2, b"key"), time, element(SEQUENCE, &element(SEQUENCE, &single))].concat();
        let basic = element(SEQUENCE, &element(SEQUENCE, &data));
        let bytes = [element(OBJECT_ID, &[1]), element(OCTET_STRING, &basic)].concat();
        let body = [element(ENUMERATED, &[0]), element(CONTEXT_0, &element(SEQUENCE, &bytes))].concat();
        element(SEQUENCE, &body)
    }

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        assert!(content.len() < 128);
        [&[tag, content.len() as u8], content].concat()
    }
}
