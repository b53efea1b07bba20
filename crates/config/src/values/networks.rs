//! Lists of networks: `10.0.0.0/8`, `2001:db8::/32`, or one address.
//!
//! Addresses are compared in their own family: an IPv4 address written as IPv6 (`::ffff:10.0.0.1`) is the IPv4 address, here and wherever
//! a peer's address comes from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// The first bits of every IPv4 address that is written as IPv6.
const MAPPED_BITS: u8 = 96;

impl Networks {
    /// Whether `address`, in its canonical form, is in one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them is all of IPv4 or of IPv6.
    pub fn has_everyone(&self) -> bool {
        self.0.iter().any(|network| network.prefix_len() == 0)
    }

    /// As they are written.
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(IpNet::to_string).collect()
    }

    pub(crate) fn push(&mut self, network: IpNet) {
        self.0.push(network);
    }

    /// One network or address; an error says what is allowed.
    pub(crate) fn parse(text: &str) -> Result<IpNet, String> {
        let network = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address.to_canonical()),
            Err(_) => text.parse().map_err(|_| {
                format!("{text:?} is no network: an address or a network such as 192.168.1.5, 10.0.0.0/8 or 2001:db8::/32")
            })?,
        };

        if network != network.trunc() {
            return Err(format!(
                "{text:?} has bits beyond its prefix, did you mean \"{}\"",
                network.trunc()
            ));
        }
        Ok(unmapped(network))
    }
}

/// How an address to listen on is reached from the same machine: for "every address" (`0.0.0.0`, `[::]`) that is IPv4's loopback.
pub fn reached(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn unmapped(network: IpNet) -> IpNet {
    let v4 = match network {
        IpNet::V4(_) => None,
        IpNet::V6(v6) => v6
            .network()
            .to_ipv4_mapped()
            .zip(v6.prefix_len().checked_sub(MAPPED_BITS)),
    };
    v4.and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok())
        .map_or(network, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Networks {
        Networks(
            texts
                .iter()
                .map(|text| Networks::parse(text).unwrap())
                .collect(),
        )
    }

    #[test]
    fn an_address_is_in_its_network_however_either_is_written() {
        let networks = networks(&[
            "10.0.0.0/8",
            "192.168.1.5",
            "2001:db8::/32",
            "::ffff:172.16.0.0/108",
            "::ffff:127.0.0.9",
        ]);

        for inside in [
            "10.255.0.1",
            "192.168.1.5",
            "2001:db8::1",
            "172.16.0.1",
            "172.31.255.255",
            "127.0.0.9",
        ] {
            assert!(networks.contains(inside.parse().unwrap()), "{inside}");
        }

        for outside in [
            "11.0.0.1",
            "192.168.1.6",
            "2001:db9::1",
            "172.32.0.1",
            "127.0.0.8",
            "::1",
        ] {
            assert!(!networks.contains(outside.parse().unwrap()), "{outside}");
        }
        assert!(!Networks::default().contains("127.0.0.1".parse().unwrap()));
    }
}
