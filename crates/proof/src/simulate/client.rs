//! Sends one HTTP/1.1 request the way a box does and reads as much of the answer as is needed.
//!
//! A body goes out from the shared pieces it is made of, without being copied together. Promises: one deadline
//! holds over connecting, sending and the answer; an answer is read to at most `ANSWER_MAX` bytes. Deliberately not a general
//! HTTP client: no redirects, and an answer without a length ends the connection.

use std::io::{self, IoSlice};
use std::net::Ipv4Addr;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::line::{Line, Way};

/// More than any answer of ours: an array of a hundred elements is 12 KB.
const ANSWER_MAX: usize = 256 << 10;

/// What the boxes do after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    Close,
    KeepAlive,
}

/// One box's way to the receiver.
pub struct Client {
    way: Way,
    /// Where it connects from; `None` = the machine's choice.
    from: Option<Ipv4Addr>,
    connection: Connection,
    open: Option<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    #[error("timeout")]
    Timeout,
    #[error("connect_failed")]
    ConnectFailed,
    #[error("connection_lost")]
    ConnectionLost,
    #[error("answer_invalid")]
    AnswerInvalid,
}

impl Client {
    pub fn new(way: Way, connection: Connection) -> Client {
        Client {
            way,
            from: None,
            connection,
            open: None,
        }
    }

    /// The same from this address of the machine.
    pub fn from(self, from: Option<Ipv4Addr>) -> Client {
        Client { from, ..self }
    }

    /// The answer to this request, if it is there by the deadline.
    pub async fn send(&mut self, request: &[Bytes], deadline: Instant) -> Result<Answer, NoAnswer> {
        timeout_at(deadline, self.exchange(request))
            .await
            .unwrap_or(Err(NoAnswer::Timeout))
    }

    async fn exchange(&mut self, request: &[Bytes]) -> Result<Answer, NoAnswer> {
        // Taken out: whatever fails or is cut off by the deadline, a connection in an unknown state is not used again.
        let mut stream = match self.open.take().filter(Line::is_usable) {
            Some(stream) => stream,
            None => {
                let opened = self.way.open(self.from).await;
                opened.map_err(|_| NoAnswer::ConnectFailed)?
            }
        };

        let written = write_all(&mut stream, request).await;
        // A receiver may answer and close before it has read everything: its answer is worth more than our error.
        let (answer, reusable) = match (read_answer(&mut stream).await, written) {
            (Ok(read), _) => read,
            (Err(error), Ok(())) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(NoAnswer::AnswerInvalid);
            }
            (Err(_), _) => return Err(NoAnswer::ConnectionLost),
        };

        if reusable && self.connection == Connection::KeepAlive {
            self.open = Some(stream);
        }
        Ok(answer)
    }
}

async fn write_all(stream: &mut Line, parts: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let mut rest = slices.as_mut_slice();
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        let written = stream.write_vectored(rest).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        IoSlice::advance_slices(&mut rest, written);
    }
    stream.flush().await
}

/// The answer, and whether the connection may be used again.
async fn read_answer(stream: &mut Line) -> io::Result<(Answer, bool)> {
    let mut read = Vec::with_capacity(1024);
    loop {
        let ended = stream.read_buf(&mut read).await? == 0;
        if let Some((head, body)) = split_head(&read) {
            let head = Head::parse(head)?;
            let whole = head.length.is_some_and(|length| body.len() >= length);
            if whole || (ended && head.length.is_none()) {
                let length = head.length.unwrap_or(body.len());
                let body = body.get(..length).unwrap_or_default().to_vec();
                return Ok((
                    Answer {
                        status: head.status,
                        body,
                    },
                    whole && head.keeps_alive,
                ));
            }
        }

        if ended {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if read.len() > ANSWER_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

struct Head {
    status: u16,
    length: Option<usize>,
    keeps_alive: bool,
}

impl Head {
    fn parse(head: &[u8]) -> io::Result<Head> {
        let text = std::str::from_utf8(head).map_err(|_| io::ErrorKind::InvalidData)?;
        let mut lines = text.split("\r\n");
        let first = lines.next().filter(|line| line.starts_with("HTTP/1."));
        let status = first.and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let status = status.ok_or(io::ErrorKind::InvalidData)?;

        let keeps_alive = text.starts_with("HTTP/1.1");
        let mut head = Head {
            status,
            length: None,
            keeps_alive,
        };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                head.length = value.parse().ok();
            } else if name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close")
            {
                head.keeps_alive = false;
            }
        }
        Ok(head)
    }
}

fn split_head(read: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memmem::find(read, b"\r\n\r\n")?;
    Some((read.get(..end)?, read.get(end + 4..)?))
}
