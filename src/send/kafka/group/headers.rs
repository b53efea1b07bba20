//! The headers of a record that was read, whatever bytes they are.
//!
//! Promises: no header of anybody makes it panic; what is not text is left out, and so is what comes behind [`LOOKED_AT`]. Deliberately not
//! rdkafka's own look: that panics at a name that is not UTF-8, and the record would end every consumer that reads it, again and again.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use rdkafka::bindings::{rd_kafka_header_get_all, rd_kafka_message_headers};
use rdkafka::message::BorrowedMessage;
use rdkafka::types::{RDKafkaHeaders, RDKafkaRespErr};

use crate::send::kafka::record::attribute_name;

/// Our own records have some fifteen; a mirror may have put its own before them.
const LOOKED_AT: usize = 1_000;

/// Those that are attributes, in their order.
pub(super) fn attributes<'m>(message: &'m BorrowedMessage<'_>) -> Vec<(&'m str, &'m str)> {
    let Some(headers) = headers(message) else {
        return Vec::new();
    };
    (0..LOOKED_AT)
        .map_while(|place| header(headers, place))
        .filter_map(|(name, value)| {
            let name = std::str::from_utf8(name).ok()?;
            let value = std::str::from_utf8(value).ok()?;
            Some((attribute_name(name)?, value))
        })
        .collect()
}

/// `None` where there are none.
#[expect(
    unsafe_code,
    reason = "rdkafka hands out no headers without looking into them"
)]
fn headers(message: &BorrowedMessage<'_>) -> Option<*const RDKafkaHeaders> {
    let mut headers = ptr::null_mut();
    // SAFETY: the message is borrowed, and librdkafka keeps what it reads out of it for as long as the message.
    let error = unsafe { rd_kafka_message_headers(message.ptr(), &raw mut headers) };
    let is_there = error == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && !headers.is_null();
    is_there.then_some(headers.cast_const())
}

/// Name and value of one; `None` behind the last. One without a value has an empty one.
#[expect(
    unsafe_code,
    reason = "rdkafka's look panics at a name that is not UTF-8"
)]
fn header<'m>(headers: *const RDKafkaHeaders, place: usize) -> Option<(&'m [u8], &'m [u8])> {
    let (mut name, mut value, mut length) = (ptr::null::<c_char>(), ptr::null::<c_void>(), 0);
    // SAFETY: `headers` are those of a message that the caller borrows for `'m`.
    let error = unsafe {
        rd_kafka_header_get_all(
            headers,
            place,
            &raw mut name,
            &raw mut value,
            &raw mut length,
        )
    };
    if error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR || name.is_null() {
        return None;
    }

    // SAFETY: librdkafka ends every name with a NUL, and a value has as many bytes as it says.
    unsafe {
        let value = match value.is_null() {
            true => &[],
            false => std::slice::from_raw_parts(value.cast::<u8>(), length),
        };
        Some((CStr::from_ptr(name).to_bytes(), value))
    }
}
