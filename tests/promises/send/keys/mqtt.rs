//! What keeps us out of a real mosquitto.

use std::path::Path;
use std::time::Duration;

use super::{Becomes, Is, KeptOut, Setting, Site};
use crate::parts::certificates::{Certificates, Wanted};
use crate::parts::mosquitto::{Listener, Mosquitto, Settings};

const WRONG: &str = "wrong-and-secret";
const DAY: Option<Duration> = Some(Duration::from_secs(24 * 3_600));
const RIGHT: &str = "right-and-secret";

fn with(certificates: &Certificates, listener: Listener) -> Mosquitto {
    Mosquitto::with(&Settings {
        listeners: &[listener],
        certificates: Some(certificates),
        ..Settings::default()
    })
}

/// A broker that shows a certificate of this usage, and the authority behind it.
fn odd(usage: &str, holds: Option<Duration>) -> (Mosquitto, Certificates) {
    let certificates = Certificates::make();
    certificates.sign(&Wanted {
        name: "server",
        subject: "/CN=broker",
        usage,
        holds,
    });
    (with(&certificates, Listener::Tls), certificates)
}

fn by_tls(broker: &Mosquitto, authority: &Path) -> Vec<(&'static str, Setting)> {
    let url = format!("mqtts://{}", broker.address());
    vec![("url", Is(url)), ("ca_file", Setting::path(authority))]
}

fn showing(
    broker: &Mosquitto,
    ours: &Certificates,
    name: &'static str,
    (certificate, key): (&Path, &Path),
) -> KeptOut {
    let (right, right_key) = ours.client();
    let mut settings = by_tls(broker, &ours.authority());
    settings.push(("cert_file", Setting::pem(certificate, &right)));
    settings.push(("key_file", Setting::pem(key, &right_key)));
    KeptOut {
        name,
        settings,
        says: vec![".cert_file"],
    }
}

#[test]
fn mqtt_says_what_is_wrong_and_gets_everything_once_it_is_right() {
    let (ours, others) = (Certificates::make(), Certificates::make());
    let users = Mosquitto::with(&Settings {
        users: &[("gateway", RIGHT)],
        ..Settings::default()
    });
    let mutual = with(&ours, Listener::MutualTls);
    let self_signed = with(&others, Listener::Tls);
    let (mut expired, of_expired) = odd("server", None);
    let (mut elsewhere, of_elsewhere) = odd("elsewhere", DAY);

    let login = |name, user: &str, wrong| KeptOut {
        name,
        settings: vec![
            ("url", Is(format!("mqtt://{}", users.address()))),
            ("username", Is(user.to_owned())),
            ("password_file", Setting::secret(wrong, RIGHT)),
        ],
        says: vec![".username, and its password or password_file"],
    };
    let mut nobody = login("nobody", "gateway", WRONG);
    nobody.settings[1].1 = Becomes("nobody".to_owned(), "gateway".to_owned());

    let over = ours.sign(&Wanted {
        name: "over",
        subject: "/CN=boxbridge client",
        usage: "client",
        holds: None,
    });
    let (right, right_key) = ours.client();
    let mut without = showing(&mutual, &ours, "without", (&right, &right_key));
    without.settings[2].1 = Becomes(String::new(), right.display().to_string());
    without.settings[3].1 = Becomes(String::new(), right_key.display().to_string());
    let other = others.client();

    let mut untrusted = by_tls(&self_signed, &ours.authority());
    untrusted[1].1 = Setting::pem(&ours.authority(), &others.authority());

    let kept_out = vec![
        login("password", "gateway", WRONG),
        nobody,
        without,
        showing(&mutual, &ours, "another", (&other.0, &other.1)),
        showing(&mutual, &ours, "over", (&over.0, &over.1)),
        KeptOut {
            name: "expired",
            settings: by_tls(&expired, &of_expired.authority()),
            says: vec!["of [send.expired], has expired"],
        },
        KeptOut {
            name: "elsewhere",
            settings: by_tls(&elsewhere, &of_elsewhere.authority()),
            says: vec!["another name than [send.elsewhere]"],
        },
        KeptOut {
            name: "untrusted",
            settings: untrusted,
            says: vec!["send.untrusted.ca_file does not hold the authority"],
        },
    ];

    let no_other = "[send.mqtt]\nurl = \"\"\n".to_owned();
    let site = Site::new("mqtt", kept_out, no_other);
    site.is_kept_out_and_then_let_in(|| {
        renew(&mut expired, &of_expired);
        renew(&mut elsewhere, &of_elsewhere);
    });
}

/// The broker gets a certificate that is right.
fn renew(broker: &mut Mosquitto, certificates: &Certificates) {
    broker.stop();
    certificates.sign(&Wanted {
        name: "server",
        subject: "/CN=broker",
        usage: "server",
        holds: DAY,
    });
    broker.run();
}
