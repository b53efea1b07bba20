//! A value that holds until a reload replaces it.
//!
//! Promises: who takes it once works with one whole value, whatever is replaced meanwhile. Deliberately tells nobody of a change: who must
//! act on one is told by `app::reload`.

use std::sync::Arc;

use parking_lot::RwLock;

#[derive(Debug, Default)]
pub struct Current<T>(RwLock<Arc<T>>);

impl<T> Current<T> {
    pub fn new(value: impl Into<Arc<T>>) -> Current<T> {
        Current(RwLock::new(value.into()))
    }

    /// The value as of now; to be taken once for each thing that is done by it.
    pub fn now(&self) -> Arc<T> {
        Arc::clone(&self.0.read())
    }

    pub fn replace(&self, value: impl Into<Arc<T>>) {
        *self.0.write() = value.into();
    }
}
