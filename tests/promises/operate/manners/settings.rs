//! What a setting means where the machine has a word in it: addresses of IPv6, and what the environment says of a bucket.

use super::{boxbridge, said};
use crate::parts::s3;

#[tokio::test]
async fn every_address_of_ipv6_is_every_address_of_ipv4_as_well() {
    let listener = boxbridge::ingest::Listener::bind("[::]:0".parse().unwrap()).unwrap();
    let port = listener.local_addr().unwrap().port();
    assert!(
        tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_ok()
    );
    let has_ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    assert_eq!(
        tokio::net::TcpStream::connect(("::1", port)).await.is_ok(),
        has_ipv6
    );
    assert_eq!(
        boxbridge_config::reached(listener.local_addr().unwrap()).to_string(),
        format!("127.0.0.1:{port}")
    );
}

#[test]
fn where_a_store_is_say_the_settings_and_who_we_are_the_environment() {
    let server = s3::Server::start();
    let folder = tempfile::tempdir().unwrap();
    let set = [
        format!("data_dir={}", folder.path().display()),
        format!("send.store.url=s3://{}", s3::BUCKET),
        format!("send.store.endpoint={}", server.endpoint()),
        "send.mqtt.url=mqtt://127.0.0.1:9".to_owned(),
    ];
    let check = |environment: &[(&str, &str)]| {
        let arguments = set
            .iter()
            .flat_map(|set| ["--set", set])
            .collect::<Vec<_>>();
        let mut command = boxbridge(&[&["check", "--online"], &arguments[..]].concat());
        said(&command.envs(environment.iter().copied()).output().unwrap())
    };
    let keys = [
        ("AWS_ACCESS_KEY_ID", "tester\n"),
        ("AWS_SECRET_ACCESS_KEY", "a secret of the tests\n"),
    ];
    let elsewhere = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AWS_ENDPOINT_URL_S3"]
        .map(|name| (name, "http://127.0.0.1:9"));
    let other = [
        ("AWS_REGION", "eu-west-9"),
        ("AWS_BUCKET", "others"),
        ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true"),
    ];
    let found = check(&[&keys[..], &elsewhere, &other].concat());
    assert!(found.contains("store     ok"), "{found}");
    let found = check(&[keys[0], ("AWS_SECRET_ACCESS_KEY", "wrong")]);
    assert!(
        found.contains("store     PROBLEM")
            && found.contains("send.store.access_key_id, its secret"),
        "{found}"
    );
}
