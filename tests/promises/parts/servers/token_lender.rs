//! Lends OAuth tokens to one client, such as Kafka takes that looks into them and verifies no signature.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
use boxbridge_event::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const LIFE: Duration = Duration::from_secs(600);

#[derive(Clone)]
struct Client {
    authorization: String,
    name: String,
}

/// The URL at which this client gets its tokens. It ends with the runtime of the test.
pub async fn start(name: &str, secret: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let encoded = STANDARD.encode_to_string(format!("{name}:{secret}"));
    let client = Client {
        authorization: format!("Basic {encoded}"),
        name: name.to_owned(),
    };

    let router = Router::new().fallback(lend).with_state(client);
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/token")
}

async fn lend(
    State(client): State<Client>,
    headers: HeaderMap,
    form: String,
) -> (StatusCode, String) {
    let shown = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
    if shown != Some(client.authorization.as_bytes()) {
        let refused = json!({"error": "invalid_client"});
        return (StatusCode::UNAUTHORIZED, refused.to_string());
    }
    if form != "grant_type=client_credentials&scope=all%20topics" {
        let refused = json!({"error": "invalid_request", "error_description": form});
        return (StatusCode::BAD_REQUEST, refused.to_string());
    }

    let part = |value: Value| URL_SAFE_NO_PAD.encode_to_string(value.to_string());
    let now = Timestamp::now().0 / 1_000;
    let until = now + i64::try_from(LIFE.as_secs()).unwrap();
    let claims = json!({"sub": client.name, "iat": now, "exp": until, "scope": "all topics"});
    let token = format!("{}.{}.", part(json!({"alg": "none"})), part(claims));
    let lent = json!({"access_token": token, "token_type": "Bearer", "expires_in": LIFE.as_secs()});
    (StatusCode::OK, lent.to_string())
}
