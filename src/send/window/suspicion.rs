//! Which record a connection dies on, where the other side's only way to say no is to hang up.
//!
//! Promises: a record is condemned only if the connection died on it alone three times, each time promptly and with the destination there again at
//! once, and before the last another of its class had passed: an outage, however often it comes, condemns and pauses nobody. A line that was seen
//! to break by itself has to break once more for each time. Whatever is under suspicion is tried alone and holds back nobody else. Deliberately
//! acquits for a single pass, and forgets all with the process: what kills, kills again, and costs the same few connections.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::topic_class::TopicClass;
use boxbridge_event::Sequence;

mod gate;

use gate::{Deaths, Gate};

/// Deaths alone after which a record is held back.
const DEATHS_BEFORE_SUSPICION: u32 = 2;
const DEATHS_BEFORE_CONDEMNATION: u32 = 3;
/// The same where some of them tell little, since the destination was gone or the line silent: the record may bring the broker down, or be there
/// when others do.
const CRASHES_BEFORE_CONDEMNATION: u32 = 10;
/// Who hangs up on a record does so at once; a line that is dead says nothing until somebody's patience ends.
const PROMPT: Duration = Duration::from_secs(5);
/// For so long a line is known to have broken by itself.
const ACCIDENT_COUNTS: Duration = Duration::from_secs(600);
/// Deaths in company after which a record is tried alone: the second set is small, since trust grows slowly.
const COMPANY_BEFORE_ISOLATION: u32 = 2;
/// A new session is for the others first: a trial would end it before they have been read.
const LISTEN: Duration = Duration::from_millis(300);

/// What the death of a connection tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Nothing of a record: the destination is down, as far as one can see.
    Connection,
    /// Something of one record: the destination is as well as before.
    Record,
}

/// The verdict on a class, once it is sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// One record kills: it is held back, it alone.
    Held,
    /// Several do: the class waits, as for a missing permission.
    Paused,
}

/// A record that is to be alone in the session, or the class of which one is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    Of(Sequence),
    /// The lowest of this class that has not killed yet, else the one that has killed least.
    Another(TopicClass),
    /// The same, only where there is one that has not killed yet.
    Successor(TopicClass),
}

#[derive(Default)]
pub(super) struct Suspicion {
    /// When the connection died with nothing in flight, or on a record that passed later: the last few.
    accidents: VecDeque<Instant>,
    /// How many may be in flight; `None` = as many as the window has.
    trust: Option<usize>,
    marks: HashMap<Sequence, Mark>,
    gates: BTreeMap<TopicClass, Gate>,
    condemned: BTreeSet<Sequence>,
    /// Records that were answered.
    answered: u64,
    last_death: Option<Death>,
    /// No trial before this moment.
    listens_until: Option<Instant>,
}

/// A record that was in flight when the session died.
#[derive(Clone, Copy, Debug)]
pub struct Victim {
    pub sequence: Sequence,
    pub class: TopicClass,
    pub submitted_at: Instant,
}

/// In how many deaths a record was that has no answer.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    in_company: u32,
    alone: Deaths,
}

/// A death of one record alone, to be judged by what the next attempt to connect finds.
#[derive(Clone, Copy, Debug)]
struct Death {
    class: TopicClass,
    sequence: Sequence,
    is_prompt: bool,
    /// Others had passed since the last death of its class.
    among_the_living: bool,
}

impl Suspicion {
    /// How many records may be in flight, of so many.
    pub fn trusts(&self, records: usize) -> usize {
        self.trust.map_or(records, |trust| trust.min(records))
    }

    /// Whether this record is held back, but for a trial.
    pub fn holds(&self, sequence: Sequence) -> bool {
        self.gates
            .values()
            .any(|gate| gate.killers.contains_key(&sequence))
    }

    /// Whether records of this class wait for a trial to pass.
    pub fn closes(&self, class: TopicClass) -> bool {
        self.gates.get(&class).is_some_and(|gate| !gate.is_open)
    }

    /// Whether the record is to be set aside when it is read again.
    pub fn is_condemned(&self, sequence: Sequence) -> bool {
        self.condemned.contains(&sequence)
    }

    /// Records that are held back, of classes that do not wait as a whole.
    pub fn held(&self) -> impl Iterator<Item = (TopicClass, usize)> {
        let held = self
            .gates
            .iter()
            .filter(|(_, gate)| gate.said != Some(Finding::Paused));
        held.map(|(class, gate)| (*class, gate.killers.len()))
    }

