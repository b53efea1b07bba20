//! The memory that a repair takes beyond the cost of the body. It is asked for before it is used, and bounded.

use std::fmt;

use boxbridge_event::{Code, Refusal};

/// Asks the body's budget whether this many bytes in all may be used beyond the cost of the body.
#[derive(Clone, Copy)]
pub struct RepairBudget<'a>(pub &'a (dyn Fn(usize) -> bool + Sync));

impl fmt::Debug for RepairBudget<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RepairBudget")
    }
}

/// The memory that one repair holds.
#[derive(Debug)]
pub(in crate::normalize) struct RepairMemory<'a> {
    budget: RepairBudget<'a>,
    bytes: usize,
    bytes_max: usize,
}

impl<'a> RepairMemory<'a> {
    pub fn new(budget: RepairBudget<'a>, bytes_max: usize) -> RepairMemory<'a> {
        RepairMemory {
            budget,
            bytes: 0,
            bytes_max,
        }
    }

    pub fn take(&mut self, bytes: usize) -> Result<(), Refusal> {
        let bytes = self.bytes.saturating_add(bytes);
        if bytes > self.bytes_max {
            return Err(Refusal::new(
                Code::BodyTooLarge,
                format!("a repair would take more than {} bytes", self.bytes_max),
            ));
        }

        if !(self.budget.0)(bytes) {
            return Err(Refusal::new(
                Code::OverBudget,
                "the memory that a repair of this body takes is in use",
            ));
        }

        self.bytes = bytes;
        Ok(())
    }

    /// Gives some of it back.
    pub fn free(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Asks for memory to read the repaired text; that reading has limits of its own.
    pub fn read(&self, bytes: usize) -> Result<(), Refusal> {
        match (self.budget.0)(self.bytes.saturating_add(bytes)) {
            true => Ok(()),
            false => Err(Refusal::new(
                Code::OverBudget,
                "the memory that this body takes once it is repaired is in use",
            )),
        }
    }
}
