//! How long ago the last bytes of a connection came (`TCP_INFO`, tcp(7)).
//!
//! What is read now may have lain in the kernel for long: while no process of ours held the port, while we were stopped, at the cap on
//! connections. An event is as old as its bytes, or a door would open for a match of minutes ago.

use std::mem::{MaybeUninit, size_of};
use std::os::fd::AsRawFd;
use std::time::Duration;

use tokio::net::TcpStream;

/// Since the last data segment came; zero where the kernel does not say. To the kernel's tick (up to 10 ms), and without the time that
/// the machine itself slept.
#[expect(unsafe_code, reason = "no crate in our tree reads TCP_INFO")]
pub fn age(stream: &TcpStream) -> Duration {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the descriptor is open for as long as `stream` is borrowed, and the kernel writes at most `length` bytes.
    let failed = unsafe {
        libc::getsockopt(stream.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, info.as_mut_ptr().cast(), &raw mut length)
    };
    if failed != 0 {
        return Duration::ZERO;
    }
    // SAFETY: integers alone, all of them set: to zero above, where the kernel is older than a field.
    let info = unsafe { info.assume_init() };
    Duration::from_millis(info.tcpi_last_data_recv.into())
}
