//! Links live as long as they say: through a restart, on each of several gateways, and until their secret is changed.

use super::{assert_open, events, gateway, links, next, post};
use crate::parts::http;
use crate::parts::mosquitto::Mosquitto;
use crate::parts::site::wait_until;

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_links_and_the_secret_is_for_nobody_else_to_read() {
    let mosquitto = Mosquitto::start();
    let mut gateway = gateway(&mosquitto, &[]);
    let mut subscriber = events(&mosquitto).await;
    post(&gateway, 1);
    let event = next(&mut subscriber).await;

    gateway.kill_and_restart();
    assert_open(&event, 1);

    let secret = gateway.data_dir().join("links.secret");
    let mode = std::os::unix::fs::PermissionsExt::mode(&secret.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let secret = std::fs::read_to_string(secret).unwrap();
    let log = gateway.log();
    assert!(
        !log.contains(secret.trim()) && !log.contains("signature="),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_changed_while_the_gateway_runs_ends_the_links_made_with_it() {
    let mosquitto = Mosquitto::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "one secret of several gateways, 32 letters").unwrap();
    let path = file.display().to_string();
    let gateway = gateway(&mosquitto, &[("SEND__STORE__LINKS__SECRET_FILE", &path)]);
    let mut subscriber = events(&mosquitto).await;
    post(&gateway, 1);
    let before = next(&mut subscriber).await;
    assert_open(&before, 1);

    std::fs::write(&file, "another secret of several gateways, 32 letters").unwrap();
    let [link, _] = links(&before);
    wait_until("the old link opens no more", || {
        http::open(&link).status == 403
    });
    post(&gateway, 2);
    assert_open(&next(&mut subscriber).await, 2);
}
