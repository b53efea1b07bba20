//! The rules of this repository: its code and its pages.

mod pages;
mod tidy;
