//! The boxes at work: one task each, which waits for the intended moment, sends, and notes what came of it.
//!
//! Deliberately one request at a time per box: that is how the boxes are built, and it makes the order of a device's events
//! certain, which `reconcile` relies on.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::client::{Answer, Client, Connection, NoAnswer};
use super::film::Shot;
use super::ledger::{Entry, Ledger, Sent};
use super::line::Way;
use super::outcome::{Heard, Measured, Outcome};
use super::traffic::{BoxState, Planned, Traffic};
use super::vendor;
use super::{Error, Options};
use crate::terminal::Terminal;
use boxbridge_event::{Feed, Timestamp};

mod event_answer; // what the receiver said of each event
mod progress_bar; // how far the run is

use event_answer::EventAnswer;
use progress_bar::Tally;

/// Our timer may ring this late; that is not charged to the receiver.
const TIMER_GRAIN: Duration = Duration::from_millis(2);

/// What all boxes of a run share.
struct Run {
    traffic: Traffic,
    options: Options,
    way: Way,
    started: Instant,
    tally: Arc<Tally>,
    stop: CancellationToken,
    ledger: Option<mpsc::Sender<Entry>>,
    watcher: Option<mpsc::Sender<Entry>>,
}

/// What a request came to.
struct Exchange {
    sent_at: Timestamp,
    answered_at: Timestamp,
    /// From the intended moment to the sending, and from there to the end.
    delay: Duration,
    took: Duration,
    answer: Result<Answer, NoAnswer>,
}

/// Sends everything, and waits until the last answer is noted.
pub async fn send(
    options: &Options,
    terminal: Terminal,
    watcher: Option<mpsc::Sender<Entry>>,
    stop: CancellationToken,
) -> Result<Outcome, Error> {
    let random = uuid::Uuid::new_v4().as_u64_pair();
    let seed = options.seed.unwrap_or(random.0);
    let traffic = Traffic::new(options, seed, (random.1 >> 8) as u32);
    let run_id = traffic.run;

    let ledger = options.ledger.as_deref().map(Ledger::create);
    let ledger = ledger.transpose().map_err(|it| failed(options, it))?;
    let way = Way::of(options).await?;

    let (tally, done) = (Arc::new(Tally::default()), CancellationToken::new());
    let drawing = progress_bar::draw(terminal, tally.clone(), traffic.requests, done.clone());
    let drawing = tokio::spawn(drawing);

    let started = Instant::now();
    let run = Run {
        ledger: ledger.as_ref().map(Ledger::sender),
        watcher,
        traffic,
        options: options.clone(),
        way,
        started,
        tally: tally.clone(),
        stop,
    };
    let measured = run_boxes(run).await;
    let elapsed = started.elapsed();

    done.cancel();
    let _ = drawing.await;
    if let Some(ledger) = ledger {
        ledger.close().await.map_err(|it| failed(options, it))?;
    }

    let acknowledged = tally.acknowledged.load(Ordering::Relaxed);
    Ok(measured.into_outcome(seed, run_id, acknowledged, elapsed))
}

fn failed(options: &Options, source: std::io::Error) -> Error {
    Error::Ledger {
        path: options.ledger.clone().unwrap_or_default(),
        source,
    }
}

async fn run_boxes(run: Run) -> Measured {
    let run = Arc::new(run);
    let numbers = 0..u64::from(run.options.boxes);
    let boxes: Vec<_> = numbers
        .map(|number| tokio::spawn(run_box(run.clone(), number)))
        .collect();
    // The boxes hold the ledger's senders, and the ledger ends with the last of them.
    drop(run);

    let mut measured = Measured::default();
    for one in boxes {
        // A box that panicked would be missing from the numbers without a word; nothing ever cancels one.
        let one = one
            .await
            .unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        measured.merge(one);
    }
    measured
}

async fn run_box(run: Arc<Run>, number: u64) -> Measured {
    let client = Client::new(run.way.clone(), run.connection());
    let mut client = client.from(run.source(number));
    let mut sender = run.traffic.new_box(number);
    let mut measured = Measured::default();

    let mut request = sender.first_request();
    while request < run.traffic.requests {
        let intended = run.started + run.traffic.intended(request);
        let moment = tokio::time::sleep_until(intended);
        if run.stop.run_until_cancelled(moment).await.is_none() {
            break;
        }

        let planned = run.traffic.plan(request, &mut sender, Timestamp::now());
        let bytes = compose(&run, &sender, &planned);
        let exchange = exchange(&run, &mut client, intended, &bytes).await;

        let length = bytes.iter().map(Bytes::len).sum();
        measured.request(exchange.delay, exchange.took, length, exchange.heard());
        if note(&run, planned, &exchange, &mut measured).await.is_err() {
            // The ledger's writer has ended: without it the run proves nothing. Closing the ledger tells why.
            run.stop.cancel();
        }

        run.tally.requests.fetch_add(1, Ordering::Relaxed);
        request += u64::from(run.options.boxes);
    }
    measured
}

