//! Tells the service manager that boxes are answered (systemd's `Type=notify`): one datagram to the socket that it names.
//!
//! Whoever started us without one waits for nothing, and a manager that cannot be told is no reason to refuse boxes.

use std::os::unix::net::UnixDatagram;

pub fn ready() {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let told = UnixDatagram::unbound().and_then(|datagram| datagram.send_to(b"READY=1", socket));
    if let Err(error) = told {
        tracing::warn!("cannot tell the service manager that boxes are answered: {error}");
    }
}
