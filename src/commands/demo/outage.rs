//! Outages on request: a second terminal asks for one over a socket in the demo's folder, and is told how it goes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::ReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use crate::commands::colour::shown;
use crate::commands::say;

/// A request to take the broker away.
pub struct OutageRequest {
    pub lasts: Duration,
    /// Lines for the terminal that asked; dropped at the end.
    pub teller: mpsc::Sender<String>,
}

/// Tells the terminal that asked that the outage is over.
pub fn done(teller: &mpsc::Sender<String>) {
    let _ = teller.try_send(DONE.to_owned());
}

/// The longest outage: nobody would watch a longer one.
const LASTS_MAX: Duration = Duration::from_secs(600);
/// Lines that wait for the other terminal.
const LINES_MAX: usize = 64;

/// A socket's path is at most 107 bytes long (unix(7)).
const PATH_MAX: usize = 107;
/// The last line of an outage that was told to its end.
const DONE: &str = ".";

/// Whether a socket can be in this folder.
pub fn check(data_dir: &Path) -> anyhow::Result<()> {
    let path = socket(data_dir);
    if path.as_os_str().len() > PATH_MAX {
        anyhow::bail!(
            "{} is too long for a socket: choose a shorter --data-dir",
            path.display()
        );
    }
    Ok(())
}

/// Removes the socket.
pub fn end(data_dir: &Path) {
    let _ = std::fs::remove_file(socket(data_dir));
}

fn socket(data_dir: &Path) -> PathBuf {
    data_dir.join("demo.sock")
}

/// Takes requests until the receiver is dropped. A socket that is already there was left by a killed demo: the queue's lock shows that
/// none runs.
pub fn listen(data_dir: &Path) -> anyhow::Result<mpsc::Receiver<OutageRequest>> {
    let path = socket(data_dir);
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)
        .with_context(|| format!("cannot listen on {}", path.display()))?;

    let (requests, taken) = mpsc::channel(1);
    tokio::spawn(async move {
        while let (false, Ok((stream, _))) = (requests.is_closed(), listener.accept().await) {
            tokio::spawn(serve(stream, requests.clone()));
        }
    });

    Ok(taken)
}

/// Hands on the request of one terminal, and then the lines for it.
async fn serve(mut stream: UnixStream, requests: mpsc::Sender<OutageRequest>) {
    let (read, mut write) = stream.split();
    let Some(lasts) = requested(read).await else {
        return;
    };

    let (teller, mut told) = mpsc::channel(LINES_MAX);
    let lasts = lasts.min(LASTS_MAX);
    if requests
        .send(OutageRequest { lasts, teller })
        .await
        .is_err()
    {
        return;
    }

    while let Some(line) = told.recv().await {
        let line = format!("{line}\n");
        if write.write_all(line.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// How long the outage shall last; `None` for anything but a number of milliseconds.
async fn requested(read: ReadHalf<'_>) -> Option<Duration> {
    let mut line = String::new();
    BufReader::new(read).read_line(&mut line).await.ok()?;
    let milliseconds: u64 = line.trim().parse().ok()?;
    Some(Duration::from_millis(milliseconds.max(1)))
}

/// Asks the demo in this folder for an outage, and prints what it tells until the end.
pub async fn ask(data_dir: &Path, lasts: Duration) -> anyhow::Result<()> {
    if lasts.is_zero() || lasts > LASTS_MAX {
        anyhow::bail!("--stop-broker takes a time from 1s to 10m");
    }

    let path = socket(data_dir);
    let nobody = || {
        format!(
            "no demo runs in {}: start one with `boxbridge demo` in another terminal",
            data_dir.display()
        )
    };
    let mut stream = UnixStream::connect(&path).await.with_context(nobody)?;
    stream
        .write_all(format!("{}\n", lasts.as_millis()).as_bytes())
        .await?;

    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await.context("the demo ended")? {
        if line == DONE {
            return Ok(());
        }
        say(&shown(&line, &std::io::stdout()));
    }
    anyhow::bail!("the outage was not seen to its end")
}
