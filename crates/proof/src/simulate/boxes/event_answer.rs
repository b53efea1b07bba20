//! What the receiver said of each event of a request.
//!
//! Deliberately lenient: a receiver that is not ours says nothing but the status.

use serde::Deserialize;

use crate::simulate::client::{Answer, NoAnswer};
use boxbridge_event::{EventId, Revision};

/// What the receiver said of one event.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EventAnswer {
    pub status: Option<u16>,
    /// Of the refusal, or why there was no answer.
    pub code: Option<String>,
    pub event_id: Option<EventId>,
    pub revision: Option<Revision>,
    events: Vec<EventAnswer>,
}

impl EventAnswer {
    /// One for each event of the request.
    pub fn all(answer: &Result<Answer, NoAnswer>, events: usize) -> Vec<EventAnswer> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(reason) => return vec![EventAnswer::none(reason); events],
        };

        let mut whole: EventAnswer = serde_json::from_slice(&answer.body).unwrap_or_default();
        let mut elements = std::mem::take(&mut whole.events);
        if answer.status == 200 && elements.len() == events {
            for element in &mut elements {
                // Its own word: 0 is success, as the vendor's platform says it.
                element.status = element.status.filter(|status| *status != 0).or(Some(200));
            }
            return elements;
        }

        whole.status = Some(answer.status);
        if events > 1 {
            whole.event_id = None;
        }
        vec![whole; events]
    }

    fn none(reason: &NoAnswer) -> EventAnswer {
        EventAnswer {
            code: Some(reason.to_string()),
            ..EventAnswer::default()
        }
    }
}
