//! The shares of the person types: `employee=70,visitor=10`. Weights, not percentages: only their proportion counts.

use std::str::FromStr;

use crate::chance::Chance;
use boxbridge_event::PersonType;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix {
    /// At least one weight is over 0.
    weights: Vec<(PersonType, u32)>,
}

impl Mix {
    pub fn draw(&self, chance: &mut Chance) -> PersonType {
        let weights = self.weights.iter();
        let total = weights.map(|(_, weight)| u64::from(*weight)).sum();

        let mut left = chance.below(total);
        for (person_type, weight) in &self.weights {
            match left.checked_sub(u64::from(*weight)) {
                Some(rest) => left = rest,
                None => return *person_type,
            }
        }
        PersonType::Employee
    }
}

impl Default for Mix {
    fn default() -> Mix {
        use PersonType::{Blacklist, Employee, Stranger, Vip, Visitor};
        Mix {
            weights: vec![
                (Employee, 70),
                (Visitor, 10),
                (Stranger, 15),
                (Blacklist, 2),
                (Vip, 3),
            ],
        }
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Mix, String> {
        let weights = text.split(',').map(weight).collect::<Result<Vec<_>, _>>()?;
        match weights.iter().any(|(_, weight)| *weight > 0) {
            true => Ok(Mix { weights }),
            false => Err("must have a share over 0".to_owned()),
        }
    }
}

fn weight(text: &str) -> Result<(PersonType, u32), String> {
    let parse = |(word, weight): (&str, &str)| {
        let person_type = PersonType::from_word(word.trim())?;
        Some((person_type, weight.trim().parse().ok()?))
    };

    text.split_once('=').and_then(parse).ok_or_else(|| {
        let words: Vec<_> = PersonType::ALL.iter().map(|word| word.as_str()).collect();
        format!(
            "{text:?} is not a share such as vip=3; person types: {}",
            words.join(" ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_come_in_the_proportion_asked_for() {
        let mix: Mix = "employee=90,vip=10".parse().unwrap();
        let mut chance = Chance::new(1, 1);
        let vips = (0..10_000)
            .filter(|_| mix.draw(&mut chance) == PersonType::Vip)
            .count();
        assert!((800..1200).contains(&vips), "{vips}");
        let only: Mix = "blacklist=1".parse().unwrap();
        assert!((0..100).all(|_| only.draw(&mut chance) == PersonType::Blacklist));
    }
}
