//! Certificates for one test: an authority, a server's for 127.0.0.1 and localhost, a client's, all made by the openssl command.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use boxbridge_event::Timestamp;

pub struct Certificates {
    directory: tempfile::TempDir,
}

const DAY: Duration = Duration::from_secs(24 * 3600);
const CONFIG: &str = "[req]
distinguished_name = name
prompt = no
[name]
CN = boxbridge test
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical,CA:FALSE
subjectAltName = DNS:localhost,IP:127.0.0.1
extendedKeyUsage = serverAuth
[elsewhere]
basicConstraints = critical,CA:FALSE
subjectAltName = DNS:elsewhere.example.com
extendedKeyUsage = serverAuth
[client]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = clientAuth
[self-signed]
basicConstraints = critical,CA:FALSE
subjectAltName = DNS:localhost,IP:127.0.0.1
[ca]
default_ca = signing
[signing]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
organizationalUnitName = optional
";

/// A certificate that is like no other of a test.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Of its files.
    pub name: &'a str,
    /// `/OU=lobby/CN=box-1`.
    pub subject: &'a str,
    /// `server`, for 127.0.0.1 and localhost; `elsewhere`, for another host; or `client`.
    pub usage: &'a str,
    /// How long it holds, from now on; `None`: until years ago.
    pub holds: Option<Duration>,
}

impl Certificates {
    pub fn make() -> Certificates {
        let certificates = Certificates {
            directory: tempfile::tempdir().expect("a temporary directory"),
        };
        std::fs::write(certificates.file("openssl.cnf"), CONFIG).expect("openssl.cnf");
        certificates.openssl("authority", &[]);
        for name in ["server", "client"] {
            let authority = [certificates.authority(), certificates.file("authority.key")];
            let [certificate, key] = authority
                .each_ref()
                .map(|path| path.to_str().expect("UTF-8"));
            certificates.openssl(name, &["-CA", certificate, "-CAkey", key]);
        }
        certificates
    }

    pub fn authority(&self) -> PathBuf {
        self.file("authority.pem")
    }

    pub fn server(&self) -> (PathBuf, PathBuf) {
        (self.file("server.pem"), self.file("server.key"))
    }

    pub fn client(&self) -> (PathBuf, PathBuf) {
        (self.file("client.pem"), self.file("client.key"))
    }

    /// A server's that no authority has signed.
    pub fn self_signed(&self) -> (PathBuf, PathBuf) {
        self.openssl("self-signed", &[]);
        (self.file("self-signed.pem"), self.file("self-signed.key"))
    }

    /// Signed by the same authority; its certificate and its key.
    pub fn sign(&self, wanted: &Wanted) -> (PathBuf, PathBuf) {
        let Wanted {
            name,
            subject,
            usage,
            ..
        } = wanted;
        let moment = |time: Timestamp| {
            let digits = time.to_string();
            let digits: String = digits
                .chars()
                .filter(char::is_ascii_digit)
                .take(14)
                .collect();
            format!("{digits}Z")
        };
        let (from, until) = match wanted.holds {
            Some(holds) => (Timestamp::now().minus(DAY), Timestamp::now().plus(holds)),
            None => (
                Timestamp(0).plus(18_000 * DAY),
                Timestamp(0).plus(18_001 * DAY),
            ),
        };

        let script = format!(
            "touch index.txt
            openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config openssl.cnf -subj '{subject}' -keyout {name}.key -out {name}.csr
            openssl ca -batch -notext -config openssl.cnf -extensions {usage} -cert authority.pem -keyfile authority.key \
                -in {name}.csr -out {name}.pem -startdate {} -enddate {}",
            moment(from),
            moment(until)
        );
        let output = Command::new("sh")
            .args(["-ec", &script])
            .current_dir(self.directory.path())
            .output();
        let output = output.expect("openssl is installed");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl: {said}");
        (
            self.file(&format!("{name}.pem")),
            self.file(&format!("{name}.key")),
        )
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn openssl(&self, name: &str, more: &[&str]) {
        let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        let output = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ])
            .args([
                "-config",
                &text(&self.file("openssl.cnf")),
                "-extensions",
                name,
                "-subj",
                &format!("/CN=boxbridge {name}"),
            ])
            .args([
                "-keyout",
                &text(&self.file(&format!("{name}.key"))),
                "-out",
                &text(&self.file(&format!("{name}.pem"))),
            ])
            .args(more)
            .output()
            .expect("openssl is installed");

        assert!(
            output.status.success(),
            "openssl: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
