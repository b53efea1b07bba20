//! Draws numbers from a seed: the same seed and stream give the same numbers on every machine and in every version.
//!
//! SplitMix64, since nothing here is secret and a person must be able to repeat a run. Deliberately not for ids or secrets.

/// One independent stream of numbers.
#[derive(Clone, Debug)]
pub struct Chance(u64);

/// The golden ratio's fraction: what SplitMix64 steps by.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Chance {
    pub fn new(seed: u64, stream: u64) -> Chance {
        Chance(mix(seed ^ mix(stream.wrapping_add(STEP))))
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number from 0 to `limit` − 1; 0 for a limit of 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        let product = u128::from(self.draw()) * u128::from(limit);
        u64::try_from(product >> 64).unwrap_or_default()
    }

    /// One of them; `None` where there is none.
    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> Option<&'a T> {
        among.get(usize::try_from(self.below(among.len() as u64)).unwrap_or_default())
    }
}

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_numbers_and_another_stream_others() {
        let draw = |seed, stream| {
            (0..5)
                .map(|_| 0)
                .scan(Chance::new(seed, stream), |chance, _: u64| {
                    Some(chance.draw())
                })
        };
        assert!(draw(7, 1).eq(draw(7, 1)));
        assert!(draw(7, 1).ne(draw(7, 2)));
        assert!(draw(8, 1).ne(draw(7, 1)));
    }
}
