//! An array of events in one body, taken one after the other.
//!
//! Promises: pressure ends the array, an element that is refused does not. What was committed before the pressure is a duplicate when the
//! array comes again. Deliberately answers for the whole array, with one part for each element.

use super::parse::{Parsed, Parser, Part};
use super::{Accept as _, Gateway, Taken};
use crate::ingest::Ended;
use crate::normalize::Element;
use boxbridge_event::{Feed, Receipt, Refusal, Reply, Source};

type Answered = Result<Receipt, Refusal>;

impl Gateway {
    pub(super) async fn array(
        &self,
        source: &Source,
        elements: Vec<Element>,
        parser: &Parser,
    ) -> Result<Reply, Refusal> {
        let patience = self.patience();
        let mut answers = Vec::with_capacity(elements.len());
        let mut on_disk = Vec::with_capacity(elements.len());
        let beside = elements.iter().map(|element| element.text.len()).sum();
        for element in elements {
            let part = Part::Element { element, beside };
            let Some(taken) = self.element(source, part, parser).await else {
                continue;
            };
            on_disk.extend(taken.iter().map(|taken| taken.on_disk));
            let answer = taken.map(|taken| taken.receipt);

            let is_over = pressure(&answer).is_some();
            answers.push(answer);
            if is_over {
                break;
            }
        }

        // All of them at once: they are on their way together.
        let reply = self.answer(source.feed, answers)?;
        self.confirm(source.feed, &on_disk, patience).await?;
        Ok(reply)
    }

    /// One element; `None` for an array in the array, which holds no event.
    async fn element(
        &self,
        source: &Source,
        part: Part,
        parser: &Parser,
    ) -> Option<Result<Taken, Refusal>> {
        match parser.parse(part).await {
            Ok(Parsed::Event(event)) => Some(self.append(source, event).await),
            Ok(Parsed::Refused(refusal, text)) => {
                match self.refuse(source.clone(), text, refusal).await {
                    Ok(Reply::Quarantined(refusal)) | Err(refusal) => Some(Err(refusal)),
                    Ok(_) => None,
                }
            }
            Ok(Parsed::Array(_)) => None,
            Err(refusal) => Some(Err(refusal)),
        }
    }

    /// One refusal for all where pressure ended it, or where no real-time event was taken; else each element has its own answer.
    fn answer(&self, feed: Feed, answers: Vec<Answered>) -> Result<Reply, Refusal> {
        let refusals: Vec<&Refusal> = answers.iter().filter_map(|a| a.as_ref().err()).collect();
        let is_all_refused = feed == Feed::Realtime && answers.iter().all(Result::is_err);
        let of_all = refusals
            .iter()
            .position(|refusal| refusal.code.is_pressure())
            .or(is_all_refused.then_some(0));

        for (place, refusal) in refusals.iter().enumerate() {
            // The refusal of all is counted with the answer, and refused history was counted as quarantined.
            if Some(place) == of_all {
                continue;
            }
            if feed == Feed::Realtime {
                self.count(feed.as_str(), Ended::Refused(refusal.code));
            }
            let code = refusal.code.as_str();
            tracing::debug!(place, code, "an event of an array was refused");
        }

        match of_all.and_then(|place| refusals.get(place)) {
            Some(refusal) => Err((*refusal).clone()),
            None => Ok(Reply::Many(answers)),
        }
    }
}

fn pressure(answer: &Answered) -> Option<&Refusal> {
    let refusal = answer.as_ref().err()?;
    refusal.code.is_pressure().then_some(refusal)
}
