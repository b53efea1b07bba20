//! A reference says whether its object is there, and a route says whether there is one.

use boxbridge::normalize::Normalized;
use boxbridge::route::{PicturesNow, Sending};
use boxbridge_event::{Picture, PictureKind, PictureSet, PictureVerdict};
use serde_json::{Value, json};

use super::{at, attribute, payload, pictured, router};

#[test]
fn pictures_are_stored_only_when_the_store_has_said_so() {
    let router = router(&[
        ("send.store.url", "s3://faces/site-a"),
        ("send.store.public_url", "https://pictures.example/"),
    ]);
    let event = pictured().event;
    let sent = |pictures| {
        let message = router
            .kafka(&event, &Sending { pictures, ..at(0) })
            .expect("it has a topic");
        let state = attribute(&message, "pictures")
            .expect("it is always there")
            .to_owned();
        (
            payload(&message)["pictures"]["registered"].clone(),
            payload(&message)["pictures"]["scene"].clone(),
            state,
        )
    };
    let key = &event.pictures.registered.as_ref().expect("it has one").key;
    let (registered, scene, state) = sent(at(0).pictures);
    assert_eq!(registered["uri"], format!("s3://faces/site-a/{key}"));
    assert_eq!(
        registered["key"],
        format!("site-a/{key}"),
        "the whole name, as a reader of the bucket needs it"
    );
    assert_eq!(
        registered["url"],
        format!("https://pictures.example/site-a/{key}")
    );
    assert_eq!(
        (&registered["stored"], &scene["stored"], state.as_str()),
        (&json!(true), &json!(true), "stored")
    );

    let (registered, _, state) = sent(PicturesNow::Pending);
    assert_eq!(
        (&registered["stored"], state.as_str()),
        (&json!(false), "pending")
    );
    assert_eq!(
        registered["uri"],
        format!("s3://faces/site-a/{key}"),
        "the key is final, the object follows"
    );

    let mut missing = PictureSet::default();
    missing.insert(PictureKind::Registered);
    let mut not_stored = PictureSet::default();
    not_stored.insert(PictureKind::Scene);

    let (registered, scene, state) = sent(PicturesNow::Settled(PictureVerdict {
        missing,
        not_stored,
    }));
    assert_eq!(
        (
            &registered["state"],
            &registered["stored"],
            &registered["uri"]
        ),
        (&json!("missing"), &json!(false), &Value::Null)
    );
    assert_eq!(
        (&scene["state"], &scene["stored"], &scene["url"]),
        (&json!("not_stored"), &json!(false), &Value::Null)
    );
    assert_eq!(state, "incomplete");
}

#[test]
fn a_route_stores_inlines_or_drops_its_pictures() {
    let Normalized {
        event, pictures, ..
    } = pictured();
    let sent = |policy, pictures: &[Picture]| {
        let router = router(&[("route.default.pictures", policy)]);
        let message = router
            .kafka(
                &event,
                &Sending {
                    inline: pictures,
                    ..at(0)
                },
            )
            .expect("it has a topic");
        let objects = router.objects(&event, pictures.to_vec());
        (
            payload(&message)["pictures"]["scene"].clone(),
            objects,
            router.wants_inline(event.person_type),
        )
    };
    let (scene, objects, wants_inline) = sent("store", &pictures);
    assert_eq!((scene.get("base64"), wants_inline), (None, false));

    let scene_key = &event.pictures.scene.as_ref().expect("it has one").key;
    assert_eq!(
        (objects.len(), &objects[1].key, &objects[1].bytes[..]),
        (2, scene_key, &[0, 0, 0][..])
    );
    assert_eq!(
        scene["uri"],
        format!("file:///srv/pictures%20of%20ours/{scene_key}")
    );

    let (scene, objects, wants_inline) = sent("inline", &pictures);
    assert_eq!(
        (&scene["base64"], objects.len(), wants_inline),
        (&json!("AAAA"), 2, true)
    );
    assert_eq!(sent("inline", &[]).0["base64"], Value::Null);

    let (scene, objects, _) = sent("drop", &pictures);
    assert_eq!(
        (
            &scene["state"],
            &scene["stored"],
            &scene["uri"],
            objects.len()
        ),
        (&json!("dropped"), &json!(false), &Value::Null, 0)
    );
}
