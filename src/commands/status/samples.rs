//! The Prometheus text format as far as a gateway writes it: samples with labels, and histograms put together from their buckets.
//!
//! Promises: no text makes it panic; a line that cannot be read is left out. Deliberately ignores types, help texts and timestamps.

use std::collections::BTreeMap;

/// One scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples(Vec<Sample>);

#[derive(Clone, Debug, PartialEq)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

/// What some of the samples of a name have in common.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

impl Samples {
    pub fn parse(text: &str) -> Samples {
        Samples(text.lines().filter_map(sample).collect())
    }

    fn of<'a>(&'a self, name: &'a str, labels: Labels<'a>) -> impl Iterator<Item = &'a Sample> {
        self.0
            .iter()
            .filter(move |sample| sample.name == name && labels.iter().all(|(label, value)| sample.label(label) == Some(value)))
    }

    /// Over all samples with these labels; `None` where there is none.
    pub fn sum(&self, name: &str, labels: Labels) -> Option<f64> {
        self.of(name, labels).map(|sample| sample.value).reduce(|sum, value| sum + value)
    }

    /// A count; 0 where there is none.
    pub fn count(&self, name: &str, labels: Labels) -> u64 {
        self.sum(name, labels).map_or(0, |sum| sum.max(0.0) as u64)
    }

    /// The sums by the value of `label`.
    pub fn by(&self, name: &str, label: &str) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for sample in self.of(name, &[]) {
            if let Some(value) = sample.label(label) {
                *sums.entry(value.to_owned()).or_default() += sample.value.max(0.0) as u64;
            }
        }
        sums
    }

    /// The value of `label` at the first sample of a name.
    pub fn label(&self, name: &str, label: &str) -> Option<&str> {
        self.0.iter().find(|sample| sample.name == name)?.label(label)
    }

    /// All histograms of a name with these labels, added up.
    pub fn histogram(&self, name: &str, labels: Labels) -> Histogram {
        let name = format!("{name}_bucket");
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for sample in self.of(&name, labels) {
            let Some(edge) = sample.label("le").and_then(number) else { continue };
            match buckets.iter_mut().find(|(known, _)| *known == edge) {
                Some((_, count)) => *count += sample.value,
                None => buckets.push((edge, sample.value)),
            }
        }
        buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        Histogram(buckets)
    }
}

impl Sample {
    fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }
}

/// How many observations were at most each edge, in order; the last edge is infinity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram(Vec<(f64, f64)>);

/// Where a quantile lies: buckets know no more.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    AtMost(f64),
    Over(f64),
}

impl Histogram {
    pub fn count(&self) -> f64 {
        self.0.last().map_or(0.0, |(_, count)| *count)
    }

    /// What came after `before`; everything, where the process has started again since.
    pub fn since(self, before: &Histogram) -> Histogram {
        let earlier = |edge: f64| before.0.iter().find(|(known, _)| *known == edge).map_or(0.0, |(_, count)| *count);
        let later: Vec<_> = self.0.iter().map(|(edge, count)| (*edge, count - earlier(*edge))).collect();
        if later.iter().any(|(_, count)| *count < 0.0) { self } else { Histogram(later) }
    }

    /// The bucket in which a quantile lies; `None` without observations.
    pub fn quantile(&self, quantile: f64) -> Option<Bound> {
        let rank = Some(self.count() * quantile).filter(|rank| *rank > 0.0)?;
        let place = self.0.iter().position(|(_, count)| *count >= rank)?;
        let (edge, _) = self.0.get(place)?;
        match edge.is_finite() {
            true => Some(Bound::AtMost(*edge)),
            false => self.0.get(place.checked_sub(1)?).map(|(edge, _)| Bound::Over(*edge)),
        }
    }

    /// The share of observations over one of the edges.
    pub fn share_over(&self, edge: f64) -> Option<f64> {
        let (_, within) = self.0.iter().find(|(known, _)| *known == edge)?;
        Some(1.0 - within / self.count()).filter(|share| share.is_finite())
    }
}

