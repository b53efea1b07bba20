//! The promises of the header: what a trusted proxy wrote counts, what a client wrote before it does not.

use proptest::prelude::*;

use super::*;
use boxbridge_config::{Config, Layers};

const PROXY: &str = "10.0.0.1";

/// 10.0.0.0/8 and 2001:db8:1::/48.
fn trusted() -> Networks {
    let setting = (
        "BOXBRIDGE_INGEST__TRUSTED_PROXIES".to_owned(),
        "10.0.0.0/8,2001:db8:1::/48".to_owned(),
    );
    Config::load(&Layers {
        environment: vec![setting],
        ..Layers::default()
    })
    .unwrap()
    .ingest
    .trusted_proxies
}

fn found(by: ForwardedBy, lines: &[&str]) -> Sender {
    let name = if by == ForwardedBy::Forwarded {
        FORWARDED
    } else {
        X_FORWARDED_FOR
    };
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(
            &name,
            hyper::header::HeaderValue::from_bytes(line.as_bytes()).unwrap(),
        );
    }
    sender(PROXY.parse().unwrap(), &headers, by, &trusted())
}

fn check(by: ForwardedBy, lines: &[&str], address: &str, hidden: Option<Hidden>) {
    let expected = Sender {
        address: address.parse().unwrap(),
        hidden,
    };
    assert_eq!(found(by, lines), expected, "{lines:?}");
}

#[test]
fn x_forwarded_for_is_read_from_the_right_up_to_the_first_who_is_no_proxy() {
    let check = |lines: &[&str], address| check(ForwardedBy::XForwardedFor, lines, address, None);
    check(&["192.168.1.19"], "192.168.1.19");
    check(&["6.6.6.6, 192.168.1.19"], "192.168.1.19");
    check(
        &["6.6.6.6,192.168.1.19,10.0.0.7,\t10.0.0.8"],
        "192.168.1.19",
    );
    check(&["6.6.6.6", "192.168.1.19"], "192.168.1.19");
    check(&["6.6.6.6, 192.168.1.19", "10.0.0.7"], "192.168.1.19");
    check(&["192.168.1.19:4711"], "192.168.1.19");
    check(&["2001:db8::19"], "2001:db8::19");
    check(&["[2001:db8::19]"], "2001:db8::19");
    check(&["[2001:db8::19]:4711, 2001:db8:1::1"], "2001:db8::19");
    check(&["\"[2001:db8::19]:4711\""], "2001:db8::19");
    check(&["::ffff:192.168.1.19"], "192.168.1.19");
    check(&["nonsense, 192.168.1.19, , 10.0.0.7,"], "192.168.1.19");
    // Nobody but proxies: the farthest of them sent it.
    check(&["10.0.0.9, 10.0.0.8"], "10.0.0.9");
}

#[test]
fn what_cannot_be_read_ends_at_the_last_who_was_vouched_for() {
    let check = |lines: &[&str], address, hidden| {
        check(ForwardedBy::XForwardedFor, lines, address, Some(hidden))
    };
    check(&[], PROXY, Hidden::Missing);
    check(&["", " , "], PROXY, Hidden::Missing);
    for nonsense in [
        "unknown",
        "_hidden",
        "-",
        "192.168.1",
        "192.168.1.256",
        "192.168.1.19:",
        "192.168.1.19:port",
        "192.168.1.19:123456",
        "[2001:db8::19",
        "[192.168.1.19]",
        "[2001:db8::19]443",
        "fe80::1%eth0",
        "\"192.168.1.19",
        "192.168.1.19 10.0.0.1",
        "boxes.example.com",
        "é",
    ] {
        check(&[nonsense], PROXY, Hidden::Unreadable);
        check(&["6.6.6.6", nonsense], PROXY, Hidden::Unreadable);
        check(
            &["6.6.6.6", nonsense, "10.0.0.7"],
            "10.0.0.7",
            Hidden::Unreadable,
        );
    }
}

#[test]
fn forwarded_is_read_as_rfc_7239_writes_it() {
    let check =
        |lines: &[&str], address, hidden| check(ForwardedBy::Forwarded, lines, address, hidden);
    check(&["for=192.168.1.19"], "192.168.1.19", None);
    check(&["For=\"192.168.1.19:4711\""], "192.168.1.19", None);
    check(
        &["for=\"[2001:db8::19]:443\";proto=http;by=10.0.0.1"],
        "2001:db8::19",
        None,
    );
    check(&["for=\"[2001:db8::19]:_port\""], "2001:db8::19", None);
    check(
        &["proto=http; for=192.168.1.19 ;host=\"a;for=6.6.6.6\""],
        "192.168.1.19",
        None,
    );
    check(
        &["for=6.6.6.6, for=192.168.1.19;by=\"_a,b\", for=10.0.0.7"],
        "192.168.1.19",
        None,
    );
    check(&["for=6.6.6.6", "for=192.168.1.19"], "192.168.1.19", None);
    check(
        &["for=192.168.1.19;host=\"a\\\", for=6.6.6.6;x=\\\"\""],
        "192.168.1.19",
        None,
    );
    // A quote that the client left open swallows nothing.
    check(&["for=\"6.6.6.6, for=192.168.1.19"], "192.168.1.19", None);
    check(&["for=\"6.6.6.6", "for=192.168.1.19"], "192.168.1.19", None);
    for nonsense in [
        "for=unknown",
        "for=_hidden",
        "for=\"_hidden\"",
        "by=10.0.0.1",
        "192.168.1.19",
        "for=",
        "for=1.2.3.4;for=1.2.3.5",
    ] {
        check(&["for=6.6.6.6", nonsense], PROXY, Some(Hidden::Unreadable));
    }
}

proptest! {
    /// Whatever a client writes, the proxy's own word is the answer.
    #[test]
    fn a_lying_client_never_wins(lie in "[ -~]{0,60}", line in any::<bool>(), last in any::<[u8; 4]>()) {
        let truth = IpAddr::from(last).to_string();
        prop_assume!(!trusted().contains(truth.parse().unwrap()));
        for (by, appended) in [(ForwardedBy::XForwardedFor, truth.clone()), (ForwardedBy::Forwarded, format!("for={truth}"))] {
            let joined = format!("{lie}, {appended}");
            let lines: &[&str] = if line { &[&lie, &appended] } else { &[&joined] };
            prop_assert_eq!(found(by, lines).address.to_string(), truth.clone());
        }
    }

    #[test]
    fn no_bytes_are_too_odd(line in "[0-9a-f.:,;=\" \\\\\\[\\]_for]{0,80}") {
        found(ForwardedBy::XForwardedFor, &[&line]);
        found(ForwardedBy::Forwarded, &[&line]);
    }
}
