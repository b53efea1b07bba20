//! The promises of the PROXY header, over a real connection: what it says, and that what follows it is left.

use proptest::prelude::*;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;

const HTTP: &[u8] = b"POST / HTTP/1.1\r\n";

/// What is said by a header that comes in pieces of `step` bytes, and what is left on the stream.
async fn read_in_steps(header: &[u8], step: usize) -> (Result<Said, NoHeader>, Vec<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut sender = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    sender.set_nodelay(true).unwrap();
    let (mut receiver, _) = listener.accept().await.unwrap();
    let bytes = header.to_vec();
    let sending = tokio::spawn(async move {
        for piece in bytes.chunks(step) {
            let _ = sender.write_all(piece).await;
            tokio::task::yield_now().await;
        }
    });
    let said = read(&mut receiver).await;
    let mut left = Vec::new();
    if said.is_ok() {
        receiver.read_to_end(&mut left).await.unwrap();
    }
    drop(receiver);
    sending.await.unwrap();
    (said, left)
}

/// Said by this header with a request behind it, in one piece and in bytes.
async fn said(header: &[u8]) -> Result<Said, String> {
    let bytes = [header, HTTP].concat();
    let mut results = Vec::new();
    for step in [bytes.len(), 1] {
        let (said, left) = read_in_steps(&bytes, step).await;
        if said.is_ok() {
            assert_eq!(left, HTTP, "{header:?} in steps of {step}");
        }
        results.push(said.map_err(|error| error.to_string()));
    }
    assert_eq!(results[0], results[1], "{header:?}");
    results.remove(0)
}

fn binary_header(version_and_command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u16).to_be_bytes();
    [
        &SIGNATURE[..],
        &[version_and_command, family],
        &length,
        body,
    ]
    .concat()
}

const V4: [u8; 12] = [192, 168, 1, 19, 10, 0, 0, 1, 0x12, 0x34, 0, 80];

fn v6(source: Ipv6Addr) -> Vec<u8> {
    [
        &source.octets()[..],
        &Ipv6Addr::LOCALHOST.octets(),
        &[0x12, 0x34, 0, 80],
    ]
    .concat()
}

#[tokio::test]
async fn a_line_says_the_source_and_leaves_the_request() {
    for (line, source) in [
        (
            "PROXY TCP4 192.168.1.19 10.0.0.1 4711 9528\r\n",
            Said::Source("192.168.1.19".parse().unwrap()),
        ),
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            Said::Source("255.255.255.255".parse().unwrap()),
        ),
        (
            "PROXY TCP4 1.1.1.1 1.1.1.1 0 0\r\n",
            Said::Source("1.1.1.1".parse().unwrap()),
        ),
        (
            "PROXY TCP6 2001:db8::19 ::1 4711 9528\r\n",
            Said::Source("2001:db8::19".parse().unwrap()),
        ),
        (
            "PROXY TCP6 ::ffff:192.168.1.19 ::1 4711 9528\r\n",
            Said::Source("192.168.1.19".parse().unwrap()),
        ),
        ("PROXY UNKNOWN\r\n", Said::Nothing),
        (
            "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            Said::Nothing,
        ),
    ] {
        assert!(line.len() <= LINE_MAX);
        assert_eq!(said(line.as_bytes()).await, Ok(source), "{line:?}");
    }
}

#[tokio::test]
async fn a_line_that_is_none_is_refused() {
    for line in [
        "GET /RealTimeEvent HTTP/1.1\r\n",
        "proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n",
        "PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n",
        "PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY UNKNOWN 000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\r\n",
    ] {
        assert!(
            said(line.as_bytes())
                .await
                .is_err_and(|error| error.starts_with("no PROXY header")),
            "{line:?}"
        );
    }
}

#[tokio::test]
async fn a_binary_header_says_the_source_whatever_else_it_carries() {
    let v4_source = Said::Source("192.168.1.19".parse().unwrap());
    let tlvs = [
        &V4[..],
        &[0x04, 0, 2, 0, 0],
        &[0xea, 0, 1, 7],
        &[0x03, 0, 4, 1, 2, 3, 4],
    ]
    .concat();
    let largest = [&V4[..], &[7; HEADER_MAX - 28]].concat();
    let mapped = v6("::ffff:192.168.1.19".parse().unwrap());
    let cases: &[(u8, u8, &[u8], Said)] = &[
        (0x21, 0x11, &V4, v4_source),
        (0x21, 0x11, &tlvs, v4_source),
        (0x21, 0x11, &largest, v4_source),
        (
            0x21,
            0x21,
            &v6("2001:db8::19".parse().unwrap()),
            Said::Source("2001:db8::19".parse().unwrap()),
        ),
        (0x21, 0x21, &mapped, v4_source),
        // A health check of the proxy's own, with and without addresses.
        (0x20, 0x00, &[], Said::Nothing),
        (0x20, 0x11, &V4, Said::Nothing),
        (0x21, 0x00, &[], Said::Nothing),
        (0x21, 0x12, &V4, Said::Nothing),
        (0x21, 0x31, &[b'x'; 216], Said::Nothing),
    ];
    for (command, family, body, expected) in cases {
        assert_eq!(
            said(&binary_header(*command, *family, body)).await,
            Ok(*expected),
            "{command:#x} {family:#x}"
        );
    }
}

#[tokio::test]
async fn a_binary_header_that_is_none_is_refused() {
    let too_long = [&V4[..], &[7; HEADER_MAX - 27]].concat();
    let cases: &[(u8, u8, &[u8])] = &[
        (0x11, 0x11, &V4),
        (0x22, 0x11, &V4),
        (0x21, 0x41, &V4),
        (0x21, 0x13, &V4),
        (0x21, 0x11, &V4[..11]),
        (0x21, 0x21, &V4),
        (0x21, 0x11, &too_long),
    ];
    for (command, family, body) in cases {
        let refused = said(&binary_header(*command, *family, body)).await;
        assert!(
            refused.is_err_and(|error| error.starts_with("no PROXY header")),
            "{command:#x} {family:#x} {}",
            body.len()
        );
    }
}

#[tokio::test]
async fn a_connection_that_ends_before_or_in_the_header_is_told_apart() {
    assert!(matches!(
        read_in_steps(b"", 1).await.0,
        Err(NoHeader::Silent)
    ));
    for header in [
        &b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2"[..],
        b"PROXY",
        b"\r\n\r\n",
        &binary_header(0x21, 0x11, &V4)[..20],
    ] {
        assert!(
            matches!(
                read_in_steps(header, header.len()).await.0,
                Err(NoHeader::Ended(_))
            ),
            "{header:?}"
        );
    }
}

proptest! {
    #[test]
    fn no_line_is_too_odd(line in "PROXY (TCP4|TCP6|UNKNOWN|) ?[0-9a-f.: +-]{0,90}\r?\n?") {
        let _ = said_in_line(line.as_bytes());
    }

    #[test]
    fn no_binary_header_is_too_odd(head in any::<[u8; 2]>(), body in proptest::collection::vec(any::<u8>(), 0..=64)) {
        let _ = said_in_binary(head[0], head[1], &body);
    }
}
