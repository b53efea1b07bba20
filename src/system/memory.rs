//! Freed memory goes back to the system, so that the budgets of the process hold for what it occupies.
//!
//! glibc maps a large block alone, and returns it when it is freed; but each such block raises the size from which that happens, up to
//! 32 MiB, and each thread keeps twice that size in a heap of its own. Freed bodies of 16 MB came to 300 MiB. Promises: a block of half
//! a mebibyte or more costs what was written to it, and nothing once it is freed; no heap keeps more than one at its end. There are as
//! many heaps as cores, instead of eight times as many: small blocks that were freed stay in theirs, and the ten heaps through which one
//! costly event passed kept 160 MiB of it. Deliberately leaves smaller blocks alone: a usual body is taken from memory that is there.
//! Other C libraries do without.

/// Above a usual body, which would cost a system call and its page faults; well below the bodies that add up.
#[cfg(target_env = "gnu")]
const MAPPED_FROM: libc::c_int = 512 << 10;
/// What a heap may keep free at its end.
#[cfg(target_env = "gnu")]
const KEPT_MAX: libc::c_int = 1 << 20;

/// For the whole process; before it has threads.
#[cfg(target_env = "gnu")]
#[expect(
    unsafe_code,
    reason = "no crate in our tree speaks to glibc's allocator"
)]
pub fn return_what_is_freed() {
    let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
    for (parameter, value) in [
        (
            libc::M_ARENA_MAX,
            libc::c_int::try_from(cores).unwrap_or(libc::c_int::MAX),
        ),
        (libc::M_MMAP_THRESHOLD, MAPPED_FROM),
        (libc::M_TRIM_THRESHOLD, KEPT_MAX),
    ] {
        // SAFETY: takes two numbers, and changes settings that the allocator reads under its own lock.
        unsafe { libc::mallopt(parameter, value) };
    }
}

/// All free blocks, the small ones too. Some milliseconds: for work that takes much memory, before it begins.
#[cfg(target_env = "gnu")]
#[expect(
    unsafe_code,
    reason = "no crate in our tree speaks to glibc's allocator"
)]
pub fn return_free_blocks() {
    // SAFETY: takes a number, and looks at the allocator's own heaps under their locks.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
pub fn return_what_is_freed() {}

#[cfg(not(target_env = "gnu"))]
pub fn return_free_blocks() {}
