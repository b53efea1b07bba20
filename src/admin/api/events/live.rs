//! `/api/events/live`: events as they come, as server-sent events.
//!
//! Promises: who looks on costs the events nothing, since their records are read like those of anybody who follows the log. Bounded in
//! watchers and in what each has in memory; a watcher that falls too far behind is told so and dropped.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use bytes::Bytes;
use hyper::body::Frame;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

use super::{selection, unread};
use crate::admin::answer::{Answer, Asked, Complaint, PRIVATE};
use crate::admin::api::{Operator, Ready, preview};
use crate::admin::trace::OVER_KAFKA;
use crate::queue::{Record, Search, Selection};
use boxbridge_event::{PersonType, Sequence};

mod leaving;

use leaving::Leaving;

/// Consoles and taps of a few operators; each may hold some events of the largest size.
const WATCHERS_MAX: usize = 8;
/// What came before it was asked for.
const FIRST: usize = 100;
/// How often it is asked whether there is more.
const LOOK: Duration = Duration::from_millis(100);
/// A watcher that is so many events behind does not keep up.
const BEHIND_MAX: u64 = 10_000;
/// A word is said so often while nothing comes: nobody between us takes the connection for dead, and one that is gives its room back.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// Room for those who look on.
pub struct Watchers(Arc<Semaphore>);

impl Default for Watchers {
    fn default() -> Watchers {
        Watchers(Arc::new(Semaphore::new(WATCHERS_MAX)))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watched {
    person_type: Option<PersonType>,
    device: Option<String>,
    destination: Option<String>,
}

pub async fn live(Ready(operator): Ready, Asked(watched): Asked<Watched>) -> Answer {
    if let Some(name) = &watched.destination {
        preview(&operator, name)?;
        check_is_delivered_here(&operator, name)?;
    }
    let Ok(room) = Arc::clone(&operator.watchers.0).try_acquire_owned() else {
        let message = format!("{WATCHERS_MAX} look on already, and no more can");
        return Err(Complaint::not_now("too_many_watchers", message));
    };

    // One event under way, and one that waits.
    let (sender, receiver) = mpsc::channel(1);
    let watcher = Watcher {
        operator,
        selection: selection(watched.person_type, watched.device),
        leaving: watched.destination.map(Leaving::of),
        sender,
        said: Instant::now(),
        _room: room,
    };
    tokio::spawn(watcher.run());

    let content_type = [(CONTENT_TYPE, "text/event-stream")];
    Ok((PRIVATE, content_type, Body::new(Stream(receiver))).into_response())
}

/// Of a broker that gets its events out of Kafka, each gateway sends what stands in its partitions, also of events that another accepted.
fn check_is_delivered_here(operator: &Operator, name: &str) -> Result<(), Complaint> {
    let mut consumed = operator.health.consumed().iter();
    let Some(consumed) = consumed.find(|it| *it.destination == *name) else {
        return Ok(());
    };

    let source = &consumed.source;
    let message = format!(
        "{name} gets its events out of {source}, shared out among gateways: look on at {source}, or subscribe to {name}"
    );
    Err(Complaint::bad(OVER_KAFKA, message))
}

struct Watcher {
    operator: Arc<Operator>,
    selection: Selection,
    /// Where what leaves for one destination is to be seen.
    leaving: Option<Leaving>,
    sender: mpsc::Sender<Bytes>,
    /// When the last word went out.
    said: Instant,
    _room: OwnedSemaphorePermit,
}

/// Nobody reads any more.
struct Gone;

impl Watcher {
    async fn run(mut self) {
        let Some(mut place) = self.first().await else {
            return;
        };
        while !self.sender.is_closed() {
            if self.show_left().await.is_err() {
                return;
            }
            match self.next(place).await {
                Ok(Some(through)) => place = through,
                Ok(None) => tokio::time::sleep(LOOK).await,
                Err(Gone) => return,
            }
        }
    }

    /// The last events that there are, and up to where.
    async fn first(&mut self) -> Option<Sequence> {
        let newest = self.operator.queue.newest();
        if self.leaving.is_some() {
            // What came before has left.
            return Some(newest);
        }
        let search = Search {
            selection: self.selection.clone(),
            before: Some(Sequence(newest.0 + 1)),
            limit: FIRST,
        };
        match self.operator.queue.search(search).await {
            Ok(page) => {
                for record in page.found.iter().rev() {
                    self.show(record).await.ok()?;
                }
                Some(newest)
            }
            Err(error) => {
                self.drop_with(&unread(error).message).await;
                None
            }
        }
    }

    /// Some of what came after a place, and up to where; `None` where nothing did.
    async fn next(&mut self, place: Sequence) -> Result<Option<Sequence>, Gone> {
        let newest = self.operator.queue.newest();
        if newest <= place {
            return self.keep_alive().await.map(|()| None);
        }
        if newest.0 - place.0 > BEHIND_MAX {
            let why = format!("more than {BEHIND_MAX} events came faster than they were read here");
            self.drop_with(&why).await;
            return Err(Gone);
        }

        let onward = match self.operator.queue.after(place).await {
            Ok(onward) => onward,
            Err(error) => {
                self.drop_with(&unread(error).message).await;
                return Err(Gone);
            }
        };
        for record in &onward.records {
            if self.is_wanted(record) {
                self.take(record).await?;
            }
        }
        Ok(Some(onward.through).filter(|through| *through > place))
    }

    fn is_wanted(&self, record: &Record) -> bool {
        let types = &self.selection.person_types;
        (types.is_empty() || types.contains(&record.person_type))
            && self.selection.means(&record.event)
    }

    async fn take(&mut self, record: &Record) -> Result<(), Gone> {
        match self.leaving.as_mut().map(|leaving| leaving.came(record)) {
            None => self.show(record).await,
            Some(Ok(())) => Ok(()),
            Some(Err(why)) => {
                self.drop_with(&why).await;
                Err(Gone)
            }
        }
    }

    async fn show(&mut self, record: &Record) -> Result<(), Gone> {
        match self.operator.documents.of(record) {
            Some(event) => self.say_event(record.sequence.0, event.get()).await,
            None => Ok(()),
        }
    }

    /// What has left since the last look.
    async fn show_left(&mut self) -> Result<(), Gone> {
        let operator = Arc::clone(&self.operator);
        let left = self.leaving.as_mut().map(|leaving| leaving.left(&operator));
        for text in left.into_iter().flatten() {
            self.say_event(0, &text).await?;
        }
        Ok(())
    }

    async fn say_event(&mut self, sequence: u64, data: &str) -> Result<(), Gone> {
        self.say(format!("event: event\nid: {sequence}\ndata: {data}\n\n"))
            .await
    }

    async fn keep_alive(&mut self) -> Result<(), Gone> {
        match self.said.elapsed() > SILENCE_MAX {
            true => self.say(": nothing new\n\n".to_owned()).await,
            false => Ok(()),
        }
    }

    async fn drop_with(&mut self, why: &str) {
        let message = json!({"message": why});
        let _ = self
            .say(format!("event: dropped\ndata: {message}\n\n"))
            .await;
    }

    async fn say(&mut self, text: String) -> Result<(), Gone> {
        self.said = Instant::now();
        self.sender.send(text.into()).await.map_err(|_| Gone)
    }
}

/// What the watcher's task says, as a body.
struct Stream(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let said = self.0.poll_recv(context);
        said.map(|said| said.map(|said| Ok(Frame::data(said))))
    }
}
