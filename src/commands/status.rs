//! `boxbridge status`: one screen of a running gateway, from its admin listener's `/api/status`.
//!
//! Promises: reads that and changes nothing. Ends in a few seconds, so that it can be a container's health check. The exit code is the
//! answer: 0 ready, 1 not ready, 69 no gateway answers, or it does not tell.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::{EXIT_UNAVAILABLE, complain, refuse};
use boxbridge_config::{Config, Problems};

mod look;
mod report;
mod screen;
mod terminal;

pub use look::{AdminAddress, Look, Unreachable};
pub use report::Report;
pub use screen::render;

use terminal::Frames;

/// The time between two looks, for rates: long enough to count something, short enough for a health check.
const BETWEEN_TWO: Duration = Duration::from_secs(1);

#[derive(Args)]
#[command(
    after_help = "Exit code: 0 ready, 1 not ready (the reasons are shown), 69 nobody answers or tells, 64 wrong settings.
A gateway tells its status only on its own machine; /readyz and /metrics answer from elsewhere as well.
Rates and quantiles are of the time between two looks: one second, or the SECONDS of --watch.

Examples:
  boxbridge status                                 the gateway of these settings (admin.listen)
  boxbridge status --watch                         again every 2 seconds, until Ctrl-C
  boxbridge status --url http://127.0.0.1:9531     another one on this machine
  boxbridge status --json | jq '.lanes[] | select(.waiting > 0)'
  HEALTHCHECK CMD [\"boxbridge\", \"status\"]          in a Dockerfile"
)]
pub struct Options {
    /// Its admin listener, http only [default: admin.listen of the settings]
    #[arg(long, value_name = "http://HOST[:PORT]")]
    url: Option<AdminAddress>,
    /// Look again every so many seconds (1 to 3600)
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = clap::value_parser!(u64).range(1..=3600))]
    watch: Option<u64>,
    /// Print JSON; with --watch one object a line
    #[arg(long)]
    json: bool,
}

/// Shows the gateway. `config` is loaded only if no URL is given.
pub fn run(options: &Options, config: impl FnOnce() -> Result<Config, Problems>) -> ExitCode {
    let of_config = || config().map(|config| AdminAddress::of(config.admin.listen));
    let place = match options.url.clone().map_or_else(of_config, Ok) {
        Ok(place) => place,
        Err(problems) => return refuse(&problems),
    };

    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return ExitCode::FAILURE;
    };
    let code = runtime.block_on(async {
        match options.watch {
            Some(seconds) => watch(options, &place, Duration::from_secs(seconds)).await,
            None => once(options, &place).await,
        }
    });

    // A lookup of a name may still be under way.
    runtime.shutdown_background();
    code
}

async fn once(options: &Options, place: &AdminAddress) -> ExitCode {
    let looks = async {
        let before = place.look().await?;
        tokio::time::sleep(BETWEEN_TWO).await;
        Ok((before, place.look().await?))
    };

    match looks.await {
        Ok((before, now)) => {
            let report = Report::of(place, Some(&before), &now);
            let _ = Frames::below("").draw(&options.text(&report));
            if report.ready {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            complain(&unreachable(place, &error));
            ExitCode::from(EXIT_UNAVAILABLE)
        }
    }
}

/// Looks again and again, until Ctrl-C or until nobody reads the output.
async fn watch(options: &Options, place: &AdminAddress, every: Duration) -> ExitCode {
    let signals = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    );
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = signals else {
        return ExitCode::FAILURE;
    };

    tokio::select! {
        () = look_again_and_again(options, place, every) => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    ExitCode::SUCCESS
}

/// Returns when nobody reads the output.
async fn look_again_and_again(options: &Options, place: &AdminAddress, every: Duration) {
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

        let now = place.look().await;
        let frame = match &now {
            Ok(now) => options.text(&Report::of(place, before.as_ref(), now)),
            Err(error) => options.no_text(place, error),
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

    fn no_text(&self, place: &AdminAddress, error: &Unreachable) -> String {
        let text = if self.json {
            let url = place.to_string();
            serde_json::json!({"url": url, "unreachable": error.to_string()}).to_string()
        } else {
            unreachable(place, error)
        };
        text + "\n"
    }
}

fn unreachable(place: &AdminAddress, error: &Unreachable) -> String {
    match error {
        Unreachable::Refused => format!(
            "the gateway at {place} does not tell: {error}; run this there (in a cluster: kubectl exec), {place}/readyz answers from here"
        ),
        Unreachable::Older => format!(
            "the gateway at {place} does not tell: {error}; run the program that it was started from"
        ),
        _ => format!(
            "no gateway at {place}: {error}; is it running, and is this its admin.listen (or give --url)?"
        ),
    }
}
