//! Who we are to brokers that want to see a token.
//!
//! Promises: that none is lent is known before a broker is asked. Deliberately the gateway's own way to have one (`connect`): both reach the
//! same brokers.

use std::error::Error;
use std::sync::Arc;

use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::consumer::ConsumerContext;

use boxbridge_config as config;
use boxbridge_connect::token::Tokens;

#[derive(Default)]
pub struct Member {
    /// `None` where we show something else.
    tokens: Option<Arc<Tokens>>,
}

impl Member {
    pub async fn of(kafka: &config::Kafka) -> Result<Member, String> {
        let tokens = Tokens::of(kafka).map(Arc::new);
        if let Some(tokens) = tokens.clone() {
            let shown = tokio::task::spawn_blocking(move || tokens.show()).await;
            shown.map_err(|error| error.to_string())??;
        }
        Ok(Member { tokens })
    }
}

impl ConsumerContext for Member {}

impl ClientContext for Member {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let tokens = self.tokens.as_ref();
        let shown = tokens.ok_or("nobody lends one")?.show()?;
        Ok(OAuthToken {
            token: shown.token.expose().to_owned(),
            principal_name: shown.name,
            lifetime_ms: shown.ends_ms,
        })
    }
}
