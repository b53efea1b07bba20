//! An event as an example in the AsyncAPI document: made from a box's body by the stages themselves, at a fixed moment.
//!
//! Promises: an example is exactly as such an event would leave by these routes; two runs make the same.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::normalize::{self, Batch, Context, Limits, Normalized, RepairBudget};
use crate::route::{PictureLocations, PicturesNow, RedactKey, Router, Sending};
use crate::send::store;
use boxbridge_config::{Config, Destination, StoreUrl};
use boxbridge_event::{
    Act, BoxPass, Feed, Lane, Message, PersonType, PictureVerdict, Sequence, Source, Timestamp,
};

/// 2026-11-22T10:00:00.123Z.
const RECEIVED: Timestamp = Timestamp(1_795_341_600_123);
/// What it is called in the example, whatever the host's name is.
const GATEWAY: &str = "edge-1";
const EPOCH: &str = "b81f2c04";
/// Of examples alone, so that they are the same everywhere.
const KEY: &[u8] = b"an example's";
/// Where the pictures of a file store lie, wherever the document is made.
const PICTURES: &str = "/var/lib/boxbridge/pictures";
/// 480 × 640, without a single line of it.
const JPEG: &str = "/9j/wAARCAKAAeADASIAAhEBAxEB/9k=";

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// One may act on it.
    Live,
    /// It was history.
    Late,
}

pub struct Sample<'a> {
    pub config: &'a Config,
    pub person_type: PersonType,
    pub when: When,
}

impl Sample<'_> {
    /// As it would leave for an MQTT broker; `None` where its route has no topic for it.
    pub fn to_mqtt(&self, destination: &Destination) -> Option<Message> {
        self.made(destination, Router::mqtt)
    }

    pub fn to_kafka(&self, destination: &Destination) -> Option<Message> {
        self.made(destination, Router::kafka)
    }

    fn made(
        &self,
        destination: &Destination,
        make: fn(&Router, &boxbridge_event::Event, &Sending<'_>) -> Option<Message>,
    ) -> Option<Message> {
        let Normalized {
            mut event,
            pictures,
            content,
            ..
        } = self.normalized()?;

        let places = self.places();
        let key = RedactKey::new(KEY);
        let router = Router::new(&destination.routes, places, EPOCH, normalize::table, key);
        let act = match self.when {
            When::Live => router.decide(&event),
            When::Late => Act::Never,
        };
        event.decide(act, &content);

        let wants_inline = router.wants_inline(event.person_type);
        let sending = Sending {
            sequence: Sequence(123),
            epoch: None,
            lane: Lane::Normal,
            now: RECEIVED,
            age: Duration::ZERO,
            replay: None,
            pictures: PicturesNow::Settled(PictureVerdict::default()),
            links: &[],
            inline: if wants_inline { &pictures } else { &[] },
        };
        make(&router, &event, &sending)
    }

    fn normalized(&self) -> Option<Normalized> {
        let feed = match self.when {
            When::Live => Feed::Realtime,
            When::Late => Feed::History,
        };
        let source = Source {
            peer: "192.168.1.19".to_owned(),
            feed,
            site: None,
            box_id: None,
            charset: None,
            received_at: RECEIVED,
            pass: BoxPass::default(),
        };

        let context = Context {
            source: &source,
            site: &self.config.site,
            gateway: GATEWAY,
            settings: &self.config.normalize,
            limits: Limits::of(&self.config.ingest),
            budget: RepairBudget(&|_| true),
        };

        match normalize::normalize(&self.body(), &context) {
            Ok(Batch::One(normalized)) => Some(normalized),
            _ => None,
        }
    }

    /// As the vendor's documents print it.
    fn body(&self) -> Bytes {
        let body = json!({
            "reg_pic": JPEG,
            "identity_id": "666666",
            "identity_name": "小明",
            "score": 0.623_161_435_127_258_3,
            "timestamp": RECEIVED.0 - 223,
            "group_name": "default_group",
            "dev_sno": "L-1",
            "ext_data": {
                "person_type": self.person_type.number() + 1,
                "device_ip": "192.168.1.243",
                "device_type": "0",
                "spot_pic": JPEG,
                "grab_fiqa_info": {},
                "box_fiqa_info": {},
            },
        });
        body.to_string().into()
    }

    fn places(&self) -> PictureLocations {
        let store = self.config.send.store();
        let prefix = match &store.url {
            StoreUrl::File(_) => String::new(),
            StoreUrl::S3(bucket) => store::prefix(bucket),
        };
        PictureLocations::new(store, Path::new(PICTURES), &prefix)
    }
}
