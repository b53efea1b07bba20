//! Boxes send, something fails, everything is delivered: step by step, with a line for each and a table at the end.

use std::time::{Duration, Instant};

use boxbridge_proof::simulate::{self, Outcome};
use tokio_util::sync::CancellationToken;

use super::fleet::{Fleet, Reasons, Shape, since};
use super::verdict::Verdict;
use super::witness::Witness;

pub struct Campaign {
    fleet: Fleet,
    witness: Witness,
    /// What the boxes of a step send, where the step says nothing else.
    traffic: simulate::Options,
    steps: Vec<Step>,
    started: Instant,
}

/// One run of boxes, and what the gateways said of it.
pub struct Step {
    pub name: &'static str,
    pub outcome: Outcome,
    /// Answered from a disk, by reason; and from disks that were deleted.
    pub from_disks: Reasons,
    pub from_deleted_disks: Reasons,
    pub gateways: Gateways,
    pub cpu_seconds: f64,
}

/// What becomes of them in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gateways {
    /// They begin their groups, and tell what comes meanwhile out of their disks as well.
    Begin,
    /// So boxes stay on theirs.
    Stay,
    /// In order: boxes change gateways.
    Roll,
    /// What it had not yet heard an answer for is sent again.
    Die,
}

impl Gateways {
    /// Whether something of them is to be told twice.
    pub fn repeat(self) -> bool {
        matches!(self, Gateways::Begin | Gateways::Die)
    }
}

impl Campaign {
    pub async fn start(shape: Shape, traffic: simulate::Options) -> Campaign {
        let (started, gateways) = (Instant::now(), shape.gateways);
        let fleet = tokio::task::spawn_blocking(move || Fleet::start(&shape));
        let fleet = fleet.await.unwrap();
        let witness = Witness::start(fleet.config()).await;
        println!(
            "gateways ({gateways}), three Kafka nodes, haproxy, mosquitto and a bucket are there after {:?}",
            started.elapsed()
        );
        Campaign {
            fleet,
            witness,
            traffic,
            steps: Vec::new(),
            started,
        }
    }

    /// Boxes send all the while that `fault` takes; then everything is delivered.
    pub async fn step(
        &mut self,
        name: &'static str,
        gateways: Gateways,
        fault: impl FnOnce(&mut Fleet),
    ) {
        let options = self.traffic.clone();
        self.step_with(name, gateways, options, fault).await;
    }

    pub async fn step_with(
        &mut self,
        name: &'static str,
        gateways: Gateways,
        options: simulate::Options,
        fault: impl FnOnce(&mut Fleet),
    ) {
        let before = Counts::of(&self.fleet);
        let boxes = self.send(name, options);
        tokio::task::block_in_place(|| fault(&mut self.fleet));
        let outcome = boxes.stop().await;

        self.everything_arrives([name]).await;
        let now = Counts::of(&self.fleet);
        self.note(Step {
            name,
            outcome,
            from_disks: since(&before.from_disks, now.from_disks),
            from_deleted_disks: since(&before.from_deleted_disks, now.from_deleted_disks),
            gateways,
            cpu_seconds: now.cpu_seconds - before.cpu_seconds,
        });
    }

    /// A backlog while `broken` lasts, and `overtakers` once it is over: both are steps.
    pub async fn backlog(
        &mut self,
        [backlog, overtakers]: [(&'static str, simulate::Options); 2],
        broken: impl FnOnce(&mut Fleet),
    ) {
        let before = Counts::of(&self.fleet);
        let boxes = self.send(backlog.0, backlog.1);
        tokio::task::block_in_place(|| broken(&mut self.fleet));
        let waiting = boxes.stop().await;

        let boxes = self.send(overtakers.0, overtakers.1);
        tokio::task::block_in_place(|| for_a_while(20));
        let overtaking = boxes.stop().await;

        self.everything_arrives([backlog.0, overtakers.0]).await;
        let now = Counts::of(&self.fleet);
        let mut from_disks = since(&before.from_disks, now.from_disks);
        for (name, outcome) in [(backlog.0, waiting), (overtakers.0, overtaking)] {
            self.note(Step {
                name,
                outcome,
                from_disks: std::mem::take(&mut from_disks),
                from_deleted_disks: Reasons::new(),
                gateways: Gateways::Stay,
                cpu_seconds: 0.0,
            });
        }
    }

    async fn everything_arrives<const N: usize>(&mut self, runs: [&str; N]) {
        tokio::task::block_in_place(|| self.fleet.wait_delivered());
        for run in runs {
            self.witness.wait_for(run).await;
        }
    }

    fn note(&mut self, step: Step) {
        println!("{:>4} s  {}", self.started.elapsed().as_secs(), step.line());
        self.steps.push(step);
    }

    fn send(&self, name: &str, options: simulate::Options) -> Boxes {
        let options = simulate::Options {
            ledger: Some(self.witness.ledger(name)),
            ..self.fleet.boxes(options)
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(simulate_until(options, stop.clone()));
        Boxes { task, stop }
    }

    pub async fn finish(self) -> Verdict {
        Verdict::of(self.witness.finish().await, self.steps).await
    }
}

/// They send until they are told to stop.
struct Boxes {
    task: tokio::task::JoinHandle<Outcome>,
    stop: CancellationToken,
}

impl Boxes {
    async fn stop(self) -> Outcome {
        self.stop.cancel();
        self.task.await.unwrap()
    }
}

async fn simulate_until(options: simulate::Options, stop: CancellationToken) -> Outcome {
    simulate::run_until(options, stop).await.unwrap()
}

struct Counts {
    from_disks: Reasons,
    from_deleted_disks: Reasons,
    cpu_seconds: f64,
}

impl Counts {
    fn of(fleet: &Fleet) -> Counts {
        Counts {
            from_disks: fleet.answered_from_disks(),
            from_deleted_disks: fleet.answered_from_deleted_disks(),
            cpu_seconds: fleet.cpu_seconds(),
        }
    }
}

impl Step {
    /// Of all gateways, for each event that was answered 200; where they are the same processes all the while.
    pub fn cpu_milliseconds(&self) -> String {
        let events = self.outcome.acknowledged.max(1) as f64;
        let is_counted = matches!(self.gateways, Gateways::Begin | Gateways::Stay);
        match is_counted && self.cpu_seconds > 0.0 {
            true => format!("{:.1}", self.cpu_seconds * 1000.0 / events),
            false => "–".to_owned(),
        }
    }

    fn line(&self) -> String {
        let Outcome {
            events,
            acknowledged,
            answer_ms,
            ..
        } = &self.outcome;
        format!(
            "{}: {events} events, {acknowledged} answered 200, p50 {:.0} ms, p99 {:.0} ms; from disks {:?}, of these {:?} from deleted ones",
            self.name, answer_ms.p50, answer_ms.p99, self.from_disks, self.from_deleted_disks
        )
    }
}

/// The stimulus of a step: for so long nothing else happens.
pub fn for_a_while(seconds: u64) {
    // The stimulus: boxes send.
    std::thread::sleep(Duration::from_secs(seconds));
}
