//! What holds for every request that the application gets, whatever the client has sent.

use protocol::{Method, Request, Version};
use url::Url;

/// Panics when a promise is broken. In the style of node:http a Host, and the target of a CONNECT, are as they came.
pub fn check(request: &Request<'_>, is_node_style: bool) {
    let head = &request.head;
    let target = head.target.of(head.bytes);
    assert!(
        target.iter().all(|byte| (0x21..0x7f).contains(byte) && *byte != b'#'),
        "a target holds {target:?}"
    );
    let version: &[u8] = if head.fields.is_empty() { b"" } else { b" HTTP/1." };
    let line = [request.method.name().as_bytes(), b" ", target, version].concat();
    assert!(head.bytes.starts_with(&line), "a request line is {:?}", head.bytes);
    let mut hosts = Vec::new();
    for field in head.fields {
        let (name, value) = (field.name.of(head.bytes), field.value.of(head.bytes));
        assert!(!name.is_empty() && name.iter().copied().all(is_token_byte), "a name is {name:?}");
        assert!(value.iter().all(|byte| is_value_byte(*byte)), "the value of {name:?} is {value:?}");
        assert!(!matches!(value, [b' ' | b'\t', ..] | [.., b' ' | b'\t']), "{name:?} is {value:?}");
        if name.eq_ignore_ascii_case(b"host") {
            hosts.push(value);
        }
    }
    match &hosts[..] {
        [] => assert_eq!(request.version, Version::Http10, "Host is missing"),
        [b""] => {}
        [_] if is_node_style => {}
        [host] => {
            let host = String::from_utf8_lossy(host);
            assert!(Url::parse(&format!("http://{host}/")).is_ok(), "no URL can be made of Host {host}");
        }
        _ => panic!("there are {} Hosts", hosts.len()),
    }
    match target {
        _ if request.method == Method::CONNECT && is_node_style => {}
        [b'/', ..] => assert_ne!(request.method, Method::CONNECT),
        b"*" => assert_eq!(request.method, Method::OPTIONS),
        _ if request.method == Method::CONNECT => {}
        _ => assert!(Url::parse(&String::from_utf8_lossy(target)).is_ok(), "no URL: {target:?}"),
    }
}

/// RFC 9110 §5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 9110 §5.5.
fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || byte >= 0x20 && byte != 0x7f
}
