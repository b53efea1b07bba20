//! A token by which brokers know us: OAuth's client credentials (RFC 6749, section 4.4), lent by `oauth_url`.
//!
//! Promises: all clients of one destination show the same token, until half its life is over or the brokers refuse us. An answer is read to
//! 64 KiB, and is waited for four seconds. An error has the other side's words, and neither a secret nor a token. Deliberately blocks: librdkafka
//! asks on a thread that waits for it. Knows no client of Kafka.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use reqwest::{Client, Response};
use serde::Deserialize;
use tokio::runtime::Handle;

use super::tls;
use boxbridge_config::{Kafka, Sasl, Secret, Tls, TokenEndpoint};

/// Of the largest answer that is read: a token of some kilobytes has many groups in it.
const ANSWER_MAX: usize = 64 << 10;
/// For one token, connecting included. A look-up of topics has it twice.
const TIMEOUT: Duration = Duration::from_secs(4);
/// Where the answer does not say how long a token lives.
const LIFE: Duration = Duration::from_secs(300);
/// Nobody looks further ahead.
const LIFE_MAX: Duration = Duration::from_secs(365 * 24 * 3_600);
/// Of somebody else's words in a message.
const WORDS_MAX: usize = 200;

/// Those of one destination.
pub struct Tokens {
    endpoint: TokenEndpoint,
    name: String,
    secret: Secret,
    tls: Tls,
    lent: Mutex<Option<Lent>>,
    runtime: Handle,
}

/// What a broker is shown.
#[derive(Clone)]
pub struct Shown {
    pub token: Secret,
    pub name: String,
    /// Milliseconds since 1970.
    pub ends_ms: i64,
}

#[derive(Clone)]
struct Lent {
    token: Secret,
    /// Until then it is shown to brokers that we connect to.
    fresh_until: SystemTime,
    ends: SystemTime,
}

/// RFC 6749, sections 5.1 and 5.2.
#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    expires_in: Option<u64>,
    error: Option<String>,
    error_description: Option<String>,
}

impl Tokens {
    /// `None` where we show something else.
    pub fn of(config: &Kafka) -> Option<Tokens> {
        let Sasl {
            username,
            password,
            token,
            ..
        } = config.sasl.as_ref()?;
        Some(Tokens {
            endpoint: token.clone()?,
            name: username.clone(),
            secret: password.clone(),
            tls: config.tls.clone(),
            lent: Mutex::default(),
            runtime: Handle::try_current().ok()?,
        })
    }

    /// The next one is a new one: the brokers have refused us.
    pub fn forget(&self) {
        self.lent.lock().take();
    }

    /// On a thread that may block.
    pub fn show(&self) -> Result<Shown, String> {
        let mut lent = self.lent.lock();
        drop(lent.take_if(|it| SystemTime::now() >= it.fresh_until));
        let lent = match &*lent {
            Some(lent) => lent,
            None => lent.insert(self.runtime.block_on(self.ask())?),
        };

        let ends = lent.ends.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Shown {
            token: lent.token.clone(),
            name: self.name.clone(),
            ends_ms: i64::try_from(ends.as_millis()).unwrap_or(i64::MAX),
        })
    }

    async fn ask(&self) -> Result<Lent, String> {
        let url = &self.endpoint.url;
        let asked = tokio::time::timeout(TIMEOUT, self.exchange()).await;
        let answer = asked.unwrap_or_else(|_| Err(format!("no answer for {TIMEOUT:?}")));
        answer.map_err(|error| format!("{url}: {error}"))
    }

    async fn exchange(&self) -> Result<Lent, String> {
        let client = self.client()?;
        let mut form = "grant_type=client_credentials".to_owned();
        if let Some(scope) = &self.endpoint.scope {
            form += "&scope=";
            form.extend(scope.bytes().map(encoded));
        }

        let began = SystemTime::now();
        let asked = client
            .post(&self.endpoint.url)
            .basic_auth(&self.name, Some(self.secret.expose()))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await;
        let mut response = asked.map_err(|error| words(&error.without_url()))?;
        let body = read(&mut response).await?;
        lent(response.status().as_u16(), &body, began)
    }

    fn client(&self) -> Result<Client, String> {
        let config = tls::client_config(&self.tls).map_err(|error| error.to_string())?;
        let client = Client::builder().tls_backend_preconfigured((*config).clone());
        client.build().map_err(|error| words(&error))
    }
}

/// A byte of a form.
fn encoded(byte: u8) -> String {
    match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    }
}

async fn read(response: &mut Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| words(&error.without_url()))?
    {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_MAX {
            return Err(format!("its answer is longer than {ANSWER_MAX} bytes"));
        }
    }
    Ok(body)
}

fn lent(status: u16, body: &[u8], began: SystemTime) -> Result<Lent, String> {
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|_| format!("status {status}, and its answer holds no token"))?;
    let Some(token) = answer.access_token.filter(|_| status == 200) else {
        let said = [answer.error, answer.error_description];
        let said: Vec<_> = said.into_iter().flatten().collect();
        let said: String = said.join(": ").chars().take(WORDS_MAX).collect();
        return Err(format!("status {status} {said}"));
    };

    // A life without an end is as good as a long one.
    let life = answer.expires_in.map_or(LIFE, Duration::from_secs);
    let life = life.min(LIFE_MAX);
    Ok(Lent {
        token: Secret::new(token),
        fresh_until: began + life / 2,
        ends: began + life,
    })
}

/// The whole chain: the outermost error says only that something failed.
fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_a_token_is_said_in_its_own_words_and_never_shows_one() {
        let refused = |status, body: &str| lent(status, body.as_bytes(), UNIX_EPOCH).err();
        let body = r#"{"error":"invalid_client","error_description":"who?","access_token":"t"}"#;
        assert_eq!(
            refused(401, body).as_deref(),
            Some("status 401 invalid_client: who?")
        );
        assert_eq!(
            refused(502, "<html>").as_deref(),
            Some("status 502, and its answer holds no token")
        );
        assert_eq!(refused(200, "{}").as_deref(), Some("status 200 "));
    }

    #[test]
    fn a_token_is_shown_for_half_its_life() {
        let body = r#"{"access_token":"t","token_type":"Bearer","expires_in":100}"#;
        let lent = lent(200, body.as_bytes(), UNIX_EPOCH).unwrap_or_else(|it| panic!("{it}"));
        let after = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!((lent.fresh_until, lent.ends), (after(50), after(100)));

        let body = format!(r#"{{"access_token":"t","expires_in":{}}}"#, u64::MAX);
        assert!(super::lent(200, body.as_bytes(), UNIX_EPOCH).is_ok());
    }
}
