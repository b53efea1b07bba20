//! A promise that broke once is tried again alone, and named; what breaks again, or is more than an accident, stops the change.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// With a script in place of cargo: its first call fails with these promises. Did it pass, what was said, how many calls.
fn tried(broken: &[&str], and_then: &str) -> (bool, String, usize) {
    let folder = tempfile::tempdir().unwrap();
    let (calls, cargo) = (folder.path().join("calls"), folder.path().join("cargo"));
    let listed: Vec<_> = broken.iter().map(|name| format!("    {name}")).collect();
    let script = format!(
        "#!/bin/sh\necho \"$*\" >>{calls}\n[ $(wc -l <{calls}) -gt 1 ] && {and_then}\necho 'failures:\n{listed}'\nexit 101\n",
        calls = calls.display(),
        listed = listed.join("\n"),
    );
    std::fs::write(&cargo, script).unwrap();
    std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).unwrap();

    let steady = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/steady");
    let output = Command::new(steady).arg(&cargo).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let calls = std::fs::read_to_string(&calls).unwrap();

    for again in calls.lines().skip(1) {
        assert!(again.contains("--exact"), "{again}");
        assert!(broken.iter().all(|name| again.contains(name)), "{again}");
    }
    (output.status.success(), said, calls.lines().count())
}

#[test]
fn a_promise_that_holds_three_times_alone_is_named_and_does_not_stop_the_change() {
    let (passed, said, calls) = tried(&["queue::a", "send::b_2::c"], "exit 0");
    assert_eq!((passed, calls), (true, 4), "{said}");
    assert!(said.contains("UNSTEADY, held three times alone: queue::a"));
    assert!(said.contains("UNSTEADY, held three times alone: send::b_2::c"));
}

#[test]
fn a_promise_that_breaks_again_stops_the_change() {
    let (passed, said, calls) = tried(&["queue::a"], "exit 101");
    assert_eq!((passed, calls), (false, 2), "{said}");
}

#[test]
fn what_fails_without_a_name_or_in_four_places_is_not_tried_again() {
    let four = ["a::a", "a::b", "a::c", "a::d"];
    for broken in [&[][..], &four] {
        let (passed, said, calls) = tried(broken, "exit 0");
        assert_eq!((passed, calls), (false, 1), "{said}");
    }
}
