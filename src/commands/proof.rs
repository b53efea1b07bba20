//! `boxbridge simulate` and `boxbridge reconcile`. Ctrl-C ends them with the result so far, and the exit code is the verdict.
//!
//! Deliberately nothing else: the work is in the crate `proof`, which tests and the demo use as well.

use std::process::ExitCode;

use anyhow::Context;
use boxbridge_proof::{reconcile, simulate};
use tokio_util::sync::CancellationToken;

use super::{EXIT_UNAVAILABLE, note, say};
use boxbridge_config::{Layers, Secret};

const TOKEN: &str = "BOXBRIDGE_TOKEN";

/// Sends events and prints the outcome. An error if nobody answered at all; a failure if nothing was taken over.
pub async fn simulate(mut options: simulate::Options) -> anyhow::Result<ExitCode> {
    options.token = token(&options)?;
    let outcome = until_interrupted(|stop| simulate::run(options.clone(), stop)).await?;

    say(&options.render(&outcome));
    if outcome.is_unheard() {
        let origin = options.url.origin();
        let certificate = match origin.starts_with("https") {
            true => ", with a certificate that --ca-file vouches for",
            false => "",
        };
        anyhow::bail!("nobody answered at {origin}: does a gateway listen there{certificate}?");
    }
    if outcome.is_refused() {
        note(
            "nothing was acknowledged: see the answers above, and `boxbridge status` beside the gateway",
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// The token that the boxes show.
fn token(options: &simulate::Options) -> anyhow::Result<Option<Secret>> {
    let text = match &options.token_file {
        Some(file) => std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?,
        None => std::env::var(TOKEN).unwrap_or_default(),
    };
    let token = text.trim();
    Ok((!token.is_empty()).then(|| Secret::new(token)))
}

/// Records what arrives, compares it with what was sent, and prints the verdict.
pub async fn reconcile(options: reconcile::Options, layers: Layers) -> anyhow::Result<ExitCode> {
    let ready = |listening: &reconcile::Listening| note(&listening.to_string());
    let report =
        until_interrupted(|stop| reconcile::run(options.clone(), layers, stop, ready)).await?;

    say(&options.render(&report));
    if options.accepts(&report) {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(match options.is_undecided(&report) {
        true => ExitCode::from(EXIT_UNAVAILABLE),
        false => ExitCode::FAILURE,
    })
}

/// Runs `work`, and cancels its token on Ctrl-C.
async fn until_interrupted<W: Future>(work: impl FnOnce(CancellationToken) -> W) -> W::Output {
    let stop = CancellationToken::new();
    let interrupted = stop.clone();
    let signal = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.cancel();
        }
    });

    let result = work(stop).await;
    signal.abort();
    result
}
