//! The machine below a gateway, made small or bad: its memory, its disk, its file system.

pub mod cgroup;
pub mod faulty_disk;
pub mod volume;
