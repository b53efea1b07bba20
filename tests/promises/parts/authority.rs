//! Certificates of an authority that only the test knows, made by the `openssl` of the machine.

use std::path::Path;
use std::process::Command;

/// Into `directory`: `ca.pem`, and for 127.0.0.1 and localhost `server.key` and `server.pem`; `keystore.pem` is all of them in one
/// file, as Kafka wants it.
pub fn make(directory: &Path) {
    let script = "
        new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
        openssl req -x509 $new -days 2 -subj '/CN=authority of the tests' -keyout ca.key -out ca.pem
        openssl req -new $new -subj '/CN=127.0.0.1' -keyout server.key -out server.csr
        printf 'subjectAltName=IP:127.0.0.1,DNS:localhost' > extensions
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out server.pem
        cat server.key server.pem ca.pem > keystore.pem";
    let output = Command::new("sh")
        .args(["-ec", script])
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "openssl: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
