//! What only this gateway's folders hold goes to Kafka before its disk may go: set-aside events and bodies in quarantine, at a stop.
//!
//! Promises: a file goes once every in-sync replica has what it holds, so that may come twice. What stays is counted by its reason (`message`
//! says which may leave). Deliberately ends by itself only when nothing more can go: how long that may take, its caller says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::gateway::Preview;
use crate::queue::Verdicts;
use crate::send::kafka::{ASIDE_TOPIC, AsideTopic, LeftAside, NotPut};

mod folders;
mod message;

pub(in crate::app) use folders::Folders;

use folders::{Kept, Place};
use message::Stays;

/// Before a topic is tried again that takes nothing for now.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Of a gateway that answers its boxes from a cluster.
pub(in crate::app) struct Rescue {
    pub folders: Folders,
    pub verdicts: Verdicts,
    /// As what events leave, for each destination.
    pub previews: Vec<Preview>,
    /// The destination that is the cluster.
    pub cluster: Arc<str>,
    pub topic: AsideTopic,
    pub so_far: SoFar,
}

/// What became of the files.
#[derive(Default)]
pub(in crate::app) struct SoFar {
    pub events: u64,
    pub bodies: u64,
    /// Which stay.
    stay: BTreeMap<Place, Stays>,
    /// Why the topic took nothing, the last time.
    pub trouble: Option<String>,
    /// Nothing more can go.
    is_over: bool,
}

/// What became of one file that did not go.
enum NotSent {
    Stays(Stays),
    /// Somebody else has removed it.
    Gone,
    NotNow(String),
    /// Neither it nor any other.
    Never(String),
}

impl Rescue {
    /// Sends what is there; whether nothing is left that could go.
    pub async fn go_through(&mut self) -> bool {
        if self.so_far.is_over || self.so_far.stay.len() >= self.folders.count() {
            return true;
        }

        let mut last = None;
        while let Some(place) = self.folders.next_behind(last.as_ref()) {
            if !self.so_far.stay.contains_key(&place) && !self.send(&place).await {
                return self.so_far.is_over;
            }
            last = Some(place);
        }
        true
    }

    /// False where nothing goes for now.
    async fn send(&mut self, place: &Place) -> bool {
        match self.try_to_send(place).await {
            Ok(()) => self.remove(place).await,
            Err(NotSent::Gone) => {}
            Err(NotSent::Stays(why)) => {
                self.so_far.stay.insert(place.clone(), why);
            }
            Err(NotSent::NotNow(trouble)) => {
                self.so_far.trouble = Some(trouble);
                tokio::time::sleep(ASK_AGAIN).await;
                return false;
            }
            Err(NotSent::Never(trouble)) => {
                self.so_far.trouble = Some(trouble);
                self.so_far.is_over = true;
                return false;
            }
        }
        true
    }

    async fn try_to_send(&self, place: &Place) -> Result<(), NotSent> {
        let kept = self.folders.read(place).await;
        let kept = kept.map_err(|_| NotSent::Stays(Stays::Unreadable))?;
        let left = match kept.ok_or(NotSent::Gone)? {
            Kept::Event(record) => self.event(&record).await,
            Kept::Body(head, body) => self.body(&head, body),
        };
        self.put(&left.map_err(NotSent::Stays)?).await
    }

    async fn put(&self, left: &LeftAside) -> Result<(), NotSent> {
        let put = self.topic.put(left).await;
        put.map_err(|error| match error {
            NotPut::Message(_) => NotSent::Stays(Stays::NotTaken),
            NotPut::Topic(why) => NotSent::Never(why),
            NotPut::NotNow(why) => NotSent::NotNow(why),
        })
    }

    /// It is on Kafka now.
    async fn remove(&mut self, place: &Place) {
        match place {
            Place::Event(_) => self.so_far.events += 1,
            Place::Body(_) => self.so_far.bodies += 1,
        }
        if let Err(error) = self.folders.remove(place).await {
            tracing::warn!(%error, topic = ASIDE_TOPIC, "what lies on Kafka cannot be removed here");
            self.so_far.stay.insert(place.clone(), Stays::NotRemoved);
        }
    }
}

impl SoFar {
    /// How many stay, by why, as people read it; `None` where none does.
    pub fn because(&self) -> Option<String> {
        let mut counts = BTreeMap::<Stays, u64>::new();
        self.stay
            .values()
            .for_each(|why| *counts.entry(*why).or_default() += 1);

        let counted = counts.iter();
        let counted: Vec<_> = counted
            .map(|(why, count)| format!("{} {count}", why.as_str()))
            .collect();
        Some(counted.join(", ")).filter(|because| !because.is_empty())
    }
}
