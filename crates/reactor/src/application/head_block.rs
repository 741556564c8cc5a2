//! A request's head as one block of bytes that the application can keep and read lazily.
//!
//! The block is copied once, from the receive buffer into the application's memory, where fields are read
//! later. It refers to nothing outside itself, so it can be moved.
//!
//! ```text
//!  0  length of the block     16  start of the target    32  listener
//!  4  client id, low           20  length of the target   36  client's port | family << 16
//!  8  client id, high          24  length of the head     40  client's address, 16 bytes
//! 12  start of the head        28  number of fields       56  fields, 16 bytes each: name start,
//!                                                             name length, value start, value length
//!                                                         …   the head's bytes, as received
//!                                                         …   with PROXY or TLS, what they tell
//! ```
//! All are unsigned 32-bit words in native byte order; starts of parts count from the head's first
//! byte. What is known of the client is included so that it is known after the client has closed: its address, which with
//! a PROXY header is the announced one, and in the last part of the block the rest that the header tells, and TLS:
//!
//! ```text
//!  0  length of what comes from a PROXY header, 0 without one
//!     4  ANNOUNCED | ENCRYPTED      8  proxy's port | family << 16      12  proxy's address, 16 bytes
//!    28  announced path of a unix socket
//!  …  what TLS has negotiated: the bytes of a `Security`
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use protocol::proxy::{Announced, Source};
use protocol::{Head, authority_of};

use super::facts::Facts;
use super::security::Security;
use crate::io::{Address, ListenerFacts};

const PREFIX: usize = 56;
const FAMILY_V4: u32 = 4;
const FAMILY_V6: u32 = 6;
const FIELD: usize = 16;
const WORD: usize = 4;

/// Bytes of what comes from a PROXY header, ahead of the path.
const PROXY_PREFIX: usize = 24;
/// The client's internet address is an announced one.
const ANNOUNCED: u32 = 1;
/// The client has reached its proxy by TLS.
const ENCRYPTED: u32 = 2;

/// Bytes that the block of `head` takes.
pub(crate) fn encoded_len(head: &Head<'_>, facts: &Facts) -> usize {
    let len = PREFIX + head.fields.len() * FIELD + head.bytes.len();
    if facts.has_more() { len + more_len(facts) } else { len }
}

#[cold]
fn more_len(facts: &Facts) -> usize {
    let announced = facts.announced().map_or(0, announced_len);
    let security = facts.security().map_or(0, |security| security.as_bytes().len());
    WORD + announced + security
}

fn announced_len(announced: &Announced) -> usize {
    PROXY_PREFIX + path_of(announced).len()
}

/// Writes the block into `out`, whose length is [`encoded_len`].
pub(crate) fn encode(head: &Head<'_>, facts: &Facts, out: &mut [u8]) {
    let client_id = facts.id();
    let bytes_at = PREFIX + head.fields.len() * FIELD;
    let (origin, address) = encode_address(facts.peer());
    let prefix = [
        out.len() as u32,
        client_id as u32,
        (client_id >> 32) as u32,
        bytes_at as u32,
        head.target.start,
        head.target.end - head.target.start,
        head.bytes.len() as u32,
        head.fields.len() as u32,
        facts.listener_index(),
        origin,
    ];
    let (table, bytes) = out.split_at_mut(bytes_at);
    let (front, fields) = table.split_at_mut(PREFIX);
    for (place, word) in front.chunks_exact_mut(4).zip(prefix) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    front[40..].copy_from_slice(&address);
    for (place, field) in fields.chunks_exact_mut(FIELD).zip(head.fields) {
        place[0..4].copy_from_slice(&field.name.start.to_ne_bytes());
        place[4..8].copy_from_slice(&(field.name.end - field.name.start).to_ne_bytes());
        place[8..12].copy_from_slice(&field.value.start.to_ne_bytes());
        place[12..16].copy_from_slice(&(field.value.end - field.value.start).to_ne_bytes());
    }
    bytes[..head.bytes.len()].copy_from_slice(head.bytes);
    if facts.has_more() {
        encode_more(facts, bytes_at + head.bytes.len(), out);
    }
}

