//! The real parts that the tests run against: started on free ports, ended by their process id.

pub mod certificates;
pub mod mosquitto;
pub mod subscriber;
