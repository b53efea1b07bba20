//! The gateway as a whole beside the plain loop: CPU for each event, answer times, memory, by turns in one run.
//!
//! `make bench` prints a table and keeps JSON under `benches/results/`; docs/performance.md says what each row means. Promises: the two
//! of a row run by turns (A B A B), each time as a fresh process under the same load, and only their own CPU counts. Deliberately
//! judges nothing: a time depends on the machine, and what may fail a build is counted in instructions (`benches/instructions`).

#![allow(clippy::print_stdout, clippy::print_stderr)]
// A measurement that cannot be made ends the run.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::cell::OnceCell;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;

mod answers;
mod backlog;
mod body;
mod load;
mod machine;
mod measure;
mod parts;
mod plain_loop;
mod reading;
mod report;
mod rows;
mod server;

use measure::Bench;
use rows::{Backlog, Row};

/// The word by which this program starts itself as the plain loop.
const PLAIN_LOOP: &str = "plain-loop";

#[derive(Parser)]
#[command(about = "Measures the gateway beside the plain loop")]
struct Arguments {
    /// One short pair for each row: about a minute in all, to see that everything works
    #[arg(long)]
    quick: bool,

    /// Only rows whose name begins so; may be repeated
    #[arg(long, value_name = "ROW")]
    only: Vec<String>,

    /// Name the rows and end
    #[arg(long)]
    list: bool,

    /// Pairs of runs for each row
    #[arg(long, default_value_t = 2)]
    pairs: usize,

    /// The gateway to measure, instead of the one that was just built
    #[arg(long, value_name = "PROGRAM", default_value = env!("CARGO_BIN_EXE_boxbridge"))]
    gateway: PathBuf,

    /// An older gateway, to stand where the plain loop stands: did a change help?
    #[arg(long, value_name = "PROGRAM")]
    older: Option<PathBuf>,

    /// `cargo bench` says it.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().collect();
    if let [_, first, port, directory] = words.as_slice()
        && first == PLAIN_LOOP
    {
        let port = port.parse().expect("a port");
        return plain_loop::serve(port, Path::new(directory));
    }
    run(&Arguments::parse())
}

/// In a backlog.
const WAITING: u64 = 1_000_000;
const WAITING_QUICK: u64 = 50_000;

fn run(arguments: &Arguments) -> io::Result<()> {
    let waiting = match arguments.quick {
        true => WAITING_QUICK,
        false => WAITING,
    };
    let mut rows = rows::all(waiting);
    let mut backlogs = rows::backlogs(waiting);
    rows.retain(|row| arguments.wants(row.name));
    backlogs.retain(|row| arguments.wants(row.name));

    if arguments.list {
        let names = rows.iter().map(|row| row.name);
        for name in names.chain(backlogs.iter().map(|row| row.name)) {
            println!("{name}");
        }
        return Ok(());
    }
    measure_all(&arguments.bench(), &rows, &backlogs)
}

impl Arguments {
    fn wants(&self, row: &str) -> bool {
        let mut only = self.only.iter();
        self.only.is_empty() || only.any(|begin| row.starts_with(begin.as_str()))
    }

    fn bench(&self) -> Bench {
        let (pairs, slice) = match self.quick {
            true => (1, Duration::from_millis(500)),
            false => (self.pairs, Duration::from_secs(4)),
        };
        Bench {
            parts: parts::Parts::default(),
            program: self.gateway.clone(),
            older: self.older.clone(),
            base: std::env::var_os("BOXBRIDGE_BENCH_DIR")
                .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from),
            pairs,
            slice,
            filled: OnceCell::new(),
        }
    }
}

fn measure_all(bench: &Bench, rows: &[Row], backlogs: &[Backlog]) -> io::Result<()> {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results");
    let path = report::path(&results)?;
    let machine = machine::describe(&bench.base, bench.slice / 2)?;
    println!("{machine:#}\n");

    report::print_head();
    let mut measured = Vec::new();
    for row in rows {
        let pairs = bench.measure(row);
        report::print_row(row, &pairs);
        measured.push(report::row(row, &pairs));
        report::write(&path, &machine, &measured)?;
    }
    for row in backlogs {
        let drained = backlog::drain(bench, row);
        report::print_drained(row, &drained);
        measured.push(report::drained(row, &drained));
        report::write(&path, &machine, &measured)?;
    }

    println!("\n{}", path.display());
    Ok(())
}
