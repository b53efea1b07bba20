//! Nothing is lost and nothing overtakes, whatever becomes of the broker.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use boxbridge::event::{Lane, Sequence};
use boxbridge::send::mqtt::{Mqtt, Session};
use boxbridge::send::{Answer, Destination, Session as _};

use super::{answer, at, connect, destination, message};
use crate::parts::mosquitto::{Mosquitto, Settings};
use crate::parts::subscriber::{Received, Subscriber};

const MESSAGES: u64 = 10_000;
const WINDOW: u64 = 1000;
const PADDING: usize = 2000;

/// What the gateway does, in small: a window, and after a loss a new session from the lowest record without an answer.
struct Sender {
    mqtt: Mqtt,
    acknowledged: BTreeSet<u64>,
    losses: usize,
}

impl Sender {
    /// Sends up to `count`, calling `at_answer` with the number of acknowledged ones after each answer.
    async fn send(&mut self, count: u64, mut at_answer: impl FnMut(u64)) {
        while self.lowest() <= count {
            let Ok(mut session) = self.mqtt.connect(Lane::Normal).await else {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            };
            self.run(&mut session, count, &mut at_answer).await;
        }
    }

    async fn run(&mut self, session: &mut Session, count: u64, at_answer: &mut impl FnMut(u64)) {
        let window = WINDOW.min(session.window().records as u64);
        let mut answered = BTreeSet::new();
        let mut next = self.lowest();
        while self.lowest() <= count {
            while next <= count && next < self.lowest() + window {
                session.submit(Sequence(next), message("events/1", format!("{next} {}", "x".repeat(PADDING))));
                next += 1;
            }
            match answer(session).await {
                Answer::Acknowledged { sequence, .. } => {
                    assert!(answered.insert(sequence), "{sequence} is answered twice in one session");
                    self.acknowledged.insert(sequence.0);
                    at_answer(self.acknowledged.len() as u64);
                }
                Answer::Lost { .. } => {
                    self.losses += 1;
                    return;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// The lowest without an answer.
    fn lowest(&self) -> u64 {
        (1..)
            .zip(&self.acknowledged)
            .find(|(number, acknowledged)| number != *acknowledged)
            .map_or_else(|| self.acknowledged.len() as u64 + 1, |(number, _)| number)
    }
}

fn numbers(received: &[Received]) -> Vec<u64> {
    received.iter().map(|message| message.text().split(' ').next().and_then(|word| word.parse().ok()).expect("a number")).collect()
}

/// Each number where it came first.
fn firsts(numbers: &[u64]) -> Vec<u64> {
    let mut seen = BTreeSet::new();
    numbers.iter().copied().filter(|number| seen.insert(*number)).collect()
}

/// Everything up to `count`, in order, with what came again left out.
async fn receive_all(subscriber: &mut Subscriber, count: u64) -> Vec<u64> {
    let mut received = Vec::new();
    while received.last() != Some(&count) {
        received.extend(numbers(&subscriber.receive(1).await));
        received.extend(numbers(&subscriber.received()));
        if firsts(&received).len() as u64 == count {
            break;
        }
    }
    firsts(&received)
}

async fn restarts_lose_nothing(version: &str) {
    let mut broker = Mosquitto::with(&Settings { lines: &["persistence true"], ..Settings::default() });
    let mut subscriber = Subscriber::start(broker.address(), "events/#").await;
    let mut sender =
        Sender { mqtt: destination(&at(broker.address()), &[("mqtt.version", version)]), acknowledged: BTreeSet::new(), losses: 0 };
    let mut restarts = vec![MESSAGES * 8 / 10, MESSAGES / 2, MESSAGES / 5];
    sender
        .send(MESSAGES, |acknowledged| {
            if restarts.last().is_some_and(|at| acknowledged >= *at) {
                restarts.pop();
                broker.stop();
                broker.run();
            }
        })
        .await;
    assert!(restarts.is_empty() && sender.losses >= 3, "{} losses", sender.losses);
    assert_eq!(receive_all(&mut subscriber, MESSAGES).await, (1..=MESSAGES).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_of_the_broker_lose_nothing_and_keep_the_order() {
    restarts_lose_nothing("5").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_of_the_broker_lose_nothing_and_keep_the_order_with_version_3() {
    restarts_lose_nothing("3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_broker_gets_everything_that_it_has_not_acknowledged() {
    let mut broker = Mosquitto::start();
    let mut subscriber = Subscriber::start(broker.address(), "events/#").await;
    let mut sender = Sender { mqtt: destination(&at(broker.address()), &[]), acknowledged: BTreeSet::new(), losses: 0 };
    let mut kills: Vec<_> = (1..=5).rev().map(|sixth| MESSAGES * sixth / 6).collect();
    sender
        .send(MESSAGES, |acknowledged| {
            if kills.last().is_some_and(|at| acknowledged >= *at) {
                kills.pop();
                broker.kill();
                broker.run();
            }
        })
        .await;
    assert!(sender.losses >= 5, "{} losses", sender.losses);
    assert_eq!(sender.acknowledged.len() as u64, MESSAGES);
    // What a killed broker had acknowledged and not passed on is its own loss, but nothing overtakes.
    let firsts = firsts(&numbers(&subscriber.received()));
    assert!(firsts.is_sorted(), "{:?}", firsts.windows(2).find(|pair| pair[0] > pair[1]));
}

#[tokio::test]
async fn a_small_receive_maximum_is_kept_to() {
    let broker = Mosquitto::with(&Settings { lines: &["max_inflight_messages 3"], ..Settings::default() });
    let mqtt = destination(&at(broker.address()), &[]);
    assert_eq!(mqtt.probe().await.expect("an offer").receive_maximum, 3);
    let mut session = connect(&mqtt, Lane::Urgent).await;
    assert_eq!(session.window().records, 3);
    // More than it said it takes: the session keeps the rest back.
    for number in 1..=500 {
        session.submit(Sequence(number), message("events/1", "{}"));
    }
    for number in 1..=500 {
        assert!(matches!(answer(&mut session).await, Answer::Acknowledged { sequence: Sequence(n), .. } if n == number));
    }
}

/// Not a promise but a figure: `cargo test --release -- --ignored --nocapture rate`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn rate_of_acknowledged_messages() {
    const COUNT: u64 = 100_000;
    for version in ["3", "5"] {
        let broker = Mosquitto::start();
        let mqtt = destination(&at(broker.address()), &[("mqtt.version", version)]);
        let mut session = connect(&mqtt, Lane::Normal).await;
        let payload = bytes::Bytes::from(vec![b'x'; 2048]);
        let start = Instant::now();
        let (mut submitted, mut done) = (0, 0);
        while done < COUNT {
            while submitted < COUNT && submitted - done < WINDOW {
                submitted += 1;
                session.submit(Sequence(submitted), message("events/1", payload.clone()));
            }
            assert!(matches!(answer(&mut session).await, Answer::Acknowledged { .. }));
            done += 1;
        }
        println!("version {version}: {:.0} messages/s of 2 KB", COUNT as f64 / start.elapsed().as_secs_f64());
    }
}
