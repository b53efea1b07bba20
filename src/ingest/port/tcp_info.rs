//! Asks the kernel how long ago the last bytes of a connection came (`TCP_INFO`, tcp(7)).
//!
//! Bytes that are read now may have waited in the kernel for long: while no process held the port, while ours was frozen, or while all
//! places were taken. An event is as old as its bytes; otherwise a door would open for a match of minutes ago.

use std::mem::{MaybeUninit, size_of};
use std::os::fd::AsRawFd;
use std::time::Duration;

use tokio::net::TcpStream;

/// The time since the last data segment came; zero where the kernel does not say. Exact to the kernel's tick (up to 10 ms); time in
/// which the machine slept does not count.
#[expect(unsafe_code, reason = "no crate in our tree reads TCP_INFO")]
pub fn age(stream: &TcpStream) -> Duration {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;

    // SAFETY: the descriptor is open for as long as `stream` is borrowed, and the kernel writes at most `length` bytes.
    let failed = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };

    if failed != 0 {
        return Duration::ZERO;
    }

    // SAFETY: all fields are integers, and all are set: a kernel older than a field leaves the zero from above.
    let info = unsafe { info.assume_init() };
    Duration::from_millis(info.tcpi_last_data_recv.into())
}
