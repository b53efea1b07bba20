//! Reason codes of MQTT 5 (2.4), and the words for them in our log.

pub const SUCCESS: u8 = 0;
pub const NO_SUBSCRIBERS: u8 = 0x10;
pub const NO_SUBSCRIPTION: u8 = 0x11;
/// From here on it is one.
pub const FAILURE: u8 = 0x80;
pub const MALFORMED: u8 = 0x81;
pub const PROTOCOL_ERROR: u8 = 0x82;
pub const VERSION_UNSUPPORTED: u8 = 0x84;
pub const CLIENT_ID_INVALID: u8 = 0x85;
pub const BAD_LOGIN: u8 = 0x86;
pub const NOT_AUTHORISED: u8 = 0x87;
pub const SHUTTING_DOWN: u8 = 0x8B;
pub const BAD_METHOD: u8 = 0x8C;
pub const SILENT: u8 = 0x8D;
pub const TAKEN_OVER: u8 = 0x8E;
pub const FILTER_INVALID: u8 = 0x8F;
pub const TOO_LARGE: u8 = 0x95;
pub const QUOTA: u8 = 0x97;
pub const NO_SHARED: u8 = 0x9E;

/// Why a client may not connect.
pub fn of_refusal(reason: u8) -> &'static str {
    match reason {
        VERSION_UNSUPPORTED => "it speaks neither MQTT 3.1.1 nor MQTT 5",
        CLIENT_ID_INVALID => "its client id is missing or too long",
        BAD_LOGIN => "its user name or password is wrong",
        NOT_AUTHORISED => "it has a last will",
        BAD_METHOD => "it wants an extended authentication",
        QUOTA => "all connections are taken, and its address has its share",
        _ => "its CONNECT is not understood",
    }
}

/// Why a connection is closed by us; `None` where that is no news.
pub fn of_closing(reason: u8) -> Option<&'static str> {
    match reason {
        SHUTTING_DOWN | TAKEN_OVER => None,
        NOT_AUTHORISED => Some("its user may not subscribe any more"),
        SILENT => Some("it was silent for longer than its keep alive"),
        TOO_LARGE => Some("it sent a packet that is too large"),
        QUOTA => Some("others need room, and it or its address holds most of it"),
        _ => Some("it sent a packet that is not understood"),
    }
}
