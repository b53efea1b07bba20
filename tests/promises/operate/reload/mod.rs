//! Settings that change while the gateway serves boxes: taken as a whole, or refused as a whole and said why.

use std::path::{Path, PathBuf};

use crate::parts::gateway::Gateway;
use crate::parts::site::wait_until;

mod by_hand;
mod check_print;
mod credentials;
mod limits;
mod refused;
mod routes;
mod under_load;

/// A settings file that a gateway was started with.
struct File {
    folder: tempfile::TempDir,
}

impl File {
    fn new(text: &str) -> File {
        let file = File {
            folder: tempfile::tempdir().unwrap(),
        };
        file.write(text);
        file
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("boxbridge.toml")
    }

    /// In one go, as editors do.
    fn write(&self, text: &str) {
        put(&self.path(), text.as_bytes());
    }

    /// A gateway on this file; what `settings` say stands over it.
    fn gateway(&self, settings: &[(&str, &str)]) -> Gateway {
        let path = self.path();
        let own = ("CONFIG", path.to_str().unwrap());
        let settings: Vec<_> = [own].into_iter().chain(settings.iter().copied()).collect();
        Gateway::start(&settings)
    }
}

fn put(path: &Path, bytes: &[u8]) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, bytes).unwrap();
    std::fs::rename(beside, path).unwrap();
}

fn generation(gateway: &Gateway) -> f64 {
    gateway.sum("boxbridge_config_generation", &[])
}

fn is_refused(gateway: &Gateway) -> bool {
    gateway.sum("boxbridge_config_reload_failed", &[]) == 1.0
}

/// Has the settings read again, and waits until others hold.
fn taken(gateway: &Gateway) {
    let before = generation(gateway);
    gateway.signal("HUP");
    wait_until("other settings hold", || generation(gateway) > before);
    assert!(!is_refused(gateway), "{}", gateway.log());
}

/// Has them read again, and waits until they are refused.
fn refused(gateway: &Gateway) {
    gateway.signal("HUP");
    wait_until("they are refused", || is_refused(gateway));
}
