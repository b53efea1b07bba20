//! Generated sequences of everything that can happen to a queue, against a plain list of what was appended.

use proptest::prelude::*;

use self::action::action;
use self::world::World;

mod action;
mod damage;
mod world;

/// Enough to find what was planted, in a few seconds; more where `PROPTEST_CASES` says so.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, max_shrink_iters: 200, max_shrink_time: 60_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_queue_gives_what_a_plain_list_would(actions in proptest::collection::vec(action(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for action in &actions {
                world.act(action).await;
            }
            world.finish().await;
        });
    }
}
