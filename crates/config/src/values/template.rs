//! A topic or key with fields in braces: `boxbridge/{site}/events/{person_type}/{device.id}`.
//!
//! Parsed and checked here, once; `route` fills it in and encodes what comes from a box.

use std::fmt;

use boxbridge_event::PersonType;

/// What may stand in braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Site,
    Gateway,
    PersonType,
    Feed,
    DeviceId,
    DeviceType,
}

impl Field {
    const ALL: [(Field, &str); 6] = [
        (Field::Site, "site"),
        (Field::Gateway, "gateway"),
        (Field::PersonType, "person_type"),
        (Field::Feed, "feed"),
        (Field::DeviceId, "device.id"),
        (Field::DeviceType, "device.type"),
    ];

    /// The field of this name, if it may stand here.
    fn among(allowed: &[Field], word: &str) -> Result<Field, String> {
        let found = allowed.iter().find(|field| field.as_str() == word);
        found.copied().ok_or_else(|| {
            let words = allowed
                .iter()
                .map(|field| format!("{{{}}}", field.as_str()));
            let words: Vec<_> = words.collect();
            format!("{{{word}}} is not known here, allowed: {}", words.join(" "))
        })
    }

    pub(crate) fn as_str(self) -> &'static str {
        Field::ALL
            .iter()
            .find(|(field, _)| *field == self)
            .map_or("", |(_, word)| word)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Literal(String),
    Field(Field),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub parts: Vec<Part>,
}

impl Template {
    /// The parsed template; an error says what is wrong and what is allowed.
    pub fn parse(text: &str, allowed: &[Field]) -> Result<Template, String> {
        let mut parts = Vec::new();
        let mut rest = text;

        while let Some((literal, after)) = rest.split_once('{') {
            let (word, after) = after
                .split_once('}')
                .ok_or_else(|| format!("{text:?} has a brace that is not closed"))?;
            let field = Field::among(allowed, word)?;

            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            parts.push(Part::Field(field));
            rest = after;
        }

        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Template { parts })
    }

    /// An MQTT topic: no wildcard, no NUL, no leading `$`, which is the broker's.
    pub fn mqtt_topic(text: &str, allowed: &[Field]) -> Result<Template, String> {
        let template = Template::parse(text, allowed)?;

        let illegal = |c: &char| "+#\0".contains(*c) || c.is_control();
        if let Some(bad) = template.first_literal_char(illegal) {
            return Err(format!("{bad:?} cannot stand in a topic to publish to"));
        }
        if text.starts_with('$') {
            return Err("a topic that starts with $ belongs to the broker".to_owned());
        }
        if text.len() > 1024 {
            return Err(format!("{} bytes are too long, at most 1024", text.len()));
        }
        Ok(template)
    }

    /// A Kafka topic: `[a-zA-Z0-9._-]{1,249}` whatever is filled in, and neither `.` nor `..`.
    pub fn kafka_topic(text: &str, allowed: &[Field]) -> Result<Template, String> {
        let template = Template::parse(text, allowed)?;

        let illegal = |c: &char| !c.is_ascii_alphanumeric() && !"._-".contains(*c);
        if let Some(bad) = template.first_literal_char(illegal) {
            return Err(format!(
                "{bad:?} cannot stand in a Kafka topic, allowed: a-z A-Z 0-9 . _ -"
            ));
        }

        let longest: usize = template.parts.iter().map(Part::longest).sum();
        if longest > 249 || text == "." || text == ".." {
            return Err(format!(
                "{text:?} is not a Kafka topic: 1 to 249 characters, neither . nor .."
            ));
        }
        Ok(template)
    }

    /// With the person type filled in.
    pub(crate) fn of(&self, person_type: PersonType) -> Template {
        let part = |part: &Part| match part {
            Part::Field(Field::PersonType) => Part::Literal(person_type.to_string()),
            part => part.clone(),
        };
        Template {
            parts: self.parts.iter().map(part).collect(),
        }
    }

    /// Whether some values of their fields make two MQTT topics the same. A value never holds a `/`.
    pub(crate) fn may_meet(&self, other: &Template) -> bool {
        let (own, others) = (self.levels(), other.levels());
        let pairs = || own.iter().zip(&others);
        own.len() == others.len() && pairs().all(|(level, other)| level.may_equal(other))
    }

    fn levels(&self) -> Vec<Level> {
        let mut levels = vec![Level::default()];

        for part in &self.parts {
            let (first, further) = match part {
                Part::Field(_) => (None, None),
                Part::Literal(text) => match text.split_once('/') {
                    Some((first, further)) => (Some(first), Some(further)),
                    None => (Some(text.as_str()), None),
                },
            };

            if let Some(level) = levels.last_mut() {
                level.push(first);
            }
            for text in further.into_iter().flat_map(|text| text.split('/')) {
                let mut level = Level::default();
                level.push(Some(text));
                levels.push(level);
            }
        }
        levels
    }

    /// The first character outside of fields that is so.
    fn first_literal_char(&self, is_so: impl Fn(&char) -> bool) -> Option<char> {
        let literals = self.parts.iter().filter_map(|part| match part {
            Part::Literal(literal) => Some(literal.as_str()),
            Part::Field(_) => None,
        });
        literals.flat_map(str::chars).find(is_so)
    }
}

