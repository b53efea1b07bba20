//! The plain loop: what an afternoon's careful work costs, and the least that anybody must do who keeps this promise.
//!
//! axum reads the body, serde_json parses it into a tree, each picture is decoded from base64 and named by its SHA-256, and one thread
//! appends everything that waits to a preallocated file, with one `fdatasync` for the group. Then the answers go out. Deliberately
//! nothing else: no delivery, no restart, no limits, no duplicates.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use rustix::fs::FallocateFlags;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

const FILE_BYTES: usize = 64 << 20;
/// The gateway's own limit on a group: the loop must not sync less often.
const GROUP_BYTES: usize = 4 << 20;

/// An event in the pieces that are written one behind the other, and who waits for it to be on disk.
struct Append {
    pieces: Vec<Vec<u8>>,
    synced: oneshot::Sender<()>,
}

/// Answers requests for as long as the process lives.
pub fn serve(port: u16, directory: &Path) -> io::Result<()> {
    let (log, waiting) = mpsc::channel(1024);
    let directory = directory.to_owned();
    std::thread::spawn(move || append(&directory, waiting).expect("the log can be written"));

    let router = Router::new()
        .fallback(take)
        .layer(DefaultBodyLimit::disable())
        .with_state(log);
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        axum::serve(listener, router).await
    })
}

async fn take(State(log): State<mpsc::Sender<Append>>, body: Bytes) -> StatusCode {
    let Some(pieces) = take_apart(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    drop(body);

    let (synced, is_synced) = oneshot::channel();
    let sent = log.send(Append { pieces, synced }).await;
    match sent.is_ok() && is_synced.await.is_ok() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The event without its pictures, which are named in it, and the pictures.
fn take_apart(body: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut event: Value = serde_json::from_slice(body).ok()?;
    let mut pictures = Vec::new();
    for place in ["/reg_pic", "/ext_data/spot_pic"] {
        let picture = event.pointer_mut(place)?;
        let bytes = base64_simd::STANDARD
            .decode_to_vec(picture.as_str()?)
            .ok()?;
        let name = base64_simd::URL_SAFE.encode_to_string(Sha256::digest(&bytes));
        *picture = Value::String(name);
        pictures.push(bytes);
    }

    pictures.insert(0, serde_json::to_vec(&event).ok()?);
    Some(pictures)
}

fn append(directory: &Path, mut waiting: mpsc::Receiver<Append>) -> io::Result<()> {
    let mut name = 0_u64;
    let (mut file, mut room) = (preallocated(directory, name)?, FILE_BYTES);

    while let Some(first) = waiting.blocking_recv() {
        let group = group(first, &mut waiting);
        let bytes = group.iter().map(Append::bytes).sum();
        if bytes > room {
            name += 1;
            (file, room) = (preallocated(directory, name)?, FILE_BYTES.max(bytes));
        }
        room -= bytes;

        for piece in group.iter().flat_map(|append| &append.pieces) {
            file.write_all(piece)?;
        }
        file.sync_data()?;

        for append in group {
            let _ = append.synced.send(());
        }
    }
    Ok(())
}

/// Everything that waits, up to the limit.
fn group(first: Append, waiting: &mut mpsc::Receiver<Append>) -> Vec<Append> {
    let mut bytes = first.bytes();
    let mut group = vec![first];
    while bytes < GROUP_BYTES
        && let Ok(next) = waiting.try_recv()
    {
        bytes += next.bytes();
        group.push(next);
    }
    group
}

impl Append {
    fn bytes(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum()
    }
}

fn preallocated(directory: &Path, name: u64) -> io::Result<File> {
    let file = File::create(directory.join(name.to_string()))?;
    rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, FILE_BYTES as u64)?;
    file.sync_all()?;
    File::open(directory)?.sync_all()?;
    Ok(file)
}