/// `name{label="value",…} 1.5`
fn sample(line: &str) -> Option<Sample> {
    if line.starts_with('#') {
        return None;
    }
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let mut labels = Vec::new();
    let value = match rest.strip_prefix('{') {
        None => rest,
        Some(mut rest) => loop {
            rest = rest.trim_start_matches([',', ' ']);
            if let Some(rest) = rest.strip_prefix('}') {
                break rest;
            }
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.push((label.to_owned(), value));
            rest = after;
        },
    };
    let value = number(value.split_whitespace().next()?)?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// The text up to its closing quote, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

/// Rust reads `+Inf`, `-Inf` and `NaN` as well.
fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| !value.is_nan())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = r#"# HELP boxbridge_x Something.
# TYPE boxbridge_x counter
boxbridge_x{a="1",b="say \"hi\", {now}\\\n"} 3
boxbridge_x{a="2"} 4.5
boxbridge_plain 1e3 1700000000000
boxbridge_full +Inf
boxbridge_h_bucket{to="mqtt",le="0.1"} 2
boxbridge_h_bucket{to="mqtt",le="1"} 9
boxbridge_h_bucket{to="mqtt",le="+Inf"} 10
boxbridge_h_bucket{to="kafka",le="0.1"} 90
boxbridge_h_bucket{to="kafka",le="1"} 90
boxbridge_h_bucket{to="kafka",le="+Inf"} 90
nonsense
boxbridge_broken{a="1 5
boxbridge_broken{a="1"} five
"#;

    #[test]
    fn samples_are_found_and_added_up_by_their_labels() {
        let samples = Samples::parse(TEXT);
        assert_eq!(samples.sum("boxbridge_x", &[]), Some(7.5));
        assert_eq!(samples.sum("boxbridge_x", &[("a", "2")]), Some(4.5));
        assert_eq!(samples.sum("boxbridge_x", &[("a", "3")]), None);
        assert_eq!(samples.label("boxbridge_x", "b"), Some("say \"hi\", {now}\\\n"));
        assert_eq!(samples.count("boxbridge_plain", &[]), 1000);
        assert_eq!(samples.sum("boxbridge_full", &[]), Some(f64::INFINITY));
        assert_eq!(samples.by("boxbridge_x", "a"), BTreeMap::from([("1".to_owned(), 3), ("2".to_owned(), 4)]));
        assert_eq!(samples.sum("boxbridge_broken", &[]), None);
    }

    #[test]
    fn a_quantile_is_the_edge_of_its_bucket() {
        let samples = Samples::parse(TEXT);
        let mqtt = samples.histogram("boxbridge_h", &[("to", "mqtt")]);
        assert_eq!((mqtt.quantile(0.2), mqtt.quantile(0.5)), (Some(Bound::AtMost(0.1)), Some(Bound::AtMost(1.0))));
        assert_eq!(mqtt.quantile(0.99), Some(Bound::Over(1.0)));
        assert_eq!(mqtt.share_over(0.1), Some(0.8));
        let all = samples.histogram("boxbridge_h", &[]);
        assert_eq!((all.count(), all.quantile(0.9)), (100.0, Some(Bound::AtMost(0.1))));
        assert_eq!(all.clone().since(&mqtt), samples.histogram("boxbridge_h", &[("to", "kafka")]));
        assert_eq!(mqtt.clone().since(&all), mqtt, "a process that has started again");
        assert_eq!(Histogram::default().quantile(0.5), None);
        assert_eq!(mqtt.clone().since(&mqtt).share_over(0.1), None);
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "([a-z_]{0,9}[{]?(le=\"|[a-z\"\\\\,=}é ]){0,12}[}]? ?[-0-9+.eInfNa]{0,6}\n){0,5}") {
            let samples = Samples::parse(&text);
            let _ = (samples.histogram("a", &[]).quantile(0.5), samples.by("a", "le"), samples.sum("a", &[]));
        }
    }
}
