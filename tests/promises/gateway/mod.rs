//! What the stages keep together: events arrive once, in order and in time, whatever dies, fills or hangs.

mod answered;
mod clock;
mod cluster;
mod faults;
mod kept;
mod links;
mod load;
mod main_job;
mod outage;
mod restart;
mod sweep;
mod thin_line;