/// One level of an MQTT topic: a text, or anything between two texts.
#[derive(Default)]
struct Level {
    start: String,
    /// What stands behind the last field, if there is a field.
    end: Option<String>,
}

impl Level {
    /// Adds a text, or a field.
    fn push(&mut self, text: Option<&str>) {
        match (text, &mut self.end) {
            (Some(text), None) => self.start.push_str(text),
            (Some(text), Some(end)) => end.push_str(text),
            (None, end) => *end = Some(String::new()),
        }
    }

    /// Where both have fields, texts between two fields are ignored: the answer may be a wrong yes, never a wrong no.
    fn may_equal(&self, other: &Level) -> bool {
        match (&self.end, &other.end) {
            (None, None) => self.start == other.start,
            (Some(_), None) => other.may_equal(self),
            (None, Some(end)) => {
                // A field is never empty: nothing at all is written as `%`.
                let text = self.start.strip_prefix(other.start.as_str());
                text.is_some_and(|text| text.ends_with(end.as_str()) && text.len() > end.len())
            }

            (Some(end), Some(other_end)) => {
                let (start, other_start) = (self.start.as_str(), other.start.as_str());
                let (end, other_end) = (end.as_str(), other_end.as_str());
                (start.starts_with(other_start) || other_start.starts_with(start))
                    && (end.ends_with(other_end) || other_end.ends_with(end))
            }
        }
    }
}

impl Part {
    /// The most characters that it takes in a Kafka topic.
    fn longest(&self) -> usize {
        match self {
            Part::Literal(literal) => literal.len(),
            Part::Field(Field::Site) => 32,
            Part::Field(_) => 10,
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Literal(literal) => f.write_str(literal),
            Part::Field(field) => write!(f, "{{{}}}", field.as_str()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_topics_meet_where_some_device_or_site_makes_them_the_same() {
        let all: Vec<_> = Field::ALL.iter().map(|(field, _)| *field).collect();
        let template = |text: &str| Template::mqtt_topic(text, &all).unwrap();

        for (one, other, expected) in [
            ("doors", "doors", true),
            ("doors", "door", false),
            ("events/{device.id}", "late/{device.id}", false),
            ("door/{device.id}", "door/{site}", true),
            ("{site}/events/a", "late/events/a", true),
            ("{site}/events/{device.id}", "late/{site}/{device.id}", true),
            ("events/{device.id}", "events/{site}/{device.id}", false),
            ("a/late-{device.id}", "a/live-{device.id}", false),
            ("a/{site}-late", "a/{site}-live", false),
            ("a/{site}x{device.id}", "a/xx", true),
            ("a/late-{site}", "a/late-gate", true),
            ("a//b", "a/{site}/b", false),
            ("/a", "a", false),
        ] {
            let (first, second) = (template(one), template(other));
            assert_eq!(first.may_meet(&second), expected, "{one} {other}");
            assert_eq!(second.may_meet(&first), expected, "{other} {one}");
        }
    }
}
