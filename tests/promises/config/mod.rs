//! Settings: what the reader refuses, and what it says of each.

mod described;
mod files;