    /// The records held back of a class, in the order in which they are tried.
    pub fn killers(&self, class: TopicClass) -> Vec<Sequence> {
        self.gates
            .get(&class)
            .map_or_else(Vec::new, Gate::by_deaths)
    }

    /// Records that died twice in company: each is to be sent alone.
    pub fn isolated(&self) -> Vec<Sequence> {
        let isolated = self
            .marks
            .iter()
            .filter(|(_, mark)| mark.in_company >= COMPANY_BEFORE_ISOLATION);
        let mut isolated: Vec<_> = isolated.map(|(sequence, _)| *sequence).collect();
        isolated.sort_unstable();
        isolated
    }

    /// What is to be tried alone now, what has waited longest first. There may be no such record in the window.
    pub fn trials(&self, now: Instant) -> Vec<Trial> {
        let mut gates: Vec<_> = self.gates.iter().collect();
        gates.sort_by_key(|(_, gate)| gate.until);

        let trial =
            |(class, gate): (&TopicClass, &Gate)| match (gate.is_open, self.due(gate) <= now) {
                (true, true) => gate
                    .by_deaths()
                    .first()
                    .map(|sequence| Trial::Of(*sequence)),
                (false, true) => Some(Trial::Another(*class)),
                (false, false) if gate.killers.len() == 1 => Some(Trial::Successor(*class)),
                (_, false) => None,
            };
        gates.into_iter().filter_map(trial).collect()
    }

    fn due(&self, gate: &Gate) -> Instant {
        self.listens_until
            .map_or(gate.until, |listens_until| listens_until.max(gate.until))
    }

    /// When the trials are due.
    pub fn next_moments(&self) -> impl Iterator<Item = Instant> {
        self.gates.values().map(|gate| self.due(gate))
    }

    /// The session died with these in it, and the other side did not say that it was for a reason of its own.
    pub fn death(&mut self, submitted: &[Victim], now: Instant) -> Blame {
        if submitted.is_empty() {
            self.accident(now);
            return Blame::Connection;
        }
        self.trust = Some(1);
        if let [victim] = *submitted {
            let death = self.death_of(victim, now);
            self.last_death = Some(death);
            return self.death_alone(death, now);
        }

        // A record that was not there this time is not what kills again and again.
        self.marks.retain(|sequence, mark| {
            mark.alone.total() > 0 || submitted.iter().any(|victim| victim.sequence == *sequence)
        });
        for victim in submitted {
            self.marks.entry(victim.sequence).or_default().in_company += 1;
        }
        Blame::Connection
    }

    fn death_of(&mut self, victim: Victim, now: Instant) -> Death {
        let gate = self.gates.get_mut(&victim.class);
        let last = gate.map(|gate| std::mem::replace(&mut gate.answered_before, self.answered));
        Death {
            class: victim.class,
            sequence: victim.sequence,
            is_prompt: now.saturating_duration_since(victim.submitted_at) < PROMPT,
            among_the_living: last.is_some_and(|answered_before| self.answered > answered_before),
        }
    }

    fn death_alone(&mut self, death: Death, now: Instant) -> Blame {
        let Death {
            class, sequence, ..
        } = death;
        // It kills under another topic now: what it did under the first says nothing of this one.
        self.gates
            .retain(|other, gate| *other == class || gate.outlives(sequence));
        let gate = self.gates.get_mut(&class);
        if let Some(gate) = gate.filter(|gate| gate.killers.contains_key(&sequence)) {
            return killed_again(gate, death, now);
        }

        let mark = self.marks.entry(sequence).or_default();
        mark.alone.count(death.is_prompt);
        let deaths = mark.alone;
        if deaths.total() < DEATHS_BEFORE_SUSPICION {
            return Blame::Record;
        }
        self.marks.remove(&sequence);
        self.suspect(death, deaths, now)
    }

    fn suspect(&mut self, death: Death, deaths: Deaths, now: Instant) -> Blame {
        let gate = self.gates.entry(death.class);
        let gate = gate.or_insert_with(|| Gate::new(now, self.answered));
        gate.add(death.sequence, deaths);

        let is_learning = gate.killers.len() <= 2;
        let is_itself = death.among_the_living || gate.is_established;
        gate.pause(is_itself && !gate.has_neighbours_only(), now);
        if is_learning || death.among_the_living {
            Blame::Record
        } else {
            Blame::Connection
        }
    }

