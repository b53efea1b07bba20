//! The real parts that the promises are tested against: started on free ports, ended by their process id. `tests/install/parts` puts them there.

pub mod authority;
pub mod black_hole;
pub mod certificates;
pub mod child;
pub mod contract;
pub mod gateway;
mod machine;
pub mod run;
mod servers;
pub mod site;
pub mod subscriber;
pub mod thin_line;

pub use child::PATIENCE;
pub use machine::{cgroup, faulty_disk, volume};
pub use servers::{haproxy, kafka, mosquitto, prometheus, s3, stub_broker};
