//! The way of a command to the running gateway: its address, the token of the settings, and the operator's API.
//!
//! Promises: every call has a deadline and a limit, whatever the other side does; a gateway that is stopped is told from one that does not
//! answer. By TLS a command trusts the certificate that the settings name, or for a `--url` the authorities of `--ca-file` or of the system.
//! Deliberately HTTP to one address: no redirects, no proxies, so the token goes nowhere else.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use http_body_util::BodyExt;
use hyper::{Method, Response, body::Incoming};
use rustls::ClientConfig;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::{EXIT_CONFIG, EXIT_UNAVAILABLE, complain, note};
use crate::admin::Complaint;
use crate::queue::inspect;
use boxbridge_config::{Config, Problems, Secret, Tls};
use boxbridge_connect::tls::{client_config, pinned_config};

mod address;
mod follow;
mod http;

pub use address::AdminAddress;
pub use follow::follow;
pub use http::{NoAnswer, encoded};

/// For what is only looked up. A container's health check allows a few seconds for the whole command.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// For what reads a part of the log, or changes something: a busy disk takes its time.
const LONG_PATIENCE: Duration = Duration::from_secs(60);
/// A page of a thousand events has some megabytes.
const ANSWER_MAX: usize = 64 << 20;

/// Which gateway is meant.
#[derive(Args, Clone, Debug, Default)]
pub struct Whom {
    /// Its admin listener, http:// or https:// [default: admin.listen of the settings]
    #[arg(long, global = true, value_name = "http://HOST[:PORT]")]
    pub url: Option<AdminAddress>,
    /// A file with a token of that gateway [default: admin.token_file of the settings]
    #[arg(long, global = true, value_name = "FILE", requires = "url")]
    pub token_file: Option<PathBuf>,
    /// A file in PEM with the authority of an https:// address [default: the system's authorities]
    #[arg(long, global = true, value_name = "FILE", requires = "url")]
    pub ca_file: Option<PathBuf>,
}

/// The gateway of the settings.
pub enum Operator {
    Running(Client),
    /// Nobody holds its data directory: a command may read it, and may change it under the queue's lock.
    Stopped(Box<Config>),
}

/// A running gateway, and what opens its API.
#[derive(Clone, Debug)]
pub struct Client {
    pub address: AdminAddress,
    token: Option<Secret>,
    /// Whom it trusts, if the address is encrypted.
    trusted: Option<Arc<ClientConfig>>,
}

impl Whom {
    /// The gateway of the URL, or that of the settings, which are loaded only then.
    pub fn client(
        &self,
        config: impl FnOnce() -> Result<Config, Problems>,
    ) -> Result<Client, UnknownGateway> {
        let Some(address) = self.url.clone() else {
            let config = config().map_err(UnknownGateway::Settings)?;
            return Client::of(&config).map_err(UnknownGateway::File);
        };
        let token = self.token_file.as_ref().map(|file| {
            let text = std::fs::read_to_string(file);
            text.map_err(|error| {
                UnknownGateway::File(format!("cannot read {}: {error}", file.display()))
            })
        });

        let token = token.transpose()?;
        let token = token
            .as_deref()
            .and_then(|text| text.lines().map(str::trim).find(|line| !line.is_empty()));
        let trusted = address.is_encrypted().then(|| {
            let authority = Tls {
                ca_file: self.ca_file.clone(),
                ..Tls::default()
            };
            client_config(&authority).map_err(|error| UnknownGateway::File(error.to_string()))
        });
        Ok(Client {
            address,
            token: token.map(Secret::new),
            trusted: trusted.transpose()?,
        })
    }
}

/// Why it is not known whom to ask.
#[derive(Debug)]
pub enum UnknownGateway {
    Settings(Problems),
    /// Of its token, or of its authority.
    File(String),
}

impl UnknownGateway {
    /// Says it; the exit code for it.
    pub fn say(&self) -> ExitCode {
        match self {
            UnknownGateway::Settings(problems) => refuse_settings(problems),
            UnknownGateway::File(problem) => {
                complain(problem);
                ExitCode::from(EXIT_CONFIG)
            }
        }
    }
}

impl Operator {
    /// The gateway that is meant; else the exit code, and that was said.
    pub async fn of(
        whom: &Whom,
        config: impl FnOnce() -> Result<Config, Problems>,
    ) -> Result<Operator, ExitCode> {
        if whom.url.is_some() {
            let client = whom.client(config).map_err(|unknown| unknown.say());
            return client.map(Operator::Running);
        }
        let config = config().map_err(|problems| refuse_settings(&problems))?;
        let found = Operator::find(config).await;
        found.map_err(|complaint| refuse(&complaint))
    }

    /// Running, if its admin listener answers.
    async fn find(config: Config) -> Result<Operator, Complaint> {
        let client = Client::of(&config).map_err(nowhere)?;
        let why = match client.livez().await {
            Ok(()) => return Ok(Operator::Running(client)),
            Err(why) => why,
        };
        if !matches!(why, NoAnswer::NobodyListens) {
            return Err(client.unreachable(&why));
        }

        let (address, folder) = (&client.address, config.data_dir.display());
        let queue = std::fs::metadata(config.data_dir.join("queue"));
        if queue.is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return Err(nowhere(format!(
                "no gateway at {address}, and no data of one in {folder}: give the gateway's own --config, or --url"
            )));
        }
        match inspect::is_held(&config.data_dir) {
            Ok(false) => Ok(Operator::Stopped(Box::new(config))),
            Ok(true) => Err(client.unreachable(&why)),
            Err(error) => Err(nowhere(format!("no gateway at {address}, and {error}"))),
        }
    }
}

