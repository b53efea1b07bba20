//! No two listeners have one port.

use std::net::{IpAddr, SocketAddr};

use crate::reader::Reader;

/// `listeners` are all ports that this process opens, by the settings that name them.
pub(super) fn check(listeners: &[(&'static str, SocketAddr)], read: &mut Reader) {
    for (before, (key, address)) in listeners.iter().enumerate() {
        let others = listeners.iter().take(before);
        for (other, taken) in others.filter(|(_, taken)| overlap(*taken, *address)) {
            let problem = format!(
                "{key} ({address}) and {other} ({taken}) are one port: only one can have it"
            );
            read.joint(&[*key, *other], problem);
        }
    }
}

/// Whether the kernel gives only one of them away. Port 0 is any that is free; `[::]` takes IPv4 as well.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let takes =
        |every: IpAddr, ip: IpAddr| every.is_unspecified() && (every.is_ipv6() || ip.is_ipv4());
    let (one_ip, other_ip) = (one.ip().to_canonical(), other.ip().to_canonical());
    let is_same = one_ip == other_ip || takes(one_ip, other_ip) || takes(other_ip, one_ip);
    one.port() != 0 && one.port() == other.port() && is_same
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_port_is_one_port_however_its_addresses_are_written() {
        for (one, other, expected) in [
            ("127.0.0.1:9528", "127.0.0.1:9528", true),
            ("0.0.0.0:9528", "127.0.0.1:9528", true),
            ("127.0.0.1:9528", "[::]:9528", true),
            ("0.0.0.0:9528", "[::]:9528", true),
            ("[::ffff:127.0.0.1]:9528", "127.0.0.1:9528", true),
            ("0.0.0.0:9528", "[::1]:9528", false),
            ("127.0.0.1:9528", "10.0.0.1:9528", false),
            ("0.0.0.0:9528", "0.0.0.0:9529", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
        ] {
            let (one, other) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(overlap(one, other), expected, "{one} {other}");
            assert_eq!(overlap(other, one), expected, "{other} {one}");
        }
    }
}
