//! What a box's certificate lets it in with. TLS has verified it by then.
//!
//! Promises: a subject that names nothing of ours binds nothing: its owner is let in all the same.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use boxbridge_config::{Certificate, is_site};
use boxbridge_event::{Authenticated, BoxPass};

/// Its unit is the site of the box. Its name is a device if it is an address, as devices have; else it is a name for people.
pub fn pass(certificate: &[u8]) -> BoxPass {
    let subject = Certificate::of(certificate);
    let (name, unit) = subject.map_or((None, None), |it| (it.name, it.unit));
    let number = Sha256::digest(certificate).first_chunk().copied();

    BoxPass {
        authenticated: Authenticated::Certificate,
        site: unit.filter(|unit| is_site(unit)),
        device: name.filter(|name| name.parse::<IpAddr>().is_ok()),
        number: number.map(u64::from_be_bytes),
    }
}
