//! Another client that uses our client id: a broker lets only the last one in, so the two throw each other out for ever.
//!
//! That happens where a `data_dir` was copied, or where two gateways share `send.mqtt.client_id`. Promises: it is called by its name, and we come
//! back ever more slowly, so that neither the broker nor the log is flooded and both deliver in turns. A broker may say so itself (MQTT 5, 0x8E);
//! many only hang up, as all do in 3.1.1. Then it is a guess, after [`HANG_UPS`] in a row with nothing of ours on its way, and the pauses stay short.

use std::time::Duration;

use parking_lot::Mutex;

/// Before the second attempt to come back; doubled up to the last.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_LAST: Duration = Duration::from_secs(60);
/// The same where it is a guess, and an alert may be waiting.
const PAUSE_LAST_GUESSED: Duration = Duration::from_secs(8);
/// A connection that lived for so many of the longest pauses had no namesake: it would have come back.
const ALONE_PAUSES: u32 = 2;
/// A broker that restarts hangs up once or twice.
const HANG_UPS: u32 = 3;

const ADVICE: &str = "most likely a second gateway runs on a copy of this data_dir (delete the file \"instance\" in the copy), or has the same send.mqtt.client_id";

/// The history of one client id.
pub(super) struct Namesake {
    client_id: String,
    seen: Mutex<Seen>,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    /// Connections in a row that another client ended, as the broker said.
    takeovers: u32,
    /// Connections in a row that the broker ended without a word, while nothing was on its way.
    hang_ups: u32,
}

/// How a connection ended, as far as a namesake can be the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The broker said that another client has our id.
    TakenOver,
    /// The broker hung up without a word, and owed us nothing.
    HungUp,
    /// Anything else.
    Other,
}

impl Namesake {
    pub(super) fn new(client_id: String) -> Namesake {
        Namesake {
            client_id,
            seen: Mutex::default(),
        }
    }

    pub(super) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// A connection has ended. If there is most likely a namesake, the words for people.
    pub(super) fn ended(&self, end: End, lived: Duration) -> Option<String> {
        let mut seen = self.seen.lock();
        if lived >= PAUSE_LAST * ALONE_PAUSES {
            seen.takeovers = 0;
        }
        if lived >= PAUSE_LAST_GUESSED * ALONE_PAUSES {
            seen.hang_ups = 0;
        }

        let id = &self.client_id;
        match end {
            End::TakenOver => {
                seen.takeovers = seen.takeovers.saturating_add(1);
                Some(format!("another client has connected as {id:?}: {ADVICE}"))
            }
            End::HungUp => {
                seen.hang_ups = seen.hang_ups.saturating_add(1);
                (seen.hang_ups >= HANG_UPS)
                    .then(|| format!("the broker hangs up again and again; if another client connects as {id:?}: {ADVICE}"))
            }
            End::Other => None,
        }
    }

    /// How long to wait before the next attempt, with a share of chance: two that wait equally long meet again.
    pub(super) fn pause(&self, chance: f64) -> Duration {
        let seen = *self.seen.lock();
        let told = doubled(seen.takeovers, PAUSE_LAST);
        let guessed = doubled(
            (seen.hang_ups + 1).saturating_sub(HANG_UPS),
            PAUSE_LAST_GUESSED,
        );
        told.max(guessed)
            .mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }
}

/// Whether the other side closed the connection without a word.
pub(super) fn is_hang_up(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::UnexpectedEof
            | ErrorKind::BrokenPipe
    )
}

fn doubled(times: u32, last: Duration) -> Duration {
    let doublings = times.checked_sub(1);
    doublings.map_or(Duration::ZERO, |doublings| {
        PAUSE_FIRST
            .saturating_mul(2_u32.saturating_pow(doublings))
            .min(last)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(5);

    fn pauses(namesake: &Namesake, end: End, times: usize) -> Vec<u64> {
        let ended = |_| {
            namesake.ended(end, SHORT);
            namesake.pause(1.0).as_secs()
        };
        (0..times).map(ended).collect()
    }

    #[test]
    fn a_client_that_is_thrown_out_comes_back_ever_more_slowly() {
        let namesake = Namesake::new("boxbridge-1-urgent".to_owned());
        assert_eq!(namesake.pause(1.0), Duration::ZERO);
        assert_eq!(
            pauses(&namesake, End::TakenOver, 8),
            [1, 2, 4, 8, 16, 32, 60, 60]
        );
        assert_eq!(namesake.pause(0.0), PAUSE_LAST / 2);
        namesake.ended(End::Other, PAUSE_LAST * ALONE_PAUSES);
        assert_eq!(namesake.pause(1.0), Duration::ZERO, "it was alone");
    }

    #[test]
    fn a_broker_that_hangs_up_is_suspected_late_and_in_other_words() {
        let namesake = Namesake::new("boxbridge-1-urgent".to_owned());
        assert_eq!(namesake.ended(End::HungUp, SHORT), None);
        assert_eq!(pauses(&namesake, End::HungUp, 7), [0, 1, 2, 4, 8, 8, 8]);

        let said = namesake.ended(End::HungUp, SHORT).unwrap_or_default();
        assert!(
            said.contains("if another client connects as \"boxbridge-1-urgent\""),
            "{said}"
        );

        let said = namesake.ended(End::TakenOver, SHORT).unwrap_or_default();
        assert!(
            said.starts_with("another client has connected as")
                && said.contains("copy of this data_dir"),
            "{said}"
        );
        assert_eq!(namesake.ended(End::Other, SHORT), None);
    }
}
