//! `boxbridge status`: one screen of a running gateway, from its admin listener's `/api/status`.
//!
//! Promises: reads that and changes nothing. Ends in a few seconds, so that it can be a container's health check. The exit code is the
//! answer: 0 ready, 1 not ready, 69 no gateway answers, or it does not tell.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::operator::{self, Client, Whom};
use super::{EXIT_UNAVAILABLE, complain};
use boxbridge_config::{Config, Problems};

mod look;
mod report;
mod screen;
mod terminal;

pub use look::{Look, Unreachable};
pub use report::Report;
pub use screen::render;

use terminal::Frames;

/// The time between two looks, for rates: long enough to count something, short enough for a health check.
const BETWEEN_TWO: Duration = Duration::from_secs(1);

#[derive(Args)]
#[command(
    after_help = "Exit code: 0 ready, 1 not ready (the reasons are shown), 69 nobody answers or tells, 64 wrong settings.
A gateway without admin.token_file tells its status only on its own machine; /readyz and /metrics answer from elsewhere as well.
Rates and quantiles are of the time between two looks: one second, or the SECONDS of --watch.

Examples:
  boxbridge status                                 the gateway of these settings (admin.listen)
  boxbridge status --watch                         again every 2 seconds, until Ctrl-C
  boxbridge status --url http://127.0.0.1:9531     another one on this machine
  boxbridge status --json | jq '.lanes[] | select(.waiting > 0)'
  HEALTHCHECK CMD [\"boxbridge\", \"status\"]          in a Dockerfile"
)]
pub struct Options {
    #[command(flatten)]
    gateway: Whom,
    /// Look again every so many seconds (1 to 3600)
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = clap::value_parser!(u64).range(1..=3600))]
    watch: Option<u64>,
    /// Print JSON; with --watch one object a line
    #[arg(long)]
    json: bool,
}

/// Shows the gateway. `config` is loaded only if no URL is given.
pub fn run(options: &Options, config: impl FnOnce() -> Result<Config, Problems>) -> ExitCode {
    let gateway = match options.gateway.client(config) {
        Ok(gateway) => gateway,
        Err(unknown) => return unknown.say(),
    };

    operator::run(async {
        match options.watch {
            Some(seconds) => watch(options, &gateway, Duration::from_secs(seconds)).await,
            None => once(options, &gateway).await,
        }
    })
}

async fn once(options: &Options, gateway: &Client) -> ExitCode {
    let looks = async {
        let before = Look::at(gateway).await?;
        tokio::time::sleep(BETWEEN_TWO).await;
        Ok((before, Look::at(gateway).await?))
    };

    match looks.await {
        Ok((before, now)) => {
            let report = Report::of(&gateway.address, Some(&before), &now);
            let _ = Frames::below("").draw(&options.text(&report));
            if report.ready {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            complain(&unreachable(gateway, &error));
            ExitCode::from(EXIT_UNAVAILABLE)
        }
    }
}

/// Looks again and again, until Ctrl-C or until nobody reads the output.
async fn watch(options: &Options, gateway: &Client, every: Duration) -> ExitCode {
    let signals = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    );
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = signals else {
        return ExitCode::FAILURE;
    };

    tokio::select! {
        () = look_again_and_again(options, gateway, every) => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    ExitCode::SUCCESS
}

/// Returns when nobody reads the output.
async fn look_again_and_again(options: &Options, gateway: &Client, every: Duration) {
    let mut frames = if options.json {
        Frames::below("")
    } else {
        Frames::in_place()
    };
    let mut turn = tokio::time::interval(every);
    turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);

    let mut before: Option<Look> = None;
    loop {
        turn.tick().await;

        let now = Look::at(gateway).await;
        let frame = match &now {
            Ok(now) => options.text(&Report::of(&gateway.address, before.as_ref(), now)),
            Err(error) => options.no_text(gateway, error),
        };
        if frames.draw(&frame).is_err() {
            return;
        }
        before = now.ok();
    }
}

impl Options {
    fn text(&self, report: &Report) -> String {
        match (self.json, self.watch) {
            (false, _) => render(report),
            (true, None) => format!(
                "{}\n",
                serde_json::to_string_pretty(report).unwrap_or_default()
            ),
            (true, Some(_)) => format!("{}\n", serde_json::to_string(report).unwrap_or_default()),
        }
    }

    fn no_text(&self, gateway: &Client, error: &Unreachable) -> String {
        let text = if self.json {
            let url = gateway.address.to_string();
            serde_json::json!({"url": url, "unreachable": error.to_string()}).to_string()
        } else {
            unreachable(gateway, error)
        };
        text + "\n"
    }
}

fn unreachable(gateway: &Client, error: &Unreachable) -> String {
    let place = &gateway.address;
    match error {
        Unreachable::Refused => format!(
            "the gateway at {place} does not tell: {error}; run this there (in a cluster: kubectl exec), {place}/readyz answers from here"
        ),
        Unreachable::NotLetIn(why) => format!("the gateway at {place} does not tell: {why}"),
        Unreachable::Older => format!(
            "the gateway at {place} does not tell: {error}; run the program that it was started from"
        ),
        _ => format!(
            "no gateway at {place}: {error}; is it running, and is this its admin.listen (or give --url)?"
        ),
    }
}
