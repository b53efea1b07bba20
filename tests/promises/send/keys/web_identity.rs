//! A bucket by the token of a machine's identity, as Kubernetes mounts it: the token is exchanged for keys, and read again for the next.

use super::{put, reason, with_a_picture};
use crate::parts::certificates::Certificates;
use crate::parts::gateway::Gateway;
use crate::parts::s3::{BUCKET, Server};
use crate::parts::site::wait_until;
use crate::parts::sts::{ROLE, Sts};

const WRONG: &str = "token-of-nobody";
const FIRST: &str = "token-of-today";
const SECOND: &str = "token-of-tomorrow";

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_the_bucket_a_wrong_one_is_named_and_a_rotated_one_is_taken() {
    let certificates = Certificates::make();
    let sts = Sts::start(&certificates, FIRST).await;

    tokio::task::block_in_place(|| is_opened(&certificates, &sts));
}

fn is_opened(certificates: &Certificates, sts: &Sts) {
    let store = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    put(&token, WRONG.as_bytes());
    let authority = certificates.authority();
    let gateway = Gateway::start_in_environment(
        &[
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
            ("AWS_ROLE_ARN", ROLE),
            ("AWS_ENDPOINT_URL_STS", &sts.url()),
        ],
        &[
            ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
            ("SEND__STORE__URL", &format!("s3://{BUCKET}/lobby")),
            ("SEND__STORE__ENDPOINT", &store.endpoint()),
            ("SEND__STORE__CA_FILE", authority.to_str().unwrap()),
            ("SEND__RETRY_MAX", "1s"),
        ],
    );
    let is_refused = || {
        let reason = reason(&gateway, "store");
        reason.contains("InvalidIdentityToken") && reason.contains("AWS_WEB_IDENTITY_TOKEN_FILE")
    };
    let is_stored = |count| gateway.ledger("store").delivered == count;

    gateway.take("/RealTimeEvent", &with_a_picture("1"));
    wait_until("a wrong token is named", is_refused);
    put(&token, FIRST.as_bytes());
    wait_until("the right one opens", || is_stored(1));

    sts.trust(SECOND);
    gateway.take("/RealTimeEvent", &with_a_picture("2"));
    wait_until("the old one is named", is_refused);
    put(&token, SECOND.as_bytes());
    wait_until("the new one opens", || is_stored(2));

    for token in [WRONG, FIRST, SECOND] {
        assert!(!gateway.log().contains(token), "a token is in the log");
    }
}
