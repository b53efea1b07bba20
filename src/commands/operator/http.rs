//! One request over one connection, and its answer.
//!
//! Promises: an answer is read to its limit only.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use super::{AdminAddress, PATIENCE};
use boxbridge_config::Secret;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    #[error("its name has no address")]
    NoSuchHost,
    #[error("nobody listens there")]
    NobodyListens,
    #[error("no answer within {PATIENCE:?}")]
    Silent,
    #[error("what answers there is no admin listener of boxbridge")]
    Somebody,
    #[error("no TLS with what answers there: {0}")]
    NotTrusted(std::io::Error),
}

pub fn request(
    method: Method,
    path: &str,
    authority: &str,
    token: Option<&Secret>,
    body: Option<&Value>,
) -> Result<Request<Full<Bytes>>, NoAnswer> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, authority)
        .header(CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        let value = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
        let mut value = value.map_err(|_| NoAnswer::Somebody)?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }

    let body = body.map(Value::to_string).unwrap_or_default();
    request.body(body.into()).map_err(|_| NoAnswer::Somebody)
}

/// Connects and sends. A name such as localhost may have an address of either family, and the gateway may listen on only one.
pub async fn send(
    address: &AdminAddress,
    trusted: Option<&Arc<ClientConfig>>,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, NoAnswer> {
    let found = tokio::net::lookup_host(address.authority()).await;
    let addresses = found.map_err(|_| NoAnswer::NoSuchHost)?;

    let stream = connect(addresses).await?;
    let stream = match trusted {
        Some(trusted) => Either::Left(encrypted(stream, address.host(), trusted).await?),
        None => Either::Right(stream),
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|_| NoAnswer::Somebody)?;
    tokio::spawn(connection);
    sender
        .send_request(request)
        .await
        .map_err(|_| NoAnswer::Somebody)
}

async fn encrypted(
    stream: TcpStream,
    host: &str,
    trusted: &Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, NoAnswer> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| NoAnswer::NoSuchHost)?;
    let connector = TlsConnector::from(Arc::clone(trusted));
    let shaken = connector.connect(name, stream).await;
    shaken.map_err(NoAnswer::NotTrusted)
}

async fn connect(addresses: impl Iterator<Item = SocketAddr>) -> Result<TcpStream, NoAnswer> {
    let mut last = NoAnswer::NoSuchHost;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(_) => last = NoAnswer::NobodyListens,
        }
    }
    Err(last)
}

/// All of it: its status and its body.
pub async fn whole(
    answer: Response<Incoming>,
    limit: usize,
    deadline: Instant,
) -> Result<(u16, Vec<u8>), NoAnswer> {
    let status = answer.status().as_u16();
    let read = timeout_at(deadline, Limited::new(answer.into_body(), limit).collect());
    match read.await {
        Ok(Ok(body)) => Ok((status, body.to_bytes().into())),
        Ok(Err(_)) => Err(NoAnswer::Somebody),
        Err(_) => Err(NoAnswer::Silent),
    }
}

/// A value behind the `?` of an address, or a part of its path.
pub fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
