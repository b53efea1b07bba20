//! The devices that traffic tells of: who sends and how much, since when one is silent, what is wrong with its events.
//!
//! Promises: `accept` pays one short lock and no allocation for a device that is known; the table is bounded, and no source makes it forget
//! another's devices; it outlives the process. Telling others of a device (`send::board`) makes no event wait. Deliberately knows no
//! person and no picture, and refuses nothing: what it holds is for people to look at.
//!
//! `tracked` is one device, `table` all of them, `recency` decides who is forgotten, `hour` counts, `row` is a device as people see it,
//! `on_disk` keeps the rows.

use std::io;
use std::sync::Arc;
use std::sync::Once;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::metrics;
use crate::normalize::{BoxReport, DeviceReport, StatusReport};
use crate::send::board::Board;
use crate::system::clock::Clock;
use crate::system::disk::Disk;
use boxbridge_config::{Config, is_site};
use boxbridge_event::{DeviceState, Event, Feed, PictureState, ShareKey, Source, Timestamp};

mod hour;
mod on_disk;
mod recency;
mod row;
mod table;
mod tracked;

pub use on_disk::{Saved, saved};
pub use row::{Found, Row, Wanted, printable};

use on_disk::OnDisk;
use recency::DeviceKey;
use table::{DeviceTable, News, status};
use tracked::{AsOf, Tracked, learn};

/// A box among capture devices.
const BOX: &str = "box";
/// A look comes every few seconds. After such a gap the process was stopped meanwhile, and heard nobody.
const PAUSE_MS: i64 = 30_000;
/// Rows that are made under one lock.
const AT_ONCE: usize = 256;
/// Of a sentence in `/readyz`.
const NAMED_MAX: usize = 3;

pub struct Devices {
    /// Of a box whose URL names none.
    site: Arc<str>,
    started: Instant,
    state: Mutex<State>,
    on_disk: OnDisk,
    board: Arc<Board>,
    /// A report that is not understood is said once: its box sends the same again every minute.
    unread: Once,
}

struct State {
    table: DeviceTable,
    silent_after: Option<Duration>,
    /// Since when we listen without a pause, and when that was last looked at.
    listening_ms: i64,
    looked_ms: i64,
}

impl Devices {
    /// With what earlier runs knew. A file that cannot be used is said, and begun anew.
    pub fn open(disk: &Disk, config: &Config, clock: &Clock, board: Arc<Board>) -> Devices {
        let devices = Devices {
            site: config.site.as_str().into(),
            started: Instant::now(),
            state: Mutex::new(State {
                table: DeviceTable::default(),
                silent_after: None,
                listening_ms: 0,
                looked_ms: 0,
            }),
            on_disk: OnDisk::new(disk, &config.data_dir),
            board,
            unread: Once::new(),
        };

        for row in devices.on_disk.read() {
            let heard_ms = row.last_seen.map(|at| -milliseconds(clock.age(at)));
            let (key, device) = row.into_tracked(heard_ms);
            devices.state.lock().table.restore(key, device);
        }
        devices.adopt(&config.ingest.devices);
        devices
    }

    /// Takes settings over, also while running: what silence is, and what the inventory names.
    pub fn adopt(&self, settings: &boxbridge_config::Devices) {
        let news = {
            let mut state = self.state.lock();
            state.silent_after = settings.silent_after;
            let now = state.now(self.now_ms(), Timestamp::now());
            let mut news = News::new();
            state.table.list(&settings.inventory, &now, &mut news);
            news
        };
        self.tell(news);
    }

    /// An event came, and was understood.
    pub fn sent(&self, source: &Source, event: &Event) {
        let at = match event.feed {
            // A box that catches up tells of its own past.
            Feed::History => event.occurred_at,
            Feed::Realtime | Feed::Platform => event.received_at,
        };
        let name = (event.origin.site.as_str(), event.device.id.as_str());

        self.update(source, name, |device, now| {
            device.heard(now, at);
            device.hour.count(now.ms, |hour| {
                hour.events = hour.events.saturating_add(1);
                let is_sound = has_sound_picture(event);
                hour.without_picture = hour.without_picture.saturating_add(u32::from(!is_sound));
                event
                    .warnings
                    .iter()
                    .for_each(|warning| hour.warnings.add(warning.code));
            });

            let known = &mut device.known;
            learn(&mut known.name, event.device.name.as_deref());
            learn(&mut known.kind, Some(&event.device.kind));
            learn(&mut known.box_id, event.device.box_id.as_deref());
            learn(&mut known.peer, Some(&source.peer));
            known.dialect = Some(event.dialect);
            known.skew_ms = event.clock.skew_ms.or(known.skew_ms);
        });
    }

