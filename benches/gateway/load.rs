//! The boxes: requests by the clock or as fast as they are answered, and how long each answer took.
//!
//! One thread a core, each with its own connections. By the clock, an answer's time counts from the moment at which its request was
//! due, so that a slow server cannot hide behind a sender that waits for it. Deliberately no HTTP client: the head is a constant and
//! the body one text with other digits, so that the sender costs little beside the server.

use std::cell::RefCell;
use std::io;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use boxbridge_proof::simulate::{Line, Way};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet};

use crate::answers::Answers;
use crate::body::{Body, Event};

pub mod door;

use door::Key;

/// So long after an answer is due, the sender gives up on it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Boxes, each with an address of its own: gateways share what they have by source.
const SOURCES: u64 = 50;

#[derive(Clone, Copy)]
pub enum Pace {
    /// Each of so many connections sends as soon as it is answered.
    Saturated(usize),
    PerSecond(f64),
    /// So much of what the server takes from this many connections, which is tried before.
    ShareOf(f64, usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    Kept,
    /// `Connection: close`, as most boxes send.
    Close,
}

/// Requests to one server; their events are numbered from the first run on.
pub struct Boxes {
    way: Way,
    body: Body,
    head: String,
    connections: Connections,
    next: AtomicU64,
}

impl Boxes {
    pub fn new(key: Key, body: Body, connections: Connections) -> Arc<Boxes> {
        let Key { way, path } = key;
        let close = match connections {
            Connections::Kept => "",
            Connections::Close => "Connection: close\r\n",
        };
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n{close}Content-Length: {}\r\n\r\n",
            body.len()
        );

        Arc::new(Boxes {
            way,
            body,
            head,
            connections,
            next: AtomicU64::new(0),
        })
    }

    /// What this pace is with this server: connections or a rate.
    pub fn settle(self: &Arc<Boxes>, pace: Pace, trial: Duration) -> Pace {
        let Pace::ShareOf(share, connections) = pace else {
            return pace;
        };
        let answers = self.send(Pace::Saturated(connections), trial);
        Pace::PerSecond(share * answers.per_second())
    }

    /// Sends for so long, each connection once at least, and waits for the answers.
    pub fn send(self: &Arc<Boxes>, pace: Pace, duration: Duration) -> Answers {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let begin = Instant::now();
        let until = begin + duration;

        let (mut dues, mut senders) = (Vec::new(), Vec::new());
        for thread in 0..threads {
            let (due, moments) = mpsc::unbounded_channel();
            let boxes = Arc::clone(self);
            senders.push(std::thread::spawn(move || match pace {
                Pace::Saturated(all) | Pace::ShareOf(_, all) => {
                    let own = (thread..all).step_by(threads).count();
                    run(boxes.saturate(own, until))
                }
                Pace::PerSecond(_) => run(boxes.follow(moments)),
            }));
            dues.push(due);
        }
        if let Pace::PerSecond(rate) = pace {
            keep_time(&dues, rate, begin, duration);
        }
        drop(dues);

        let mut all = Answers::default();
        for sender in senders {
            all.add(sender.join().expect("a sender does not panic"));
        }
        all.seconds = begin.elapsed().as_secs_f64();
        all
    }

    /// Each connection sends as soon as it is answered.
    async fn saturate(self: Arc<Boxes>, connections: usize, until: Instant) -> Answers {
        let answers = Rc::new(RefCell::new(Answers::default()));
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let (boxes, answers) = (Arc::clone(&self), Rc::clone(&answers));
            tasks.spawn_local(async move {
                let mut open = None;
                loop {
                    boxes.one(&mut open, Instant::now(), &answers).await;
                    if Instant::now() >= until {
                        break;
                    }
                }
            });
        }

        tasks.join_all().await;
        answers.take()
    }

    /// Each request goes out at its moment, on an idle connection or a new one.
    async fn follow(self: Arc<Boxes>, mut moments: mpsc::UnboundedReceiver<Instant>) -> Answers {
        let answers = Rc::new(RefCell::new(Answers::default()));
        let idle = Rc::new(RefCell::new(Vec::new()));
        let mut tasks = JoinSet::new();
        while let Some(due) = moments.recv().await {
            let (boxes, answers, idle) = (Arc::clone(&self), Rc::clone(&answers), Rc::clone(&idle));
            tasks.spawn_local(async move {
                let mut open = idle.borrow_mut().pop();
                boxes.one(&mut open, due, &answers).await;
                idle.borrow_mut().extend(open);
            });
            while tasks.try_join_next().is_some() {}
        }

        tasks.join_all().await;
        answers.take()
    }

    /// One request and its answer; `open` is the connection before and after, if there is one.
    async fn one(&self, open: &mut Option<Line>, due: Instant, answers: &RefCell<Answers>) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let taken = open.take();
        let answered = tokio::time::timeout(PATIENCE, self.exchange(number, taken)).await;

        let mut answers = answers.borrow_mut();
        match answered {
            Ok(Ok((200, stream))) => {
                answers.accepted(due.elapsed());
                *open = stream;
            }
            Ok(Ok((_, stream))) => {
                answers.refused += 1;
                *open = stream;
            }
            Ok(Err(_)) | Err(_) => answers.failed += 1,
        }
    }

    async fn exchange(&self, number: u64, open: Option<Line>) -> io::Result<(u16, Option<Line>)> {
        let mut stream = match open {
            Some(stream) => stream,
            None => self.way.open(Some(source(number))).await?,
        };
        let time_ms = SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(0, |elapsed| elapsed.as_millis());
        let event = Event { number, time_ms };
        self.body
            .write(self.head.as_bytes(), &event, &mut stream)
            .await?;

        let status = read_answer(&mut stream).await?;
        Ok((
            status,
            (self.connections == Connections::Kept).then_some(stream),
        ))
    }
}

fn run(work: impl Future<Output = Answers>) -> Answers {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    LocalSet::new().block_on(&runtime, work)
}

/// Tells the threads in turn when a request is due. It sleeps by the system's clock: a runtime's own rounds up to a millisecond.
fn keep_time(
    threads: &[mpsc::UnboundedSender<Instant>],
    rate: f64,
    begin: Instant,
    duration: Duration,
) {
    let events = (rate * duration.as_secs_f64()) as u64;
    for (event, thread) in (0..events).zip(threads.iter().cycle()) {
        let due = begin + Duration::from_secs_f64(event as f64 / rate);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let _ = thread.send(due);
    }
}

/// The address of the box that sends this event.
fn source(number: u64) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, 1 + (number % SOURCES) as u8)
}

/// The status of an answer, once it has come whole.
async fn read_answer(stream: &mut Line) -> io::Result<u16> {
    let mut read = Vec::with_capacity(4096);
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }

        let Some(end) = memchr::memmem::find(&read, b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
            .unwrap_or(0_usize);

        if read.len() >= end + 4 + length {
            let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
            return status.ok_or_else(|| io::ErrorKind::InvalidData.into());
        }
    }
}
