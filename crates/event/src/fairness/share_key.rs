//! Whose share of a scarce thing a source takes.
//!
//! Promises: a host that can choose among addresses gains nothing by it: it has all addresses of its IPv6 /64, so the /64 counts as one.
//! An IPv4 address that is written as IPv6 counts as the IPv4 address: clients behind a translator (NAT64) stay as many as they are. Senders
//! that show different tokens are different sources, also at one address.
//! Deliberately does not say who may send: that goes by the whole address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The host's half of an IPv6 address.
const HOST: u128 = u64::MAX as u128;
/// The prefix of every translator, 64:ff9b::/96: the IPv4 address follows it (RFC 6052 section 2.1).
const TRANSLATED: u128 = 0x0064_ff9b << 96;
/// The prefixes that sites choose for translators of their own, 64:ff9b:1::/48. Where the IPv4 address stands depends on the site, but
/// nothing else differs between two addresses (RFC 8215).
const TRANSLATED_HERE: u128 = 0x0064_ff9b_0001 << 80;

/// An IPv4 address, or the /64 of an IPv6 one; of a site's own translator, the whole address. Beside it, what the sender was let in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareKey {
    network: IpAddr,
    /// [`crate::BoxPass::number`].
    pass: Option<u64>,
}

impl ShareKey {
    pub fn of(address: IpAddr) -> ShareKey {
        let network = match address.to_canonical() {
            IpAddr::V6(address) => of_ipv6(address.to_bits()),
            address => address,
        };
        ShareKey {
            network,
            pass: None,
        }
    }

    /// The same address, with this pass.
    pub fn with_pass(self, pass: Option<u64>) -> ShareKey {
        ShareKey { pass, ..self }
    }

    /// The same for an address as [`crate::Source::peer`] writes it. All texts that are no address count as one source.
    pub fn of_peer(peer: &str) -> ShareKey {
        ShareKey::of(peer.parse().unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)))
    }
}

fn of_ipv6(bits: u128) -> IpAddr {
    if bits >> 32 == TRANSLATED >> 32 {
        return Ipv4Addr::from_bits(bits as u32).into();
    }
    match is_translated_here(bits) {
        true => Ipv6Addr::from_bits(bits).into(),
        false => Ipv6Addr::from_bits(bits & !HOST).into(),
    }
}

fn is_translated_here(bits: u128) -> bool {
    bits >> 80 == TRANSLATED_HERE >> 80
}

impl fmt::Display for ShareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.network {
            IpAddr::V6(network) if !is_translated_here(network.to_bits()) => {
                write!(f, "{network}/64")
            }
            address => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_source_and_an_ipv4_address_is_one_however_it_is_written() {
        let of = ShareKey::of_peer;
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

    #[test]
    fn senders_with_different_passes_at_one_address_are_different_sources() {
        let address = ShareKey::of_peer("192.168.1.7");
        assert_eq!(address.with_pass(Some(1)), address.with_pass(Some(1)));
        assert_ne!(address.with_pass(Some(1)), address.with_pass(Some(2)));
        assert_ne!(address.with_pass(Some(1)), address);
    }

    #[test]
    fn clients_behind_a_translator_are_as_many_sources_as_there_are_ipv4_addresses() {
        let of = ShareKey::of_peer;
        assert_eq!(of("64:ff9b::192.168.1.7"), of("192.168.1.7"));
        assert_ne!(of("64:ff9b::192.168.1.7"), of("64:ff9b::192.168.1.8"));
        assert_eq!(of("64:ff9b::c0a8:107").to_string(), "192.168.1.7");

        // The whole prefix counts: one bit more, and it is a network like any other.
        assert_eq!(of("64:ff9b:0:0:1::1"), of("64:ff9b:0:0:1::2"));

        let here = ["64:ff9b:1::192.168.1.7", "64:ff9b:1:c0a8:1:700::"];
        for (address, other) in [
            (here[0], "64:ff9b:1::192.168.1.8"),
            (here[1], "64:ff9b:1:c0a8:1:800::"),
        ] {
            assert_ne!(of(address), of(other));
            assert!(!of(address).to_string().ends_with("/64"));
        }
        assert_eq!(of("64:ff9b:2::1"), of("64:ff9b:2::2"));
    }
}
