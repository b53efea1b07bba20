//! What a store refuses is one picture's or the store's own, and the two are told apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use boxbridge::send::{Answer, Destination, Reason, Session};
use boxbridge_event::{Lane, PictureKind, Sequence};

use super::{object, store_at};
use crate::parts::s3::{failing, refusing};
use crate::send::session::{acknowledged, lost, next};

#[tokio::test]
async fn a_picture_is_given_up_only_if_the_store_takes_another_in_its_place() {
    let limit = Arc::new(AtomicUsize::new(10_000));
    let endpoint = refusing(Arc::clone(&limit)).await;
    let store = store_at(endpoint, |_| {});
    let mut session = store.connect(Lane::Normal).await.unwrap();
    session.submit(
        Sequence(1),
        vec![
            object(PictureKind::Face, 1, 20_000),
            object(PictureKind::Scene, 2, 1_000),
        ],
    );

    match next(&mut session).await {
        Answer::Rejected {
            sequence,
            rejection,
        } => {
            assert_eq!((sequence, rejection.reason), (Sequence(1), Reason::Missing));
            assert_eq!(
                rejection.detail,
                "face: status 413 EntityTooLarge: too large for us"
            );
            assert!(rejection.verdict.missing.contains(PictureKind::Face));
            assert!(!rejection.verdict.missing.contains(PictureKind::Scene));
        }
        answer => panic!("{answer:?}"),
    }

    // The same refusal, but of everything: that is no picture's fault.
    limit.store(0, Ordering::Relaxed);
    session.submit(Sequence(2), vec![object(PictureKind::Face, 3, 20_000)]);
    assert_eq!(
        lost(&mut session).await.error,
        "store: status 413 EntityTooLarge: too large for us"
    );
}

/// A bad shard under one key, or a proxy that dislikes one body: the lane does not wait for it.
#[tokio::test]
async fn a_picture_on_which_the_store_fails_is_tried_again_alone_and_the_others_are_stored() {
    let limit = Arc::new(AtomicUsize::new(10_000));
    let store = store_at(failing(Arc::clone(&limit)).await, |_| {});
    let mut session = store.connect(Lane::Normal).await.unwrap();
    for _ in 0..2 {
        session.submit(Sequence(1), vec![object(PictureKind::Face, 1, 20_000)]);
        match next(&mut session).await {
            Answer::Rejected {
                sequence,
                rejection,
            } => {
                assert_eq!((sequence, rejection.reason), (Sequence(1), Reason::Passing));
                assert_eq!(
                    rejection.detail,
                    "face: status 500 InternalError: a bad disk"
                );
            }
            answer => panic!("{answer:?}"),
        }
        session.submit(Sequence(2), vec![object(PictureKind::Scene, 2, 1_000)]);
        assert_eq!(next(&mut session).await, acknowledged(2));
    }

    // All of it fails: that is the store.
    limit.store(0, Ordering::Relaxed);
    session.submit(Sequence(3), vec![object(PictureKind::Face, 3, 20_000)]);
    assert_eq!(
        lost(&mut session).await.error,
        "store: status 500 InternalError: a bad disk"
    );

    // And once it works, the first is stored.
    limit.store(1 << 30, Ordering::Relaxed);
    let mut session = store.connect(Lane::Normal).await.unwrap();
    session.submit(Sequence(1), vec![object(PictureKind::Face, 1, 20_000)]);
    assert_eq!(next(&mut session).await, acknowledged(1));
}
