//! Lists of elements in the values of fields. RFC 9110 §5.6.1.

/// The elements of a list, without white space around them; empty ones are passed over.
pub(crate) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    // A value has no white space other than SP and TAB.
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// Whether elements of a list are missing: nothing stands where one is expected.
pub(crate) fn has_gaps(value: &[u8]) -> bool {
    value.split(|&byte| byte == b',').any(|element| element.trim_ascii().is_empty())
}

/// RFC 9110 §5.6.2.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_token_byte)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_and_empty_elements_are_passed_over() {
        let found = |value: &'static [u8]| elements(value).collect::<Vec<_>>();
        assert_eq!(found(b"a,\tb\t, ,c ,"), [&b"a"[..], b"b", b"c"]);
        assert!(found(b" ,\t").is_empty());
    }

    #[test]
    fn gaps_are_found() {
        assert!(!has_gaps(b"a, b"));
        for value in [&b""[..], b",a", b"a,", b"a,\t,b"] {
            assert!(has_gaps(value), "{value:?}");
        }
    }
}
