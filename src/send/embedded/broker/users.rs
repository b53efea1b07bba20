//! Who may subscribe: the users of a file, or anyone where there is none.
//!
//! Promises: a password is compared in the same time whatever is shown, and an unknown name takes as long as a known one. One
//! login is computed at a time, so a flood of them takes one core and no more. A user that is taken out of the file, or has another password,
//! is no user any more, also where it is connected.

use std::num::NonZeroU32;

use parking_lot::RwLock;
use ring::pbkdf2::{PBKDF2_HMAC_SHA512, verify};
use tokio::sync::Semaphore;

use boxbridge_config::{BrokerUsers, PasswordHash};

/// A user that a client proved to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub name: String,
    password: PasswordHash,
}

pub(super) struct Users {
    known: RwLock<Option<BrokerUsers>>,
    turn: Semaphore,
}

/// What a client may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// Nobody has to say who it is.
    Open,
    Is(User),
    Wrong,
}

/// Rounds for a name that is none: as many as mosquitto's tool writes.
const USUAL: NonZeroU32 = match NonZeroU32::new(101) {
    Some(rounds) => rounds,
    None => NonZeroU32::MIN,
};

impl Users {
    pub fn new(known: Option<BrokerUsers>) -> Users {
        Users {
            known: RwLock::new(known),
            turn: Semaphore::new(1),
        }
    }

    /// From now on these may subscribe.
    pub fn replace(&self, known: Option<BrokerUsers>) {
        *self.known.write() = known;
    }

    /// Whether a client that was let in so still may be there.
    pub fn still_has(&self, user: Option<&User>) -> bool {
        match (&*self.known.read(), user) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(known), Some(user)) => known.get(&user.name) == Some(&user.password),
        }
    }

    /// Who a client is that shows this name and password.
    pub async fn log_in(&self, shown: Option<&(String, Vec<u8>)>) -> Login {
        let Some(known) = self.known.read().clone() else {
            return Login::Open;
        };
        let Some((name, password)) = shown.cloned() else {
            return Login::Wrong;
        };

        let Ok(_turn) = self.turn.acquire().await else {
            return Login::Wrong;
        };
        let checked = tokio::task::spawn_blocking(move || check(&known, name, &password));
        checked.await.unwrap_or(Login::Wrong)
    }
}

fn check(known: &BrokerUsers, name: String, password: &[u8]) -> Login {
    let nobody = PasswordHash {
        iterations: USUAL,
        salt: vec![0; 12],
        hash: vec![0; 64],
    };
    let kept = known.get(&name);
    let tried = kept.unwrap_or(&nobody);
    let (rounds, salt, hash) = (tried.iterations, &tried.salt, &tried.hash);

    let is_right = verify(PBKDF2_HMAC_SHA512, rounds, salt, password, hash).is_ok();
    match kept.filter(|_| is_right) {
        Some(kept) => Login::Is(User {
            name,
            password: kept.clone(),
        }),
        None => Login::Wrong,
    }
}
