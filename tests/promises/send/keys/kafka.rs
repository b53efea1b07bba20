//! What keeps us out of a real Kafka.

use std::path::Path;

use super::{Becomes, Is, KeptOut, Setting, Site, with_a_picture};
use crate::parts::certificates::{Certificates, Wanted};
use crate::parts::gateway::Gateway;
use crate::parts::kafka::{Broker, PASSWORD, STRANGER, USER};
use crate::parts::site::wait_until;
use crate::parts::token_lender;

const WRONG: &str = "wrong-and-secret";

/// By a password that is wrong at first.
fn login(broker: &Broker, name: &'static str, mechanism: &str, way: &str) -> KeptOut {
    let mut settings = vec![
        ("brokers", at(broker, way)),
        ("security", Is(way.to_lowercase())),
        ("sasl_mechanism", Is(mechanism.to_owned())),
        ("username", Is(USER.to_owned())),
        ("password_file", Setting::secret(WRONG, PASSWORD)),
    ];
    if way == "SASL_SSL" {
        settings.push(("ca_file", Setting::path(&broker.ca_file())));
    }
    let says = vec![
        "uthentication failed",
        ".username, and its password or password_file",
    ];
    KeptOut {
        name,
        settings,
        says,
    }
}

fn at(broker: &Broker, way: &str) -> Setting {
    Is(broker.ways().address(way).to_string())
}

/// To a broker that asks for a certificate, with these at first.
fn showing(
    broker: &Broker,
    name: &'static str,
    (certificate, key): (&Path, &Path),
    says: &'static str,
) -> KeptOut {
    let (right, right_key) = broker.ways().certificates.client();
    let settings = vec![
        ("brokers", at(broker, "MUTUAL")),
        ("security", Is("ssl".to_owned())),
        ("ca_file", Setting::path(&broker.ca_file())),
        ("cert_file", Setting::pem(certificate, &right)),
        ("key_file", Setting::pem(key, &right_key)),
    ];
    KeptOut {
        name,
        settings,
        says: vec![says],
    }
}

/// The broker shows a certificate that is not to be trusted; later it is another one.
fn shown(broker: &Broker, name: &'static str, way: &str, says: &'static str) -> KeptOut {
    let [wrong, right] = [way, "SSL"].map(|way| broker.ways().address(way).to_string());
    let settings = vec![
        ("brokers", Becomes(wrong, right)),
        ("security", Is("ssl".to_owned())),
        ("ca_file", Setting::path(&broker.ca_file())),
    ];
    KeptOut {
        name,
        settings,
        says: vec![says],
    }
}

fn logins(broker: &Broker, oauth_url: &str) -> Vec<KeptOut> {
    let mut token = login(broker, "token", "OAUTHBEARER", "TOKEN");
    token.settings[1].1 = Is("sasl_plaintext".to_owned());
    token.settings.push(("oauth_url", Is(oauth_url.to_owned())));
    token
        .settings
        .push(("oauth_scope", Is("all topics".to_owned())));
    token.says = vec![
        "invalid_client",
        "send.token.oauth_url, username, and its password",
    ];

    let mut mechanism = login(broker, "mechanism", "PLAIN", "SASL_PLAINTEXT");
    mechanism.settings[2].1 = Becomes("PLAIN".to_owned(), "SCRAM-SHA-256".to_owned());
    mechanism.settings[4].1 = Setting::secret(PASSWORD, PASSWORD);
    mechanism.says = vec!["PLAIN", "send.mechanism.sasl_mechanism"];

    // The port speaks something else.
    let security = |name, way: &str, wrong: &str, says| {
        let mut kept_out = login(broker, name, "SCRAM-SHA-512", way);
        kept_out.settings[1].1 = Becomes(wrong.to_owned(), way.to_lowercase());
        kept_out.settings[4].1 = Setting::secret(PASSWORD, PASSWORD);
        kept_out.says = vec![says];
        kept_out
    };

    vec![
        login(broker, "plain", "PLAIN", "SASL_SSL"),
        login(broker, "scram-256", "SCRAM-SHA-256", "SASL_PLAINTEXT"),
        login(broker, "scram-512", "SCRAM-SHA-512", "SASL_SSL"),
        token,
        mechanism,
        security("clear", "SASL_SSL", "sasl_plaintext", "send.clear.security"),
        security("tls", "SASL_PLAINTEXT", "sasl_ssl", "send.tls.security"),
        security(
            "nobody",
            "SASL_PLAINTEXT",
            "plaintext",
            "send.nobody.security",
        ),
    ]
}

