//! A run of this program under valgrind's callgrind, and how many instructions it took.

use std::process::Command;

/// Of a whole run with these arguments.
pub fn instructions(arguments: &[&str]) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(arguments)
        .output()
        .expect("valgrind is installed (Debian's package valgrind)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");

    let line = said
        .lines()
        .find_map(|line| line.split("Collected :").nth(1));
    line.and_then(|count| count.trim().parse().ok())
        .unwrap_or_else(|| panic!("callgrind does not say what it counted: {said}"))
}

/// From now on this process and its children are told `EINVAL` when they ask the kernel by `prctl` for their auxiliary vector.
///
/// It names a page for the clock that valgrind takes away, and rustix would read there (bytecodealliance/rustix#1559). Without it, rustix
/// reads `/proc/self/auxv`, which valgrind writes itself.
#[allow(unsafe_code, reason = "no library of ours sets such a filter")]
pub fn hide_auxiliary_vector() {
    use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_JUMP, BPF_K, BPF_LD, BPF_RET, BPF_STMT, BPF_W};

    // Of `seccomp_data`: the call's number, and the lower half of its first argument.
    const NUMBER: u32 = 0;
    const FIRST_ARGUMENT: u32 = 16;
    const PR_GET_AUXV: u32 = 0x4155_5856;
    let load = (BPF_LD | BPF_W | BPF_ABS) as u16;
    let is_equal = (BPF_JMP | BPF_JEQ | BPF_K) as u16;
    let answer = (BPF_RET | BPF_K) as u16;
    // SAFETY: these two only put numbers into a struct.
    let mut filter = unsafe {
        [
            BPF_STMT(load, NUMBER),
            BPF_JUMP(is_equal, libc::SYS_prctl as u32, 0, 3),
            BPF_STMT(load, FIRST_ARGUMENT),
            BPF_JUMP(is_equal, PR_GET_AUXV, 0, 1),
            BPF_STMT(answer, libc::SECCOMP_RET_ERRNO | libc::EINVAL as u32),
            BPF_STMT(answer, libc::SECCOMP_RET_ALLOW),
        ]
    };
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };

    // SAFETY: the kernel copies the program, which lives until then.
    let set = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) == 0
    };
    assert!(set, "no filter: {}", std::io::Error::last_os_error());
}
