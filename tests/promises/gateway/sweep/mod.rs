//! Any system call may fail at any time: a whole life of a gateway's disk, lived again and again with another call failing.
//!
//! Each call of the life fails once in a sample that a printed seed draws (errno, once or for good, end by a stop or by a kill), and so does
//! each kind of call on each kind of file with some. `BOXBRIDGE_TEST_ALL_CALLS` asks for every call with everything; `BOXBRIDGE_TEST_SEED` repeats a sample.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

mod fault;
mod life;

use fault::{Fault, Seen};
use life::{End, live};

/// Lives that go on at once: they wait more than they work.
const AT_ONCE: usize = 48;

/// What is said of a call, so that a failure can be repeated.
#[derive(Clone, Copy, Debug)]
struct Plan {
    fault: Fault,
    end: End,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_call_fails_nothing_that_was_answered_is_lost_and_the_books_are_exact() {
    let healthy = live(Plan {
        fault: Fault::none(),
        end: End::Kill,
    })
    .await;
    let calls = healthy.calls;
    let kinds: BTreeSet<_> = calls.iter().map(Seen::kind).collect();
    println!("{} calls, {} kinds: {kinds:?}", calls.len(), kinds.len());
    let plans = if std::env::var_os("BOXBRIDGE_TEST_ALL_CALLS").is_some() {
        every(calls.len())
    } else {
        sample(&calls)
    };
    println!("{} lives", plans.len());
    let (slots, mut lives) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for plan in plans {
        let slots = Arc::clone(&slots);
        lives.spawn(async move {
            let _slot = slots.acquire_owned().await;
            // In a task of its own, so that a panic in it can be told with its plan.
            (plan, tokio::spawn(live(plan)).await)
        });
    }
    let (mut failed, mut poisoned) = (Vec::new(), 0);
    while let Some(life) = lives.join_next().await {
        match life.expect("the task only waits") {
            (_, Ok(life)) => poisoned += usize::from(life.was_poisoned),
            (plan, Err(error)) => failed.push(format!("{plan:?}: {error}")),
        }
    }
    println!("{poisoned} of them ended poisoned");
    assert!(
        failed.is_empty(),
        "{} lives went wrong:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

/// Every call with every errno, once and for good, ended by a stop and by a kill.
fn every(calls: usize) -> Vec<Plan> {
    let mut plans = Vec::new();
    for call in 1..=calls as u64 {
        for (errno, for_good) in fault::ERRNOS
            .iter()
            .flat_map(|errno| [(*errno, false), (*errno, true)])
        {
            let fault = Fault {
                call,
                errno,
                for_good,
            };
            plans.extend([End::Stop, End::Kill].map(|end| Plan { fault, end }));
        }
    }
    plans
}

/// Every call once, and every kind of call with half of the errnos.
fn sample(calls: &[Seen]) -> Vec<Plan> {
    let given = std::env::var("BOXBRIDGE_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_nanos() as u64
    });
    println!("BOXBRIDGE_TEST_SEED={seed}");
    let mut state = seed | 1;
    let mut draw = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % below
    };
    let mut of_kind: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    for (number, seen) in (1..).zip(calls) {
        of_kind.entry(seen.kind()).or_default().push(number);
    }
    let mut faults: Vec<Fault> = Vec::new();
    for call in 1..=calls.len() as u64 {
        faults.push(Fault {
            call,
            errno: fault::ERRNOS[draw(fault::ERRNOS.len())],
            for_good: draw(2) == 1,
        });
    }
    for numbers in of_kind.values() {
        for _ in 0..fault::ERRNOS.len() / 2 {
            let errno = fault::ERRNOS[draw(fault::ERRNOS.len())];
            faults.push(Fault {
                call: numbers[draw(numbers.len())],
                errno,
                for_good: draw(2) == 1,
            });
        }
    }
    faults
        .into_iter()
        .map(|fault| Plan {
            fault,
            end: if draw(2) == 1 { End::Kill } else { End::Stop },
        })
        .collect()
}