    /// A body was refused for its content. Nobody knows of which device it told, so it counts for the sender.
    pub fn refused(&self, source: &Source) {
        self.update(
            source,
            (self.site_of(source), &source.peer),
            |device, now| {
                device.hour.count(now.ms, |hour| {
                    hour.refusals = hour.refusals.saturating_add(1);
                });
                learn(&mut device.known.peer, Some(&source.peer));
            },
        );
    }

    /// A box told of itself, or of its devices: of those that it may tell of.
    pub fn reported(&self, source: &Source, report: &StatusReport) {
        let site = self.site_of(source);
        let may_tell_of = |id: &str| source.may_tell_of(id).is_ok();
        let of_box = report.of_box.as_ref();
        let of_box = of_box.map(|of_box| (of_box, address(of_box, &source.peer)));
        if let Some((of_box, id)) = of_box.filter(|(_, id)| may_tell_of(id)) {
            self.update(source, (site, id), |device, now| {
                box_reported(device, of_box, now);
                of_report(device, source, report);
            });
        }

        let of_devices = report.devices.iter();
        for of_device in of_devices.filter(|it| may_tell_of(&it.id)) {
            self.update(source, (site, &of_device.id), |device, now| {
                device_reported(device, of_device, now);
                of_report(device, source, report);
            });
        }
    }

    /// A body on a path for reports was none.
    pub fn report_unread(&self, source: &Source) {
        metrics::status_report_unread();
        self.unread.call_once(|| {
            tracing::warn!(
                source.address = source.peer,
                "a status report was not understood: it is counted, and this is said once"
            );
        });
    }

    fn update(
        &self,
        source: &Source,
        name: (&str, &str),
        change: impl FnOnce(&mut Tracked, &AsOf),
    ) {
        let (share_key, mut news) = (source.share_key(), News::new());
        {
            let mut state = self.state.lock();
            let now = state.now(self.now_ms(), source.received_at);
            let Some(device) = state.table.entry(name, share_key, &now, &mut news) else {
                return;
            };

            let before = (device.state, device.is_told());
            change(device, &now);
            if device.is_told() && before != (device.state, true) {
                news.push(status(&name.0.into(), &name.1.into(), device));
            }
        }
        self.tell(news);
    }

    /// Judges all by the time that has passed; to be called every few seconds.
    pub fn look(&self) {
        let mut news = News::new();
        {
            let mut state = self.state.lock();
            let ms = self.now_ms();
            if ms - state.looked_ms > PAUSE_MS {
                state.listening_ms = ms;
            }
            state.looked_ms = ms;

            let now = state.now(ms, Timestamp::now());
            state.table.look(&now, &mut news);
        }
        self.tell(news);
    }

    /// Writes the table, if anything came since. Blocks for a sync.
    pub fn save(&self) -> io::Result<()> {
        let moment = self.state.lock().table.moment();
        self.on_disk.write(moment, || self.rows())
    }

    /// All devices, in no order.
    pub fn rows(&self) -> Vec<Row> {
        let keys: Vec<DeviceKey> = {
            let state = self.state.lock();
            let all = state.table.iter();
            all.map(|(site, id, _)| DeviceKey {
                site: Arc::clone(site),
                id: Arc::clone(id),
            })
            .collect()
        };

        let mut rows = Vec::with_capacity(keys.len());
        for some in keys.chunks(AT_ONCE) {
            let (state, ms) = (self.state.lock(), self.now_ms());
            let known = some
                .iter()
                .filter_map(|key| Some((key, state.table.get(key)?)));
            rows.extend(known.map(|(key, device)| Row::of(key, device, ms)));
        }
        rows
    }

    /// From where something of a device came within the last day.
    pub fn senders(&self) -> Vec<ShareKey> {
        self.state.lock().table.senders(self.now_ms())
    }

