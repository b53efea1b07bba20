//! `boxbridge status`: what it shows is what was sent, its exit code is the answer, and it leaves the terminal as it was.
//!
//! `tests/status` holds what `/api/status` said at two looks, and the screen that they make.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use boxbridge::commands::status::{Look, Report, render};
use serde_json::{Value, json};

use crate::parts::gateway::{Answer, Gateway, event, exchange};
use crate::parts::site::wait_until;

const BINARY: &str = env!("CARGO_BIN_EXE_boxbridge");

fn file(name: &str) -> String {
    std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/status")
            .join(name),
    )
    .unwrap()
}

/// What `/api/status` said at the second look, changed.
fn now(change: impl FnOnce(&mut Value)) -> Value {
    let mut now = serde_json::from_str(&file("now.json")).unwrap();
    change(&mut now);
    now
}

/// Two looks, two seconds apart.
fn report(now: Value) -> Report {
    let at = tokio::time::Instant::now();
    let before = Look {
        at,
        snapshot: serde_json::from_str(&file("before.json")).unwrap(),
    };
    let now = Look {
        at: at + Duration::from_secs(2),
        snapshot: serde_json::from_value(now).unwrap(),
    };
    Report::of(&"http://edge-1:9529".parse().unwrap(), Some(&before), &now)
}

fn plain(painted: &str) -> String {
    anstream::adapter::strip_str(painted).to_string()
}

#[test]
fn the_screen_shows_what_two_looks_say_in_80_columns() {
    let report = report(now(|_| ()));
    let coloured = render(&report);
    let screen = plain(&coloured);
    assert_eq!(screen, file("screen.txt"), "found:\n{screen}");
    let widest = screen.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?} columns");
    let codes = ["\x1b[0m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m"];
    assert_eq!(
        codes
            .iter()
            .fold(coloured, |text, code| text.replace(code, "")),
        screen,
        "colours change no place"
    );
}

#[test]
fn a_ledger_that_does_not_add_up_is_said_with_by_how_much() {
    let wrong = now(|now| now["lanes"][3]["accepted"] = json!(124_002));
    let screen = plain(&render(&report(wrong)));
    assert!(
        screen.contains("DOES NOT ADD UP: mqtt normal: 2 not accounted for"),
        "{screen}"
    );
}

#[test]
fn free_is_what_can_be_written_also_where_the_disk_has_less_than_the_budget() {
    for (bytes, said) in [
        (1 << 20, "3.4 GiB kept, 1 MiB free on its disk; full in 3h"),
        (0, " 0 B free on its disk"),
    ] {
        let full = now(|now| {
            now["queue"]["free_bytes"] = json!(bytes);
            now["queue"]["disk_available_bytes"] = json!(bytes);
        });
        let screen = plain(&render(&report(full)));
        assert!(screen.contains(said), "{screen}");
    }
}

#[test]
fn what_a_newer_gateway_tells_beside_it_is_ignored() {
    let newer = now(|now| {
        now["moon"] = json!({"phase": "full"});
        now["lanes"][0]["colour"] = json!("green");
    });
    assert_eq!(report(newer), report(now(|_| ())));
}