/// The code of a complaint that no gateway made.
const UNREACHABLE: &str = "unreachable";

fn nowhere(message: String) -> Complaint {
    Complaint {
        status: 0,
        code: UNREACHABLE.into(),
        message,
    }
}

impl Client {
    /// The gateway of these settings; else what is wrong with the file of its certificate.
    pub fn of(config: &Config) -> Result<Client, String> {
        let tokens = config.admin.tokens.iter().flatten();
        let shown = config.admin.tls.as_ref();
        let trusted = shown.map(|tls| pinned_config(&tls.cert_file)).transpose();
        Ok(Client {
            address: AdminAddress::of(&config.admin),
            token: tokens.into_iter().next().cloned(),
            trusted: trusted.map_err(|error| error.to_string())?,
        })
    }

    pub async fn get(&self, path: &str) -> Result<Value, Complaint> {
        self.call(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Complaint> {
        self.call(Method::POST, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Result<Value, Complaint> {
        self.call(Method::DELETE, path, None).await
    }

    /// An answer of which the body comes bit by bit, for as long as the other side likes.
    pub async fn open(&self, path: &str) -> Result<Response<Incoming>, Complaint> {
        let deadline = Instant::now() + LONG_PATIENCE;
        let asked = self.ask(Method::GET, path, None, deadline).await;
        let answer = asked.map_err(|why| self.unreachable(&why))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let (status, bytes) = self.whole(answer, deadline).await?;
        Err(refused(status, &bytes))
    }

    /// What a path answers within the deadline: status and body.
    pub async fn look(&self, path: &str, deadline: Instant) -> Result<(u16, Vec<u8>), NoAnswer> {
        let answer = self.ask(Method::GET, path, None, deadline).await?;
        http::whole(answer, ANSWER_MAX, deadline).await
    }

    async fn livez(&self) -> Result<(), NoAnswer> {
        let (_, body) = self.look("/livez", Instant::now() + PATIENCE).await?;
        match body == b"alive\n" {
            true => Ok(()),
            false => Err(NoAnswer::Somebody),
        }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Complaint> {
        let deadline = Instant::now() + LONG_PATIENCE;
        let asked = self.ask(method, path, body, deadline).await;
        let answer = asked.map_err(|why| self.unreachable(&why))?;

        let (status, bytes) = self.whole(answer, deadline).await?;
        match (status, serde_json::from_slice(&bytes)) {
            (200, Ok(value)) => Ok(value),
            (200, Err(_)) => Err(self.unreachable(&NoAnswer::Somebody)),
            _ => Err(refused(status, &bytes)),
        }
    }

    async fn whole(
        &self,
        answer: Response<Incoming>,
        deadline: Instant,
    ) -> Result<(u16, Vec<u8>), Complaint> {
        let whole = http::whole(answer, ANSWER_MAX, deadline).await;
        whole.map_err(|why| self.unreachable(&why))
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        deadline: Instant,
    ) -> Result<Response<Incoming>, NoAnswer> {
        let authority = self.address.authority();
        let request = http::request(method, path, authority, self.token.as_ref(), body)?;
        let sent = http::send(&self.address, self.trusted.as_ref(), request);
        timeout_at(deadline, sent)
            .await
            .unwrap_or(Err(NoAnswer::Silent))
    }

    fn unreachable(&self, why: &NoAnswer) -> Complaint {
        let address = &self.address;
        nowhere(format!(
            "no gateway at {address}: {why}; is it running, and is this its admin.listen?"
        ))
    }
}

fn refused(status: u16, body: &[u8]) -> Complaint {
    let complaint = serde_json::from_slice(body).unwrap_or_else(|_| Complaint {
        status,
        code: "unknown".into(),
        message: format!("the gateway answered {status}"),
    });
    Complaint {
        status,
        ..complaint
    }
}

/// The gateway that is meant, for what only a running one can tell; else the exit code, and that was said.
pub async fn running(
    whom: &Whom,
    config: impl FnOnce() -> Result<Config, Problems>,
) -> Result<Client, ExitCode> {
    match Operator::of(whom, config).await? {
        Operator::Running(client) => Ok(client),
        Operator::Stopped(config) => {
            let folder = config.data_dir.display();
            complain(&format!(
                "no gateway runs on {folder}, and only a running one can tell this"
            ));
            Err(ExitCode::FAILURE)
        }
    }
}

/// Prints what is wrong with the settings, and how to ask a gateway that goes on by those before; the exit code for it.
fn refuse_settings(problems: &Problems) -> ExitCode {
    let code = super::refuse(problems);
    note(
        "a gateway that runs goes on by the settings before; to ask it: --url http://127.0.0.1:9529, or where its admin.listen is",
    );
    code
}

/// Says why something is not done; the exit code for it.
pub fn refuse(complaint: &Complaint) -> ExitCode {
    complain(&complaint.message);
    match complaint.code == UNREACHABLE {
        true => ExitCode::from(EXIT_UNAVAILABLE),
        false => ExitCode::FAILURE,
    }
}

/// Runs a command that talks to a gateway.
pub fn run(command: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };

    let code = runtime.block_on(command);
    // A lookup of a name may still be under way.
    runtime.shutdown_background();
    code
}

/// The next piece of a body that comes bit by bit; `None` at its end.
pub async fn next_piece(answer: &mut Response<Incoming>) -> Option<bytes::Bytes> {
    loop {
        let frame = answer.body_mut().frame().await?.ok()?;
        if let Ok(piece) = frame.into_data() {
            return Some(piece);
        }
    }
}
