//! Ages through the jumps that a clock makes: a machine without a battery, a wrong year, a time when it was off.

use super::*;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;
/// November 2026.
const NOW: i64 = 1_795_000_000_000;

/// A machine: its clock can be set, and it can be switched off.
struct Machine {
    wall_ms: i64,
    uptime_ms: i64,
    boots: u32,
    history: Option<JumpHistory>,
}

impl Machine {
    fn new(wall_ms: i64) -> Machine {
        Machine {
            wall_ms,
            uptime_ms: 0,
            boots: 1,
            history: None,
        }
    }

    fn look(&mut self) {
        let now = Reading {
            wall_ms: self.wall_ms,
            uptime_ms: self.uptime_ms,
            boot: self.boots.to_string(),
        };
        match &mut self.history {
            Some(history) => {
                history.look(&now);
            }
            None => self.history = Some(JumpHistory::begin(&now)),
        }
    }

    /// Running, looked at every minute.
    fn run(&mut self, ms: i64) -> i64 {
        self.look();
        for _ in 0..ms / MINUTE {
            self.wall_ms += MINUTE;
            self.uptime_ms += MINUTE;
            self.look();
        }
        self.wall_ms
    }

    fn set(&mut self, wall_ms: i64) {
        self.wall_ms = wall_ms;
    }

    fn boot(&mut self, wall_ms: i64) {
        (self.wall_ms, self.uptime_ms, self.boots) = (wall_ms, 0, self.boots + 1);
    }

    fn age_ms(&self, time_ms: i64) -> i64 {
        self.history
            .as_ref()
            .unwrap()
            .age(self.wall_ms, time_ms)
            .as_millis() as i64
    }

    #[track_caller]
    fn check(&self, time_ms: i64, expected_ms: i64) {
        let age = self.age_ms(time_ms);
        assert!(
            (age - expected_ms).abs() <= 2 * MINUTE,
            "{} h instead of {} h",
            age / HOUR,
            expected_ms / HOUR
        );
    }
}

#[test]
fn a_clock_that_is_set_forwards_ages_nothing() {
    let mut machine = Machine::new(NOW - 60 * DAY);
    let stored = machine.run(2 * HOUR);
    machine.run(HOUR);
    machine.set(NOW);
    let after = machine.run(10 * MINUTE);
    machine.check(stored, HOUR + 10 * MINUTE);
    machine.run(DAY);
    machine.check(stored, DAY + HOUR + 10 * MINUTE);
    machine.check(after, DAY);
}

#[test]
fn a_clock_that_is_set_backwards_ages_what_it_had_dated_in_the_future() {
    let mut machine = Machine::new(NOW + 74 * YEAR);
    let stored = machine.run(2 * HOUR);
    machine.set(NOW);
    machine.run(3 * DAY);
    machine.check(stored, 3 * DAY);
}

#[test]
fn a_machine_without_a_battery_starts_in_1970_and_is_set_later() {
    let mut machine = Machine::new(NOW);
    let before = machine.run(10 * DAY);
    machine.boot(5_000);
    let meanwhile = machine.run(20 * MINUTE);
    machine.check(before, 20 * MINUTE);
    // It was off for two days.
    machine.set(NOW + 12 * DAY);
    let after = machine.run(30 * MINUTE);
    machine.check(meanwhile, 30 * MINUTE);
    assert!(
        machine.age_ms(before) <= HOUR,
        "nobody knows yet whether the clock is right"
    );
    machine.run(2 * HOUR);
    machine.check(before, 2 * DAY + 2 * HOUR + 30 * MINUTE);
    machine.check(meanwhile, 2 * HOUR + 30 * MINUTE);
    machine.check(after, 2 * HOUR);
}

#[test]
fn a_clock_that_starts_in_a_wrong_year_ages_nothing_until_it_is_set() {
    let mut machine = Machine::new(NOW);
    let before = machine.run(10 * DAY);
    machine.boot(NOW + 74 * YEAR);
    let meanwhile = machine.run(5 * HOUR);
    machine.check(before, 5 * HOUR);
    machine.set(NOW + 11 * DAY);
    machine.run(2 * HOUR);
    assert!((2 * HOUR..=DAY + 8 * HOUR).contains(&machine.age_ms(before)));
    machine.check(meanwhile, 2 * HOUR);
}

#[test]
fn what_was_there_before_the_first_look_is_young_until_the_clock_is_believed() {
    let stored = NOW - 40 * DAY;
    let mut machine = Machine::new(NOW + 74 * YEAR);
    machine.run(10 * MINUTE);
    assert_eq!(machine.age_ms(stored), 0);
    machine.set(NOW);
    machine.run(10 * MINUTE);
    assert_eq!(machine.age_ms(stored), 0);
    machine.run(2 * HOUR);
    machine.check(stored, 40 * DAY + 2 * HOUR + 10 * MINUTE);
}

#[test]
fn small_steps_add_up_and_many_jumps_stay_bounded() {
    let mut machine = Machine::new(NOW);
    machine.run(2 * HOUR);
    let stored = machine.run(0);
    for _ in 0..1_000 {
        machine.wall_ms += 50_000;
        machine.run(MINUTE);
    }
    machine.check(stored, 1_000 * MINUTE);
    for _ in 0..1_000 {
        machine.boot(5_000);
        machine.run(3 * MINUTE);
        machine.set(NOW + 2 * DAY);
        machine.run(3 * MINUTE);
    }
    assert!(machine.history.as_ref().unwrap().jumps.len() <= JUMPS_MAX);
    assert!(
        machine.age_ms(stored) <= 1_000 * MINUTE + 6_000 * MINUTE,
        "in doubt it is younger"
    );
}

#[test]
fn a_copied_file_is_as_old_as_it_says() {
    let mut machine = Machine::new(5_000);
    machine.run(2 * HOUR);
    machine.set(NOW);
    machine.run(2 * HOUR);
    machine.check(NOW - 10 * YEAR, 10 * YEAR + 2 * HOUR);
}
