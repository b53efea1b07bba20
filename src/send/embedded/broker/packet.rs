//! MQTT packets, 3.1.1 and 5: as they come in, as they go out, and a publication as it is held between the two.

pub(super) mod connect;
pub(super) mod frame;
pub(super) mod publication;
pub(super) mod reason;
pub(super) mod reply;
pub(super) mod request;

#[cfg(test)]
mod tests;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V3,
    V5,
}

/// Who the other side is, and so which packets it may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Client,
    Gateway,
}
