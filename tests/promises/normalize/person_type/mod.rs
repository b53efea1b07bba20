//! A default opens no door: whatever is done to a person type, a known one comes only of what unambiguously says so.

use PersonType::Employee;
use boxbridge_event::{Feed, PersonType};
use proptest::prelude::*;

use self::document::{document, flat, member};
use super::{events, source};

mod document;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_known_person_type_comes_of_what_does_not_unambiguously_say_so(document in document()) {
        let body = document.written();
        let shown = || String::from_utf8_lossy(&body).into_owned();
        let expected = document.may_become();
        let found: Vec<_> = events(&body, &source(Feed::Realtime)).into_iter().flatten().collect();
        for normalized in &found {
            let person_type = normalized.event.person_type;
            let is_allowed = person_type == PersonType::Unknown || expected.is_some_and(|(allowed, _)| allowed == person_type);
            prop_assert!(is_allowed, "{person_type} of {}", shown());
        }

        if let Some((person_type, true)) = expected {
            let found: Vec<_> = found.iter().map(|normalized| normalized.event.person_type).collect();
            prop_assert_eq!(found, [person_type], "of {}", shown());
        }
    }

    #[test]
    fn no_known_person_type_comes_of_a_flat_document_that_does_not_say_so(
        members in prop::collection::vec(member(), 0..3),
        encoded in 0..4_usize,
    ) {
        let (body, may_become) = flat(&members, encoded);
        let shown = || String::from_utf8_lossy(&body).into_owned();
        for normalized in events(&body, &source(Feed::Realtime)).into_iter().flatten() {
            let person_type = normalized.event.person_type;
            prop_assert!(person_type == PersonType::Unknown || may_become == Some(person_type), "{person_type} of {}", shown());
            prop_assert!(members.len() > 1 || may_become.is_none_or(|it| it == person_type), "{person_type} of {}", shown());
        }
    }
}

#[test]
fn a_person_type_that_was_not_sent_is_an_employee_by_the_vendors_rule() {
    for sent in [
        "{}",
        r#"{"person_type":null}"#,
        r#"{"person_type":""}"#,
        r#"{"other":{"kind":"employee"}}"#,
    ] {
        let body = format!(r#"{{"identity_id":"7","timestamp":1566016554020,"ext_data":{sent}}}"#);
        let event = super::one(body.as_bytes(), &source(Feed::Realtime)).event;
        assert_eq!(event.person_type, Employee, "{sent}");
    }
}

/// It is no number and reads as `null`, which would be an employee.
#[test]
fn a_person_type_that_is_no_number_is_not_forgotten_where_another_follows_it() {
    for sent in ["NaN", "-Infinity", "1e999"] {
        for others in [
            format!(r#""person_type":{sent},"person_type":null"#),
            format!(r#""person_type":null,"person_type":{sent}"#),
            format!(r#""person_type":{sent},"person_type":"","person\u005ftype":null"#),
        ] {
            let body = format!(
                r#"{{"identity_id":"7","timestamp":1566016554020,"ext_data":{{{others}}}}}"#
            );
            let event = super::one(body.as_bytes(), &source(Feed::Realtime)).event;
            assert_eq!(event.person_type, PersonType::Unknown, "{others}");
        }
    }
}
