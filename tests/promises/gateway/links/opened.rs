//! With the defaults each link of each event opens in a browser on this machine.

use super::{assert_open, events, gateway, links, next, open_with, pictures, post};
use crate::parts::http;
use crate::parts::mosquitto::Mosquitto;
use crate::parts::site::wait_until;

#[tokio::test(flavor = "multi_thread")]
async fn each_link_of_each_event_opens_and_says_what_a_browser_needs() {
    let mosquitto = Mosquitto::start();
    let gateway = gateway(&mosquitto, &[("ROUTE__VIP__PICTURE_WAIT", "20s")]);
    let mut subscriber = events(&mosquitto).await;

    for seed in 0..5 {
        post(&gateway, seed);
        let event = next(&mut subscriber).await;
        assert_open(&event, seed);
    }

    post(&gateway, 7);
    let event = next(&mut subscriber).await;
    let [_, link] = links(&event);
    let answer = http::open(&link);
    let sha256 = event["pictures"]["scene"]["sha256"].as_str().unwrap();
    for (header, value) in [
        ("Content-Type", "image/jpeg"),
        ("Content-Length", "75000"),
        ("ETag", &format!("\"{sha256}\"")),
        ("Accept-Ranges", "bytes"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", "default-src 'none'; sandbox"),
        ("Referrer-Policy", "no-referrer"),
        (
            "Content-Disposition",
            &format!("inline; filename=\"scene-{sha256}.jpg\""),
        ),
    ] {
        assert_eq!(answer.header(header), value, "{header}");
    }

    let caching = answer.header("Cache-Control");
    let seconds: u64 = caching
        .strip_prefix("private, max-age=")
        .and_then(|rest| rest.strip_suffix(", immutable"))
        .unwrap_or_else(|| panic!("{caching}"))
        .parse()
        .unwrap();
    let day = 24 * 3_600;
    assert!(
        (day - 600..=day).contains(&seconds),
        "what is left: {seconds}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_gets_a_part_a_head_or_nothing_where_it_has_the_picture() {
    let mosquitto = Mosquitto::start();
    let gateway = gateway(&mosquitto, &[]);
    let mut subscriber = events(&mosquitto).await;
    post(&gateway, 1);
    let [_, link] = links(&next(&mut subscriber).await);
    let [_, picture] = pictures(1);

    let part = open_with(&link, &[("Range", "bytes=1000-1999")]);
    assert_eq!((part.status, &part.body[..]), (206, &picture[1_000..2_000]));
    assert_eq!(part.header("Content-Range"), "bytes 1000-1999/75000");
    let beyond = open_with(&link, &[("Range", "bytes=75000-")]);
    assert_eq!(
        (beyond.status, beyond.header("Content-Range")),
        (416, "bytes */75000")
    );

    let tag = part.header("ETag");
    let known = open_with(&link, &[("If-None-Match", tag)]);
    assert_eq!((known.status, known.body.len()), (304, 0));
    let since = open_with(&link, &[("Range", "bytes=0-9"), ("If-Range", "\"other\"")]);
    assert_eq!((since.status, since.body.len()), (200, picture.len()));

    let (address, path) = http::parts_of(&link);
    let head = http::ask("HEAD", address, &path, &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("Content-Length"), "75000");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_opens_out_of_the_queue_alone_and_out_of_the_store_alone() {
    let mosquitto = Mosquitto::start();
    let gateway = gateway(&mosquitto, &[]);
    let mut subscriber = events(&mosquitto).await;

    post(&gateway, 1);
    let event = next(&mut subscriber).await;
    let key = |kind: &str| {
        gateway
            .pictures()
            .join(event["pictures"][kind]["key"].as_str().unwrap())
    };
    let files = ["registered", "scene"].map(key);
    wait_until("the store has them", || {
        files.iter().all(|file| file.exists())
    });
    let aside = files.each_ref().map(|file| file.with_extension("aside"));
    for (file, aside) in files.iter().zip(&aside) {
        std::fs::rename(file, aside).unwrap();
    }
    assert_open(&event, 1);

    // A gateway that makes such links and never had the event.
    for (file, aside) in files.iter().zip(&aside) {
        std::fs::rename(aside, file).unwrap();
    }
    let store = format!("file://{}", gateway.pictures().display());
    let secret = gateway.data_dir().join("links.secret");
    let other = super::gateway(
        &mosquitto,
        &[
            ("SEND__STORE__URL", &store),
            (
                "SEND__STORE__LINKS__SECRET_FILE",
                &secret.display().to_string(),
            ),
            ("SEND__MQTT__CLIENT_ID", "another"),
        ],
    );
    post(&other, 2);
    let [at_other, _] = links(&next(&mut subscriber).await);
    let (there, _) = http::parts_of(&at_other);
    for (link, picture) in links(&event).iter().zip(pictures(1)) {
        let (_, path) = http::parts_of(link);
        let answer = http::get(there, &path, &[]);
        assert_eq!(
            (answer.status, answer.body == picture),
            (200, true),
            "{link}"
        );
    }
}
