//! Something that is wrong: a word for programs, which may say it in another language, and a sentence for people.

use serde::{Deserialize, Serialize};

use boxbridge_event::PersonType;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub code: String,
    /// Where it is wrong; absent where it is the gateway itself.
    pub destination: Option<String>,
    pub person_type: Option<PersonType>,
    pub message: String,
}

impl Finding {
    pub fn of(code: &str, message: String) -> Finding {
        Finding {
            code: code.to_owned(),
            destination: None,
            person_type: None,
            message,
        }
    }

    pub fn at(self, destination: &str) -> Finding {
        Finding {
            destination: Some(destination.to_owned()),
            ..self
        }
    }
}
