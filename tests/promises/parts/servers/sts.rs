//! A token service as AWS has it, over TLS: for the right token it lends the keys of the tests' S3 server.
//!
//! The real one is Amazon's. What it lends is over within a minute, so that a client asks again.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use boxbridge_config::ListenerTls;
use boxbridge_connect::tls::{Encryption, server_tls};
use boxbridge_event::Timestamp;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::s3::{KEY_ID, SECRET};
use crate::parts::certificates::Certificates;

pub const ROLE: &str = "arn:aws:iam::123456789012:role/gateway";

#[derive(Clone)]
pub struct Sts {
    address: SocketAddr,
    trusts: Arc<Mutex<String>>,
}

impl Sts {
    /// Ends with the runtime of the test.
    pub async fn start(certificates: &Certificates, token: &str) -> Sts {
        let (cert_file, key_file) = certificates.server();
        let shown = ListenerTls {
            cert_file,
            key_file,
            client_ca_file: None,
            expires: Timestamp::now(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sts = Sts {
            address: listener.local_addr().unwrap(),
            trusts: Arc::new(Mutex::new(token.to_owned())),
        };

        let router = Router::new().fallback(assume).with_state(sts.clone());
        let encryption = Encryption::default();
        encryption.replace(Some(server_tls(&shown).unwrap()));
        let acceptor = TlsAcceptor::from(encryption.now().unwrap());
        let encrypted = Encrypted { listener, acceptor };
        tokio::spawn(async move { axum::serve(encrypted, router).await });
        sts
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Another token from now on, and no longer the one before.
    pub fn trust(&self, token: &str) {
        *self.trusts.lock() = token.to_owned();
    }
}

async fn assume(
    State(sts): State<Sts>,
    Query(asked): Query<HashMap<String, String>>,
) -> (StatusCode, String) {
    let is_trusted = asked.get("WebIdentityToken") == Some(&*sts.trusts.lock());
    if !is_trusted || asked.get("RoleArn").map(String::as_str) != Some(ROLE) {
        let error = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code><Message>not one of ours</Message></Error></ErrorResponse>";
        return (StatusCode::BAD_REQUEST, error.to_owned());
    }

    let until = Timestamp::now().plus(Duration::from_secs(60));
    // The server knows its keys without a session.
    let lent = format!(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
         <SessionToken></SessionToken><SecretAccessKey>{SECRET}</SecretAccessKey><AccessKeyId>{KEY_ID}</AccessKeyId>\
         <Expiration>{until}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    );
    (StatusCode::OK, lent)
}

struct Encrypted {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Encrypted {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            if let Ok((stream, address)) = self.listener.accept().await
                && let Ok(stream) = self.acceptor.accept(stream).await
            {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
