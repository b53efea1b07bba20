//! The real parts that the promises are tested against, each started by the test that needs it; `tests/install/parts` puts them there.

pub mod certificates;
pub mod child;
pub mod kafka;
pub mod s3;
