//! Routes that leave something out: what arrives is judged by what should be left, and who is told of all the same is found.

use boxbridge::route::RedactKey;
use boxbridge_config::Config;
use boxbridge_event::EventId;
use boxbridge_proof::reconcile::{self, Delivered, Listening, Recorded, Report, Rules, judge};
use boxbridge_proof::simulate;
use tokio_util::sync::CancellationToken;

use super::planted::{Run, listening};
use super::subscribers::{layers, options};
use crate::parts::PATIENCE;
use crate::parts::gateway::Gateway;
use crate::parts::mosquitto::Mosquitto;

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A run in which stand-ins came, and what `fault` makes of the seventh.
fn verdict(settings: &[(&str, &str)], fault: impl FnOnce(&mut Delivered)) -> Report {
    let mut run = Run::good();
    let key = RedactKey::new(KEY.as_bytes());
    for number in 0..run.arrivals.len() {
        let delivered = run.delivered(number);
        delivered.id = delivered.id.map(|id| key.id(id));
        delivered.identity = Some(format!("{number:032x}"));
    }
    fault(run.delivered(7));

    let pseudonym = [("route.mqtt.default.pseudonym", "true")];
    let rules = Rules::of(&Config::load(&layers(&[&pseudonym[..], settings].concat())).unwrap());
    let arrivals = run.arrivals.into_iter().map(Recorded::Arrival);
    let lines = std::iter::once(listening("mqtt")).chain(arrivals);
    judge(rules, run.ledger, lines, None).unwrap()
}

#[test]
fn stand_ins_pass_and_who_is_told_of_all_the_same_is_found() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), KEY).unwrap();
    let with_key = [("route.redact_key_file", file.path().to_str().unwrap())];

    for settings in [&[][..], &with_key] {
        let report = verdict(settings, |_| {});
        assert!(report.passes(), "{report}");
        let told = |fault: fn(&mut Delivered), field: &str| {
            let report = verdict(settings, fault);
            assert!(!report.passes(), "{field}: {report}");
            let text = report.to_string();
            assert!(text.contains("wrong") && text.contains(field), "{text}");
        };
        told(|event| event.id = Some(EventId([7; 16])), "id");
        told(
            |event| event.identity = Some("person 7".to_owned()),
            "identity.id",
        );
    }

    // Nobody else's: only the key tells.
    let report = verdict(&with_key, |event| event.id = Some(EventId([99; 16])));
    assert!(!report.passes(), "{report}");

    let hidden = [("route.mqtt.default.redact", "match.score")];
    let report = verdict(&hidden, |event| event.score = None);
    assert_eq!(report.buses["mqtt"].wrong.count, 39, "{report}");
    let markers = [("route.mqtt.default.redact", "extra")];
    let text = verdict(&markers, |_| {}).to_string();
    assert!(text.contains("leaves extra out"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_sends_stand_ins_passes_by_its_own_settings() {
    let mosquitto = Mosquitto::start();
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, KEY).unwrap();
    let url = format!("mqtt://{}", mosquitto.address());
    let settings = [
        ("send.mqtt.url", &*url),
        ("route.mqtt.default.pseudonym", "true"),
        ("route.mqtt.default.redact", "pictures.registered"),
        ("route.redact_key_file", key.to_str().unwrap()),
    ];
    let environment: Vec<_> = settings
        .iter()
        .map(|(key, value)| (key.to_uppercase().replace('.', "__"), *value))
        .collect();
    let environment: Vec<_> = environment
        .iter()
        .map(|(key, value)| (key.as_str(), *value))
        .collect();
    let gateway = Gateway::start(&environment);

    let ledger = folder.path().join("run.jsonl");
    let words = [
        "--ledger",
        ledger.to_str().unwrap(),
        "--mqtt",
        "--until-quiet",
        "2s",
    ];
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let tell = move |_: &Listening| ready.send(()).unwrap();
    let stop = CancellationToken::new();
    let listens = reconcile::run_until(options(&words), layers(&settings), stop.clone(), tell);
    let listens = tokio::spawn(listens);
    is_ready.await.unwrap();

    let sent = simulate::Options {
        url: gateway.url().parse().unwrap(),
        count: Some(200),
        people: 5,
        patience: PATIENCE,
        picture_bytes: 1_000,
        ledger: Some(ledger),
        ..simulate::Options::default()
    };
    let outcome = simulate::run_until(sent, stop).await.unwrap();
    assert_eq!(outcome.acknowledged, 200);
    let report = listens.await.unwrap().unwrap();
    assert!(report.passes(), "{report}");
    assert_eq!(report.buses["mqtt"].received, 200, "{report}");
}
