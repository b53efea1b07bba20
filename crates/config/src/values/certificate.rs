//! The parts of an X.509 certificate that we go by: until when it holds, and whom its subject names.
//!
//! Deliberately verifies nothing: TLS says whether an authority of ours signed it.

use boxbridge_event::Timestamp;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::name::DirectoryString;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// When its time is over.
    pub expires: Timestamp,
    /// `CN` of the subject.
    pub name: Option<String>,
    /// `OU` of the subject.
    pub unit: Option<String>,
}

impl Certificate {
    /// `None` where the bytes are no certificate.
    pub fn of(der: &[u8]) -> Option<Certificate> {
        let read = x509_cert::Certificate::from_der(der).ok()?;
        let signed = read.tbs_certificate();
        let expires = signed.validity().not_after.to_unix_duration();

        let subject = signed.subject();
        Some(Certificate {
            expires: Timestamp::default().plus(expires),
            name: text(subject.common_name()),
            unit: text(subject.organization_unit()),
        })
    }
}

fn text(of_subject: x509_cert::der::Result<Option<DirectoryString>>) -> Option<String> {
    let text = of_subject.ok()??.value().trim().to_owned();
    (!text.is_empty()).then_some(text)
}
