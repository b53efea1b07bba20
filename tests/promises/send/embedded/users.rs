//! Who may subscribe where there is a file of users: its users, by mosquitto's own tools, and nobody else.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::raw::{Hello, Raw};
use crate::parts::child::free_port;
use crate::parts::gateway::{Gateway, event, said};
use crate::parts::site::wait_until;

const PASSWORD: &str = "canary of wall";

struct Users {
    folder: tempfile::TempDir,
    port: u16,
}

impl Users {
    /// With one user, `wall`.
    fn new() -> Users {
        let users = Users {
            folder: tempfile::tempdir().unwrap(),
            port: free_port(),
        };
        users.write(&["-c", "-H", "sha512-pbkdf2"], "wall", PASSWORD);
        users
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("users")
    }

    fn write(&self, how: &[&str], name: &str, password: &str) {
        let mut command = Command::new("mosquitto_passwd");
        command.args(how).arg("-b").arg(self.file());
        let (said, code) = said(command.args([name, password]));
        assert_eq!(code, Some(0), "{said}");
    }

    fn gateway(&self) -> Gateway {
        let listen = format!("127.0.0.1:{}", self.port);
        Gateway::start(&[
            ("SEND__MQTT__EMBEDDED__LISTEN", &listen),
            (
                "SEND__MQTT__EMBEDDED__USERS_FILE",
                self.file().to_str().unwrap(),
            ),
        ])
    }

    fn client(&self, program: &str, more: &[&str]) -> Command {
        let port = self.port.to_string();
        let mut command = Command::new(program);
        command.args(["-h", "127.0.0.1", "-p", &port]).args(more);
        command
    }

    /// Whether somebody is granted a subscription.
    fn may_subscribe(&self, login: &[&str]) -> bool {
        [&["-V", "5"][..], &["-V", "311"]]
            .map(|version| {
                let arguments = [&["-t", "#", "-E", "-W", "60"], version, login].concat();
                said(&mut self.client("mosquitto_sub", &arguments)).1 == Some(0)
            })
            .into_iter()
            .all(|granted| granted)
    }

    /// A subscriber that writes what it gets into a file.
    fn subscriber(&self, login: &[&str], to: &Path) -> Child {
        let mut command = self.client("mosquitto_sub", &[&["-t", "#", "-F", "%t"], login].concat());
        let file = std::fs::File::create(to).unwrap();
        command.stdout(file).stderr(Stdio::null()).spawn().unwrap()
    }
}

const WALL: [&str; 4] = ["-u", "wall", "-P", PASSWORD];

#[test]
fn only_users_of_the_file_subscribe_and_they_publish_nothing() {
    let users = Users::new();
    let gateway = users.gateway();
    assert!(users.may_subscribe(&WALL));
    for login in [
        &[][..],
        &["-u", "wall"],
        &["-u", "wall", "-P", ""],
        &["-u", "wall", "-P", "canary of"],
        &["-u", "Wall", "-P", PASSWORD],
        &["-u", "nobody", "-P", PASSWORD],
        &["-u", "boxbridge-gateway", "-P", PASSWORD],
    ] {
        assert!(!users.may_subscribe(login), "{login:?}");
    }

    let told = users.folder.path().join("told");
    let mut wall = users.subscriber(&WALL, &told);
    let heard = || std::fs::read_to_string(&told).unwrap();
    wait_until("the wall is told of the gateway", || {
        heard().contains("/status")
    });
    let forged = [
        "-V",
        "5",
        "-m",
        "forged",
        "-t",
        "boxbridge/default/events/vip/forged",
    ];
    let _ = said(&mut users.client("mosquitto_pub", &[&forged[..], &WALL].concat()));

    gateway.take("/RealTimeEvent", &event("1", json!(1), "gate"));
    gateway.wait_delivered();
    wait_until("the wall is told of the event", || {
        heard().contains("/events/employee/gate")
    });
    assert!(!heard().contains("forged"));
    wall.kill().unwrap();
    wall.wait().unwrap();
    assert!(!gateway.log().contains("canary"));
}

#[test]
fn a_user_that_is_taken_out_or_has_another_password_is_disconnected_and_a_new_one_is_let_in() {
    let users = Users::new();
    users.write(&[], "screen", "second canary");
    let gateway = users.gateway();
    let told = users.folder.path().join("told");
    let mut wall = users.subscriber(&WALL, &told);
    let heard = || std::fs::read_to_string(&told).unwrap();
    wait_until("the wall is told of the gateway", || {
        heard().contains("/status")
    });

    users.write(&[], "wall", "third canary");
    let why = "its user may not subscribe any more";
    wait_until("the wall is disconnected", || gateway.log().contains(why));
    assert!(!users.may_subscribe(&WALL));
    assert!(users.may_subscribe(&["-u", "wall", "-P", "third canary"]));
    assert!(users.may_subscribe(&["-u", "screen", "-P", "second canary"]));
    wall.kill().unwrap();
    wall.wait().unwrap();

    gateway.take("/RealTimeEvent", &event("1", json!(1), "gate"));
    gateway.wait_delivered();
    assert!(!gateway.log().contains("canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_user_takes_anothers_session_or_closes_its_connection() {
    let users = Users::new();
    users.write(&[], "eve", "second canary");
    let gateway = users.gateway();
    let address = (std::net::Ipv4Addr::LOCALHOST, users.port).into();
    let of_wall = Hello {
        login: Some(("wall", PASSWORD)),
        ..Hello::keeping("screen")
    };
    let (mut wall, _) = Raw::connect(address, 5, of_wall).await;
    assert_eq!(wall.subscribe("boxbridge/+/events/#").await, 1);

    for hello in [Hello::keeping("screen"), Hello::named("screen")] {
        let of_eve = Hello {
            login: Some(("eve", "second canary")),
            ..hello
        };
        let (_eve, welcome) = Raw::connect(address, 5, of_eve).await;
        assert_eq!(welcome[..2], [0, 0], "let in, with a session of its own");
    }
    gateway.take("/RealTimeEvent", &event("1", json!(3), "gate"));
    wall.until(0x32).await;

    // Its own user's next connection takes it over, as ever.
    let (_next, welcome) = Raw::connect(address, 5, of_wall).await;
    assert_eq!(welcome[0], 1, "the session is there");
    assert_eq!(wall.until(0xe0).await[0], 0x8e, "it was taken over");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_passwords_waits_for_each_answer() {
    let users = Users::new();
    let _gateway = users.gateway();
    let address = (std::net::Ipv4Addr::LOCALHOST, users.port).into();
    let guess = Hello {
        login: Some(("wall", "a guess")),
        ..Hello::named("guesser")
    };

    let asked = Instant::now();
    for _ in 0..2 {
        let (_refused, answer) = Raw::connect(address, 5, guess).await;
        assert_eq!(answer[1], 0x86);
    }
    assert!(asked.elapsed() > Duration::from_millis(900));
}
