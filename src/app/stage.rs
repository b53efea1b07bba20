//! Tasks that live as long as their stage: what they are stopped by, and that a fault ends none of them for good.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::fault::{self, Starts, caught};
use crate::gateway::{Delivery, Records, Render, deliver};
use crate::send::Destination;

/// Tasks and the word that ends them.
#[derive(Default)]
pub struct Stage {
    pub tasks: TaskTracker,
    pub stop: CancellationToken,
}

impl Stage {
    /// Runs what `start` makes until it ends by itself: after a fault it is made anew.
    pub fn keep<F>(&self, task: &'static str, start: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks
            .spawn(fault::keep(task, self.stop.clone(), start));
    }

    pub async fn end(&self, deadline: Instant) {
        self.stop.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout_at(deadline, self.tasks.wait()).await;
    }
}

/// Delivers until `stop`. A fault costs the session, as if the connection were lost: the next takes up at the lowest record not yet
/// answered, and until then the destination is down, for everybody to see.
pub async fn keep_delivering<D, R, S>(mut delivery: Delivery<D, R, S>, stop: CancellationToken)
where
    D: Destination,
    R: Render<Message = D::Message>,
    S: Records,
{
    let mut starts = Starts::of("delivery", stop.clone());
    loop {
        let ended = caught(deliver(&mut delivery, stop.clone())).await;
        if let Err(fault) = ended {
            delivery.link.down(delivery.lane, fault.to_string(), 1);
        }
        if !starts.again(ended).await {
            return;
        }
    }
}
