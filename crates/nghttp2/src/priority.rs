//! The priority of a stream. RFC 9218.

use crate::ffi;

/// How urgent an answer is, and whether parts of it are of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Priority {
    /// 0 (first) to 7; 3 unless it is said.
    pub urgency: u8,
    /// Streams of one urgency that are incremental share the connection.
    pub incremental: bool,
}

impl Default for Priority {
    fn default() -> Priority {
        Priority { urgency: 3, incremental: false }
    }
}

impl Priority {
    /// Reads the value of a `priority` field or a PRIORITY_UPDATE; None when it can't be parsed.
    pub fn parse(value: &[u8]) -> Option<Priority> {
        let Priority { urgency, incremental } = Priority::default();
        let mut parsed = ffi::nghttp2_extpri { urgency: urgency.into(), inc: incremental.into() };
        // SAFETY: `value` is valid for its length and `parsed` is initialised; nothing is kept.
        let status = unsafe { ffi::nghttp2_extpri_parse_priority(&mut parsed, value.as_ptr(), value.len()) };
        let urgency = u8::try_from(parsed.urgency.min(7)).unwrap_or(7);
        (status == 0).then_some(Priority { urgency, incremental: parsed.inc != 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_is_read_as_a_dictionary() {
        assert_eq!(Priority::parse(b"u=1, i"), Some(Priority { urgency: 1, incremental: true }));
        assert_eq!(Priority::parse(b""), Some(Priority::default()));
        assert_eq!(Priority::parse(b"i;u=7"), Some(Priority { urgency: 3, incremental: true }));
        assert_eq!(Priority::parse(b"u="), None);
    }
}
