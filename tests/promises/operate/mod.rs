//! What people do with the program: its commands, its signals, what it shows and tells.

mod demo;
mod manners;
mod operator;
mod reload;
mod status;
mod watch;
