//! The console at `/` of the admin listener, as a guard and an operator see it: in a real browser, before a real gateway.
//!
//! What a person does is a script in `tests/console/`; a test here starts the gateway and does what the script cannot. Screenshots go to
//! `target/screenshots/`, to be looked at.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::parts::child::installed;
use crate::parts::gateway::Gateway;

mod files;
mod kept;
mod live;
mod login;
mod looks;
mod outage;
mod watched;

/// A script in the browser, before this gateway. What the script asks for, `answer` does; what that returns, the script is told.
fn browse(
    script: &str,
    mut gateway: Gateway,
    mut answer: impl FnMut(&mut Gateway, &str) -> Value,
) -> Gateway {
    let mut child = started(script, &gateway);
    let mut input = child.stdin.take().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    for line in output.lines().map_while(Result::ok) {
        match line.strip_prefix("ask ") {
            Some(asked) => {
                let answer = answer(&mut gateway, asked);
                let _ = writeln!(input, "{answer}");
            }
            None => println!("{script}: {line}"),
        }
    }

    let status = child.wait().unwrap();
    assert!(
        status.success(),
        "{script} failed; what it wrote stands above"
    );
    gateway
}

fn started(script: &str, gateway: &Gateway) -> Child {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    Command::new("node")
        .arg(root.join("tests/console").join(script))
        .env("CONSOLE", format!("http://{}", gateway.admin))
        .env("INGEST", format!("http://{}", gateway.ingest))
        .env("MODULES", installed(MODULES).join("node_modules"))
        .env("SHOTS", root.join("target/screenshots"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node, Debian's package nodejs")
}

/// For scripts that ask for nothing.
fn nothing(_: &mut Gateway, asked: &str) -> Value {
    panic!("nobody does {asked}")
}

const MODULES: &str = "console-1";

/// A gateway without a network around it.
fn gateway(settings: &[(&str, &str)]) -> Gateway {
    let mqtt = [("SEND__MQTT__URL", "mqtt://127.0.0.1:9")];
    Gateway::start(&[&mqtt, settings].concat())
}
