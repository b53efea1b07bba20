//! Mode cluster: of what was answered from Kafka nothing is lost, whatever fails and whichever disk is gone.
//!
//! `make test` sees a gateway go with its disk, and all of them rolled. `make cluster-test` goes through every fault, lets alerts overtake a backlog,
//! and tries more and fewer gateways: twenty-five minutes, with figures.

mod campaign;
mod fleet;
mod verdict;
mod witness;

use std::time::Duration;

use boxbridge_proof::simulate;

use campaign::{Campaign, Gateways, for_a_while};
use fleet::{Fleet, Shape};
use verdict::Verdict;

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_goes_with_its_disk_takes_nothing_that_kafka_acknowledged() {
    let traffic = simulate::Options {
        rate: 30.0,
        picture_bytes: 10_000,
        patience: Duration::from_secs(5),
        ..simulate::Options::default()
    };
    // A machine that tests is slower than a box is patient: three of these four seconds are for Kafka and the bucket.
    let shape = shape(3, Duration::from_secs(4));
    let mut campaign = Campaign::start(shape, traffic).await;
    let goes = |fleet: &mut Fleet| lose_one_after_the_other(fleet, 2, Duration::from_secs(1));
    campaign
        .step("two disks are lost", Gateways::Die, goes)
        .await;
    campaign.step("rolled", Gateways::Roll, Fleet::roll).await;

    judge(campaign).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes ten minutes: make cluster-test"]
async fn what_kafka_acknowledged_outlives_every_fault() {
    let shape = shape(3, Duration::from_millis(400));
    let mut campaign = Campaign::start(shape, traffic(1.0)).await;
    get_warm(&mut campaign).await;
    lose_gateways(&mut campaign).await;
    lose_kafka(&mut campaign).await;
    lose_bus_and_bucket(&mut campaign).await;

    judge(campaign).await.demand_order();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make cluster-test"]
async fn alerts_overtake_a_hundred_thousand_passes() {
    let shape = shape(3, Duration::from_millis(400));
    let mut campaign = Campaign::start(shape, traffic(1.0)).await;
    get_warm(&mut campaign).await;
    overtake(&mut campaign).await;

    judge(campaign).await.demand_order();
}

/// One, two and four gateways, each with as many boxes as the first, and edge beside them: what does an event cost, and how late is an alert while
/// all are stopped and started?
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make cluster-test"]
async fn more_gateways_carry_more() {
    for (gateways, over_kafka) in [(1, false), (1, true), (2, true), (4, true)] {
        let shape = Shape {
            over_kafka,
            ..shape(gateways, Duration::from_millis(400))
        };
        let mut campaign = Campaign::start(shape, traffic(0.25 * gateways as f64)).await;
        get_warm(&mut campaign).await;
        let calm = |_: &mut Fleet| for_a_while(30);
        campaign.step("calm", Gateways::Stay, calm).await;
        if gateways > 1 {
            campaign.step("rolled", Gateways::Roll, Fleet::roll).await;
        }

        println!("gateways: {gateways}, over Kafka: {over_kafka}");
        judge(campaign).await;
    }
}

/// Prints the table, and demands that nothing is lost.
async fn judge(campaign: Campaign) -> Verdict {
    let mut verdict = campaign.finish().await;
    println!("{verdict}");
    verdict.demand_that_nothing_is_lost();
    verdict
}

fn shape(gateways: usize, answer_deadline: Duration) -> Shape {
    Shape {
        gateways,
        over_kafka: true,
        answer_deadline,
    }
}

/// Events a second; fewer where a machine does not carry them: `RATE=100 make cluster-test`.
const RATE: f64 = 300.0;

/// This share of what boxes send in the campaign.
fn traffic(share: f64) -> simulate::Options {
    let rate = std::env::var("RATE").ok().and_then(|it| it.parse().ok());
    simulate::Options {
        rate: rate.unwrap_or(RATE) * share,
        patience: Duration::from_secs(2),
        ..simulate::Options::default()
    }
}

/// Topics are made, connections opened and code compiled: an answer waits longer than it does later.
async fn get_warm(campaign: &mut Campaign) {
    let first = |_: &mut Fleet| for_a_while(15);
    campaign
        .step("the first 15 s", Gateways::Begin, first)
        .await;
}

async fn lose_gateways(campaign: &mut Campaign) {
    let calm = |_: &mut Fleet| for_a_while(20);
    campaign.step("calm", Gateways::Stay, calm).await;
    let behind = Duration::from_millis(200);
    let twenty = |fleet: &mut Fleet| lose_one_after_the_other(fleet, 20, behind);
    campaign
        .step("twenty disks are lost", Gateways::Die, twenty)
        .await;
    campaign.step("rolled", Gateways::Roll, Fleet::roll).await;
}

/// While Kafka is behind by less than a gateway waits for it.
fn lose_one_after_the_other(fleet: &mut Fleet, times: usize, behind: Duration) {
    for number in 0..times {
        for_a_while(3);
        fleet.lose(number % fleet.gateways.len(), behind);
    }
    for_a_while(2);
}

async fn lose_kafka(campaign: &mut Campaign) {
    let a_node = |fleet: &mut Fleet| {
        for_a_while(5);
        fleet.kafka.nodes[0].kill();
        for_a_while(15);
        fleet.kafka.nodes[0].start_again();
        fleet.kafka.wait();
        for_a_while(5);
    };
    campaign
        .step("a Kafka node is killed", Gateways::Stay, a_node)
        .await;

    let all = |fleet: &mut Fleet| {
        for_a_while(5);
        fleet.kafka.pause();
        for_a_while(10);
        fleet.kafka.resume();
        for_a_while(10);
    };
    campaign
        .step("Kafka is frozen for 10 s", Gateways::Stay, all)
        .await;
}

async fn lose_bus_and_bucket(campaign: &mut Campaign) {
    let mosquitto = |fleet: &mut Fleet| {
        fleet.mosquitto.stop();
        for_a_while(60);
        fleet.mosquitto.run();
        for_a_while(5);
    };
    campaign
        .step("mosquitto is away for 60 s", Gateways::Stay, mosquitto)
        .await;

    let store = |fleet: &mut Fleet| {
        fleet.store.kill();
        for_a_while(60);
        fleet.store.restart();
        for_a_while(5);
    };
    campaign
        .step("the bucket is away for 60 s", Gateways::Stay, store)
        .await;
}

/// Passes of employees wait for mosquitto; once the gateways are connected to it again, alerts come as well.
async fn overtake(campaign: &mut Campaign) {
    let passes = simulate::Options {
        rate: 400.0,
        pictures: 0,
        mix: "employee=1".parse().unwrap(),
        patience: Duration::from_secs(2),
        ..simulate::Options::default()
    };
    let alerts = simulate::Options {
        rate: 20.0,
        mix: "blacklist=1".parse().unwrap(),
        ..passes.clone()
    };
    let away = |fleet: &mut Fleet| {
        fleet.mosquitto.stop();
        for_a_while(250);
        fleet.mosquitto.run();
        fleet.wait_for_mosquitto();
    };
    campaign
        .backlog(
            [("passes wait", passes), ("alerts before them", alerts)],
            away,
        )
        .await;
}