/// Writes the last part of the block, which begins at byte `at`, and with a PROXY header the client's address once more.
#[cold]
fn encode_more(facts: &Facts, at: usize, out: &mut [u8]) {
    let (front, last) = out.split_at_mut(at);
    let (length, last) = last.split_at_mut(WORD);
    let len = facts.announced().map_or(0, announced_len);
    length.copy_from_slice(&(len as u32).to_ne_bytes());
    let (proxy, rest) = last.split_at_mut(len);
    if let Some(announced) = facts.announced() {
        let (origin, address) = encode_address(facts.client_address());
        front[36..40].copy_from_slice(&origin.to_ne_bytes());
        front[40..PREFIX].copy_from_slice(&address);
        encode_announced(announced, facts, proxy);
    }
    if let Some(security) = facts.security() {
        rest.copy_from_slice(security.as_bytes());
    }
}

fn encode_announced(announced: &Announced, facts: &Facts, out: &mut [u8]) {
    let is_announced = matches!(announced.source, Some(Source::Internet(_)));
    let flags = if is_announced { ANNOUNCED } else { 0 } | if announced.is_encrypted { ENCRYPTED } else { 0 };
    let (origin, address) = encode_address(facts.peer());
    let (prefix, path) = out.split_at_mut(PROXY_PREFIX);
    prefix[..4].copy_from_slice(&flags.to_ne_bytes());
    prefix[4..8].copy_from_slice(&origin.to_ne_bytes());
    prefix[8..].copy_from_slice(&address);
    path.copy_from_slice(path_of(announced).as_bytes());
}

/// The announced path of a unix socket; empty without one.
fn path_of(announced: &Announced) -> &str {
    match &announced.source {
        Some(Source::Unix(path)) => path,
        _ => "",
    }
}

/// Port and family as one word, and the address; all zero for a unix socket, which has none.
fn encode_address(address: Option<SocketAddr>) -> (u32, [u8; 16]) {
    let Some(peer) = address else { return (0, [0; 16]) };
    let mut address = [0; 16];
    let family = match peer.ip() {
        IpAddr::V4(ip) => {
            address[..4].copy_from_slice(&ip.octets());
            FAMILY_V4
        }
        IpAddr::V6(ip) => {
            address = ip.octets();
            FAMILY_V6
        }
    };
    (u32::from(peer.port()) | family << 16, address)
}

/// A block in the application's memory. Its content isn't trusted: an overwritten block gives wrong results
/// or none, but never a read outside of it.
#[derive(Debug, Clone, Copy)]
pub struct HeadBlock<'a> {
    block: &'a [u8],
}

impl<'a> HeadBlock<'a> {
    /// The block at byte `at` of `memory`; None when it would end outside.
    pub fn at(memory: &'a [u8], at: usize) -> Option<HeadBlock<'a>> {
        let rest = memory.get(at..)?;
        let len = word(rest, 0)? as usize;
        if len < PREFIX {
            return None;
        }
        Some(HeadBlock { block: rest.get(..len)? })
    }

    /// The whole block, to be copied elsewhere.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.block
    }

    /// Id of the client that sent the request.
    pub fn client_id(&self) -> u64 {
        let low = word(self.block, 4).unwrap_or(0);
        let high = word(self.block, 8).unwrap_or(0);
        u64::from(low) | u64::from(high) << 32
    }

    /// Number of the listener that accepted the client.
    pub fn listener(&self) -> u32 {
        word(self.block, 32).unwrap_or(0)
    }

    /// The facts of the client that sent the request, which is closed and had this slot. `listener` is the
    /// one that accepted it, if it is known.
    pub fn facts_of_closed(&self, slot: u32, listener: Option<Arc<ListenerFacts>>) -> Arc<Facts> {
        let unknown = || Arc::new(ListenerFacts::new(Address::Unix(PathBuf::new()), self.listener()));
        let listener = listener.unwrap_or_else(unknown);
        let (proxy, security) = self.more().unwrap_or_default();
        let (peer, announced) = match self.announced(proxy) {
            Some((proxy, announced)) => (proxy, Some(announced)),
            None => (self.remote(), None),
        };
        let more = (announced, Security::from_bytes(security));
        Arc::new(Facts::closed(self.client_id(), slot, peer, more, listener))
    }

    /// The client's internet address; None for a unix socket.
    pub fn remote(&self) -> Option<SocketAddr> {
        decode_address(self.block, 36)
    }

    /// The last part of the block: what comes from a PROXY header, and what TLS has negotiated.
    fn more(&self) -> Option<(&'a [u8], &'a [u8])> {
        let at = word(self.block, 12)?.checked_add(word(self.block, 24)?)?;
        let (length, rest) = self.block.get(at as usize..)?.split_first_chunk()?;
        rest.split_at_checked(u32::from_ne_bytes(*length) as usize)
    }

