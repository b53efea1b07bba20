//! All devices, by site and id.
//!
//! Promises: a known device is found without an allocation; there are never more than [`DEVICES_MAX`]; those of the inventory are not
//! forgotten, and of the others the least recently seen one of the source with most is.

use std::collections::HashMap;
use std::sync::Arc;

use super::recency::{DeviceKey, Recency};
use super::tracked::{AsOf, DAY_MS, Tracked};
use boxbridge_config::Inventory;
use boxbridge_event::{DeviceState, DeviceStatus, ShareKey};

/// At some 500 bytes each, 5 MB.
pub const DEVICES_MAX: usize = 10_000;
/// Nobody misses one that was away for so long; it is new if it comes back.
const KEEP_MS: i64 = 30 * DAY_MS;

#[derive(Default)]
pub struct DeviceTable {
    sites: Sites,
    count: usize,
    /// Grows with everything that comes.
    moment: u64,
    recency: Recency,
}

/// By site and id: both are found by a borrowed text.
type Sites = HashMap<Arc<str>, HashMap<Arc<str>, Tracked>>;

/// What others are to be told.
pub type News = Vec<DeviceStatus>;

impl DeviceTable {
    /// Takes in what was kept.
    pub fn restore(&mut self, key: DeviceKey, device: Tracked) {
        self.moment += 1;
        let moment = self.moment;
        self.insert(key, Tracked { moment, ..device });
    }

    pub fn moment(&self) -> u64 {
        self.moment
    }

    /// The device that something came of, from this source. `None` if there is no room for it.
    pub fn entry(
        &mut self,
        (site, id): (&str, &str),
        source: ShareKey,
        now: &AsOf,
        news: &mut News,
    ) -> Option<&mut Tracked> {
        self.moment += 1;
        if find(&self.sites, site, id).is_none() {
            self.add(site, id, source, now, news);
        }

        let device = self.sites.get_mut(site)?.get_mut(id)?;
        device.moment = self.moment;
        device.came_ms = now.ms;
        device.source.get_or_insert(source);
        Some(device)
    }

    fn add(&mut self, site: &str, id: &str, source: ShareKey, now: &AsOf, news: &mut News) {
        let key = self.key(site, id);
        let device = Tracked {
            source: Some(source),
            moment: self.moment,
            ..Tracked::new(now)
        };
        self.recency.add(source, self.moment, key.clone());
        self.insert(key, device);
        self.make_room(Some(source), now, news);
    }

    fn key(&self, site: &str, id: &str) -> DeviceKey {
        let known = self.sites.get_key_value(site);
        DeviceKey {
            site: known.map_or_else(|| site.into(), |(site, _)| Arc::clone(site)),
            id: id.into(),
        }
    }

    fn insert(&mut self, key: DeviceKey, device: Tracked) {
        let site = self.sites.entry(key.site).or_default();
        let before = site.insert(key.id, device);
        self.count += usize::from(before.is_none());
    }

    /// Forgets what is too much.
    fn make_room(&mut self, source: Option<ShareKey>, now: &AsOf, news: &mut News) {
        while self.count > DEVICES_MAX {
            let sites = &self.sites;
            let taken = self.recency.take(source, |key| {
                let device = find(sites, &key.site, &key.id)?;
                device.listed.is_none().then_some(device.moment)
            });
            let Some(key) = taken else { return };
            self.forget(&key, now, news);
        }
    }

    fn forget(&mut self, key: &DeviceKey, now: &AsOf, news: &mut News) {
        let Some(site) = self.sites.get_mut(&key.site) else {
            return;
        };
        let Some(device) = site.remove(&key.id) else {
            return;
        };
        if site.is_empty() {
            self.sites.remove(&key.site);
        }

        self.count -= 1;
        if device.is_told() {
            news.push(forgotten(status(&key.site, &key.id, &device), now));
        }
    }

