//! Nothing is lost and nothing overtakes, whatever becomes of the broker.

use std::collections::BTreeSet;
use std::time::Duration;

use boxbridge::send::mqtt::{Mqtt, Session};
use boxbridge::send::{Answer, Destination, Session as _};
use boxbridge_event::{Lane, Sequence};

use super::{answer_or_loss, at, connect, destination, message, next};
use crate::parts::mosquitto::{Mosquitto, Settings};
use crate::parts::subscriber::{Received, Subscriber};

const MESSAGES: u64 = 10_000;
const WINDOW: u64 = 1000;
const PADDING: usize = 2000;

/// What the gateway does, in small: a window, and after a loss a new session from the lowest record without an answer.
struct Sender {
    mqtt: Mqtt,
    /// The lowest without an answer; those above it that have one.
    lowest: u64,
    above: BTreeSet<u64>,
    losses: usize,
}

impl Sender {
    fn new(mqtt: Mqtt) -> Sender {
        Sender {
            mqtt,
            lowest: 1,
            above: BTreeSet::new(),
            losses: 0,
        }
    }

    /// Sends 1 to `MESSAGES`, calling `at_answer` with the lowest without an answer after each.
    async fn send(&mut self, mut at_answer: impl FnMut(u64)) {
        while self.lowest <= MESSAGES {
            match self.mqtt.connect(Lane::Normal).await {
                Ok(mut session) => self.run(&mut session, &mut at_answer).await,
                // The pause between two attempts.
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    async fn run(&mut self, session: &mut Session, at_answer: &mut impl FnMut(u64)) {
        let window = WINDOW.min(session.window().records as u64);
        let mut answered = BTreeSet::new();
        let mut next = self.lowest;
        while self.lowest <= MESSAGES {
            while next <= MESSAGES && next < self.lowest + window {
                session.submit(
                    Sequence(next),
                    message("events/1", format!("{next} {}", "x".repeat(PADDING))),
                );
                next += 1;
            }
            match answer_or_loss(session).await {
                Ok(Answer::Acknowledged { sequence, .. }) => {
                    assert!(
                        answered.insert(sequence),
                        "{sequence} is answered twice in one session"
                    );
                    self.acknowledged(sequence.0);
                    at_answer(self.lowest);
                }
                Err(_) => {
                    self.losses += 1;
                    return;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn acknowledged(&mut self, number: u64) {
        self.above.insert(number);
        while self.above.remove(&self.lowest) {
            self.lowest += 1;
        }
    }
}

fn number(received: &Received) -> u64 {
    received
        .text()
        .split(' ')
        .next()
        .and_then(|word| word.parse().ok())
        .expect("a number")
}

/// The numbers that came, each where it came first.
fn firsts(received: &[Received]) -> Vec<u64> {
    let mut seen = BTreeSet::new();
    received
        .iter()
        .map(number)
        .filter(|number| seen.insert(*number))
        .collect()
}

/// Waits for the last, and gives all.
async fn receive_all(subscriber: &mut Subscriber) -> Vec<Received> {
    let mut received = subscriber.receive(1).await;
    while received.last().map(number) != Some(MESSAGES) {
        received.extend(subscriber.receive(1).await);
    }
    received
}

async fn restarts_lose_nothing(version: &str) {
    let mut broker = Mosquitto::start();
    let mut subscriber = Subscriber::start(broker.address(), "events/#").await;
    let mut sender = Sender::new(destination(
        &at(broker.address()),
        &[("mqtt.version", version)],
    ));
    let mut restarts = vec![MESSAGES * 8 / 10, MESSAGES / 2, MESSAGES / 5];
    sender
        .send(|lowest| {
            if restarts.last().is_some_and(|at| lowest > *at) {
                restarts.pop();
                broker.stop();
                broker.run();
            }
        })
        .await;
    assert!(
        restarts.is_empty() && sender.losses >= 3,
        "{} losses",
        sender.losses
    );
    assert_eq!(
        firsts(&receive_all(&mut subscriber).await),
        (1..=MESSAGES).collect::<Vec<_>>()
    );
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
    let mut sender = Sender::new(destination(&at(broker.address()), &[]));
    let mut kills: Vec<_> = (1..=5).rev().map(|sixth| MESSAGES * sixth / 6).collect();
    sender
        .send(|lowest| {
            if kills.last().is_some_and(|at| lowest > *at) {
                kills.pop();
                broker.kill();
                broker.run();
            }
        })
        .await;
    assert!(sender.losses >= 5, "{} losses", sender.losses);
    // What a killed broker had acknowledged and not passed on is its own loss, but nothing overtakes.
    let firsts = firsts(&subscriber.received());
    assert!(
        firsts.is_sorted(),
        "{:?}",
        firsts.windows(2).find(|pair| pair[0] > pair[1])
    );
}

#[tokio::test]
async fn a_small_receive_maximum_is_kept_to() {
    let broker = Mosquitto::with(&Settings {
        lines: &["max_inflight_messages 3"],
        ..Settings::default()
    });
    let mqtt = destination(&at(broker.address()), &[]);
    assert_eq!(mqtt.probe().await.expect("an offer").receive_maximum, 3);
    let mut session = connect(&mqtt, Lane::Urgent).await;
    assert_eq!(session.window().records, 3);
    // More than it said it takes: the session keeps the rest back.
    for number in 1..=500 {
        session.submit(Sequence(number), message("events/1", "{}"));
    }
    for number in 1..=500 {
        assert!(
            matches!(next(&mut session).await, Answer::Acknowledged { sequence: Sequence(n), .. } if n == number)
        );
    }
}
