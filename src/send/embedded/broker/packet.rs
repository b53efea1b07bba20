//! MQTT packets, 3.1.1 and 5: what comes in, what goes out, and a publication as it is held between the two.

pub(super) mod incoming;
pub(super) mod outgoing;
pub(super) mod publication;

#[cfg(test)]
mod tests;
