//! Sending an hour again: which records an operator means, who may get them, and how far back that reaches.
//!
//! Promises: nothing is begun that makes no sense (a time that is not there yet or not there any more, a destination that nobody knows), and
//! the answer says what is there. A store gets nothing again: pictures lie where they were put, and a replay names them. Deliberately sends
//! nothing: the cursors do, behind everything live.

use std::io;

use crate::queue::{Queue, ReplayReport, Selection, SendAgain, Survey};
use boxbridge_config::{Config, Destination, KindName, PicturePolicy, Route};
use boxbridge_event::{PersonType, Sequence, Timestamp};

/// A cursor's slot has room for so much of a name.
const DEVICE_MAX_BYTES: usize = 256;
/// Beyond it a rate means nothing.
const RATE_MAX: u32 = 1_000_000;

pub struct Replays {
    queue: Queue,
    destinations: Vec<Known>,
}

/// A destination, as far as a replay cares.
struct Known {
    name: String,
    kind: KindName,
    /// The person types that it gets at all, once they are late.
    person_types: Vec<PersonType>,
    sends_inline: bool,
}

/// What an operator asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub from: Timestamp,
    pub to: Timestamp,
    /// `None` = every bus.
    pub destination: Option<String>,
    pub device: Option<String>,
    pub person_type: Option<PersonType>,
    /// Records a second, to each destination.
    pub rate: Option<u32>,
}

/// What there is of it.
#[derive(Clone, Debug)]
pub struct Plan {
    pub oldest: Timestamp,
    pub counted: Vec<Survey>,
    /// Destinations that send pictures inline: those that the queue holds no more go as references.
    pub inline: Vec<String>,
}

/// Why nothing is sent again.
#[derive(Debug, thiserror::Error)]
pub enum NotReplayed {
    #[error("{0}")]
    Senseless(String),
    #[error("there is no destination {named:?}, only {}", .known.join(", "))]
    UnknownDestination { named: String, known: Vec<String> },
    /// Before what is there, or after it.
    #[error("{0}")]
    OutOfWindow(String),
    #[error("nothing matches: {0}")]
    Nothing(String),
    #[error("the queue cannot be read now: {0}")]
    Unread(#[from] io::Error),
}

impl Replays {
    pub fn new(config: &Config, queue: Queue) -> Replays {
        Replays {
            queue,
            destinations: config.send.destinations.iter().map(Known::of).collect(),
        }
    }

    /// How far back the queue reaches; `None` where nothing is in it.
    pub async fn oldest(&self) -> io::Result<Option<Timestamp>> {
        let oldest = self.queue.oldest().await?;
        Ok(oldest.map(|(_, received_at)| received_at))
    }

    /// Counts what would be sent, and changes nothing.
    pub async fn plan(&self, wanted: &Wanted, now: Timestamp) -> Result<Plan, NotReplayed> {
        let send_again = self.send_again(wanted, now)?;
        let oldest = self.reaches(wanted).await?;
        let counted = self.queue.survey(send_again).await?;
        self.made(wanted, oldest, counted)
    }

