//! What the broker of the model says no to, and for how long; and what holds whatever it does.

use super::*;

/// So many, twenty a second.
fn items(count: u64, seed: u64) -> Vec<Item> {
    let (mut chance, start) = (chance(seed), Instant::now());
    let item = |number| Item {
        device: one_of(&mut chance, 5),
        person_type: PersonType::ALL[one_of(&mut chance, 4) as usize],
        at: start + Duration::from_millis(50) * number as u32,
    };
    (0..count).map(item).collect()
}

fn refusal(of: Of, start: Instant, from: u64, until: u64) -> Refusal {
    Refusal {
        of,
        from: start + Duration::from_secs(from),
        until: start + Duration::from_secs(until),
    }
}

#[test]
fn a_device_that_is_refused_for_now_keeps_its_order_and_silences_no_other() {
    for seed in 0..20 {
        let items = items(1_200, seed);
        let start = items[0].at;
        let (from, until) = (1 + seed % 7, 20 + seed % 40);
        let mut refusals = vec![refusal(Of::Device(0), start, from, until)];
        if seed % 2 == 1 {
            refusals.push(refusal(Of::Device(1), start, from + 3, until - 5));
        }
        let mut post = Post::new(items, refusals, seed, "devices refused");
        post.run();
        post.assert_nobody_is_silenced();
        assert_eq!(post.delivered.len(), 1_200, "{}", post.story);
    }
}

#[test]
fn a_topic_that_is_refused_for_now_keeps_its_order_and_silences_no_other_of_its_device() {
    for seed in 0..24 {
        let items = items(1_200, seed);
        let start = items[0].at;
        let (from, until) = (1 + seed % 7, 20 + seed % 40);
        let person_type = PersonType::ALL[(seed % 4) as usize];
        let of = if seed % 3 == 0 {
            Of::TypeForNow(person_type)
        } else {
            Of::Topic(seed % 5, person_type)
        };
        let mut refusals = vec![refusal(of, start, from, until)];
        if seed % 2 == 1 {
            let other = PersonType::ALL[((seed + 1) % 4) as usize];
            refusals.push(refusal(
                Of::Topic(seed % 5, other),
                start,
                from + 3,
                until - 5,
            ));
        }
        let mut post = Post::new(items, refusals, seed, "topics refused");
        post.run();
        post.assert_nobody_is_silenced();
        assert_eq!(post.delivered.len(), 1_200, "{}", post.story);
    }
}

#[test]
fn a_type_that_is_forbidden_keeps_its_order_and_silences_no_other() {
    for seed in 0..16 {
        let items = items(1_200, seed);
        let start = items[0].at;
        let mut refusals = vec![refusal(
            Of::Type(PersonType::ALL[(seed % 4) as usize]),
            start,
            2,
            45,
        )];
        if seed % 2 == 1 {
            refusals.push(refusal(Of::Device(2), start, 10, 30));
        }
        let mut post = Post::new(items, refusals, seed, "a type forbidden");
        post.run();
        post.assert_nobody_is_silenced();
    }
}

#[test]
fn order_holds_over_refusals_deaths_and_restarts_together() {
    for seed in (0..20).chain([1_487]) {
        let items = items(800, seed);
        let start = items[0].at;
        let refusals = vec![
            refusal(Of::Device(seed % 5), start, 2, 25),
            refusal(Of::Device((seed + 1) % 5), start, 20, 30),
            refusal(
                Of::Topic((seed + 2) % 5, PersonType::ALL[(seed % 3) as usize]),
                start,
                5,
                28,
            ),
            refusal(
                Of::Type(PersonType::ALL[(seed % 4) as usize]),
                start,
                10,
                10 + seed % 20,
            ),
        ];
        let mut post = Post::new(items, refusals, seed, "everything");
        post.dies = Some(100 + seed);
        post.run();
    }
}
