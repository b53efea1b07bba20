//! A TLS client as a box is one: it trusts one authority, may show a certificate of its own, and speaks the versions that it is told to.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use serde_json::Value;

use crate::parts::gateway::{Answer, read_answer};
use crate::parts::{PATIENCE, contract};

pub type Stream = StreamOwned<ClientConnection, TcpStream>;

pub struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    pub fn trusting(authority: &Path) -> TlsClient {
        TlsClient::with(authority, None, rustls::ALL_VERSIONS)
    }

    /// The same, with a certificate and its key.
    pub fn showing(authority: &Path, identity: (PathBuf, PathBuf)) -> TlsClient {
        TlsClient::with(authority, Some(identity), rustls::ALL_VERSIONS)
    }

    pub fn with(
        authority: &Path,
        identity: Option<(PathBuf, PathBuf)>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> TlsClient {
        let certificates = |path: &Path| -> Vec<CertificateDer<'static>> {
            let found = CertificateDer::pem_file_iter(path).unwrap();
            found.map(Result::unwrap).collect()
        };
        let mut trusted = RootCertStore::empty();
        trusted.add_parsable_certificates(certificates(authority));

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider);
        let config = config.with_protocol_versions(versions).unwrap();
        let config = config.with_root_certificates(trusted);
        TlsClient(Arc::new(match identity {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = PrivateKeyDer::from_pem_file(key).unwrap();
                let shown = certificates(&certificate);
                config.with_client_auth_cert(shown, key).unwrap()
            }
        }))
    }

    /// A connection after its handshake.
    pub fn connect(&self, to: SocketAddr) -> io::Result<Stream> {
        self.over(TcpStream::connect_timeout(&to, PATIENCE)?)
    }

    pub fn over(&self, stream: TcpStream) -> io::Result<Stream> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connection = ClientConnection::new(Arc::clone(&self.0), name).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }

    /// Over a connection of its own.
    pub fn post(&self, to: SocketAddr, path: &str, body: &Value) -> io::Result<Answer> {
        post_on(&mut self.connect(to)?, path, body)
    }
}

/// Over a connection that stays.
pub fn post_on(stream: &mut Stream, path: &str, body: &Value) -> io::Result<Answer> {
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: box\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    stream.flush()?;

    let answer = read_answer(stream).ok_or(io::ErrorKind::UnexpectedEof)?;
    contract::check_answer(request.as_bytes(), answer.status, &answer.body);
    Ok(answer)
}

/// What is read until the other side closes.
pub fn rest(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    bytes
}
