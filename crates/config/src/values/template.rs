//! A topic or key with fields in braces: `boxbridge/{site}/events/{person_type}/{device.id}`.
//!
//! Parsed and checked here, once; `route` fills it in and encodes what comes from a box.

use std::fmt;

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
            let field = allowed
                .iter()
                .copied()
                .find(|field| field.as_str() == word)
                .ok_or_else(|| {
                    let words: Vec<_> = allowed
                        .iter()
                        .map(|field| format!("{{{}}}", field.as_str()))
                        .collect();
                    format!("{{{word}}} is not known here, allowed: {}", words.join(" "))
                })?;

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

        if let Some(bad) = template.literals().find_map(|literal| {
            literal
                .chars()
                .find(|c| "+#\0".contains(*c) || c.is_control())
        }) {
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

        let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if let Some(bad) = template
            .literals()
            .find_map(|literal| literal.chars().find(|c| !legal(*c)))
        {
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

    fn literals(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(literal) => Some(literal.as_str()),
            Part::Field(_) => None,
        })
    }
}

impl Part {
    /// The most characters it can become in a Kafka topic.
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