    /// The proxy's address, and what its PROXY header announces; None without one.
    fn announced(&self, part: &[u8]) -> Option<(Option<SocketAddr>, Announced)> {
        let flags = word(part, 0)?;
        let path = part.get(PROXY_PREFIX..)?;
        let source = match self.remote() {
            Some(address) if flags & ANNOUNCED != 0 => Some(Source::Internet(address)),
            _ if path.is_empty() => None,
            _ => Some(Source::Unix(String::from_utf8_lossy(path).into_owned())),
        };
        Some((decode_address(part, 4), Announced { source, is_encrypted: flags & ENCRYPTED != 0 }))
    }

    /// The request target exactly as received.
    pub fn target(&self) -> &'a [u8] {
        self.target_part().unwrap_or(&[])
    }

    fn target_part(&self) -> Option<&'a [u8]> {
        self.part(word(self.block, 16)?, word(self.block, 20)?)
    }

    /// The entries of all fields: start and length of name and value.
    fn table(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let count = word(self.block, 28).unwrap_or(0) as usize;
        self.block.get(PREFIX..).unwrap_or(&[]).chunks_exact(FIELD).take(count)
    }

    /// Name and value of each field as received, in order.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let this = *self;
        self.table().filter_map(move |entry| {
            Some((
                this.part(word(entry, 0)?, word(entry, 4)?)?,
                this.part(word(entry, 8)?, word(entry, 12)?)?,
            ))
        })
    }

    /// All fields as `name\nvalue\n`, in order.
    pub fn lines(&self) -> Vec<u8> {
        lines(self.fields())
    }

    /// Value of the first field with this name, in lower case. For `host` it is the authority of a target in
    /// absolute-form or authority-form, whatever the field says. RFC 9112 §3.2.2.
    pub fn field(&self, name: &[u8]) -> Option<&'a [u8]> {
        if name == b"host"
            && let Some(authority) = authority_of(self.target())
        {
            return Some(authority);
        }
        let len = name.len() as u32;
        // Few names have the same length, so few are compared.
        let is_named = |entry: &&[u8]| {
            word(entry, 4) == Some(len)
                && word(entry, 0)
                    .and_then(|start| self.part(start, len))
                    .is_some_and(|found| found.eq_ignore_ascii_case(name))
        };
        let entry = self.table().find(is_named)?;
        self.part(word(entry, 8)?, word(entry, 12)?)
    }

    fn part(&self, start: u32, len: u32) -> Option<&'a [u8]> {
        let head = self.block.get(word(self.block, 12)? as usize..)?;
        head.get(start as usize..)?.get(..len as usize)
    }
}

/// Names and values in turn, each ended by a line feed, which neither can contain.
pub(crate) fn lines<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
    let mut lines = Vec::new();
    for part in fields.flat_map(|(name, value)| [name, value]) {
        lines.extend_from_slice(part);
        lines.push(b'\n');
    }
    lines
}