    /// Sets the metrics to what is so now. A device has a series of its own only if the inventory names it.
    pub fn observe(&self) {
        let listed: Vec<_> = {
            let state = self.state.lock();
            for of in DeviceState::ALL {
                metrics::devices(*of, state.table.count_in(*of));
            }
            let all = state.table.iter();
            all.filter(|(_, _, device)| device.listed.is_some())
                .map(|(site, id, device)| {
                    let is_silent = device.state == DeviceState::Silent;
                    let name = (Arc::clone(site), Arc::clone(id));
                    (name, is_silent, device.known.last_seen)
                })
                .collect()
        };

        for ((site, id), is_silent, last_seen) in listed {
            metrics::device(&site, &id, is_silent, last_seen);
        }
    }

    /// Who is silent, in a sentence; `None` if nobody is.
    pub fn silence(&self) -> Option<String> {
        let mut silent: Vec<_> = {
            let state = self.state.lock();
            let all = state.table.iter();
            all.filter(|(_, _, device)| device.state == DeviceState::Silent)
                .map(|(site, id, device)| {
                    (device.known.last_seen, Arc::clone(site), Arc::clone(id))
                })
                .collect()
        };
        silent.sort_unstable_by(|one, other| {
            // First those that somebody remembers.
            (one.0.is_none(), one).cmp(&(other.0.is_none(), other))
        });
        sentence(&silent)
    }

    fn tell(&self, news: News) {
        for status in news {
            self.board.say(status);
        }
    }

    fn site_of<'s>(&'s self, source: &'s Source) -> &'s str {
        let named = source.site.as_deref().filter(|site| is_site(site));
        named.unwrap_or(&self.site)
    }

    fn now_ms(&self) -> i64 {
        milliseconds(self.started.elapsed())
    }
}

impl State {
    fn now(&self, ms: i64, clock: Timestamp) -> AsOf {
        AsOf {
            ms,
            listening_ms: self.listening_ms,
            clock,
            silent_after: self.silent_after,
        }
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn has_sound_picture(event: &Event) -> bool {
    let mut pictures = event.pictures.iter();
    pictures.any(|(_, picture)| picture.state == PictureState::Ok)
}

/// A box may name several addresses: the one that it sends from is the one by which its events are known.
fn address<'r>(of_box: &'r BoxReport, peer: &'r str) -> &'r str {
    let mut addresses = of_box.addresses.iter().map(String::as_str);
    let is_peer = addresses.clone().any(|address| address == peer);
    match addresses.next() {
        Some(first) if !is_peer => first,
        _ => peer,
    }
}

fn box_reported(device: &mut Tracked, of_box: &BoxReport, now: &AsOf) {
    if of_box.is_online {
        device.heard(now, now.clock);
    } else {
        device.is_said_to_be_offline(now);
    }
    learn(&mut device.known.kind, Some(BOX));
    learn(&mut device.known.name, of_box.name.as_deref());
    learn(&mut device.known.firmware, of_box.firmware.as_deref());
}

fn device_reported(device: &mut Tracked, of_device: &DeviceReport, now: &AsOf) {
    match of_device.is_online {
        Some(true) => device.heard(now, now.clock),
        Some(false) => device.is_said_to_be_offline(now),
        None => {}
    }
    learn(&mut device.known.name, of_device.name.as_deref());
    if device.known.kind.is_none() {
        learn(&mut device.known.kind, of_device.kind.as_deref());
    }
}

fn of_report(device: &mut Tracked, source: &Source, report: &StatusReport) {
    device.known.is_reported = true;
    learn(&mut device.known.peer, Some(&source.peer));
    let of_url = source.box_id.as_deref().filter(|id| !id.is_empty());
    learn(
        &mut device.known.box_id,
        report.box_id.as_deref().or(of_url),
    );
}

/// The longest silent ones by name, and how many more there are.
fn sentence(silent: &[(Option<Timestamp>, Arc<str>, Arc<str>)]) -> Option<String> {
    let name = |(seen, site, id): &(Option<Timestamp>, Arc<str>, Arc<str>)| {
        let seen = seen.map_or("never seen".to_owned(), |at| format!("last seen {at}"));
        format!("{site}/{}, {seen}", row::printable(id))
    };
    let named: Vec<_> = silent.iter().take(NAMED_MAX).map(name).collect();

    let more = silent.len() - named.len();
    let (named, count) = (named.join("; "), silent.len());
    match (count, more) {
        (0, _) => None,
        (1, _) => Some(format!("1 device is silent: {named}")),
        (_, 0) => Some(format!("{count} devices are silent: {named}")),
        _ => Some(format!(
            "{count} devices are silent: {named} and {more} more (boxbridge devices --silent)"
        )),
    }
}

#[cfg(test)]
mod tests;
