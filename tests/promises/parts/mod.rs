//! The real parts that the promises are tested against: started on free ports, ended by their process id. `tests/install/parts` puts them there.

pub mod certificates;
pub mod child;
pub mod contract;
pub mod gateway;
pub mod http;
mod machine;
mod network;
pub mod run;
mod servers;
pub mod site;
pub mod subscriber;

pub use child::PATIENCE;
pub use machine::{cgroup, faulty_disk, volume};
pub use network::{black_hole, thin_line, tls};
pub use servers::{haproxy, kafka, mosquitto, prometheus, s3, sts, stub_broker, token_lender};
