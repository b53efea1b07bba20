//! Certificates for one test: an authority, a server's for 127.0.0.1 and localhost, a client's, all made by the openssl command.

use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Certificates {
    directory: tempfile::TempDir,
}

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
[client]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = clientAuth
";

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
