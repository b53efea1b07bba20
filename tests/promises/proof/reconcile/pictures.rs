//! Every verdict over pictures, by a fault planted into a good run.

use boxbridge_event::{PictureKind, PictureState};

use super::planted::{Run, check, picture};

#[test]
fn an_object_deleted_is_dangling_where_a_message_claims_it() {
    let report = check(
        |run| run.delete_object(&picture(105)),
        &[("dangling", 1)],
        false,
    );
    assert!(report.store.unwrap().dangling.examples[0].ends_with("of event 0000abcd-5"));
    // The registered picture is one object of many events.
    check(
        |run| run.delete_object(&picture(1)),
        &[("dangling", 1)],
        false,
    );
}

#[test]
fn an_object_under_another_key_than_the_message_says_is_dangling() {
    check(
        |run| run.said(5, PictureKind::Scene).key = Some(format!("face/{}.jpg", picture(105))),
        &[("dangling", 1)],
        false,
    );
}

#[test]
fn an_object_that_is_announced_and_not_there_yet_is_pending() {
    let pending = |run: &mut Run| {
        run.said(5, PictureKind::Scene).stored = Some(false);
        run.delete_object(&picture(105));
    };
    let report = check(pending, &[("pending", 1)], true);
    assert!(!report.passes_strictly());
    check(
        |run| run.said(5, PictureKind::Scene).stored = Some(false),
        &[],
        true,
    );
}

#[test]
fn a_picture_that_will_not_come_is_given_up_and_not_lost() {
    for state in [PictureState::Missing, PictureState::NotStored] {
        let given_up = |run: &mut Run| {
            run.said(5, PictureKind::Scene).stored = Some(false);
            run.said(5, PictureKind::Scene).state = Some(state);
            run.delete_object(&picture(105));
        };
        check(given_up, &[("given up", 1)], true);
    }
}

#[test]
fn a_picture_that_no_message_speaks_of_and_that_is_not_there_is_lost() {
    let lost = |run: &mut Run| {
        run.arrivals.remove(5);
        run.delete_object(&picture(105));
    };
    check(lost, &[("lost", 1), ("object lost", 1)], false);
}

#[test]
fn an_object_of_another_size_or_content_is_wrong() {
    let object = |run: &mut Run| {
        run.objects
            .iter()
            .position(|object| object.key.contains(&picture(105)))
            .unwrap()
    };
    let shorter = |run: &mut Run| {
        let place = object(run);
        run.objects[place].bytes = 1_999;
    };
    check(shorter, &[("object wrong", 1)], false);

    let other = |run: &mut Run| {
        let place = object(run);
        run.objects[place].sha256 = Some(picture(106));
    };
    check(other, &[("object wrong", 1)], false);
}
