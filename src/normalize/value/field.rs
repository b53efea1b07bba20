//! Reads one field as sent: text, time, score, person type or device type.
//!
//! Promises: every JSON value gives an answer, never an error; the answer says what was odd. Deliberately knows neither the field's place
//! nor its name.

use serde_json::Value;

use boxbridge_config::ScoreScale;
use boxbridge_event::PersonType;

/// A text, and whether a value of another type was sent instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::normalize) struct Text {
    pub text: Option<String>,
    pub is_unexpected: bool,
}

/// Reads a text. A number becomes its digits; an empty text counts as absent.
pub(in crate::normalize) fn text(value: Option<&Value>) -> Text {
    match value {
        None | Some(Value::Null) => Text::default(),
        Some(Value::String(text)) => Text {
            text: Some(text.clone()).filter(|text| !text.is_empty()),
            is_unexpected: false,
        },
        Some(Value::Number(number)) => Text {
            text: Some(number.to_string()),
            is_unexpected: true,
        },
        Some(_) => Text {
            text: None,
            is_unexpected: true,
        },
    }
}

/// A time as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::normalize) struct Moment {
    /// Since 1970, rounded down.
    pub milliseconds: i64,
    /// Whether it was sent in milliseconds, as the box's document promises.
    pub is_milliseconds: bool,
}

/// 2015-01-01 to 2101-01-01, in milliseconds: no box is older, and seconds, milliseconds and microseconds never overlap.
const PLAUSIBLE: std::ops::Range<i128> = 1_420_070_400_000..4_133_980_800_000;

/// Reads seconds, milliseconds or microseconds, told apart by magnitude; with decimals or not, as a number or a string. `None` if
/// implausible.
pub(in crate::normalize) fn moment(value: Option<&Value>) -> Option<Moment> {
    let digits = match value? {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };

    let micros = millionths(&digits)?;
    // `micros` is the sent number times a million, whatever its unit is.
    [(1_000, false), (1_000_000, true), (1_000_000_000, false)]
        .into_iter()
        .find_map(|(per_millisecond, is_milliseconds)| {
            let milliseconds = micros / per_millisecond;
            let is_plausible = PLAUSIBLE.contains(&milliseconds);
            is_plausible.then(|| {
                Some(Moment {
                    milliseconds: i64::try_from(milliseconds).ok()?,
                    is_milliseconds,
                })
            })?
        })
}

/// A decimal number times a million, rounded down; exact unless it has an exponent.
fn millionths(digits: &str) -> Option<i128> {
    if digits.contains(['e', 'E']) {
        let value: f64 = digits.parse().ok()?;
        // The plausible range in microseconds ends far below this.
        return (0.0..1e17)
            .contains(&value)
            .then(|| millionths(&format!("{value:.6}")))?;
    }

    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_decimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 18 || !is_decimal(whole) || !is_decimal(fraction) {
        return None;
    }

    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    Some(whole.parse::<i128>().ok()? * 1_000_000 + fraction.parse::<i128>().ok()?)
}

/// A score as it was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::normalize) enum Score {
    None,
    /// 0 to 1.
    As(f64),
    /// Sent out of 100, although the scale did not say so.
    Scaled(f64),
    Invalid,
}

pub(in crate::normalize) fn score(value: Option<&Value>, scale: ScoreScale) -> Score {
    let sent = match value {
        None | Some(Value::Null) => return Score::None,
        Some(Value::String(text)) if text.trim().is_empty() => return Score::None,
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(Value::Number(number)) => number.as_f64(),
        Some(_) => None,
    };

    // Adding zero turns the -0.0 that a box can compute into 0.0.
    let Some(sent) = sent
        .filter(|sent: &f64| sent.is_finite())
        .map(|sent| sent + 0.0)
    else {
        return Score::Invalid;
    };

    let is_scaled = scale == ScoreScale::Auto && sent > 1.0;
    let score = if is_scaled || scale == ScoreScale::Hundred {
        sent / 100.0
    } else {
        sent
    };
    match (0.0..=1.0).contains(&score) {
        false => Score::Invalid,
        true if is_scaled => Score::Scaled(score),
        true => Score::As(score),
    }
}

/// A person type as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::normalize) enum Person {
    Sent(PersonType),
    Defaulted,
    Unknown,
}

/// Reads a person type: a number by its digits, else by the dialect's words.
pub(in crate::normalize) fn person(value: Option<&Value>, words: &[(&str, PersonType)]) -> Person {
    let word = match value {
        None | Some(Value::Null) => return Person::Defaulted,
        Some(Value::String(text)) if text.is_empty() => return Person::Defaulted,
        Some(Value::String(text)) => text.trim_ascii().to_ascii_lowercase(),
        Some(Value::Number(number)) => digits(&number.to_string()),
        Some(_) => return Person::Unknown,
    };

    let known = words.iter().find(|(known, _)| *known == word);
    known.map_or(Person::Unknown, |(_, person_type)| {
        Person::Sent(*person_type)
    })
}

/// The digits of a whole positive number, however it is spelled (`3.0`, `30e-1`); empty for any other. Exact where a float would round.
fn digits(literal: &str) -> String {
    let (mantissa, exponent) = literal.split_once(['e', 'E']).unwrap_or((literal, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    let zeros = digits.len() - significant.len();

    let scale = i64::try_from(zeros)
        .ok()
        .zip(i64::try_from(fraction.len()).ok());
    let scale = scale
        .zip(exponent.parse().ok())
        .and_then(|((zeros, fraction), exponent): (_, i64)| exponent.checked_add(zeros - fraction));
    if scale == Some(0) {
        significant.trim_start_matches('0').to_owned()
    } else {
        String::new()
    }
}

/// Whether a key, in any spelling, names a person type or the object that holds it.
pub(in crate::normalize) fn names_person(key: &str) -> bool {
    let letters: String = key
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric())
        .map(|it| it.to_ascii_lowercase())
        .collect();
    matches!(letters.as_str(), "persontype" | "usertype" | "extdata")
}

/// Whether a value contains such a key.
pub(in crate::normalize) fn names_person_below(value: &Value) -> bool {
    match value {
        Value::Object(members) => members
            .iter()
            .any(|(key, value)| names_person(key) || names_person_below(value)),
        Value::Array(values) => values.iter().any(names_person_below),
        _ => false,
    }
}

/// The word for a device type. An unknown type is taken as sent.
pub(in crate::normalize) fn device_type(
    value: Option<&Value>,
    words: &'static [(&'static str, &'static str)],
) -> Text {
    let Text {
        text,
        is_unexpected,
    } = text(value);
    let word = plain(text.as_deref().unwrap_or_default().trim());
    let known = words.iter().find(|(known, _)| *known == word);
    let word = match word.as_str() {
        _ if let Some((_, known)) = known => known,
        word if word.is_empty() || word.parse::<f64>().is_ok() => "unknown",
        word => word,
    };

    // The box's own document prints a bare number where it promises a text.
    let is_unexpected = is_unexpected && !matches!(value, Some(Value::Number(_)));
    Text {
        text: Some(word.to_owned()),
        is_unexpected,
    }
}

/// A number in its shortest form: `5` for `5.0`. Any other text stays as it is.
fn plain(text: &str) -> String {
    text.parse::<f64>()
        .map_or_else(|_| text.to_owned(), |number| number.to_string())
}
