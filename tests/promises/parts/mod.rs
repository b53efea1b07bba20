//! The real parts that the promises are tested against, each started by the test that needs it; `tests/install/parts` puts them there.

pub mod child;
pub mod kafka;
pub mod s3;
//! The real parts that the tests run against: started on free ports, ended by their process id.

pub mod certificates;
pub mod mosquitto;
pub mod subscriber;
