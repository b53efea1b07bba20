//! One person who passed: the event that was sent, where it has arrived, and its line on the screen.

use tokio::time::Instant;

use crate::commands::colour::{ALERT, ODD, VIP, paint};
use boxbridge_config::MQTT;
use boxbridge_event::{PersonType, PictureKind};
use boxbridge_proof::reconcile::{Arrival, Stream};
use boxbridge_proof::simulate::{self, Entry};

pub struct Pass {
    pub since: Instant,
    pub entry: Option<Entry>,
    pub mqtt: Option<Arrival>,
    pub kafka: Option<Arrival>,
    /// Its line has been shown, perhaps before all arrivals.
    pub is_shown: bool,
}

impl Pass {
    pub fn new() -> Pass {
        Pass {
            since: Instant::now(),
            entry: None,
            mqtt: None,
            kafka: None,
            is_shown: false,
        }
    }

    /// Notes an arrival; false if the bus had the event already.
    pub fn arrived(&mut self, arrival: Arrival) -> bool {
        let place = match arrival.bus == MQTT {
            true => &mut self.mqtt,
            false => &mut self.kafka,
        };
        let is_first = place.is_none();
        if is_first {
            *place = Some(arrival);
        }
        is_first
    }

    pub fn is_complete(&self) -> bool {
        self.entry.is_some() && self.mqtt.is_some() && self.kafka.is_some()
    }

    /// `14:05:09 BLACKLIST 192.168.1.2   disk   2  mqtt    4  kafka    6 ms  王芳`: milliseconds from the moment the box sent it.
    pub fn line(&self) -> Option<String> {
        let entry = self.entry.as_ref()?;
        let bus = |name: &str, arrival: &Option<Arrival>| match arrival {
            Some(arrival) => format!(
                "{name} {:>4}",
                arrival.arrived_at.since(entry.sent_at).max(0)
            ),
            None => paint(ODD, &format!("{name} wait")),
        };

        let (mqtt, kafka) = (bus("mqtt", &self.mqtt), bus("kafka", &self.kafka));
        let answered = entry
            .answered_at
            .map_or(0, |answered_at| answered_at.since(entry.sent_at).max(0));
        Some(format!(
            "{} disk {answered:>3}  {mqtt}  {kafka} ms  {}",
            head(entry),
            name(entry)
        ))
    }

    /// The line for an arrival after the person's own line was shown.
    pub fn late_line(&self, arrival: &Arrival) -> Option<String> {
        let entry = self.entry.as_ref()?;
        let seconds = arrival.arrived_at.since(entry.sent_at) as f64 / 1000.0;
        let meaning = match arrival.stream {
            Stream::Live => "live: may be acted on",
            Stream::Late => "late topic: for the record",
            Stream::Elsewhere => "an unexpected topic",
        };
        let bus = &arrival.bus;
        Some(format!(
            "{} {bus} after {seconds:.1} s, {meaning}  {}",
            head(entry),
            name(entry)
        ))
    }

    /// The key of the scene picture.
    pub fn scene(&self) -> Option<&str> {
        let event = self.mqtt.as_ref()?.event.as_ref()?;
        event.pictures.get(&PictureKind::Scene)?.key.as_deref()
    }

    pub fn is_urgent(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| {
            matches!(entry.person_type, PersonType::Blacklist | PersonType::Vip)
        })
    }
}

/// The line for an answer other than 200.
pub fn refused(entry: &Entry) -> String {
    let answer = entry.status.map_or_else(
        || entry.reason.clone().unwrap_or_default(),
        |status| status.to_string(),
    );
    format!(
        "{} {}  {}",
        head(entry),
        paint(ALERT, &format!("REFUSED: {answer}")),
        name(entry)
    )
}

fn head(entry: &Entry) -> String {
    let time = entry.sent_at.to_string();
    let word = match entry.person_type {
        PersonType::Blacklist => paint(ALERT, "BLACKLIST"),
        PersonType::Vip => paint(VIP, "VIP      "),
        other => format!("{:<9}", other.as_str()),
    };
    format!(
        "{} {word} {:<12}",
        time.get(11..19).unwrap_or_default(),
        entry.device
    )
}

fn name(entry: &Entry) -> &'static str {
    simulate::name(entry.person_type, &entry.identity)
}
