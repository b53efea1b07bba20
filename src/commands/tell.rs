//! What a running gateway is told: that its settings have changed, that the cause of a refusal is gone.

pub mod reload;
pub mod resume;
