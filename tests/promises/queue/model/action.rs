//! What can happen to a queue.

use proptest::prelude::*;

use super::world::FOLLOWERS;

#[derive(Clone, Debug)]
pub enum Action {
    Append {
        records: usize,
        person_type: usize,
        lane: usize,
        picture: bool,
    },
    Read {
        follower: usize,
        records: usize,
    },
    Answer {
        follower: usize,
        which: usize,
        records: usize,
        outcome: usize,
    },
    Rewind {
        follower: usize,
    },
    Pause {
        follower: usize,
        person_type: usize,
    },
    Resume {
        follower: usize,
        person_type: usize,
    },
    /// Time for cursors to be written, holes to be punched, segments to be deleted.
    Upkeep,
    Stop,
    Kill {
        damage: Damage,
    },
}

/// What else is found after a kill.
#[derive(Clone, Debug)]
pub enum Damage {
    None,
    /// Behind what was synced stands what was being written: noise, and blocks from elsewhere.
    Torn(u64),
    /// One bit.
    Rot(usize, usize),
}

pub fn action() -> impl Strategy<Value = Action> {
    let follower = 0..FOLLOWERS.len();
    let person_type = 0..3usize;
    let damage = prop_oneof![
        3 => Just(Damage::None),
        3 => any::<u64>().prop_map(Damage::Torn),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(file, place)| Damage::Rot(file, place)),
    ];
    prop_oneof![
        6 => (1..8usize, person_type.clone(), 0..2usize, any::<bool>())
            .prop_map(|(records, person_type, lane, picture)| Action::Append { records, person_type, lane, picture }),
        6 => (follower.clone(), 1..20usize).prop_map(|(follower, records)| Action::Read { follower, records }),
        6 => (follower.clone(), any::<usize>(), 1..20usize, 0..3usize)
            .prop_map(|(follower, which, records, outcome)| Action::Answer { follower, which, records, outcome }),
        1 => follower.clone().prop_map(|follower| Action::Rewind { follower }),
        1 => (follower.clone(), person_type.clone()).prop_map(|(follower, person_type)| Action::Pause { follower, person_type }),
        1 => (follower, person_type).prop_map(|(follower, person_type)| Action::Resume { follower, person_type }),
        1 => Just(Action::Upkeep),
        1 => Just(Action::Stop),
        1 => damage.prop_map(|damage| Action::Kill { damage }),
    ]
}