    /// Sends it again, as `id`. What is returned is on its way, and survives a restart.
    pub async fn begin(
        &self,
        id: &str,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<Plan, NotReplayed> {
        let send_again = self.send_again(wanted, now)?;
        let oldest = self.reaches(wanted).await?;
        let begun = self
            .queue
            .send_again(id.to_owned(), send_again, wanted.rate)
            .await?;
        self.made(wanted, oldest, begun)
    }

    pub fn reports(&self) -> Vec<ReplayReport> {
        self.queue.replays()
    }

    pub fn report(&self, id: &str) -> Option<ReplayReport> {
        self.reports().into_iter().find(|report| report.id == id)
    }

    /// False where none of this name is under way.
    pub async fn cancel(&self, id: &str) -> io::Result<bool> {
        self.queue.cancel_replay(id.to_owned()).await
    }

    fn made(
        &self,
        wanted: &Wanted,
        oldest: Timestamp,
        counted: Vec<Survey>,
    ) -> Result<Plan, NotReplayed> {
        if counted.iter().all(|each| each.records == 0) {
            return Err(self.nothing(wanted, oldest));
        }
        let is_counted = |known: &&Known| counted.iter().any(|each| each.destination == known.name);
        let inline = self.destinations.iter().filter(is_counted);
        let inline = inline.filter(|known| known.sends_inline);
        Ok(Plan {
            oldest,
            inline: inline.map(|known| known.name.clone()).collect(),
            counted,
        })
    }

    fn nothing(&self, wanted: &Wanted, oldest: Timestamp) -> NotReplayed {
        let mut what = format!("no event from {} to {}", wanted.from, wanted.to);
        if let Some(person_type) = wanted.person_type {
            what += &format!(" of person type {person_type}");
        }
        if let Some(device) = &wanted.device {
            what += &format!(" of device {device:?}");
        }
        if let Some(destination) = &wanted.destination {
            what += &format!(" that goes to {destination}");
        }
        what += &format!("; the queue reaches back to {oldest}");
        NotReplayed::Nothing(what)
    }

    /// Each destination that is meant, with what it may get.
    fn send_again(&self, wanted: &Wanted, now: Timestamp) -> Result<Vec<SendAgain>, NotReplayed> {
        check(wanted, now)?;
        let meant = self.meant(wanted.destination.as_deref())?;
        let send_again = |known: &Known| {
            let of_route = known.person_types.iter().copied();
            let meant = of_route.filter(|it| wanted.person_type.is_none_or(|wanted| *it == wanted));
            let person_types: Vec<_> = meant.collect();
            (!person_types.is_empty()).then(|| SendAgain {
                destination: known.name.clone(),
                selection: Selection {
                    from: Some(wanted.from),
                    to: Some(wanted.to),
                    person_types,
                    device: wanted.device.clone(),
                    ..Selection::default()
                },
            })
        };
        Ok(meant.into_iter().filter_map(send_again).collect())
    }

    fn meant(&self, name: Option<&str>) -> Result<Vec<&Known>, NotReplayed> {
        let is_bus = |known: &&Known| known.kind != KindName::Store;
        let Some(name) = name else {
            return Ok(self.destinations.iter().filter(is_bus).collect());
        };

        match self.destinations.iter().find(|known| known.name == name) {
            Some(known) if is_bus(&known) => Ok(vec![known]),
            Some(_) => Err(NotReplayed::Senseless(format!(
                "{name} keeps pictures, which lie where they were put: a replay goes to a destination of kind mqtt or kafka"
            ))),
            None => Err(NotReplayed::UnknownDestination {
                named: name.to_owned(),
                known: self
                    .destinations
                    .iter()
                    .filter(is_bus)
                    .map(|known| known.name.clone())
                    .collect(),
            }),
        }
    }

    /// When the oldest record came, if the range lies in what is there.
    async fn reaches(&self, wanted: &Wanted) -> Result<Timestamp, NotReplayed> {
        let Some((sequence, oldest)) = self.queue.oldest().await? else {
            return Err(NotReplayed::Nothing("the queue holds no event".to_owned()));
        };
        // Where nothing was ever deleted, nothing before it is missing.
        match wanted.from < oldest && sequence > Sequence(1) {
            true => Err(NotReplayed::OutOfWindow(format!(
                "the queue reaches back to {oldest}, and from is {}: what was before is deleted; begin at --from {oldest}",
                wanted.from
            ))),
            false => Ok(oldest),
        }
    }
}

fn check(wanted: &Wanted, now: Timestamp) -> Result<(), NotReplayed> {
    for (what, moment) in [("from", wanted.from), ("to", wanted.to)] {
        if moment > now {
            let problem = format!("{what} {moment} is in the future: it is {now} now");
            return Err(NotReplayed::OutOfWindow(problem));
        }
    }

    let Wanted {
        from,
        to,
        device,
        rate,
        ..
    } = wanted;
    let problem = if from >= to {
        format!("from {from} must be before to {to}")
    } else if device
        .as_ref()
        .is_some_and(|device| device.len() > DEVICE_MAX_BYTES)
    {
        format!("device must be at most {DEVICE_MAX_BYTES} bytes long")
    } else if rate.is_some_and(|rate| !(1..=RATE_MAX).contains(&rate)) {
        format!("rate must be from 1 to {RATE_MAX} events a second")
    } else {
        return Ok(());
    };
    Err(NotReplayed::Senseless(problem))
}

impl Known {
    fn of(destination: &Destination) -> Known {
        let kind = destination.kind.name();
        let gets = |route: &Route| match kind {
            KindName::Mqtt => route.mqtt_late_topic.is_some(),
            KindName::Kafka => route.kafka_topic.is_some(),
            KindName::Store => false,
        };

        let routes = destination.routes.iter();
        let got = routes.filter(|(_, route)| gets(route));
        let mut routes = destination.routes.iter();
        Known {
            name: destination.name.to_string(),
            kind,
            person_types: got.map(|(person_type, _)| person_type).collect(),
            sends_inline: routes.any(|(_, route)| route.pictures == PicturePolicy::Inline),
        }
    }
}
