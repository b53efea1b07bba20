//! A panic of ours, wherever it happens, ends one thing and is seen: nothing acknowledged is lost, and nothing stands still for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use boxbridge::app::destinations::picture_store;
use boxbridge::app::keep_delivering;
use boxbridge::gateway::kept::Aside;
use boxbridge::gateway::{
    Ages, AsidePlace, Backlog, Delivery, DiskLog, Fetches, Noted, Pauses, Render as _, ToBus,
    Unplaced,
};
use boxbridge::ingest::{self, Accept, BodyMemory, Ended, Listener, Received, Service};
use boxbridge::queue::{AppendError, Queue, Settings};
use boxbridge::route::{RedactKey, Router};
use boxbridge::send::contact::Contact;
use boxbridge::send::window::Limits;
use boxbridge::send::{Answer, ConnectError, Destination, Lost, Session};
use boxbridge::system::clock::Clock;
use boxbridge::system::disk::Disk;
use boxbridge_config::{Config, Layers};
use boxbridge_event::{Code, Lane, Message, PersonType, Receipt, Refusal, Reply, Sequence, Source};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::queue::support::{directory, entry, settings, step};

fn defaults() -> Config {
    Config::load(&Layers::default()).unwrap()
}

/// Panics while connecting, then on the first message, then while it is asked for an answer; then all is well.
struct Faulty {
    connects: AtomicU32,
    delivered: tokio::sync::mpsc::Sender<Sequence>,
    contact: Arc<Contact>,
}

struct FaultySession {
    number: u32,
    submitted: Vec<Sequence>,
    delivered: tokio::sync::mpsc::Sender<Sequence>,
}

impl Destination for Faulty {
    type Message = Message;
    type Session = FaultySession;

    async fn connect(&self, _: Lane) -> Result<FaultySession, ConnectError> {
        let number = self.connects.fetch_add(1, Ordering::Relaxed);
        assert!(number > 0, "a fault while connecting");
        let troubles = self.contact.troubles().join(", ");
        assert!(
            number > 3 || troubles.contains("fault"),
            "{troubles:?} is not what an operator has to know"
        );
        Ok(FaultySession {
            number,
            submitted: Vec::new(),
            delivered: self.delivered.clone(),
        })
    }
}

impl Session for FaultySession {
    type Message = Message;

    fn window(&self) -> Limits {
        Limits {
            records: 10,
            bytes: 1 << 20,
        }
    }

    fn submit(&mut self, sequence: Sequence, _: Message) {
        assert!(self.number > 1, "a fault while submitting");
        self.submitted.push(sequence);
    }

