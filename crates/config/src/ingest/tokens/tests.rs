//! What a tokens file may hold, and what is said of a line that it may not.

use super::*;
use crate::values::token::token_hash;

fn token(name: &str) -> BoxToken {
    BoxToken {
        name: name.to_owned(),
        hash: token_hash(name.as_bytes()),
        site: "lobby".to_owned(),
        device: None,
        networks: Networks::default(),
        expires: None,
    }
}

fn parse(text: &str) -> Result<Tokens, Vec<String>> {
    Tokens::parse(text.as_bytes())
}

fn line(more: &str) -> String {
    let hash = hex(&token_hash(b"x"));
    format!(r#"{{"name":"x","sha256":"{hash}","site":"lobby"{more}}}"#)
}

#[test]
fn a_line_that_is_written_is_read_again() {
    let texts = ["10.0.0.0/8".to_owned(), "2001:db8::1".to_owned()];
    let bound = BoxToken {
        device: Some("192.168.1.243".to_owned()),
        networks: BoxToken::networks_of(&texts).unwrap(),
        expires: Some(Timestamp(1_800_000_000_000)),
        ..token("gate-3.2026_a")
    };
    let tokens = [bound, token("b")];
    let text = tokens.each_ref().map(BoxToken::to_line).join("\r\n\n");
    assert_eq!(parse(&text), Ok(tokens.into_iter().collect()));
    assert_eq!(parse("\n \n"), Ok(Tokens::default()), "nobody is let in");
}

#[test]
fn a_token_is_found_by_its_hash_and_nothing_else_is() {
    let tokens: Tokens = ["a", "b", "c"].map(token).into_iter().collect();
    for name in ["a", "b", "c"] {
        let found = tokens.find(&token_hash(name.as_bytes()));
        assert_eq!(found.map(|token| token.name.as_str()), Some(name));
    }
    assert_eq!(tokens.find(&token_hash(b"d")), None);
    assert_eq!(tokens.find(&TokenHash::default()), None);
}

#[test]
fn what_was_revoked_is_gone_and_nothing_new_has_come() {
    let held: Tokens = ["a", "b"].map(token).into_iter().collect();
    let bound = BoxToken {
        device: Some("gate".to_owned()),
        ..token("b")
    };
    let now: Tokens = [bound.clone(), token("new")].into_iter().collect();
    assert_eq!(held.still_in(&now), [bound].into_iter().collect());
}

#[test]
fn a_bad_line_is_said_by_its_number_and_never_by_what_stands_in_it() {
    let cases = [
        ("canary".to_owned(), "is no JSON object"),
        ("[\"canary\"]".to_owned(), "is no JSON object"),
        (
            line(r#","expire":"canary""#),
            "a member that is none of name",
        ),
        (line(r#","canary":1"#), "a member that is none of name"),
        (line("").replace("sha256", "device"), "sha256 must be"),
        (line("").replace("lobby", "Canary"), "site must be"),
        (line("").replace("\"x\"", "\"ca nary\""), "name must be"),
        (line(r#","device":"""#), "device must be"),
        (line(r#","device":7"#), "device must be"),
        (line(r#","networks":"canary""#), "networks must be"),
        (line(r#","networks":["canary"]"#), "networks must be"),
        (line(r#","expires":"canary""#), "expires must be"),
        (line(r#","expires":7"#), "expires must be"),
    ];
    for (bad, part) in cases {
        let text = format!("\n{}\n{bad}", token("first").to_line());
        let problems = parse(&text).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("line 3: "), "{problems:?}");
        assert!(problems[0].contains(part), "{bad}: {problems:?}");
        assert!(
            !problems[0].to_lowercase().contains("canary"),
            "{problems:?}"
        );
    }
}

#[test]
fn two_lines_of_one_name_or_of_one_token_are_said() {
    let (a, b) = (token("a"), token("b"));
    let again = BoxToken {
        name: "c".to_owned(),
        ..a.clone()
    };
    let text = [&a, &b, &a, &again].map(BoxToken::to_line).join("\n");
    assert_eq!(
        parse(&text).unwrap_err(),
        [
            "line 3: its name stands in line 1 already",
            "line 4: its token stands in line 1 already"
        ]
    );
}

#[test]
fn a_token_is_over_from_the_moment_that_it_names() {
    let ends = BoxToken {
        expires: Some(Timestamp(1_000)),
        ..token("a")
    };
    let is_over = [999, 1_000, 1_001].map(|now| ends.is_over(Timestamp(now)));
    assert_eq!(is_over, [false, true, true]);
    assert!(!token("a").is_over(Timestamp(i64::MAX)));
}