#[test]
fn what_it_shows_is_what_was_sent() {
    let gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    for number in 0..7 {
        // The seventh is the sixth again.
        let event = event(
            &number.min(5).to_string(),
            json!(if number == 0 { 3 } else { 1 }),
            "gate",
        );
        assert_eq!(gateway.post("/RealTimeEvent", &event).status, 200);
    }
    gateway.post_bytes("/RealTimeEvent", b"{nonsense");
    gateway.post_bytes("/HistoryEvent", b"{nonsense");
    gateway.post("/DeviceStatus", &json!({}));
    let of_store =
        "boxbridge_send_records_total{destination=\"store\",lane=\"normal\",outcome=\"delivered\"}";
    wait_until("the store has nothing to do", || {
        gateway.metrics()[of_store] == 5.0
    });

    let (text, code) = gateway.run(&["status", "--json"]);
    assert_eq!(code, Some(0), "{text}");
    let report: Value = serde_json::from_str(&text).unwrap();
    let totals = ["accepted", "duplicate", "refused", "aborted", "quarantined"]
        .map(|outcome| report["events"][outcome]["total"].clone());
    assert_eq!(totals, [6, 1, 1, 0, 1]);
    assert_eq!(
        (&report["ready"], &report["status_reports"]["total"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(report["events"]["accepted"]["per_second"], 0.0);
    assert_eq!(report["refusals"], json!({"json_invalid": 1}));
    assert_eq!(
        report["pictures"]["taken"],
        json!({"ok": 0, "truncated": 0, "undecodable": 0, "oversize": 0})
    );
    let lanes: Vec<_> = report["lanes"].as_array().unwrap().iter().collect();
    let lane = |destination: &str, lane: &str| {
        *lanes
            .iter()
            .find(|found| found["destination"] == destination && found["lane"] == lane)
            .unwrap()
    };
    for (found, up, accepted, delivered, waiting) in [
        (lane("mqtt", "urgent"), false, 1, 0, 1),
        (lane("mqtt", "normal"), false, 5, 0, 5),
        (lane("store", "urgent"), true, 1, 1, 0),
        (lane("store", "normal"), true, 5, 5, 0),
    ] {
        let numbers = (
            &found["up"],
            &found["accepted"],
            &found["delivered"],
            &found["waiting"],
        );
        assert_eq!(
            numbers,
            (
                &json!(up),
                &json!(accepted),
                &json!(delivered),
                &json!(waiting)
            ),
            "{found}"
        );
    }
    assert_eq!(
        (lanes.len(), &report["ledger_differences"]),
        (4, &json!([]))
    );
    assert_eq!(report["queue"]["max_bytes"], json!(10_u64 << 30));

    let (screen, code) = gateway.run(&["status"]);
    assert_eq!(code, Some(0));
    for part in [
        "mqtt is down: ",
        "ledger    adds up",
        "refused   json_invalid 1\n",
        "; does not grow",
    ] {
        assert!(screen.contains(part), "{part:?} is not in:\n{screen}");
    }
    assert!(!screen.contains('\x1b'), "no colours where no terminal is");
    let (elsewhere, code) = gateway.run(&[
        "status",
        "--url",
        &format!("http://{}", gateway.admin),
        "--set",
        "site=Not a site",
    ]);
    assert_eq!(
        code,
        Some(0),
        "with a URL no settings are read: {elsewhere}"
    );
}

/// What a `GET` with these lines in its head is answered with.
fn ask(gateway: &Gateway, path: &str, head: &str) -> Answer {
    let stream = TcpStream::connect(gateway.admin).unwrap();
    exchange(
        stream,
        format!("GET {path} HTTP/1.1\r\n{head}\r\n\r\n").as_bytes(),
    )
    .unwrap()
}

#[test]
fn the_status_is_json_that_says_nothing_of_a_person() {
    let gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    assert_eq!(
        gateway
            .post(
                "/RealTimeEvent",
                &event("canary-identity", json!(5), "gate")
            )
            .status,
        200
    );
    let answer = ask(&gateway, "/api/status", &format!("Host: {}", gateway.admin));
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert!(
        answer
            .head
            .to_lowercase()
            .contains("content-type: application/json"),
        "{}",
        answer.head
    );

    let said = answer.body.to_string();
    assert!(!said.contains("canary") && !said.contains("小明"), "{said}");
    let members: Vec<_> = answer
        .body
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let expected = [
        "answers",
        "events",
        "lanes",
        "notes",
        "pictures",
        "queue",
        "ready",
        "reasons",
        "refusals",
        "status_reports",
        "version",
    ];
    assert_eq!(members, expected);

    let documents =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md"))
            .unwrap();
    for member in members {
        assert!(
            documents.contains(&format!("`{member}`")),
            "{member} is not in docs/operations.md"
        );
    }
}

#[test]
fn the_api_answers_only_its_own_machine_and_says_so_to_others() {
    let gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    let port = gateway.admin.port();
    for host in [
        format!("Host: localhost:{port}"),
        format!("Host: 127.0.0.1:{port}"),
        "Host: [::1]".to_owned(),
    ] {
        assert_eq!(ask(&gateway, "/api/status", &host).status, 200, "{host}");
    }
    for head in [
        "Host: evil.example",
        "Host: localhost\r\nX-Forwarded-For: 10.0.0.1",
        "Host: localhost\r\nVia: 1.1 proxy",
    ] {
        let answer = ask(&gateway, "/api/status", head);
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (403, &json!("not_local")),
            "{head}"
        );
        assert!(
            answer.body["message"]
                .as_str()
                .is_some_and(|message| message.starts_with("/api ")),
            "{}",
            answer.body
        );
    }
    // What is not there is told to nobody else either; probes are for everyone.
    assert_eq!(
        ask(&gateway, "/api/secrets", "Host: evil.example").status,
        403
    );
    assert_eq!(
        ask(&gateway, "/api/secrets", "Host: localhost").body["code"],
        "not_found"
    );
    assert_eq!(
        ask(&gateway, "/readyz", "Host: evil.example\r\nVia: 1.1 proxy").status,
        200
    );

    // A name of this machine that is no loopback name: it is refused, and that is said.
    let (said, code) = gateway.run(&["status", "--url", &format!("http://127.1:{port}")]);
    assert!(
        code == Some(69) && said.contains("it tells its status only on its own machine"),
        "{said}"
    );
}

#[test]
fn a_gateway_older_than_the_program_is_told_from_a_stranger() {
    let gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    for (readyz, expected) in [
        (
            "{\"ready\":true,\"reasons\":[],\"destinations\":{},\"notes\":[]}",
            "is older than this program and has no /api/status",
        ),
        (
            "hello",
            "what answers there is no admin listener of boxbridge",
        ),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answering = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let (mut lines, mut stream) =
                (BufReader::new(stream.try_clone().unwrap()).lines(), stream);
            for (status, body) in [("404 Not Found", ""), ("200 OK", readyz)] {
                while !lines.next().unwrap().unwrap().is_empty() {}
                write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
                .unwrap();
            }
        });
        let (said, code) = gateway.run(&["status", "--url", &format!("http://{address}")]);
        assert!(code == Some(69) && said.contains(expected), "{said}");
        answering.join().unwrap();
    }
}

