//! Sees that the settings file has changed, or one that a setting names: a certificate, a password, a list.
//!
//! Promises: a file that is being written is not read before it stands; a symbolic link that finds another file (as Kubernetes swaps
//! a ConfigMap or a Secret) counts as a change, and a file that was only touched does not. Deliberately looks every two seconds
//! instead of asking the kernel: a look costs a few system calls, and a watch on a link sees the link.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Reload;
use boxbridge_config::NamedFile;

/// Why settings are read that nobody asked for.
pub(super) const BY_ITSELF: &str = "a file has changed";

const LOOK_EVERY: Duration = Duration::from_secs(2);
/// What was refused is tried again: a file that was missing may have come.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// What is in each file; `None` where it cannot be read.
type Contents = Vec<Option<u64>>;

impl Reload {
    /// Reads the settings again whenever a file has changed and has stood for one look. For as long as it is polled.
    pub(in crate::app) async fn watch_files(self: Arc<Reload>) {
        let mut last_look = None;
        let mut tried = Instant::now();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let files = self.files();
            let Some(now) = look(&files).await else {
                continue;
            };

            let has_changed = now != contents(&files);
            let has_stood = last_look.as_ref() == Some(&now);
            let is_due = self.is_refused() && tried.elapsed() > TRY_AGAIN;
            if has_changed && has_stood || is_due {
                tried = Instant::now();
                let _ = self.now(BY_ITSELF).await;
            }
            last_look = Some(now);
        }
    }

    pub(super) fn is_refused(&self) -> bool {
        self.holding.lock().refused.is_some()
    }
}

/// `None` where that failed by a fault of ours.
async fn look(files: &[NamedFile]) -> Option<Contents> {
    let files = files.to_vec();
    let look = move || files.iter().map(|file| file.again().content).collect();
    tokio::task::spawn_blocking(look).await.ok()
}

fn contents(files: &[NamedFile]) -> Contents {
    files.iter().map(|file| file.content).collect()
}
