//! The gateway as a whole beside the plain loop: CPU for each event, answer times, memory, by turns in one run.
//!
//! `make bench` prints a table and keeps JSON under `benches/results/`; docs/performance.md says what each row means. Promises: the two
//! of a row run by turns (A B A B), each time as a fresh process under the same load, and only their own CPU counts. Deliberately
//! judges nothing: a time depends on the machine, and what may fail a build is counted in instructions (`benches/instructions`).

#![allow(clippy::print_stdout, clippy::print_stderr)]
// A measurement that cannot be made ends the run.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;

mod answers;
mod body;
mod load;
mod machine;
mod measure;
mod parts;
mod plain_loop;
mod report;
mod rows;
mod server;

use measure::Bench;

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

fn run(arguments: &Arguments) -> io::Result<()> {
    let is_wanted = |name: &str| {
        let only = &arguments.only;
        only.is_empty() || only.iter().any(|begin| name.starts_with(begin.as_str()))
    };
    let rows: Vec<_> = rows::all()
        .into_iter()
        .filter(|row| is_wanted(row.name))
        .collect();
    if arguments.list {
        for row in rows {
            println!("{:<16} {}", row.name, row.about);
        }
        return Ok(());
    }

    let base = std::env::var_os("BOXBRIDGE_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let (pairs, slice) = match arguments.quick {
        true => (1, Duration::from_millis(500)),
        false => (arguments.pairs, Duration::from_secs(4)),
    };
    let bench = Bench {
        parts: parts::Parts::default(),
        program: arguments.gateway.clone(),
        older: arguments.older.clone(),
        base,
        pairs,
        slice,
    };
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results");
    let machine = machine::describe(&bench.base, slice / 2)?;
    println!("{machine:#}\n");
    measure_all(&bench, &rows, &machine, &report::path(&results)?)
}

fn measure_all(
    bench: &Bench,
    rows: &[rows::Row],
    machine: &serde_json::Value,
    path: &Path,
) -> io::Result<()> {
    report::print_head();
    let mut measured = Vec::new();
    for row in rows {
        let pairs = bench.measure(row);
        report::print_row(row, &pairs);
        measured.push(report::row(row, &pairs));
        report::write(path, machine, &measured)?;
    }
    println!("\n{}", path.display());
    Ok(())
}
