//! The name of this machine.

/// As the kernel has it.
pub(crate) fn host_name() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    if name.is_empty() {
        "gateway".to_owned()
    } else {
        name
    }
}
