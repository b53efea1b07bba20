//! A box's line to the receiver: TCP, or TLS over it.
//!
//! Promises: the receiver's certificate is verified. Deliberately shows none of its own.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use boxbridge_connect::tls;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::receiver::Scheme;
use super::{Error, Options};

/// Where a line leads, and how.
#[derive(Clone)]
pub struct Way {
    address: SocketAddr,
    /// `None`: in the clear.
    encryption: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

pub enum Line {
    Clear(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

impl Way {
    /// In the clear.
    pub fn to(address: SocketAddr) -> Way {
        Way {
            address,
            encryption: None,
        }
    }

    /// As the options say it.
    pub async fn of(options: &Options) -> Result<Way, Error> {
        let receiver = &options.url;
        let way = Way::to(receiver.resolve().await?);
        if receiver.scheme == Scheme::Http {
            return Ok(way);
        }

        let trusted = boxbridge_config::Tls {
            ca_file: options.ca_file.clone(),
            ..boxbridge_config::Tls::default()
        };
        let host = receiver.host().to_owned();
        let name = ServerName::try_from(host.clone()).map_err(|_| Error::Name { host })?;
        Ok(Way {
            encryption: Some((tls::client_config(&trusted)?, name)),
            ..way
        })
    }

    /// A new line from this address of the machine; `None` = the machine's choice.
    pub async fn open(&self, from: Option<Ipv4Addr>) -> io::Result<Line> {
        let stream = match from {
            None => TcpStream::connect(self.address).await?,
            Some(from) => {
                let socket = TcpSocket::new_v4()?;
                socket.bind((from, 0).into())?;
                socket.connect(self.address).await?
            }
        };
        stream.set_nodelay(true)?;

        let Some((config, name)) = &self.encryption else {
            return Ok(Line::Clear(stream));
        };
        let connector = TlsConnector::from(Arc::clone(config));
        let stream = connector.connect(name.clone(), stream).await?;
        Ok(Line::Encrypted(Box::new(stream)))
    }
}

impl Line {
    /// Whether it is still open and silent.
    pub fn is_usable(&self) -> bool {
        let stream = match self {
            Line::Clear(stream) => stream,
            Line::Encrypted(stream) => stream.get_ref().0,
        };
        matches!(stream.try_read(&mut [0; 1]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Line::Clear(stream) => Pin::new(stream).poll_read(context, buffer),
            Line::Encrypted(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Line::Clear(stream) => Pin::new(stream).poll_write(context, bytes),
            Line::Encrypted(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Line::Clear(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Line::Encrypted(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Line::Clear(stream) => Pin::new(stream).poll_flush(context),
            Line::Encrypted(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Line::Clear(stream) => Pin::new(stream).poll_shutdown(context),
            Line::Encrypted(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
