//! A moment in a filter, as people write it.

use serde::{Deserialize, Deserializer};

use boxbridge_event::Timestamp;

pub fn of_people<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(reader)?;
    text.map(|text| Timestamp::from_people(&text, Timestamp::now()))
        .transpose()
        .map_err(serde::de::Error::custom)
}
