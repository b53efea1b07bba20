//! Admitted record → message, as of now.
//!
//! Promises: a fault of ours in making it costs this one record.

use std::time::Duration;

use super::admit::settled;
use super::backlog::Admitted;
use super::pictures::Pictures;
use super::{Delivery, Records};
use crate::gateway::Render;
use crate::route::{PicturesNow, Sending};
use crate::send::{Destination, Reason, Rejection};
use crate::system::fault::{self, Fault};
use boxbridge_event::{Picture, PictureVerdict, Timestamp};

impl<D, R, S> Delivery<D, R, S>
where
    D: Destination,
    R: Render<Message = D::Message>,
    S: Records,
{
    /// What leaves for this record, if it arrives after `wait`; `None` where this destination gets nothing.
    pub(super) fn message(
        &self,
        admitted: &Admitted,
        now: Timestamp,
        wait: Duration,
    ) -> Result<Option<D::Message>, Rejection> {
        let record = &admitted.record;
        let pictures = self.pictures(admitted)?;
        let sending = Sending {
            sequence: record
                .resent
                .as_ref()
                .map_or(record.sequence, |resent| resent.sequence),
            epoch: record
                .resent
                .as_ref()
                .and_then(|resent| resent.epoch.as_deref()),
            lane: record.lane,
            now: now.plus(wait),
            age: self.backlog.age(record).saturating_add(wait),
            replay: record.replay.as_deref(),
            pictures: settled(self.verdicts.as_ref(), record)
                .map_or(PicturesNow::Pending, PicturesNow::Settled),
            links: &[],
            inline: &[],
        };

        let message = fault::in_one_go(|| {
            self.render
                .message(record, &admitted.event, &sending, pictures)
        });
        message.map_err(|fault| self.cannot_be_made(admitted, fault))
    }

    fn pictures(&self, admitted: &Admitted) -> Result<Vec<Picture>, Rejection> {
        match &admitted.pictures {
            Pictures::Read(pictures) => Ok(pictures.clone()),
            Pictures::Lost(error) => self.render.without_pictures(&admitted.event, error.clone()),
            Pictures::Unread { .. } | Pictures::UnderWay { .. } => Ok(Vec::new()),
        }
    }

    fn cannot_be_made(&self, admitted: &Admitted, fault: Fault) -> Rejection {
        let rejection = Rejection {
            reason: Reason::Unreadable,
            detail: fault.to_string(),
            verdict: PictureVerdict::default(),
        };
        if !self.render.keeps_pictures() {
            return rejection;
        }
        self.render
            .without_pictures(&admitted.event, fault.to_string())
            .err()
            .unwrap_or(rejection)
    }
}
