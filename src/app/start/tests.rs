//! A start that fails leaves nothing behind.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;
use boxbridge_config::Layers;

/// Any will do: nothing is connected to.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----
MIIBdjCCARugAwIBAgIUFRNs05svRijeZvfXHfXDWBNLwFAwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjgwOTU2NTlaGA8yMTI2MTEwNDA5NTY1
OVowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPpJ
wjaeD5r72e0fS2A+VfRVn9LRYl+lW6L3ZjOIbKOQqHXzPajBKmelEZVvmIprn17V
3qL2XVeM89hM1+g7vYCjUzBRMB0GA1UdDgQWBBQ4obwLncE7aiWL8l5D6VomNkhY
yDAfBgNVHSMEGDAWgBQ4obwLncE7aiWL8l5D6VomNkhYyDAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0kAMEYCIQDYGZ/UhLxJDD+RHmgYegx1syIQISu1n6Gl
+8ppJEvSsQIhAOcdmYgCk7Ti7GoKqK2s3kK7Tsy7TUDIH5JrSgjmWN0x
-----END CERTIFICATE-----
";

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn config(data_dir: &Path, more: &[(&str, String)]) -> Config {
    let settings = [
        ("data_dir", data_dir.display().to_string()),
        ("ingest.listen", free_address().to_string()),
        ("ingest.drain_delay", "0s".to_owned()),
        ("admin.listen", free_address().to_string()),
        ("send.mqtt.embedded.listen", free_address().to_string()),
        ("send.store.links.listen", free_address().to_string()),
    ];
    let flags = settings.iter().chain(more);
    let flags = flags.map(|(key, value)| ((*key).to_owned(), value.clone()));
    Config::load(&Layers {
        flags: flags.collect(),
        ..Layers::default()
    })
    .unwrap()
}

async fn start(config: &Config) -> anyhow::Result<App> {
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    App::start(config.clone(), metrics, Held::default()).await
}

/// The same settings start afterwards, in the same process: every port is free, and the directory is.
async fn assert_starts_now(config: &Config) {
    let app = start(config).await.map_err(|error| format!("{error:#}"));
    app.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_at_the_last_port_frees_everything_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), &[]);
    let address = config.send.mqtt().unwrap().embedded.listen;

    let taken = TcpListener::bind(address).unwrap();
    let error = format!("{:#}", start(&config).await.err().unwrap());
    assert!(
        error.contains("(send.mqtt.embedded.listen): is another boxbridge"),
        "{error}"
    );

    drop(taken);
    assert_starts_now(&config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_at_the_last_destination_ends_the_broker_too() {
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("ca.pem");
    std::fs::write(&authority, CERTIFICATE).unwrap();
    let more = [
        ("send.hq.kind", "mqtt".to_owned()),
        ("send.hq.url", "mqtts://localhost".to_owned()),
        ("send.hq.ca_file", authority.display().to_string()),
    ];
    let config = config(&folder.path().join("data"), &more);

    // It was there when the settings were checked.
    std::fs::remove_file(&authority).unwrap();
    let error = format!("{:#}", start(&config).await.err().unwrap());
    assert!(error.starts_with("send.hq: cannot read"), "{error}");

    std::fs::write(&authority, CERTIFICATE).unwrap();
    assert_starts_now(&config).await;
}
