//! A client is shown its token before it asks for one.
//!
//! Promises: with it, a client that nobody polls gets through a login by OAUTHBEARER. Deliberately for clients of a moment: one that lives longer
//! asks for its next token itself, when it is polled.

use std::ffi::{CString, c_char};
use std::ptr;

use rdkafka::bindings::rd_kafka_oauthbearer_set_token;
use rdkafka::client::{Client, ClientContext, OAuthToken};
use rdkafka::types::RDKafkaRespErr;

use crate::send::kafka::Shared;
use boxbridge_connect::token::Shown;

/// librdkafka's words for what it does not take.
const WORDS_BYTES: usize = 256;

impl Shared {
    /// Blocks, where a token is asked for. Does nothing where we show something else.
    pub fn show_token<C: ClientContext>(&self, client: &Client<C>) -> Result<(), String> {
        let shown = self.tokens.as_ref().map(|tokens| tokens.show());
        match shown.transpose()? {
            Some(shown) => set(client, &shown),
            None => Ok(()),
        }
    }
}

/// As rdkafka hands it on where it is asked.
pub fn as_asked(shown: &Shown) -> OAuthToken {
    OAuthToken {
        token: shown.token.expose().to_owned(),
        principal_name: shown.name.clone(),
        lifetime_ms: shown.ends_ms,
    }
}

#[expect(
    unsafe_code,
    reason = "rdkafka's admin client polls no queue by which it would be asked for a token"
)]
fn set<C: ClientContext>(client: &Client<C>, shown: &Shown) -> Result<(), String> {
    let text = |text: &str| CString::new(text).map_err(|_| "the token holds a NUL".to_owned());
    let (token, name) = (text(shown.token.expose())?, text(&shown.name)?);
    let mut words = [0_u8; WORDS_BYTES];

    // SAFETY: the client is borrowed, both texts end with a NUL and are copied, there are no extensions, and at most as many bytes are written
    // as there are.
    let error = unsafe {
        rd_kafka_oauthbearer_set_token(
            client.native_ptr(),
            token.as_ptr(),
            shown.ends_ms,
            name.as_ptr(),
            ptr::null_mut(),
            0,
            words.as_mut_ptr().cast::<c_char>(),
            words.len(),
        )
    };
    match error {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        _ => Err(said(&words)),
    }
}

fn said(words: &[u8]) -> String {
    let words = words.split(|byte| *byte == 0).next();
    String::from_utf8_lossy(words.unwrap_or_default()).into_owned()
}
