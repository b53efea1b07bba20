//! A session as the gateway drives it: an answer comes within a bound, or the session ends and says why.

use boxbridge::send::{Answer, Lost, Session};
use boxbridge_event::Sequence;

use crate::parts::PATIENCE;

pub async fn answer_or_loss(session: &mut impl Session) -> Result<Answer, Lost> {
    tokio::time::timeout(PATIENCE, session.next())
        .await
        .expect("an answer comes")
}

pub async fn next(session: &mut impl Session) -> Answer {
    answer_or_loss(session).await.expect("the session lives")
}

/// Why the session is over; an answer fails the test.
pub async fn lost(session: &mut impl Session) -> Lost {
    answer_or_loss(session).await.expect_err("the session ends")
}

pub fn acknowledged(number: u64) -> Answer {
    Answer::Acknowledged {
        sequence: Sequence(number),
        heard: true,
    }
}
