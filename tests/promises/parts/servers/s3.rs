//! A real S3 server over a folder: versitygw, with its bucket made. And one that refuses on purpose, which no real one does.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::parts::certificates::Certificates;
use crate::parts::child::{Child, PATIENCE, free_port, installed, listens};

pub const BUCKET: &str = "faces";
pub const KEY_ID: &str = "tester";
pub const SECRET: &str = "a secret of the tests";
/// Somebody with the same secret who may do nothing, until [`Server::trust_guest`].
pub const GUEST: &str = "guest";

pub struct Server {
    child: Child,
    command: Command,
    pub port: u16,
    directory: tempfile::TempDir,
    encryption: Encryption,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Encryption {
    None,
    Tls,
}

impl Server {
    pub fn start() -> Server {
        Server::start_in(tempfile::tempdir().unwrap(), Encryption::None)
    }

    /// Its certificate is the server's of these.
    pub fn start_showing(certificates: &Certificates) -> Server {
        let directory = tempfile::tempdir().unwrap();
        copy(certificates.server(), directory.path());
        Server::start_in(directory, Encryption::Tls)
    }

    /// The same server with another certificate.
    pub fn show(&mut self, certificate: (PathBuf, PathBuf)) {
        copy(certificate, self.directory.path());
        self.restart();
    }

    fn start_in(directory: tempfile::TempDir, encryption: Encryption) -> Server {
        let objects = directory.path().join("objects");
        std::fs::create_dir_all(objects.join(BUCKET)).unwrap();
        write_guest(directory.path(), "user");

        let port = free_port();
        let mut command = Command::new(installed("versitygw-1.8.0").join("versitygw"));
        command
            .args([
                "--port",
                &format!("127.0.0.1:{port}"),
                "--health",
                "/health",
                "--quiet",
                "--iam-cache-disable",
            ])
            // It goes into the folder of the objects.
            .arg("--iam-dir")
            .arg(directory.path())
            .env("ROOT_ACCESS_KEY", KEY_ID)
            .env("ROOT_SECRET_KEY", SECRET)
            .current_dir(directory.path());

        if encryption == Encryption::Tls {
            let file = |name| directory.path().join(name);
            command
                .arg("--cert")
                .arg(file("server.pem"))
                .arg("--key")
                .arg(file("server.key"));
        }
        command.arg("posix").arg(&objects);

        let child = Child::start(&command, &directory.path().join("log"));
        let mut server = Server {
            child,
            command,
            port,
            directory,
            encryption,
        };
        server.wait();
        server
    }

    pub fn endpoint(&self) -> String {
        let scheme = if self.encryption == Encryption::Tls {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    pub fn make_bucket(&self, name: &str) {
        std::fs::create_dir(self.directory.path().join("objects").join(name)).unwrap();
    }

    /// [`GUEST`] may do everything from now on.
    pub fn trust_guest(&self) {
        write_guest(self.directory.path(), "admin");
    }

    /// Where an object lies on the server's disk.
    pub fn file(&self, key: &str) -> PathBuf {
        self.directory.path().join("objects").join(BUCKET).join(key)
    }

    /// The media type of an object, which the server keeps in an extended attribute.
    pub fn media_type(&self, key: &str) -> String {
        let mut value = [0; 256];
        let length = rustix::fs::getxattr(self.file(key), "user.content-type", &mut value).unwrap();
        String::from_utf8(value[..length].to_vec()).unwrap()
    }

    pub fn kill(&mut self) {
        self.child.kill();
    }

    /// Kills it, if it runs, and starts it again on the same port and folder.
    pub fn restart(&mut self) {
        self.kill();
        self.child = Child::start(&self.command, &self.child.log.clone());
        self.wait();
    }

    /// It accepts connections and answers nothing, until [`Server::resume`].
    pub fn pause(&mut self) {
        self.child.pause();
    }

    pub fn resume(&self) {
        self.child.resume();
    }

    fn wait(&mut self) {
        let (port, encryption) = (self.port, self.encryption);
        // Behind TLS, that it listens has to do.
        let ready = || {
            if encryption == Encryption::Tls {
                listens(port)
            } else {
                healthy(port)
            }
        };
        self.child.wait_until("versitygw", PATIENCE, ready);
    }
}

fn copy((certificate, key): (PathBuf, PathBuf), to: &Path) {
    std::fs::copy(certificate, to.join("server.pem")).unwrap();
    std::fs::copy(key, to.join("server.key")).unwrap();
}

/// The server's own users, as it keeps them.
fn write_guest(folder: &Path, role: &str) {
    let users = serde_json::json!({"accessAccounts": {GUEST: {
        "access": GUEST, "secret": SECRET, "role": role, "userID": 0, "groupID": 0, "projectID": 0,
    }}});
    let beside = folder.join("users.json.new");
    std::fs::write(&beside, users.to_string()).unwrap();
    std::fs::rename(beside, folder.join("users.json")).unwrap();
}

fn healthy(port: u16) -> bool {
    use std::io::{Read, Write};
    let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
    let _ =
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer.starts_with("HTTP/1.1 200")
}

/// The endpoint of a server that takes any request, keeps nothing, and answers 413 to bodies over the limit; it ends with the test.
pub async fn refusing(limit: Arc<AtomicUsize>) -> String {
    answering(
        "413 Payload Too Large",
        "<Error><Code>EntityTooLarge</Code><Message>too large for us</Message></Error>",
        limit,
    )
    .await
}

/// The same with a fault of its own.
pub async fn failing(limit: Arc<AtomicUsize>) -> String {
    answering(
        "500 Internal Server Error",
        "<Error><Code>InternalError</Code><Message>a bad disk</Message></Error>",
        limit,
    )
    .await
}

async fn answering(status: &'static str, error: &'static str, limit: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, status, error, Arc::clone(&limit)));
        }
    });
    endpoint
}

async fn answer(stream: TcpStream, status: &str, error: &str, limit: Arc<AtomicUsize>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            match stream.read_line(&mut line).await {
                Ok(0) | Err(_) => return,
                Ok(_) if line.trim().is_empty() => break,
                Ok(_) => {}
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        stream.read_exact(&mut vec![0; length]).await.unwrap();
        let answer = match length > limit.load(Ordering::Relaxed) {
            true => format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{error}",
                error.len()
            ),
            false => "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 0\r\n\r\n".to_owned(),
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}