/// Port and family in the word at `at`, and the address behind it; None for a unix socket.
fn decode_address(bytes: &[u8], at: usize) -> Option<SocketAddr> {
    let origin = word(bytes, at)?;
    let address: [u8; 16] = *bytes.get(at + 4..)?.first_chunk()?;
    let [a, b, c, d, ..] = address;
    let ip = match origin >> 16 {
        FAMILY_V4 => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        FAMILY_V6 => IpAddr::V6(Ipv6Addr::from(address)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, origin as u16))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::tls::Info;
    use protocol::{Field, Span};

    use crate::time::Clock;

    fn span(start: u32, end: u32) -> Span {
        Span { start, end }
    }

    fn facts() -> Facts {
        let listener = ListenerFacts::new(Address::Unix("/x".into()), 3);
        let peer = "192.0.2.1:4711".parse().unwrap();
        Facts::new(0x1_0000_0002, 0, Some(peer), Arc::new(listener), Clock::start())
    }

    fn info() -> Info {
        Info {
            version: "TLSv1.3",
            cipher_name: "TLS_AES_128_GCM_SHA256",
            cipher_bits: 128,
            cipher_version: "TLSv1.3",
            alpn: None,
            server_name: Some("a.example".to_owned()),
            is_resumed: false,
            group: Some("X25519"),
            peer_certificates: vec![vec![1, 2, 3]],
        }
    }

    fn example() -> Vec<u8> {
        example_of(&facts())
    }

    /// A block that begins at byte 5.
    fn example_of(facts: &Facts) -> Vec<u8> {
        let bytes = b"GET /a?b HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nx-a: 2\r\n";
        let fields = [
            Field { name: span(19, 23), value: span(25, 26) },
            Field { name: span(28, 31), value: span(33, 34) },
            Field { name: span(36, 39), value: span(41, 42) },
        ];
        let head = Head { bytes, target: span(4, 8), fields: &fields };
        let mut memory = vec![0xaa; 5 + encoded_len(&head, facts)];
        encode(&head, facts, &mut memory[5..]);
        memory
    }

    #[test]
    fn a_block_reads_back_as_it_was_written() {
        let memory = example();
        let block = HeadBlock::at(&memory, 5).unwrap();
        assert_eq!(block.client_id(), 0x1_0000_0002);
        assert_eq!(block.listener(), 3);
        assert_eq!(block.remote(), Some("192.0.2.1:4711".parse().unwrap()));
        assert_eq!(block.target(), b"/a?b");
        assert_eq!(block.field(b"x-a"), Some(&b"1"[..]));
        assert_eq!(block.field(b"x-b"), None);
        let fields: Vec<_> = block.fields().collect();
        assert_eq!(fields, [(&b"Host"[..], &b"x"[..]), (b"X-A", b"1"), (b"x-a", b"2")]);
    }

    #[test]
    fn what_proxy_and_tls_tell_is_known_after_the_close() {
        let source = |text: &str| Some(Source::Internet(text.parse().unwrap()));
        let announcements = [
            None,
            Some(Announced { source: None, is_encrypted: true }),
            Some(Announced { source: source("198.51.100.7:1"), is_encrypted: false }),
            Some(Announced { source: Some(Source::Unix("/client".to_owned())), is_encrypted: true }),
        ];
        for (announced, has_tls) in announcements.iter().flat_map(|each| [(each, false), (each, true)]) {
            let open = facts();
            if let Some(announced) = announced {
                open.announce(announced.clone());
            }
            if has_tls {
                open.set_security(Security::new(&info(), true));
            }
            let memory = example_of(&open);
            let block = HeadBlock::at(&memory, 5).unwrap();
            let closed = block.facts_of_closed(7, None);
            assert_eq!((closed.remote(), closed.proxy()), (open.remote(), open.proxy()));
            assert_eq!(closed.is_encrypted_to_proxy(), open.is_encrypted_to_proxy());
            assert_eq!(closed.security(), open.security());
            assert_eq!(closed.security().and_then(Security::info), has_tls.then(info));
            assert!(closed.is_closed() && closed.is_secured() == has_tls);
        }
    }

    #[test]
    fn host_is_the_authority_of_a_target_that_has_one() {
        let host_of = |line: &[u8]| {
            let target_end = line.iter().rposition(|&byte| byte == b' ').unwrap() as u32;
            let at = line.len() as u32;
            let bytes = [line, b"\r\nHost: b"].concat();
            let fields = [Field { name: span(at + 2, at + 6), value: span(at + 8, at + 9) }];
            let head = Head { bytes: &bytes, target: span(4, target_end), fields: &fields };
            let mut memory = vec![0; encoded_len(&head, &facts())];
            encode(&head, &facts(), &mut memory);
            let block = HeadBlock::at(&memory, 0).unwrap();
            assert_eq!(block.fields().next(), Some((&b"Host"[..], &b"b"[..])), "the pairs stay as received");
            block.field(b"host").map(|host| String::from_utf8_lossy(host).into_owned())
        };
        for (line, host) in [
            (&b"GET http://a:1/x?y HTTP/1.1"[..], "a:1"),
            (b"GET HTTPS://a?y HTTP/1.1", "a"),
            (b"GET /http://a/ HTTP/1.1", "b"),
            (b"GET //a/ HTTP/1.1", "b"),
            (b"GET * HTTP/1.1", "b"),
            (b"GET a:443 HTTP/1.1", "a:443"),
        ] {
            assert_eq!(host_of(line).as_deref(), Some(host));
        }
    }

    #[test]
    fn an_overwritten_block_is_never_read_beyond_its_end() {
        let facts = facts();
        facts.announce(Announced { source: None, is_encrypted: true });
        facts.set_security(Security::new(&info(), true));
        let example = example_of(&facts);
        for at in 0..example.len() {
            let mut memory = example.clone();
            memory[at] = 0xff;
            for start in 0..memory.len() {
                if let Some(block) = HeadBlock::at(&memory, start) {
                    let _ = (
                        block.client_id(),
                        block.remote(),
                        block.target(),
                        block.field(b"host"),
                        block.fields().count(),
                        block.facts_of_closed(0, None).security().and_then(Security::info),
                    );
                }
            }
        }
    }
}
