//! What keeps us out of a real bucket.

use std::path::Path;
use std::time::Duration;

use super::{Becomes, Is, KeptOut, Setting, Site};
use crate::parts::certificates::{Certificates, Wanted};
use crate::parts::s3::{BUCKET, GUEST, KEY_ID, SECRET, Server};

fn bucket(server: &Server, name: &'static str, key_id: Setting, secret: Setting) -> KeptOut {
    let settings = vec![
        ("url", Is(format!("s3://{BUCKET}/{name}"))),
        ("endpoint", Is(server.endpoint())),
        ("access_key_id", key_id),
        ("secret_access_key_file", secret),
    ];
    KeptOut {
        name,
        settings,
        says: Vec::new(),
    }
}

fn ours(server: &Server, name: &'static str) -> KeptOut {
    let (key_id, secret) = (Is(KEY_ID.to_owned()), Setting::secret(SECRET, SECRET));
    bucket(server, name, key_id, secret)
}

impl KeptOut {
    fn saying(self, says: &[&'static str]) -> KeptOut {
        KeptOut {
            says: says.to_vec(),
            ..self
        }
    }

    fn trusting(mut self, authority: Setting) -> KeptOut {
        self.settings.push(("ca_file", authority));
        self
    }
}

fn sign(certificates: &Certificates, usage: &str, holds: Option<Duration>) {
    certificates.sign(&Wanted {
        name: "server",
        subject: "/CN=store",
        usage,
        holds,
    });
}

const DAY: Option<Duration> = Some(Duration::from_secs(24 * 3_600));

fn odd(usage: &str, holds: Option<Duration>) -> (Server, Certificates) {
    let certificates = Certificates::make();
    sign(&certificates, usage, holds);
    (Server::start_showing(&certificates), certificates)
}

#[test]
fn a_bucket_says_what_is_wrong_and_gets_everything_once_it_is_right() {
    let plain = Server::start();
    let (mut expired, of_expired) = odd("server", None);
    let (mut elsewhere, of_elsewhere) = odd("elsewhere", DAY);
    let signed = Certificates::make();
    let mut self_signed = Server::start_showing(&signed);
    let own = signed.self_signed();
    self_signed.show(own.clone());
    let path = |certificates: &Certificates| Setting::path(&certificates.authority());

    let wrong_id = Becomes("nobody".to_owned(), KEY_ID.to_owned());
    let key = bucket(&plain, "key", wrong_id, Setting::secret(SECRET, SECRET));
    let wrong_secret = Setting::secret("wrong-and-secret", SECRET);
    let secret = bucket(&plain, "secret", Is(KEY_ID.to_owned()), wrong_secret);
    let guest = Is(GUEST.to_owned());
    let rights = bucket(&plain, "rights", guest, Setting::secret(SECRET, SECRET));
    let mut nowhere = ours(&plain, "nowhere");
    nowhere.settings[0].1 = Is("s3://soon/nowhere".to_owned());

    let kept_out = vec![
        key.saying(&["send.key.access_key_id"]),
        secret.saying(&["send.secret.access_key_id, its secret"]),
        rights.saying(&["AccessDenied", "send.rights.access_key_id"]),
        nowhere.saying(&["NoSuchBucket", "send.nowhere.url"]),
        ours(&expired, "expired")
            .trusting(path(&of_expired))
            .saying(&["of [send.expired], has expired"]),
        ours(&elsewhere, "elsewhere")
            .trusting(path(&of_elsewhere))
            .saying(&["another name than [send.elsewhere]"]),
        ours(&self_signed, "self-signed")
            .trusting(Setting::pem(&signed.authority(), Path::new(&own.0)))
            .saying(&["send.self-signed.ca_file does not hold the authority"]),
    ];

    let bus = "[send.mqtt]\nurl = \"mqtt://127.0.0.1:9\"\n".to_owned();
    Site::new("store", kept_out, bus).is_kept_out_and_then_let_in(|| {
        plain.trust_guest();
        plain.make_bucket("soon");
        for (server, certificates) in [(&mut expired, &of_expired), (&mut elsewhere, &of_elsewhere)]
        {
            sign(certificates, "server", DAY);
            server.show(certificates.server());
        }
    });
}