    /// Names the devices of the inventory, and makes a place for those that were never heard of.
    pub fn list(&mut self, inventory: &Inventory, now: &AsOf, news: &mut News) {
        let told: Vec<DeviceStatus> = self.told().collect();
        let all = self.sites.values_mut().flat_map(HashMap::values_mut);
        all.for_each(|device| device.listed = None);

        for listed in &inventory.devices {
            let key = self.key(&listed.site, &listed.ip);
            if find(&self.sites, &key.site, &key.id).is_none() {
                self.insert(key.clone(), Tracked::new(now));
            }
            let site = self.sites.get_mut(&key.site);
            if let Some(device) = site.and_then(|site| site.get_mut(&key.id)) {
                device.listed = Some(listed.clone());
            }
        }

        self.forget_all(
            |device| device.listed.is_none() && device.source.is_none(),
            now,
            news,
        );
        self.order();
        self.make_room(None, now, news);

        let is_told = |status: &DeviceStatus| {
            let device = find(&self.sites, &status.site, &status.device);
            device.is_some_and(Tracked::is_told)
        };
        let no_more = told.into_iter().filter(|status| !is_told(status));
        news.extend(no_more.map(|status| forgotten(status, now)));
        news.extend(self.told());
    }

    /// Puts all that may be forgotten in order again.
    fn order(&mut self) {
        self.recency = Recency::default();
        for (site, devices) in &self.sites {
            for (id, device) in devices {
                if let Some(source) = device.source.filter(|_| device.listed.is_none()) {
                    let (site, id) = (Arc::clone(site), Arc::clone(id));
                    self.recency
                        .add(source, device.moment, DeviceKey { site, id });
                }
            }
        }
    }

    fn forget_all(&mut self, is_over: impl Fn(&Tracked) -> bool, now: &AsOf, news: &mut News) {
        let over: Vec<DeviceKey> = self
            .iter()
            .filter(|(_, _, device)| is_over(device))
            .map(|(site, id, _)| DeviceKey {
                site: Arc::clone(site),
                id: Arc::clone(id),
            })
            .collect();
        for key in &over {
            self.forget(key, now, news);
        }
    }

    /// Judges all by the time that has passed.
    pub fn look(&mut self, now: &AsOf, news: &mut News) {
        for (site, devices) in &mut self.sites {
            for (id, device) in devices {
                let before = device.state;
                device.look(now);
                if device.state != before {
                    self.moment += 1;
                    news.extend(device.is_told().then(|| status(site, id, device)));
                }
            }
        }
        let is_over = |device: &Tracked| {
            device.listed.is_none() && now.ms.saturating_sub(device.came_ms) > KEEP_MS
        };
        self.forget_all(is_over, now, news);
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>, &Tracked)> {
        self.sites
            .iter()
            .flat_map(|(site, devices)| devices.iter().map(move |(id, it)| (site, id, it)))
    }

    pub fn get(&self, key: &DeviceKey) -> Option<&Tracked> {
        find(&self.sites, &key.site, &key.id)
    }

    /// From where something of a device came within the last day.
    pub fn senders(&self, now_ms: i64) -> Vec<ShareKey> {
        let is_recent = |heard| now_ms.saturating_sub(heard) < DAY_MS;
        let all = self.iter().map(|(_, _, device)| device);
        let recent = all.filter(|device| device.heard_ms.is_some_and(is_recent));

        let addresses = recent.filter_map(|device| device.known.peer.as_deref());
        addresses.map(ShareKey::of_peer).collect()
    }

    pub fn count_in(&self, state: DeviceState) -> usize {
        let of_it = self.iter().filter(|(_, _, device)| device.state == state);
        of_it.count()
    }

    /// What others are told of, as it is now.
    pub fn told(&self) -> impl Iterator<Item = DeviceStatus> {
        self.iter()
            .filter(|(_, _, device)| device.is_told())
            .map(|(site, id, device)| status(site, id, device))
    }
}

fn forgotten(status: DeviceStatus, now: &AsOf) -> DeviceStatus {
    DeviceStatus {
        state: None,
        since: now.clock,
        ..status
    }
}

fn find<'s>(sites: &'s Sites, site: &str, id: &str) -> Option<&'s Tracked> {
    sites.get(site)?.get(id)
}

pub fn status(site: &Arc<str>, id: &Arc<str>, device: &Tracked) -> DeviceStatus {
    DeviceStatus {
        site: Arc::clone(site),
        device: Arc::clone(id),
        state: Some(device.state),
        since: device.since,
        last_seen: device.known.last_seen,
        box_id: device.known.box_id.clone(),
    }
}
