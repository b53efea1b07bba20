//! What this process knows stays with it: names, faces, tokens and keys are not for every user of the machine.
//!
//! Promises: no core of it is written, not even by a handler that the machine sends cores to; no other process of the same user reads its
//! memory; what it writes is for its own user alone, however the service is started. Deliberately stops no
//! superuser.

use rustix::fs::Mode;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask,
};

/// Memory that nobody else looks into. Where the system refuses that, it is said, and the gateway runs all the same.
pub fn keep_memory() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let kept = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    if let Err(error) = kept.and(setrlimit(Resource::Core, none)) {
        tracing::warn!(%error, "a crash may leave a core file with tokens and faces in it");
    }
}

/// Files and folders that nobody else enters.
pub fn keep_files() {
    umask(Mode::RWXG | Mode::RWXO);
}