    /// The destination was not there: the last death may have been its own.
    pub fn unreachable(&mut self) {
        let Some(death) = self.last_death.take() else {
            return;
        };
        let gate = self.gates.get_mut(&death.class);
        let is_open = gate.as_ref().is_some_and(|gate| gate.is_open);
        let killer = gate.and_then(|gate| gate.killers.get_mut(&death.sequence));
        let mark = self.marks.get_mut(&death.sequence);
        let Some(deaths) = killer.or_else(|| mark.map(|mark| &mut mark.alone)) else {
            return;
        };

        if death.is_prompt {
            deaths.clear = deaths.clear.saturating_sub(1);
            deaths.crashes += 1;
        }
        if is_open && deaths.total() >= CRASHES_BEFORE_CONDEMNATION {
            self.condemned.insert(death.sequence);
        }
    }

    /// The destination is there; what its last death says now.
    pub fn reached(&mut self, now: Instant) -> Option<(TopicClass, Finding)> {
        self.listens_until = Some(now + LISTEN);
        let death = self.last_death.take();
        let death = death.filter(|death| death.among_the_living)?;

        let needed = DEATHS_BEFORE_CONDEMNATION + self.accidents_since(now);
        let gate = self.gates.get_mut(&death.class)?;
        gate.is_established = true;
        if gate.is_open {
            let is_proven = |deaths: &Deaths| {
                deaths.clear >= needed || deaths.total() >= CRASHES_BEFORE_CONDEMNATION
            };
            if gate.killers.get(&death.sequence).is_some_and(is_proven) {
                self.condemned.insert(death.sequence);
            }
            return None;
        }

        let finding = if gate.killers.len() > 1 {
            Finding::Paused
        } else {
            Finding::Held
        };
        (gate.said.replace(finding) < Some(finding)).then_some((death.class, finding))
    }

    fn accident(&mut self, now: Instant) {
        if self.accidents.len() as u32 >= CRASHES_BEFORE_CONDEMNATION {
            self.accidents.pop_front();
        }
        self.accidents.push_back(now);
    }

    fn accidents_since(&self, now: Instant) -> u32 {
        let counts = |at: &&Instant| now.saturating_duration_since(**at) < ACCIDENT_COUNTS;
        self.accidents.iter().filter(counts).count() as u32
    }

    /// It is set aside, or gone for another reason: nothing is to be known of it.
    pub fn forget(&mut self, sequence: Sequence) {
        self.condemned.remove(&sequence);
        self.marks.remove(&sequence);
        self.gates.retain(|_, gate| gate.outlives(sequence));
    }

    /// Of records that are not there any more nothing is to be known either.
    pub fn forget_gone(&mut self, is_there: impl Fn(Sequence) -> bool) {
        self.condemned.retain(|sequence| is_there(*sequence));
        self.marks.retain(|sequence, _| is_there(*sequence));
        self.gates.retain(|_, gate| gate.keep(&is_there));
    }

    /// A record was answered: the connection lives.
    pub fn answered(&mut self, sequence: Sequence) {
        self.forget(sequence);
        self.answered += 1;
        // Twice as many with each round trip.
        self.trust = self.trust.map(|trust| trust.saturating_add(1));
    }

    /// A record was taken: its class is none that is refused.
    pub fn taken(&mut self, sequence: Sequence, class: TopicClass, now: Instant) {
        let died_alone = self
            .marks
            .get(&sequence)
            .is_some_and(|mark| mark.alone.total() > 0);
        if died_alone || self.holds(sequence) {
            self.accident(now);
        }

        let gate = self.gates.get_mut(&class);
        if let Some(gate) = gate.filter(|gate| !gate.is_open) {
            gate.open(now);
        }
        self.answered(sequence);
    }
}

/// Where nothing else passes it may be the destination, and what comes back is not to wait: only then the pause stays short.
fn killed_again(gate: &mut Gate, death: Death, now: Instant) -> Blame {
    if let Some(deaths) = gate.killers.get_mut(&death.sequence) {
        deaths.count(death.is_prompt);
    }

    let is_itself = death.among_the_living || gate.is_established;
    gate.pause(is_itself, now);
    if is_itself {
        Blame::Record
    } else {
        Blame::Connection
    }
}
