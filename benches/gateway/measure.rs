//! One row: its two runs by turns, each with a fresh server.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::answers::Answers;
use crate::backlog;
use crate::body::Body;
use crate::load::Boxes;
use crate::parts::Parts;
use crate::rows::{Row, Run, VISITOR};
use crate::server::{Server, Sinks};

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
    pub filled: OnceCell<Rc<TempDir>>,
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
        let directory = self.directory_with(run.waiting);
        let mut server = Server::start(
            &run.subject,
            run.door,
            program,
            &self.parts,
            directory.path(),
        );
        let load = &run.load;
        let body = Body::new(load.body_bytes, load.devices, VISITOR);
        let boxes = Boxes::new(
            run.door.key(server.address, &self.parts),
            body,
            load.connections,
        );
        let pace = boxes.settle(load.pace, self.slice / 2);
        boxes.send(pace, WARM_UP);
        server.wait_delivered();

        let before = server.cpu();
        let answers = boxes.send(pace, self.slice);
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

    /// An empty one. Before, the disk finishes what the last one left it to do.
    pub fn directory(&self) -> TempDir {
        rustix::fs::sync();
        tempfile::tempdir_in(&self.base).expect("a directory")
    }

    /// With a log in which so many records wait for destinations that are away: made once, since they stay there.
    fn directory_with(&self, waiting: u64) -> Rc<TempDir> {
        if waiting == 0 {
            return Rc::new(self.directory());
        }
        let fill = || {
            let directory = self.directory();
            backlog::fill(directory.path(), waiting, 0, &Sinks::AWAY.names());
            Rc::new(directory)
        };
        Rc::clone(self.filled.get_or_init(fill))
    }
}
