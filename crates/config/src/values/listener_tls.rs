//! How a listener of ours speaks TLS: the files that it shows and trusts, and until when its certificate holds.

use std::path::PathBuf;
use std::time::Duration;

use boxbridge_event::Timestamp;

/// Authorities renew a certificate well before this is left of it, so nothing renews this one any more.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTls {
    /// Ours, and those that lead to its authority.
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
    /// A certificate of these authorities lets its owner in; `None` = nobody is asked for one.
    pub client_ca_file: Option<PathBuf>,
    /// When the certificate's time is over.
    pub expires: Timestamp,
}

impl ListenerTls {
    /// What people should know of it, where `section` is the listener's; nothing while there is time.
    pub fn expiry_note(&self, section: &str, now: Timestamp) -> Option<String> {
        let expires = self.expires.for_people();
        let says = match () {
            () if now >= self.expires => {
                format!("expired on {expires}: who verifies it does not connect")
            }
            () if now.plus(SOON) >= self.expires => {
                format!("expires on {expires}, in less than 14 days")
            }
            () => return None,
        };
        Some(format!(
            "the certificate of {section}.tls_cert_file {says}; a new one in the file is taken at once"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_spoken_of_from_fourteen_days_before_its_end() {
        let expires = Timestamp(1_800_000_000_000);
        let tls = ListenerTls {
            cert_file: "c".into(),
            key_file: "k".into(),
            client_ca_file: None,
            expires,
        };
        let note = |now: Timestamp| tls.expiry_note("admin", now).unwrap_or_default();

        assert_eq!(
            note(expires.minus(SOON).minus(Duration::from_millis(1))),
            ""
        );
        assert!(note(expires.minus(SOON)).contains("admin.tls_cert_file expires on 2027-01-15"));
        assert!(note(expires).contains("expired on 2027-01-15"));
    }
}
