//! A delivery that goes on: it is started again after a fault, and takes other settings.
//!
//! Promises: a fault in a loop costs its session, and the loop goes on. Other settings end a session in order, and the next one takes up at
//! the lowest record without an answer.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::gateway::{Delivery, Records, Render, Terms, deliver, window_of};
use crate::send::Destination;
use crate::system::fault::{Fault, Starts, caught};

/// `None` until a reload changes something.
pub(super) type Tell<D, R> = watch::Sender<Option<Arc<Terms<D, R>>>>;
pub type Told<D, R> = watch::Receiver<Option<Arc<Terms<D, R>>>>;

pub(super) fn tell<D, R>(
    told: &Tell<D, R>,
    send: &boxbridge_config::Send,
    destination: Arc<D>,
    render: R,
) {
    let terms = Terms {
        destination,
        render,
        window: window_of(send),
        retry_max: send.retry_max,
    };
    told.send_replace(Some(Arc::new(terms)));
}

/// Delivers until `stop`, by what it is `told`. A fault costs the session, as if the connection were lost: the next takes up at the lowest
/// record not yet answered, and until then the destination is down, for everybody to see.
pub async fn keep_delivering<D, R, S>(
    mut delivery: Delivery<D, R, S>,
    mut told: Told<D, R>,
    stop: CancellationToken,
) where
    D: Destination,
    R: Render<Message = D::Message> + Clone,
    S: Records,
{
    let mut starts = Starts::of("delivery", stop.clone());
    loop {
        let ended = until_told(&mut delivery, &mut told, &stop).await;
        if let Err(fault) = &ended {
            delivery.contact.down(delivery.lane, fault.to_string(), 1);
        }

        let is_told = told.has_changed().unwrap_or(false);
        if is_told && !stop.is_cancelled() {
            let terms = told.borrow_and_update().clone();
            terms.iter().for_each(|terms| delivery.adopt(terms));
        } else if !starts.again(ended).await {
            return;
        }
    }
}

/// Delivers until it is told of other settings, or until `stop`.
async fn until_told<D, R, S>(
    delivery: &mut Delivery<D, R, S>,
    told: &mut Told<D, R>,
    stop: &CancellationToken,
) -> Result<(), Fault>
where
    D: Destination,
    R: Render<Message = D::Message>,
    S: Records,
{
    let turn = stop.child_token();
    let delivering = caught(deliver(delivery, turn.clone()));
    tokio::pin!(delivering);

    tokio::select! {
        ended = &mut delivering => ended,
        () = told_again(told) => {
            turn.cancel();
            delivering.await
        }
    }
}

/// Leaves it to be seen that something was told.
async fn told_again<D, R>(told: &mut Told<D, R>) {
    match told.changed().await {
        Ok(()) => told.mark_changed(),
        Err(_) => std::future::pending().await,
    }
}
