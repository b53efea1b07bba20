//! Ways in: TLS and passwords, and what is said when one is closed.

use super::drive::*;
use boxbridge::send::Destination;
use boxbridge_event::Lane;

use crate::parts::kafka::PASSWORD;

#[tokio::test]
async fn encrypted_and_authenticated_messages_arrive() {
    let broker = secured().await;
    for (mechanism, way, topic) in [
        ("SCRAM-SHA-512", "SASL_SSL", "scram-ssl"),
        ("SCRAM-SHA-512", "SASL_PLAINTEXT", "scram"),
        ("SCRAM-SHA-256", "SASL_SSL", "scram-256-ssl"),
        ("PLAIN", "SASL_SSL", "plain-ssl"),
    ] {
        let kafka = kafka(login(broker, mechanism, way, PASSWORD), &[topic]);
        let mut session = kafka.connect(Lane::Normal).await.unwrap();
        deliver(&mut session, &[message(topic, "k", 1, 100)]).await;
        assert_eq!(broker.read(topic, 1).await.len(), 1);
    }

    let mut config = settings(broker.ways().address("SSL").to_string());
    config.encrypted = true;
    config.tls.ca_file = Some(broker.ca_file());
    kafka(config, &[]).connect(Lane::Normal).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_is_refused_says_why() {
    let broker = secured().await;
    for mechanism in ["SCRAM-SHA-512", "PLAIN"] {
        let wrong = kafka(login(broker, mechanism, "SASL_SSL", "wrong"), &["t"]);
        let error = wrong.connect(Lane::Normal).await.err().unwrap().to_string();
        assert!(error.contains("uthentication failed"), "{error}");
        assert!(
            error.contains("(send.kafka.username, and its password or password_file)"),
            "{error}"
        );
        assert!(!error.contains("wrong"), "{error}");
    }

    let mut untrusted = login(broker, "PLAIN", "SASL_SSL", PASSWORD);
    untrusted.tls.ca_file = None;
    let error = kafka(untrusted, &["t"])
        .connect(Lane::Normal)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("(send.kafka.ca_file does not hold the authority"),
        "{error}"
    );

    let nobody = format!("127.0.0.1:{}", crate::parts::child::free_port());
    let error = kafka(settings(nobody.clone()), &["t"])
        .connect(Lane::Normal)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.starts_with(&nobody) && error.contains("Connection refused"),
        "{error}"
    );
}
