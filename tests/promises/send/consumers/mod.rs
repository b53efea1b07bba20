//! The consumers of `examples/`, each as its reader would run it, against a live gateway and real brokers; and what the CloudEvents SDKs
//! make of our messages.

mod cloud_events;
mod examples;
mod first_steps;
mod programs;