    async fn next(&mut self) -> Result<Answer, Lost> {
        if self.submitted.is_empty() {
            return std::future::pending().await;
        }
        assert!(self.number > 2, "a fault while waiting");
        let sequence = self.submitted.remove(0);
        self.delivered.send(sequence).await.unwrap();
        Ok(Answer::Acknowledged {
            sequence,
            heard: true,
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_panics_is_connected_anew_and_gets_everything() {
    let (folder, config) = (directory(), defaults());
    let queue = Queue::open(settings(folder.path()), &["mqtt"]).unwrap();
    for number in 1..=3 {
        step(queue.append(entry(number, PersonType::Employee, Lane::Normal, &[])))
            .await
            .unwrap();
    }
    let contact = Arc::new(Contact::new("mqtt", "mqtt"));
    contact.connected(Lane::Urgent);
    contact.up(Lane::Urgent);
    let (delivered, mut arrived) = tokio::sync::mpsc::channel(10);
    let router = Router::new(
        &config.routes,
        picture_store::configured(&config),
        queue.epoch(),
        boxbridge::normalize::table,
        RedactKey::new(b"not used"),
    );
    let render = ToBus::mqtt(Arc::new(router), Arc::default(), Arc::default());
    let clock = Arc::new(Clock::open(&Disk::default(), folder.path()));
    let source = DiskLog {
        answers: Default::default(),
        cursor: queue.cursor("mqtt", Lane::Normal).unwrap(),
        ages: Arc::new(Ages::new(clock, queue.newest())),
    };
    let delivery = Delivery {
        lane: Lane::Normal,
        destination: Arc::new(Faulty {
            connects: AtomicU32::new(0),
            delivered,
            contact: Arc::clone(&contact),
        }),
        backlog: Backlog::new(source, &config.send, render.poison()),
        render,
        events: Arc::default(),
        verdicts: None,
        aside: AsidePlace::Folder(Arc::new(
            Aside::open(&Disk::default(), folder.path(), queue.epoch(), 1 << 20).unwrap(),
        )),
        contact: Arc::clone(&contact),
        retry_max: config.send.retry_max,
        is_expiring: false,
        album: None,
        fetches: Fetches::default(),
        unplaced: Unplaced::default(),
        noted: Noted::of(&Arc::new(Pauses::open(&Disk::default(), folder.path()))),
    };
    let stop = CancellationToken::new();
    let (_tell, told) = tokio::sync::watch::channel(None);
    let delivering = tokio::spawn(keep_delivering(delivery, told, stop.clone()));
    for number in 1..=3 {
        assert_eq!(step(arrived.recv()).await, Some(Sequence(number)));
    }
    assert_eq!(contact.troubles(), Vec::<String>::new());
    stop.cancel();
    step(delivering).await.unwrap();
    step(queue.shutdown()).await;
}

/// A disk on which one thread of the queue panics, once it is told to.
fn faulty_disk(thread: &'static str, armed: &Arc<AtomicBool>) -> Disk {
    let armed = Arc::clone(armed);
    Disk::failing(move |_, _| {
        let is_it = std::thread::current().name() == Some(thread);
        assert!(
            !(is_it && armed.load(Ordering::Relaxed)),
            "a fault in {thread}"
        );
        Ok(())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_thread_of_the_queue_ends_the_gateway_and_acknowledges_nothing_more() {
    for thread in ["queue-writer", "queue-keeper"] {
        let (folder, armed) = (directory(), Arc::new(AtomicBool::new(false)));
        let disk = faulty_disk(thread, &armed);
        let queue = Queue::open(
            Settings {
                disk,
                ..settings(folder.path())
            },
            &["mqtt"],
        )
        .unwrap();
        let mut cursor = queue.cursor("mqtt", Lane::Normal).unwrap();
        step(queue.append(entry(1, PersonType::Employee, Lane::Normal, &[])))
            .await
            .unwrap();
        armed.store(true, Ordering::Relaxed);
        // Something to do for either.
        let record = step(cursor.next()).await;
        cursor.answer(record.sequence, boxbridge::queue::Outcome::Delivered);
        let appended = step(queue.append(entry(2, PersonType::Employee, Lane::Normal, &[]))).await;
        assert!(
            thread == "queue-keeper" || appended == Err(AppendError::Poisoned),
            "{appended:?}"
        );
        // On this the process ends, with exit code 74.
        step(queue.poisoned()).await;
        let appended = step(queue.append(entry(3, PersonType::Employee, Lane::Normal, &[]))).await;
        assert_eq!(appended, Err(AppendError::Poisoned), "{thread}");
        step(queue.shutdown()).await;

        let again = Queue::open(settings(folder.path()), &["mqtt"]).unwrap();
        let last = again
            .status()
            .subscriptions
            .iter()
            .map(|subscription| subscription.accepted)
            .max();
        assert!(
            last >= Some(1),
            "{thread}: what was acknowledged is there: {last:?}"
        );
        step(again.shutdown()).await;
    }
}

/// A gateway that panics on one word.
struct Behind;

impl Accept for Behind {
    async fn accept(&self, _: Source, body: Received, _: BodyMemory) -> Result<Reply, Refusal> {
        assert!(body.bytes != "fault", "a fault in the work on a body");
        Ok(Reply::One(Receipt {
            event_id: boxbridge_event::EventId([1; 16]),
            is_duplicate: false,
            document: serde_json::Map::new(),
        }))
    }

    async fn refuse(&self, _: Source, _: Bytes, refusal: Refusal) -> Result<Reply, Refusal> {
        Err(refusal)
    }

    async fn status_report(&self, _: Source, _: Bytes) {}

    fn count(&self, _: &'static str, _: Ended) {}

    fn is_ready(&self) -> bool {
        panic!("a fault before there is a body")
    }
}

async fn exchange(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut read = vec![0; 64 * 1024];
    let length = step(stream.read(&mut read)).await.unwrap();
    String::from_utf8_lossy(&read[..length]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_meets_a_fault_is_answered_503_and_costs_no_other_anything() {
    let stop = CancellationToken::new();
    let listener = Listener::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    let service = Service::new(
        Arc::new(Behind),
        defaults().ingest,
        TaskTracker::new(),
        CancellationToken::new(),
    );
    let (connections, ended) = (TaskTracker::new(), stop.clone());
    let serving =
        tokio::spawn(async move { ingest::serve(&listener, service, connections, ended).await });

    let post = |body: &str| {
        format!(
            "POST /RealTimeEvent HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let mut beside = TcpStream::connect(address).await.unwrap();
    assert!(
        exchange(&mut beside, &post("{}"))
            .await
            .starts_with("HTTP/1.1 200")
    );
    for request in [
        post("fault"),
        "GET /RealTimeEvent HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let answer = exchange(&mut stream, &request).await;
        assert!(
            answer.starts_with("HTTP/1.1 503") && answer.contains(Code::Fault.as_str()),
            "{answer}"
        );
        assert!(answer.to_lowercase().contains("retry-after"), "{answer}");
        assert!(
            exchange(&mut beside, &post("{}"))
                .await
                .starts_with("HTTP/1.1 200"),
            "the other connection goes on"
        );
    }
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(20), serving)
        .await
        .unwrap()
        .unwrap();
}
