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
use std::time::{Duration, Instant};

use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketType, sendmsg_addr, socket,
};

use crate::ingest::Listener;

/// For the manager to give up a port that it was told to: it reads what it is told when it comes to it.
const GIVING_UP: Duration = Duration::from_secs(1);
/// Boxes are lost anyway while no start succeeds, and the log and the processor are others' too.
const FAILED_START: Duration = Duration::from_secs(1);

pub fn ready() {
    tell("READY=1", &[]);
}

/// What the manager held while no process of ours was there.
#[derive(Default)]
pub struct Held(Vec<TcpListener>);

impl Held {
    /// To be asked before there are threads: it reads and changes the environment.
    pub fn take() -> Held {
        if std::env::var_os("LISTEN_PID").is_none() {
            return Held::default();
        }
        let mut given = ListenFd::from_env();
        Held(
            (0..given.len())
                .filter_map(|number| given.take_tcp_listener(number).ok()?)
                .collect(),
        )
    }

    /// The boxes' port: the one that was held, if it is for `address`; else a new one, for the manager to hold from now on.
    pub async fn listener(self, address: SocketAddr) -> io::Result<Listener> {
        let was_held = !self.0.is_empty();
        let is_ours = |held: &TcpListener| {
            held.local_addr().is_ok_and(|bound| bound == address)
                && socket_acceptconn(held).is_ok_and(|listens| listens)
        };
        if let Some(held) = self.0.into_iter().find(is_ours) {
            tracing::info!(
                "the service manager held the boxes' port: whoever connected meanwhile is answered now"
            );
            return Listener::from_std(held);
        }
        if was_held {
            tell("FDSTOREREMOVE=1\nFDNAME=ingest", &[]);
        }
        let deadline = Instant::now() + GIVING_UP;
        let listener = loop {
            match Listener::bind(address) {
                // The old address may be in the way until the manager has read the line above.
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse
                        && was_held
                        && Instant::now() < deadline =>
                {
                    tokio::time::sleep(GIVING_UP / 20).await;
                }
                bound => break bound?,
            }
        };
        tell("FDSTORE=1\nFDNAME=ingest", &[listener.as_fd()]);
        Ok(listener)
    }
}

/// A start that failed is repeated at once, for the boxes' sake: one that fails again and again shall not fill the log.
pub fn pause_before_next_start() {
    if std::env::var_os("NOTIFY_SOCKET").is_some() {
        std::thread::sleep(FAILED_START);
    }
}

fn tell(what: &str, descriptors: &[BorrowedFd]) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
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
        sendmsg_addr(
            datagram.as_fd(),
            &address,
            &[IoSlice::new(what.as_bytes())],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )
    };
    if let Err(error) = told() {
        tracing::warn!("cannot tell the service manager {what:?}: {error}");
    }
}
