//! `boxbridge simulate`: boxes for load and acceptance tests, with a ledger of what was acknowledged.
//!
//! Promises: an open loop, so that a slow receiver is charged from the moment a request was meant to begin; a box sends one
//! request at a time, as a real one does, so that the order of its events is known; every event is in the ledger, answered or
//! not. Deliberately never sends an event twice: what a real-time receiver does not take is lost, and this is where it is counted.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

mod boxes; // the boxes at work
pub mod client; // one request, sent as a box sends it
mod error;
mod film; // pictures that are cheap to send
mod ledger; // one line per event that was sent
mod line; // to the receiver, in the clear or encrypted
mod mix; // the shares of the person types
mod options;
mod outcome; // what a run came to
mod receiver; // the URL that a box is given
mod traffic; // what is sent when
mod vendor; // how a firmware writes it

pub use error::Error;
pub use film::{Film, Shot};
pub use ledger::{Entry, Ledger, Marker, Sent};
pub use line::{Line, Way};
pub use mix::Mix;
pub use options::{FirmwareMix, Options, duration};
pub use outcome::{Outcome, Quantiles};
pub use receiver::Receiver;
pub use traffic::name;

use crate::terminal::Terminal;

/// Sends until the time or the count is over, or until `stop`; then there is the result so far. Draws its progress
/// where standard error is a terminal.
pub async fn run(options: Options, stop: CancellationToken) -> Result<Outcome, Error> {
    let terminal = Terminal::for_people(options.json);
    boxes::send(&options, terminal, None, stop).await
}

/// The same with nothing on the terminal.
pub async fn run_until(options: Options, stop: CancellationToken) -> Result<Outcome, Error> {
    boxes::send(&options, Terminal::Hidden, None, stop).await
}

/// As [`run_until`], and `watcher` sees each entry of the ledger. One that is slow misses some: the boxes do not wait for it.
pub async fn run_watched(
    options: Options,
    watcher: mpsc::Sender<Entry>,
    stop: CancellationToken,
) -> Result<Outcome, Error> {
    boxes::send(&options, Terminal::Hidden, Some(watcher), stop).await
}
