//! The gateway's own reading of a body, for those that need events without a gateway.

use boxbridge::normalize::{self, Batch, Context, Limits, Normalized, RepairBudget};
use boxbridge_config::Config;
use boxbridge_event::{BoxPass, Feed, Source, Timestamp};
use bytes::Bytes;

/// The one event of a real-time body.
pub fn read(body: &Bytes, config: &Config, received_at: Timestamp) -> Normalized {
    let source = Source {
        peer: "192.168.1.19".into(),
        feed: Feed::Realtime,
        site: None,
        box_id: None,
        charset: None,
        received_at,
        pass: BoxPass::default(),
    };
    let context = Context {
        source: &source,
        site: &config.site,
        gateway: "bench",
        settings: &config.normalize,
        limits: Limits::of(&config.ingest),
        budget: RepairBudget(&|_| true),
    };

    match normalize::normalize(body, &context) {
        Ok(Batch::One(normalized)) => normalized,
        _ => panic!("the body is one event"),
    }
}
