//! Networks: an address and how many of its bits count. RFC 4632, RFC 4291 §2.3.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// Addresses that don't identify a client, or belong to the server's operator: loopback, private (RFC 1918,
/// RFC 4193), shared by a carrier's customers (RFC 6598), and link-local (RFC 3927, RFC 4291).
const LOCAL: [&str; 9] = [
    "127.0.0.0/8",
    "::1",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "fe80::/10",
    "fc00::/7",
];

/// A network, as in `192.0.2.0/24`; an address alone is a network of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// IPv4 addresses in their mapped form, so that one comparison serves both families.
    address: u128,
    mask: u128,
}

impl Network {
    /// The networks that are local to any server.
    pub fn local() -> Vec<Network> {
        LOCAL.iter().filter_map(|text| text.parse().ok()).collect()
    }

    /// Whether an address belongs to it.
    pub fn contains(&self, ip: IpAddr) -> bool {
        bits(ip) & self.mask == self.address
    }
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
    .to_bits()
}

/// The text isn't a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotANetwork(pub String);

impl fmt::Display for NotANetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: not an IP address, nor one with a prefix length such as 192.0.2.0/24", self.0)
    }
}

impl std::error::Error for NotANetwork {}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Network, NotANetwork> {
        let wrong = || NotANetwork(text.to_owned());
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let ip: IpAddr = address.parse().map_err(|_| wrong())?;
        let longest = if ip.is_ipv4() { 32 } else { Ipv6Addr::BITS };
        let length = match length {
            None => longest,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|length| *length <= longest).ok_or_else(wrong)?
            }
            Some(_) => return Err(wrong()),
        };
        let host_bits = longest - length;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        Ok(Network { address: bits(ip) & mask, mask })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_in(network: &str, ip: &str) -> bool {
        network.parse::<Network>().unwrap().contains(ip.parse().unwrap())
    }

    #[test]
    fn a_network_contains_the_addresses_with_its_prefix() {
        assert!(is_in("192.0.2.0/24", "192.0.2.255"));
        assert!(!is_in("192.0.2.0/24", "192.0.3.0"));
        assert!(is_in("192.0.2.77/24", "192.0.2.1"), "bits behind the prefix are ignored");
        assert!(is_in("192.0.2.1", "192.0.2.1"));
        assert!(!is_in("192.0.2.1", "192.0.2.2"));
        assert!(is_in("0.0.0.0/0", "203.0.113.9"));
        assert!(is_in("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!is_in("2001:db8::/32", "2001:db9::"));
        assert!(is_in("::/0", "2001:db8::1"));
    }

    #[test]
    fn a_network_of_one_family_contains_no_address_of_the_other() {
        assert!(!is_in("0.0.0.0/0", "2001:db8::1"));
        assert!(!is_in("192.0.2.0/24", "::c000:201"));
    }

    #[test]
    fn the_error_names_the_text_that_is_not_a_network() {
        for text in [
            "",
            "/",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0/8",
            "localhost",
            "10.0.0.0/8/8",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork(text.to_owned())));
        }
    }

    #[test]
    fn local_networks_are_those_that_are_not_routed_globally() {
        let local = Network::local();
        let is_local = |ip: &str| local.iter().any(|network| network.contains(ip.parse().unwrap()));
        for ip in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.7.7",
            "100.127.0.1",
            "169.254.1.1",
            "fe80::1",
            "fd00::1",
        ] {
            assert!(is_local(ip), "{ip}");
        }
        for ip in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:db8::1", "::2"] {
            assert!(!is_local(ip), "{ip}");
        }
    }
}
