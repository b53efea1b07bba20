//! The real parts that the promises are tested against: started on free ports, ended by their process id. `tests/install/parts` puts them there.

pub mod authority;
pub mod black_hole;
pub mod certificates;
pub mod cgroup;
pub mod child;
pub mod faulty_disk;
pub mod gateway;
pub mod run;
mod servers;
pub mod site;
pub mod subscriber;
pub mod thin_line;
pub mod volume;

pub use child::PATIENCE;
pub use servers::{haproxy, kafka, mosquitto, prometheus, s3, stub_broker};
