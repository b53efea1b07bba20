//! Pictures → the picture store.
