//! Memory that a repair takes beyond the body's own: asked for before it is used, given back with the repair.

use std::fmt;

use crate::event::{Code, Refusal};

/// Where memory is asked for: the budget that the body is on.
pub trait Room: Sync + fmt::Debug {
    /// Whether so many bytes more may be used now.
    fn take(&self, bytes: usize) -> bool;

    fn give_back(&self, bytes: usize);
}

#[derive(Debug)]
pub(super) struct Taken<'a> {
    room: &'a dyn Room,
    bytes: usize,
    bytes_max: usize,
}

impl<'a> Taken<'a> {
    pub fn new(room: &'a dyn Room, bytes_max: usize) -> Taken<'a> {
        Taken { room, bytes: 0, bytes_max }
    }

    pub fn take(&mut self, bytes: usize) -> Result<(), Refusal> {
        if self.bytes.saturating_add(bytes) > self.bytes_max {
            return Err(Refusal::new(Code::BodyTooLarge, format!("a repair would take more than {} bytes", self.bytes_max)));
        }
        if !self.room.take(bytes) {
            return Err(Refusal::new(Code::OverBudget, "the memory that a repair of this body takes is in use"));
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.room.give_back(self.bytes);
        }
    }
}
