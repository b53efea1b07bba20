//! `simulate` and `reconcile`: the judges of every gateway are judged here.

mod reconcile;
mod simulate;
