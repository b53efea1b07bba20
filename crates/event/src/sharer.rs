//! Whose share of what runs out a source takes.
//!
//! Promises: one that can choose among addresses gains nothing by it: a host with one address of an
//! IPv6 /64 has them all. An IPv4 address that is written as IPv6 is the IPv4 address. Deliberately
//! says nothing of who may send: that goes by the whole address.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The host's half of an IPv6 address.
const HOST: u128 = u64::MAX as u128;

/// An IPv4 address, or the /64 of an IPv6 one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sharer(IpAddr);

impl Sharer {
    pub fn of(address: IpAddr) -> Sharer {
        match address.to_canonical() {
            IpAddr::V6(address) => Sharer(Ipv6Addr::from_bits(address.to_bits() & !HOST).into()),
            address => Sharer(address),
        }
    }

    /// The same of an address as [`super::Source::peer`] writes it; all that are none count as one
    /// source.
    pub fn of_peer(peer: &str) -> Sharer {
        Sharer::of(peer.parse().unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)))
    }
}

impl fmt::Display for Sharer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V6(network) => write!(f, "{network}/64"),
            address => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_source_and_an_ipv4_address_is_one_however_it_is_written() {
        let of = Sharer::of_peer;
        assert_eq!(
            of("2001:db8:1:2::1"),
            of("2001:db8:1:2:ffff:ffff:ffff:ffff")
        );
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.168.1.7"), of("192.168.1.7"));
        assert_ne!(of("192.168.1.7"), of("192.168.1.8"));
        assert_ne!(of("::ffff:192.168.1.7"), of("::ffff:192.168.1.8"));
        assert_eq!(
            [of("2001:db8::1").to_string(), of("10.0.0.1").to_string()],
            ["2001:db8::/64", "10.0.0.1"]
        );
    }
}
