//! How much space the log may take on disk.

use boxbridge_config::OnFull;

#[derive(Clone, Copy, Debug)]
pub struct DiskLimits {
    /// Of all segments together.
    pub max_bytes: u64,
    /// Of one; a record that is larger gets a larger one.
    pub segment_bytes: u64,
    /// Stays free on the file system.
    pub reserve_bytes: u64,
    pub on_full: OnFull,
}
