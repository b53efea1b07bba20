//! The rules of this repository: its code and its pages.

mod book;
mod contract;
mod pages;
mod steady;
mod tidy;
