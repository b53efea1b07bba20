//! Talks to the service manager (systemd's `Type=notify` with `FileDescriptorStoreMax=2`; sd_notify(3), sd_listen_fds(3)).
//!
//! It hears when boxes are answered, and it holds their ports while no process of ours does. Promises: boxes that connect during a restart
//! wait in the kernel instead of being refused. Without a service manager only that is lost, and one that cannot be told is no reason to
//! refuse boxes.

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

/// How long the manager may take to give up a port that it holds: it reads our messages when it comes to them.
const GIVING_UP: Duration = Duration::from_secs(1);
/// While no start succeeds boxes are lost anyway, and others need the log and the processor, too.
const FAILED_START: Duration = Duration::from_secs(1);

pub fn ready() {
    tell("READY=1", &[]);
}

/// Settings are read again; [`ready`] says when that is over.
pub fn reloading() {
    let uptime = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let microseconds = uptime.tv_sec * 1_000_000 + uptime.tv_nsec / 1_000;
    tell(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"), &[]);
}

/// What the manager held while no process of ours was there.
#[derive(Default)]
pub struct Held {
    sockets: Vec<TcpListener>,
    /// Some may have been taken since.
    had_any: bool,
}

impl Held {
    /// To be asked before there are threads: it reads and changes the environment.
    pub fn take() -> Held {
        if std::env::var_os("LISTEN_PID").is_none() {
            return Held::default();
        }
        let mut given = ListenFd::from_env();
        let sockets: Vec<_> = (0..given.len())
            .filter_map(|number| given.take_tcp_listener(number).ok()?)
            .collect();
        Held {
            had_any: !sockets.is_empty(),
            sockets,
        }
    }

    /// Lets go of what was held for other addresses than these: a socket that is left open would keep their ports taken.
    pub fn keep(&mut self, addresses: &[SocketAddr]) {
        let is_wanted = |held: &TcpListener| addresses.iter().any(|it| listens_on(held, *it));
        self.sockets.retain(is_wanted);
    }

    /// A port of the boxes: the one that was held, if it is for `address`; else a new one. The manager holds it as `name` from now on.
    pub async fn listener(&mut self, name: &str, address: SocketAddr) -> io::Result<Listener> {
        let mut sockets = self.sockets.iter();
        let held = sockets.position(|held| listens_on(held, address));
        let listener = match held.map(|held| self.sockets.swap_remove(held)) {
            Some(held) => {
                tracing::info!(
                    "the service manager held the boxes' port: boxes that connected meanwhile are answered now"
                );
                Listener::from_std(held)?
            }
            None if self.had_any => {
                self.give_up(name);
                bound_once_given_up(address).await?
            }
            None => Listener::bind(address)?,
        };

        // What it holds already it does not hold twice.
        tell(&format!("FDSTORE=1\nFDNAME={name}"), &[listener.as_fd()]);
        Ok(listener)
    }

    /// The manager holds nothing of this name any more.
    pub fn give_up(&self, name: &str) {
        if self.had_any {
            tell(&format!("FDSTOREREMOVE=1\nFDNAME={name}"), &[]);
        }
    }
}

fn listens_on(held: &TcpListener, address: SocketAddr) -> bool {
    held.local_addr().is_ok_and(|bound| bound == address)
        && socket_acceptconn(held).is_ok_and(|listens| listens)
}

/// Another address that was held may be in the way until the manager has read that it is to give it up.
async fn bound_once_given_up(address: SocketAddr) -> io::Result<Listener> {
    let deadline = Instant::now() + GIVING_UP;
    loop {
        match Listener::bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                tokio::time::sleep(GIVING_UP / 20).await;
            }
            bound => return bound,
        }
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
    if let Err(error) = send(name.as_bytes(), what, descriptors) {
        tracing::warn!("cannot tell the service manager {what:?}: {error}");
    }
}

fn send(socket_name: &[u8], what: &str, descriptors: &[BorrowedFd]) -> rustix::io::Result<()> {
    let address = match socket_name {
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
    )?;
    Ok(())
}
