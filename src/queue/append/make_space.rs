//! Makes space for the next segment: what everybody has had gives way, and then what the operator gave up.
//!
//! Promises: what somebody still waits for goes only if the operator wrote `on_full = "expire_oldest"`, counted in every cursor.
//! Deliberately the one place here that asks those who follow.

use std::io;

use super::disk_limits::DiskLimits;
use super::trouble::Trouble;
use crate::queue::follow::{Change, Subscriptions};
use crate::queue::log::{Log, space};
use boxbridge_config::OnFull;

/// The rule under which records end that had to make space.
pub const ON_FULL: &str = "on_full";

/// Sees to it that `wanted` bytes fit below the limits and onto the disk.
pub fn make_space(
    log: &Log,
    subscriptions: &Subscriptions,
    limits: &DiskLimits,
    on_full: OnFull,
    wanted: u64,
) -> Result<(), Trouble> {
    let limit = limits.max_bytes;
    let failed = |error: io::Error| Trouble::not_now(format!("making room: {error}"), &error);
    loop {
        let used = log.allocated();
        let missing = space::missing(log, wanted.saturating_add(limits.reserve_bytes));
        if used.saturating_add(wanted) <= limit && missing.is_none() {
            return Ok(());
        }

        if give_way(log, subscriptions, on_full).map_err(failed)? {
            continue;
        }
        return Err(
            missing.map_or(Trouble::Full { used, limit }, |reason| Trouble::DiskFull {
                reason,
            }),
        );
    }
}

/// Deletes one segment; false where none may go.
fn give_way(log: &Log, subscriptions: &Subscriptions, on_full: OnFull) -> io::Result<bool> {
    let delete = || space::delete_oldest(log, subscriptions.durable(), |_| true);
    if delete()? {
        return Ok(true);
    }
    // Cursors may be further than their slots.
    subscriptions.flush(log, Change::Passed);
    if delete()? {
        return Ok(true);
    }

    match on_full {
        OnFull::Refuse => Ok(false),
        OnFull::ExpireOldest => expire_oldest(log, subscriptions),
    }
}

/// Ends every record of the oldest segment that somebody still waits for, and deletes it.
fn expire_oldest(log: &Log, subscriptions: &Subscriptions) -> io::Result<bool> {
    let Some(oldest) = space::oldest(log) else {
        return Ok(false);
    };

    subscriptions.expire(&oldest, ON_FULL)?;
    tracing::error!(
        through = oldest.through().last(),
        "the queue is full: its oldest records were given up, as on_full says"
    );
    subscriptions.flush(log, Change::Passed);
    subscriptions.flush_given_up(log)?;
    space::delete_oldest(log, subscriptions.durable(), |_| true)
}
