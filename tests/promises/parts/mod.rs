//! The real parts that the promises are tested against: started on free ports, ended by their process id. `tests/install/parts` puts them there.

pub mod authority;
pub mod black_hole;
pub mod certificates;
pub mod child;
pub mod gateway;
pub mod haproxy;
pub mod kafka;
pub mod mosquitto;
pub mod prometheus;
pub mod run;
pub mod s3;
pub mod site;
pub mod stub_broker;
pub mod subscriber;
pub mod thin_line;
pub mod volume;
