//! Set-aside records that are sent again: an operator's order becomes records of their destinations' normal lanes.
//!
//! Promises: whatever is sent again goes through the lane of its own destination, late, behind everything live, and a few at a time. Its file
//! goes once the destination has it for good; if we die before, it is sent again, with the same id and revision. What is refused again stays
//! set aside with the new reason. A destination that is down holds back its own records only. Deliberately remembers no order beyond the
//! process: what was not sent is set aside still.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::kept::{Aside, AsideFilter};
use crate::system::fault::{self, Fault};

mod line;
mod source;

pub use line::Line;
pub use source::WithResent;

/// Names that are taken at once.
const NAMES_AT_ONCE: usize = 200;
/// How often is told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// The lines of all destinations.
pub struct Resend {
    aside: Arc<Aside>,
    lines: Vec<Arc<Line>>,
}

/// What an operator wants sent again.
#[derive(Clone, Debug)]
pub struct Order {
    pub filter: AsideFilter,
    /// The replay that the messages name.
    pub replay: Arc<str>,
    /// Records a second to each destination; `None` = as fast as it takes them.
    pub rate: Option<u32>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Resent {
    /// The destination has them.
    pub delivered: u64,
    /// They stay set aside.
    pub refused: u64,
    /// Their destination is not configured any more: they stay set aside.
    pub without_destination: u64,
}

impl Resent {
    pub fn done(&self) -> u64 {
        self.delivered + self.refused + self.without_destination
    }
}

impl Resend {
    pub fn new(aside: Arc<Aside>, lines: Vec<Arc<Line>>) -> Resend {
        Resend { aside, lines }
    }

    /// To whom something can be sent.
    pub fn destinations(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| &*line.destination)
    }

    /// Sends again what the order means, until that is done or `cancelled`. Tells from time to time how far it is.
    pub async fn carry_out(
        &self,
        order: Order,
        cancelled: CancellationToken,
        tell: impl Fn(Resent),
    ) -> io::Result<Resent> {
        let order = Arc::new(order);
        let mut feeding = JoinSet::new();
        for line in self.lines_of(&order.filter) {
            line.begin(&order.replay);
            let feed = Feed {
                aside: Arc::clone(&self.aside),
                line: Arc::clone(line),
                order: Arc::clone(&order),
                cancelled: cancelled.clone(),
            };
            feeding.spawn(feed.run());
        }
        let without_destination = self.count_strays(&order.filter).await?;

        let mut failed = Ok(());
        loop {
            let fed = tokio::time::timeout(TELL_EVERY, feeding.join_next()).await;
            tell(self.resent(&order, without_destination));
            match fed {
                Err(_) => {}
                Ok(None) => break,
                Ok(Some(fed)) => {
                    let fed = fault::joined(fed).unwrap_or_else(|| Err(io::Error::other(Fault)));
                    failed = failed.and(fed);
                }
            }
        }
        failed.map(|()| self.resent(&order, without_destination))
    }

    fn lines_of(&self, filter: &AsideFilter) -> impl Iterator<Item = &Arc<Line>> {
        let wanted = filter.destination.clone();
        let lines = self.lines.iter();
        lines.filter(move |line| {
            wanted
                .as_deref()
                .is_none_or(|name| *name == *line.destination)
        })
    }

    fn resent(&self, order: &Order, without_destination: u64) -> Resent {
        let of_lines = self.lines_of(&order.filter).map(|line| line.ended());
        of_lines.fold(
            Resent {
                without_destination,
                ..Resent::default()
            },
            |all, (delivered, refused)| Resent {
                delivered: all.delivered + delivered,
                refused: all.refused + refused,
                ..all
            },
        )
    }

    async fn count_strays(&self, filter: &AsideFilter) -> io::Result<u64> {
        let (aside, filter) = (Arc::clone(&self.aside), filter.clone());
        let counted = tokio::task::spawn_blocking(move || aside.count(&filter)).await;
        let counts = counted.map_err(|_| io::Error::other(Fault))??;

        let strays = counts
            .destinations
            .iter()
            .filter(|(name, _)| !self.destinations().any(|known| known == *name));
        Ok(strays.map(|(_, records)| records).sum())
    }
}

/// One destination's part of an order.
struct Feed {
    aside: Arc<Aside>,
    line: Arc<Line>,
    order: Arc<Order>,
    cancelled: CancellationToken,
}

impl Feed {
    /// Until all of it has an end, or the order is cancelled: then what is not on its way goes no more.
    async fn run(self) -> io::Result<()> {
        let cancelled = self.cancelled.clone();
        let fed = cancelled.run_until_cancelled(self.feed()).await;
        if fed.is_none() {
            self.line.cancel();
        }
        fed.unwrap_or(Ok(()))
    }

    async fn feed(&self) -> io::Result<()> {
        let of_line = AsideFilter {
            destination: Some(self.line.destination.to_string()),
            ..AsideFilter::default()
        };
        let end = self.aside.last_name();
        let mut last: Option<String> = None;
        let mut next = Instant::now();
        loop {
            let names = self.aside.names_after(last.as_deref(), NAMES_AT_ONCE);
            let within = names.iter().filter(|name| Some(*name) <= end.as_ref());
            for name in within.filter(|name| of_line.may_mean(name)) {
                if self.offer(name).await? {
                    next = self.pace(next).await;
                }
            }

            last = match names.into_iter().next_back() {
                Some(name) if Some(&name) < end.as_ref() => Some(name),
                _ => break,
            };
        }
        self.line.until_all_ended().await;
        Ok(())
    }

    /// Whether it was one that is meant.
    async fn offer(&self, name: &str) -> io::Result<bool> {
        let number = self.line.number().await;
        let (aside, order, name) = (
            Arc::clone(&self.aside),
            Arc::clone(&self.order),
            name.to_owned(),
        );
        let read = move || {
            if !aside.is_meant(&order.filter, &name)? {
                return Ok(None);
            }
            let kept = aside.read(&name)?;
            Ok(kept.map(|kept| kept.into_record(number, &order.replay)))
        };
        let read: io::Result<_> = tokio::task::spawn_blocking(read)
            .await
            .map_err(|_| io::Error::other(Fault))?;

        let Some(record) = read? else {
            return Ok(false);
        };
        match record {
            Some(record) => self.line.offer(record),
            // Nobody can make a message of it.
            None => self.line.cannot_be_sent(),
        }
        Ok(true)
    }

    /// Waits for its turn; when the next one has its.
    async fn pace(&self, turn: Instant) -> Instant {
        let Some(rate) = self.order.rate.filter(|rate| *rate > 0) else {
            return turn;
        };
        let next = turn.max(Instant::now()) + Duration::from_secs(1) / rate;
        sleep_until(next).await;
        next
    }
}
