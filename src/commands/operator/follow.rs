//! Waiting for a job of the gateway: a bar on a terminal, plain lines elsewhere.
//!
//! Promises: Ctrl-C ends the waiting and leaves the job alone. Deliberately asks again and again, once a second at most: a job of hours
//! costs the gateway nothing.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use serde_json::Value;
use tokio::signal::ctrl_c;

use super::Client;
use crate::admin::Complaint;
use crate::commands::note;

/// Between two looks: a short job ends soon.
const LOOK_FIRST: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_secs(1);
/// Lines elsewhere than on a terminal are for a log.
const LINE_EVERY: u32 = 10;
const BAR: usize = 30;

/// Waits for the end of a job. Its report then; `None` after Ctrl-C, where `goes_on` was said.
pub async fn follow(client: &Client, id: &str, goes_on: &str) -> Result<Option<Value>, Complaint> {
    let mut shown = Shown::new();
    let mut pause = LOOK_FIRST;
    loop {
        let job = look(client, id).await?;
        let is_under_way = ["running", "cancelling"].contains(&text(&job, "state"));
        shown.show(&job, is_under_way);
        if !is_under_way {
            return Ok(Some(job));
        }

        tokio::select! {
            () = tokio::time::sleep(pause) => pause = LOOK.min(pause * 2),
            _ = ctrl_c() => {
                shown.end();
                note(goes_on);
                return Ok(None);
            }
        }
    }
}

async fn look(client: &Client, id: &str) -> Result<Value, Complaint> {
    let jobs = client.get("/api/jobs").await?;
    let jobs = jobs.get("jobs").and_then(Value::as_array);
    let mut jobs = jobs.into_iter().flatten();
    let job = jobs.find(|job| text(job, "id") == id);
    job.cloned()
        .ok_or_else(|| Complaint::not_found(format!("the gateway knows no job {id} any more")))
}

/// On standard error: the result stays a result.
struct Shown {
    is_terminal: bool,
    looks: u32,
}

impl Shown {
    fn new() -> Shown {
        Shown {
            is_terminal: std::io::stderr().is_terminal(),
            looks: 0,
        }
    }

    fn show(&mut self, job: &Value, is_under_way: bool) {
        let (done, total) = (number(job, "done"), number(job, "total"));
        let per_second = job.get("per_second").and_then(Value::as_f64).unwrap_or(0.0);
        if total == 0 && is_under_way {
            // They are being counted.
            return;
        }
        if self.is_terminal {
            let mut out = std::io::stderr();
            let _ = write!(
                out,
                "\r\x1b[2K{} {done} of {total}, {per_second:.0}/s",
                bar(done, total)
            );
            let _ = out.flush();
        } else if is_under_way && self.looks.is_multiple_of(LINE_EVERY) {
            note(&format!("{done} of {total}, {per_second:.0}/s"));
        }
        self.looks += 1;
        if !is_under_way {
            self.end();
        }
    }

    fn end(&self) {
        if self.is_terminal {
            let _ = writeln!(std::io::stderr());
        }
    }
}

fn bar(done: u64, total: u64) -> String {
    let full = (done.min(total) * BAR as u64)
        .checked_div(total)
        .unwrap_or(0) as usize;
    format!("[{}{}]", "#".repeat(full), ".".repeat(BAR - full))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}