#[test]
fn rates_and_quantiles_are_of_the_time_between_two_looks() {
    let gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (sent, text) = std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut sent = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                assert_eq!(
                    gateway
                        .post(
                            "/RealTimeEvent",
                            &event(&sent.to_string(), json!(1), "gate")
                        )
                        .status,
                    200
                );
                sent += 1;
            }
            sent
        });
        let (text, _) = gateway.run(&["status", "--json"]);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        (sending.join().unwrap(), text)
    });
    let report: Value = serde_json::from_str(&text).unwrap();
    let seconds = report["interval_seconds"].as_f64().unwrap();
    assert!((1.0..3.0).contains(&seconds), "{seconds}");
    let between = report["events"]["accepted"]["per_second"].as_f64().unwrap() * seconds;
    assert!(
        between >= 1.0 && between <= f64::from(sent),
        "{between} of {sent}"
    );
    assert!(
        report["answers"]["p50"]["at_most"].as_f64().is_some(),
        "{report}"
    );
    assert!(
        report["answers"]["sync_p99"]["at_most"].as_f64().is_some(),
        "{report}"
    );
    assert!(
        (0.0..=1.0).contains(&report["answers"]["over_500_ms"].as_f64().unwrap()),
        "{report}"
    );
}

#[test]
fn the_exit_code_says_ready_not_ready_or_nobody_there() {
    let mut gateway = Gateway::start(&[
        ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
        ("INGEST__DRAIN_DELAY", "5s"),
    ]);
    gateway.signal("TERM");
    wait_until("not ready", || gateway.ready()["ready"] == json!(false));
    let (screen, code) = gateway.run(&["status"]);
    assert!(
        code == Some(1) && screen.contains("NOT READY\n          draining\n"),
        "{screen}"
    );
    // What answers there is no admin listener.
    let (said, code) = gateway.run(&["status", "--url", &format!("http://{}", gateway.ingest)]);
    assert!(
        code == Some(69) && said.contains("no admin listener of boxbridge"),
        "{said}"
    );
    gateway.kill();
    let (said, code) = gateway.run(&["status"]);
    let expected = format!(
        "no gateway at http://{}: nobody listens there; is it running, and is this its admin.listen",
        gateway.admin
    );
    assert!(code == Some(69) && said.contains(&expected), "{said}");
    let (said, code) = gateway.run(&["status", "--set", "admin.listen=9529"]);
    assert!(code == Some(64) && said.contains("admin.listen"), "{said}");
    // One that takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let started = Instant::now();
    let (said, code) = gateway.run(&[
        "status",
        "--url",
        &format!("http://{}", silent.local_addr().unwrap()),
    ]);
    assert!(
        code == Some(69) && said.contains("no answer within 2s"),
        "{said}"
    );
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn watched_without_a_terminal_it_goes_on_in_plain_blocks() {
    let mut gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    let mut watching = Watching::start(&gateway, &["--watch", "1"]);
    watching.next("boxbridge");
    watching.next("boxbridge");
    assert_eq!(watching.interrupt(), Some(0));
    let mut watching = Watching::start(&gateway, &["--watch=1", "--json"]);
    for _ in 0..2 {
        let report: Value = serde_json::from_str(&watching.next("{")).unwrap();
        assert_eq!(report["ready"], true);
    }
    gateway.kill();
    watching.next("{\"unreachable\":\"nobody listens there\"");
    assert_eq!(watching.interrupt(), Some(0));
}

/// `boxbridge status --watch` with its output in a pipe.
struct Watching {
    process: std::process::Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Watching {
    fn start(gateway: &Gateway, arguments: &[&str]) -> Watching {
        let mut command = Command::new(BINARY);
        command
            .args(["status", "--url", &format!("http://{}", gateway.admin)])
            .args(arguments)
            .stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Watching { process, lines }
    }

    /// The next line with this beginning; panics if it is not among the next hundred.
    fn next(&mut self, start: &str) -> String {
        let mut lines = self
            .lines
            .by_ref()
            .take(100)
            .map(Result::unwrap)
            .inspect(|line| assert!(!line.contains('\x1b'), "{line:?}"));
        lines
            .find(|line| line.starts_with(start))
            .unwrap_or_else(|| panic!("no line begins with {start:?}"))
    }

    fn interrupt(mut self) -> Option<i32> {
        let pid = self.process.id().to_string();
        assert!(
            Command::new("sh")
                .args(["-c", "kill -s INT \"$0\"", &pid])
                .status()
                .unwrap()
                .success()
        );
        self.process.wait().unwrap().code()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn watched_on_a_terminal_it_stays_in_place_and_leaves_it_clean() {
    let gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    for (no_color, is_coloured) in [("", true), ("1", false)] {
        let command = format!(
            "timeout --foreground -s INT 2.5 {BINARY} status --watch 1 --url http://{}",
            gateway.admin
        );
        let mut script = Command::new("script");
        script
            .args(["-qec", &command, "/dev/null"])
            .env("TERM", "xterm")
            .env("NO_COLOR", no_color)
            .stdin(Stdio::null());
        let mut child = script.stdout(Stdio::piped()).spawn().unwrap();
        let mut seen = String::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut seen)
            .unwrap();
        child.wait().unwrap();
        assert!(seen.starts_with("\x1b[?1049h"), "{seen:?}");
        assert!(
            seen.trim_end().ends_with("\x1b[?25h\x1b[?1049l"),
            "{seen:?}"
        );
        // Each line is wiped before it is written: wiping behind one that is full would take its last letter.
        assert!(
            seen.matches("\x1b[1;1H\x1b[2Kboxbridge").count() >= 2 && !seen.contains("\x1b[K"),
            "{seen:?}"
        );
        assert_eq!(seen.contains("\x1b[32mready"), is_coloured, "{seen:?}");
    }
}
