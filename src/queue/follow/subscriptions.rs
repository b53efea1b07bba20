//! Everybody who follows the log: every configured destination in both lanes.
//!
//! Promises: what is needed no more, is needed by none of them. Deliberately deletes nothing.

use std::io;
use std::sync::Arc;

use super::progress::Change;
use super::subscription::{STORE, Subscription};
use crate::queue::log::{Log, Segment};
use boxbridge_event::{Lane, PersonType};

pub struct Subscriptions(Vec<Arc<Subscription>>);

impl Subscriptions {
    pub fn new(all: Vec<Arc<Subscription>>) -> Subscriptions {
        Subscriptions(all)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Subscription>> {
        self.0.iter()
    }

    pub fn of(&self, destination: &str, lane: Lane) -> Option<&Arc<Subscription>> {
        self.iter().find(|subscription| {
            subscription.destination == destination && subscription.lane == lane
        })
    }

    /// The destination that settles pictures.
    pub fn of_store(&self, lane: Lane) -> Option<&Arc<Subscription>> {
        self.of(STORE, lane)
    }

    /// Everything up to here is answered everywhere.
    pub fn position(&self) -> u64 {
        let positions = self.iter().map(|each| each.progress().position());
        positions.min().unwrap_or(u64::MAX)
    }

    /// Everything up to here is needed no more, whatever happens.
    pub fn durable(&self) -> u64 {
        let durable = self.iter().map(|each| each.durable());
        durable.min().unwrap_or(u64::MAX)
    }

    /// Everything up to here is needed by no replay that an operator asked for.
    pub fn before_errands(&self) -> u64 {
        let first = self.iter().map(|each| each.progress().errands_from());
        first.min().unwrap_or(u64::MAX).saturating_sub(1)
    }

    /// The same of pictures: of the store and its copies. `None` where nobody takes pictures.
    pub fn pictures_durable(&self, copies: &[String]) -> Option<u64> {
        let takes_pictures = |each: &&Arc<Subscription>| {
            each.verdicts.is_some() || copies.contains(&each.destination)
        };
        let stores = self.iter().filter(takes_pictures);
        stores.map(|store| store.durable()).min()
    }

    /// Writes every slot with that much change. A failure loses nothing: what is not written repeats after a crash, holds back the
    /// segments that it needs, and is written with the next change. True if all is on disk.
    pub fn flush(&self, log: &Log, change: Change) -> bool {
        let mut is_written = self.send_lost_again(log);
        for each in self.iter() {
            each.pass_if_done(log);

            let what = || format!("writing the cursor of {}, {}", each.destination, each.lane);
            match each.flush(log, change) {
                Ok(false) => {}
                Ok(true) => log.outages.over(what),
                Err(error) => {
                    is_written = false;
                    log.outages.began(what(), &error);
                }
            }
        }
        is_written
    }

    /// After a failed sync of a store: what it had, and may have lost, goes to it again. A replay does that, in the normal lane for
    /// both; until its slot is on disk, neither lane's says more than before.
    fn send_lost_again(&self, log: &Log) -> bool {
        let mut is_written = true;
        for normal in self
            .iter()
            .filter(|each| each.lane == Lane::Normal && each.has_losses())
        {
            let lanes = [Some(normal), self.of(&normal.destination, Lane::Urgent)];
            let lanes = lanes.into_iter().flatten();
            let from = lanes.clone().map(|lane| lane.durable()).min().unwrap_or(0) + 1;
            let to = lanes
                .map(|lane| lane.progress().handed_out())
                .max()
                .unwrap_or(0);

            let what = || format!("sending again what {} may have lost", normal.destination);
            match normal.send_again(log, from, to) {
                Ok(losses) => {
                    log.outages.over(what);
                    if let Some(urgent) = self.of(&normal.destination, Lane::Urgent) {
                        urgent.is_sent_again(losses);
                    }
                }
                Err(error) => {
                    is_written = false;
                    log.outages.began(what(), &error);
                }
            }
        }
        is_written
    }

    /// Writes the slots though their stores' last batch may not be synced: for records that were given up.
    pub fn flush_given_up(&self, log: &Log) -> io::Result<()> {
        self.iter().try_for_each(|each| each.flush_given_up(log))
    }

    /// Ends every record of a segment that somebody still waits for, and the replays of it.
    pub fn expire(&self, segment: &Segment, rule: &'static str) -> io::Result<()> {
        let last = segment.through().last();
        for each in self.iter() {
            let mut progress = each.progress();
            let mut given_up = 0_u64;
            segment.visit(segment.base(), |sequence, entry| {
                given_up += u64::from(progress.is_to_replay(sequence, entry));
                if entry.lane == each.lane {
                    progress.expire(sequence, entry.person_type, entry.received_at, rule);
                }
                true
            })?;
            for person_type in PersonType::ALL {
                progress.pass(*person_type, last);
            }
            progress.give_up_replays(last);
            if given_up > 0 {
                tracing::error!(
                    destination.name = each.destination,
                    records = given_up,
                    rule,
                    "a rule ended events that were to be replayed: no count has them"
                );
            }
        }
        Ok(())
    }

    /// Forgets the verdicts on pictures of records that are deleted.
    pub fn forget_before(&self, oldest: u64) -> io::Result<()> {
        let mut logs = self.iter().filter_map(|each| each.verdicts.as_ref());
        logs.try_for_each(|verdicts| verdicts.prune(oldest))
    }
}
