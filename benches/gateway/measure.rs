//! One row: its two runs by turns, each with a fresh server.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::answers::Answers;
use crate::body::Body;
use crate::load::Boxes;
use crate::parts::Parts;
use crate::rows::{Row, Run};
use crate::server::Server;

/// Connections, the first segments of a log, topics: what comes once is over before anything counts.
const WARM_UP: Duration = Duration::from_millis(500);

/// What all rows share.
pub struct Bench {
    pub parts: Parts,
    /// The gateway under test.
    pub program: PathBuf,
    /// An older gateway, to stand where the plain loop stands.
    pub older: Option<PathBuf>,
    /// Where servers keep what they keep.
    pub base: PathBuf,
    pub pairs: usize,
    pub slice: Duration,
}

/// What one server did for so long.
pub struct Slice {
    pub answers: Answers,
    pub cpu_ms_per_event: f64,
    /// After the last answer, until the last destination had the last event.
    pub delivered_after: Duration,
    pub memory_peak_mib: f64,
}

pub struct Pair {
    pub beside: Slice,
    pub gateway: Slice,
}

impl Pair {
    pub fn ratio(&self) -> f64 {
        self.gateway.cpu_ms_per_event / self.beside.cpu_ms_per_event
    }
}

impl Bench {
    pub fn measure(&self, row: &Row) -> Vec<Pair> {
        let older = self.older.as_deref();
        let (beside, program) = match older {
            Some(older) => (row.gateway.clone(), older),
            None => (row.beside.clone(), self.program.as_path()),
        };
        let pair = |_| Pair {
            beside: self.slice(&beside, program),
            gateway: self.slice(&row.gateway, &self.program),
        };
        (0..self.pairs).map(pair).collect()
    }

    fn slice(&self, run: &Run, program: &Path) -> Slice {
        let mut server = Server::start(&run.subject, program, &self.parts, &self.base);
        let load = &run.load;
        let body = Body::new(load.body_bytes, load.devices, load.person_type);
        let boxes = Boxes::new(server.address, body, load.connections);
        boxes.send(load.pace, WARM_UP);
        server.wait_delivered();

        let before = server.cpu();
        let answers = boxes.send(load.pace, self.slice);
        let answered = Instant::now();
        server.wait_delivered();

        let cpu = server.cpu() - before;
        let slice = Slice {
            cpu_ms_per_event: cpu.as_secs_f64() * 1_000.0 / answers.events() as f64,
            answers,
            delivered_after: answered.elapsed(),
            memory_peak_mib: server.memory_peak(),
        };
        server.end();
        slice
    }
}
