//! How many instructions an event costs in each stage, counted by valgrind's callgrind: a number that no busy machine changes.
//!
//! Promises: fails where a stage costs over 5 % more than `counts.txt` says, and names it; `UPDATE=1` writes the counts anew. A count is
//! the difference of two runs, so that starting the process is not in it. Deliberately with pictures of a few hundred bytes: to decode and
//! hash them is the libraries' work, and differs with what the processor can do. So counts hold for x86-64 with AVX2.

#![allow(clippy::print_stdout, clippy::print_stderr)]
// A count that cannot be made ends the run.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

mod callgrind;
mod work;

#[path = "../gateway/body.rs"]
#[allow(dead_code, reason = "nothing is sent")]
mod body;
#[path = "../gateway/reading.rs"]
mod reading;

const TOLERANCE: f64 = 0.05;
/// Events in the shorter and the longer run.
const EVENTS: [u64; 2] = [100, 300];
const WORD: &str = "work";

use callgrind::instructions;

type Counts = BTreeMap<String, u64>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    if let [_, word, name, events] = words.as_slice()
        && word == WORD
    {
        let (_, work) = work::ALL.iter().find(|(known, _)| known == name).unwrap();
        work(events.parse().unwrap());
        return ExitCode::SUCCESS;
    }

    callgrind::hide_auxiliary_vector();
    let counts: Counts = work::ALL
        .iter()
        .map(|(name, _)| ((*name).to_owned(), count(name)))
        .collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/counts.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, written(&counts)).unwrap();
    }
    match judge(&counts, &read(&file)) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Instructions for each event.
fn count(name: &str) -> u64 {
    let [fewer, more] = EVENTS.map(|events| instructions(&[WORD, name, &events.to_string()]));
    (more - fewer) / (EVENTS[1] - EVENTS[0])
}

fn written(counts: &Counts) -> String {
    counts
        .iter()
        .fold(String::new(), |mut text, (name, count)| {
            let _ = writeln!(text, "{name} {count}");
            text
        })
}

fn read(file: &Path) -> Counts {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let pair = |line: &str| {
        let (name, count) = line.split_once(' ')?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}

/// Whether none costs more than it may.
fn judge(counts: &Counts, known: &Counts) -> bool {
    let mut is_good = true;
    for (name, count) in counts {
        let Some(known) = known.get(name) else {
            println!(
                "{name:<10} {count:>9} instructions an event: not in counts.txt; run with UPDATE=1"
            );
            is_good = false;
            continue;
        };

        let change = *count as f64 / *known as f64 - 1.0;
        let verdict = match change {
            change if change > TOLERANCE => "costs more: why? UPDATE=1 takes it",
            change if change < -TOLERANCE => "costs less: UPDATE=1 keeps it so",
            _ => "",
        };

        println!(
            "{name:<10} {count:>9} instructions an event, {:+.1} % {verdict}",
            change * 100.0
        );
        is_good &= change <= TOLERANCE;
    }
    is_good || !is_where_counts_were_made()
}

/// Elsewhere counts are printed, and not judged.
#[cfg(target_arch = "x86_64")]
fn is_where_counts_were_made() -> bool {
    std::is_x86_feature_detected!("avx2")
}

#[cfg(not(target_arch = "x86_64"))]
fn is_where_counts_were_made() -> bool {
    false
}
