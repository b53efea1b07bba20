//! What the broker tells and asks us: who subscribes, what was handed over or dropped, and whether a publication may pass.
//!
//! Promises: a publication that nobody subscribes to is answered 0x10, as other brokers do; a publication waits for slow subscribers as
//! [`super::backlog`] says. Never logs a topic or a payload.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use rmqtt::codec::v5::PublishAckReason;
use rmqtt::context::ServerContext;
use rmqtt::hook::{Handler, HookResult, Parameter, ReturnType, Type};
use rmqtt::session::Session;
use rmqtt::types::{ClientId, Publish, PublishAclResult, PublishResult, Reason};
use tokio::sync::watch;
use tracing::warn;

use super::backlog::Backlog;

/// What was seen since the start.
#[derive(Default)]
pub(super) struct Seen {
    dropped: AtomicU64,
    subscribed: watch::Sender<bool>,
    backlog: Backlog,
}

impl Seen {
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Returns once somebody has subscribed.
    pub async fn subscribed(&self) {
        // The sender is our own, so this cannot fail.
        drop(self.subscribed.subscribe().wait_for(|subscribed| *subscribed).await);
    }

    fn drop_one(&self, subscriber: &ClientId, reason: &Reason) {
        self.backlog.leave(subscriber);
        // Its own expiry ends a message as its publisher wants it.
        if matches!(reason, Reason::MessageExpiration) {
            return;
        }
        let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
        // Each doubling once: for a subscriber that stands still it is thousands a second.
        if dropped.is_power_of_two() {
            warn!(%subscriber, dropped, ?reason, "the embedded broker dropped a message: its subscriber is slow or gone");
        }
    }
}

pub(super) async fn register(context: &ServerContext, seen: &Arc<Seen>) {
    let hooks = context.extends.hook_mgr().register();
    let events = [
        Type::SessionSubscribed,
        Type::SessionTerminated,
        Type::MessageDelivered,
        Type::MessageDropped,
        // Asked before each publication, and the only place where the answer to it can be chosen.
        Type::MessagePublishCheckAcl,
    ];
    for event in events {
        hooks.add(event, Box::new(Witness(seen.clone()))).await;
    }
    hooks.start().await;
}

struct Witness(Arc<Seen>);

#[async_trait]
impl Handler for Witness {
    async fn hook(&self, parameter: &Parameter, so_far: Option<HookResult>) -> ReturnType {
        let seen = &self.0;
        match parameter {
            Parameter::SessionSubscribed(..) => drop(seen.subscribed.send_replace(true)),
            Parameter::SessionTerminated(subscriber, _) => seen.backlog.forget(&subscriber.id.client_id),
            Parameter::MessageDelivered(subscriber, ..) => seen.backlog.leave(&subscriber.id.client_id),
            Parameter::MessageDropped(Some(subscriber), _, _, reason) => seen.drop_one(&subscriber.client_id, reason),
            Parameter::MessagePublishCheckAcl(publisher, publish) => {
                let subscribers = subscribers(publisher, publish).await;
                // A retained message is kept for those who come later.
                if subscribers.is_empty() && !publish.retain {
                    let nobody = PublishResult::reason_code(PublishAckReason::NoMatchingSubscribers, None, false);
                    return (false, Some(HookResult::PublishAclResult(PublishAclResult(nobody))));
                }
                seen.backlog.enter(&subscribers).await;
            }
            _ => {}
        }
        (true, so_far)
    }
}

async fn subscribers(publisher: &Session, publish: &Publish) -> Vec<ClientId> {
    let by_node = publisher.scx.extends.router().await.matches(publisher.id.clone(), &publish.topic).await.unwrap_or_default();
    by_node.into_values().flatten().map(|(_, subscriber, ..)| subscriber).collect()
}
