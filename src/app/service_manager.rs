//! What the service manager does for us (systemd's `Type=notify` with `FileDescriptorStoreMax=1`; sd_notify(3), sd_listen_fds(3)).
//!
//! It hears when boxes are answered, and it holds their port while no process of ours does: boxes that connect during a restart
//! wait in the kernel instead of being refused. Whoever started us without one loses nothing but that, and a manager that cannot
//! be told is no reason to refuse boxes.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use listenfd::ListenFd;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketType, sendmsg_addr, socket,
};

use crate::ingest::Listener;

pub fn ready() {
    tell("READY=1", &[]);
}

/// The boxes' port: the one that the manager held, if it is for `address`; else a new one, for it to hold from now on.
pub fn listener(address: SocketAddr) -> io::Result<Listener> {
    let mut held = ListenFd::from_env();
    let held: Vec<TcpListener> = (0..held.len()).filter_map(|number| held.take_tcp_listener(number).ok()?).collect();
    if !held.is_empty() {
        let ours = held.into_iter().find(|listener| listener.local_addr().is_ok_and(|bound| bound == address));
        if let Some(listener) = ours {
            tracing::info!("the service manager held the boxes' port: whoever connected meanwhile is answered now");
            return Listener::from_std(listener);
        }
        tell("FDSTOREREMOVE=1\nFDNAME=ingest", &[]);
    }
    let listener = Listener::bind(address)?;
    tell("FDSTORE=1\nFDNAME=ingest", &[listener.as_fd()]);
    Ok(listener)
}

fn tell(what: &str, descriptors: &[BorrowedFd]) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let told = || {
        let address = match name.as_bytes() {
            [b'@', rest @ ..] => SocketAddrUnix::new_abstract_name(rest)?,
            path => SocketAddrUnix::new(path)?,
        };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let datagram = socket(AddressFamily::UNIX, SocketType::DGRAM, None)?;
        sendmsg_addr(datagram.as_fd(), &address, &[IoSlice::new(what.as_bytes())], &mut ancillary, SendFlags::NOSIGNAL)
    };
    if let Err(error) = told() {
        tracing::warn!("cannot tell the service manager {what:?}: {error}");
    }
}