fn certificates(broker: &Broker, others: &Certificates) -> Vec<KeptOut> {
    let ours = &broker.ways().certificates;
    let expired = ours.sign(&Wanted {
        name: "box",
        subject: "/CN=boxbridge client",
        usage: "client",
        holds: None,
    });
    let (other, right) = (others.client(), ours.client());

    let mut without = showing(broker, "without", (&other.0, &other.1), "without.cert_file");
    without.settings.truncate(3);
    for (key, file) in [("cert_file", right.0), ("key_file", right.1)] {
        let later = Becomes(String::new(), file.display().to_string());
        without.settings.push((key, later));
    }
    let mut self_signed = shown(broker, "self-signed", "SELF_SIGNED", "self-signed.ca_file");
    self_signed.settings[0].1 = at(broker, "SELF_SIGNED");
    self_signed.settings[2].1 = Setting::pem(&broker.ca_file(), broker.ways().self_signed());

    vec![
        without,
        showing(broker, "another", (&other.0, &other.1), "another.cert_file"),
        showing(broker, "over", (&expired.0, &expired.1), "over.cert_file"),
        shown(broker, "expired", "EXPIRED", "has expired"),
        shown(
            broker,
            "elsewhere",
            "ELSEWHERE",
            "another name than [send.elsewhere]",
        ),
        self_signed,
    ]
}

async fn is_kept_out_and_then_let_in(broker: &Broker, kept_out: Vec<KeptOut>) {
    let names: Vec<_> = kept_out.iter().map(|it| it.name).collect();
    let topics = names
        .iter()
        .map(|name| format!("[route.{name}.default]\nkafka_topic = \"keys.{name}\"\n"));
    let no_bus = "[send.mqtt]\nurl = \"\"\n".to_owned();
    let site = Site::new("kafka", kept_out, no_bus + &topics.collect::<String>());

    tokio::task::block_in_place(|| site.is_kept_out_and_then_let_in(|| {}));
    for name in names {
        broker.read(&format!("keys.{name}"), 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_that_does_not_know_us_says_why_and_gets_everything_once_it_does() {
    let broker = tokio::task::block_in_place(Broker::secured);
    let oauth_url = token_lender::start(USER, PASSWORD).await;
    is_kept_out_and_then_let_in(broker, logins(broker, &oauth_url)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_kafka_or_we_do_not_trust_is_named_until_there_is_a_right_one() {
    let broker = tokio::task::block_in_place(Broker::secured);
    let kept_out = certificates(broker, &Certificates::make());
    is_kept_out_and_then_let_in(broker, kept_out).await;
}

/// Who may not write is no outage: an event that is refused for good is set aside, as any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_rights_is_named_and_what_was_set_aside_arrives_once_they_are_there() {
    let broker = tokio::task::block_in_place(Broker::secured);
    broker.make_topic("keys.rights", 1, &[]).await;
    let gateway = tokio::task::block_in_place(|| {
        Gateway::start(&[
            ("SEND__MQTT__URL", ""),
            (
                "SEND__KAFKA__BROKERS",
                &broker.ways().address("SASL_SSL").to_string(),
            ),
            ("SEND__KAFKA__SECURITY", "sasl_ssl"),
            ("SEND__KAFKA__USERNAME", STRANGER),
            ("SEND__KAFKA__PASSWORD", PASSWORD),
            ("SEND__KAFKA__CA_FILE", broker.ca_file().to_str().unwrap()),
            ("ROUTE__DEFAULT__KAFKA_TOPIC", "keys.rights"),
        ])
    });
    gateway.take("/RealTimeEvent", &with_a_picture("1"));
    let named = "allow Write and Describe on it to the user of send.kafka.username";
    wait_until("it is set aside", || gateway.ledger("kafka").set_aside == 1);
    let lines = gateway.log();
    let lines: Vec<_> = lines.lines().filter(|line| line.contains(named)).collect();
    assert!((1..=3).contains(&lines.len()), "{lines:#?}");
    let reasons = gateway.ready()["reasons"].to_string();
    assert!(reasons.contains(named), "{reasons}");

    broker.allow(STRANGER, "keys.rights");
    let (said, code) = gateway.run(&["aside", "resend"]);
    assert_eq!(code, Some(0), "{said}");
    gateway.take("/RealTimeEvent", &with_a_picture("2"));
    broker.read("keys.rights", 2).await;
}
