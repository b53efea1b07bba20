//! What people do with the program: its commands, its signals, what it shows and tells.

mod api;
mod demo;
mod devices;
mod manners;
mod operator;
mod reload;
mod replay;
mod status;
mod watch;
