//! What people do with the program: its commands, its signals, what it shows and tells.

mod api;
mod aside;
mod console;
mod demo;
mod devices;
mod manners;
mod operator;
mod quarantine;
mod reload;
mod replay;
mod status;
mod watch;
