//! An answer that goes on for long, as that of `/api/events/live`: it ends when who asked would no longer be let in.
//!
//! Promises: asked at each piece. What lasts says a word every few seconds, so it ends within these.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::{Access, Pass};

struct Lasting {
    body: Body,
    access: Arc<Access>,
    pass: Pass,
}

/// The same answer, for as long as the pass holds.
pub fn while_it_holds(response: Response, access: Arc<Access>, pass: Pass) -> Response {
    // One whose length is known is whole already.
    let is_whole = hyper::body::Body::size_hint(response.body())
        .exact()
        .is_some();
    match is_whole {
        true => response,
        false => response.map(|body| Body::new(Lasting { body, access, pass })),
    }
}

impl hyper::body::Body for Lasting {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match polled {
            Poll::Ready(Some(_)) if !self.access.holds(&self.pass) => Poll::Ready(None),
            polled => polled,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