impl Run {
    /// Where this box connects from.
    fn source(&self, number: u64) -> Option<Ipv4Addr> {
        let first = self.options.from?.to_bits();
        let number = u32::try_from(number).unwrap_or_default();
        Some(Ipv4Addr::from_bits(first.wrapping_add(number)))
    }

    fn connection(&self) -> Connection {
        match self.options.keep_alive {
            true => Connection::KeepAlive,
            false => Connection::Close,
        }
    }
}

impl Exchange {
    fn heard(&self) -> Heard {
        match self.answer {
            Ok(_) => Heard::Answer,
            Err(_) => Heard::Nothing,
        }
    }
}

/// The whole request: head and body, in pieces.
fn compose(run: &Run, sender: &BoxState, planned: &[Planned]) -> Vec<Bytes> {
    let sightings: Vec<_> = planned.iter().map(|planned| &planned.sighting).collect();
    let body = vendor::body(&sightings, sender.firmware, &run.traffic.film);
    let length: usize = body.iter().map(Bytes::len).sum();

    let receiver = &run.options.url;
    let path = match sightings.first().map(|sighting| sighting.feed) {
        Some(Feed::History) => receiver.with_path(&run.options.history_path),
        _ => receiver.path.clone(),
    };
    let connection = match run.connection() {
        Connection::KeepAlive => "keep-alive",
        Connection::Close => "close",
    };

    let token = run.options.token.as_ref();
    let token = token.map_or_else(String::new, |token| {
        format!("Authorization: Bearer {}\r\n", token.expose())
    });
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\n{token}User-Agent: python-requests/2.22.0\r\nAccept: */*\r\n\
         Connection: {connection}\r\nContent-Type: {}\r\nContent-Length: {length}\r\n\r\n",
        receiver.authority,
        sender.firmware.content_type(),
    );
    std::iter::once(Bytes::from(head)).chain(body).collect()
}

async fn exchange(
    run: &Run,
    client: &mut Client,
    intended: Instant,
    request: &[Bytes],
) -> Exchange {
    let (sent, sent_at) = (Instant::now(), Timestamp::now());
    let late = sent.saturating_duration_since(intended);
    let answer = client.send(request, sent + run.options.patience).await;

    Exchange {
        sent_at,
        answered_at: Timestamp::now(),
        delay: match late <= TIMER_GRAIN {
            true => Duration::ZERO,
            false => late,
        },
        took: sent.elapsed(),
        answer,
    }
}

/// Counts every event of a request and puts it into the ledger.
async fn note(
    run: &Run,
    planned: Vec<Planned>,
    exchange: &Exchange,
    measured: &mut Measured,
) -> Result<(), mpsc::error::SendError<Entry>> {
    let answers = EventAnswer::all(&exchange.answer, planned.len());
    for (planned, answer) in planned.into_iter().zip(answers) {
        let entry = entry(planned, exchange, answer);
        measured.event(entry.status, entry.reason.as_deref().unwrap_or_default());
        if entry.is_acknowledged() {
            run.tally.acknowledged.fetch_add(1, Ordering::Relaxed);
        }

        if let Some(watcher) = &run.watcher {
            let _ = watcher.try_send(entry.clone());
        }
        if let Some(ledger) = &run.ledger {
            ledger.send(entry).await?;
        }
    }
    Ok(())
}

fn entry(planned: Planned, exchange: &Exchange, answer: EventAnswer) -> Entry {
    let sighting = planned.sighting;
    let sent = |shot: Shot| Sent {
        sha256: shot.sha256,
        bytes: shot.bytes,
    };
    let pictures = sighting
        .pictures
        .into_iter()
        .map(|(kind, shot)| (kind, sent(shot)));

    Entry {
        marker: sighting.marker,
        feed: sighting.feed,
        device: sighting.device,
        sequence: planned.sequence,
        person_type: sighting.person_type,
        identity: sighting.identity,
        score: f64::from(sighting.score) / 10_000.0,
        occurred_at: sighting.occurred_at,
        pictures: pictures.collect(),
        sent_at: exchange.sent_at,
        answered_at: exchange.answer.is_ok().then_some(exchange.answered_at),
        latency_ms: (exchange.delay + exchange.took).as_micros() as f64 / 1000.0,
        status: answer.status,
        reason: answer.code,
        event_id: answer.event_id,
        revision: answer.revision,
    }
}
