//! What all connections share, and who may come in as what.
//!
//! Promises: only our own gateway publishes: it proves itself by a password that is made with the process and never leaves it. Nobody else
//! can take its client id and throw it off: publishers and subscribers are apart. Never logs a topic or a payload.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::warn;

use super::exchange::Exchange;
use super::guests::{Ending, Guests, Place};
use super::reply::reason;
use super::wire::{Connect, Rights, Version};

/// Of a client id: it is held as long as the session, and a log line has it.
const CLIENT_ID_MAX: usize = 256;

pub(super) struct House {
    pub exchange: Exchange,
    pub guests: Arc<Guests>,
    /// Who publishes.
    pub user: String,
    pub password: String,
    /// The newest connection of each of the gateway's client ids.
    publishers: Mutex<HashMap<String, (u64, Arc<Ending>)>>,
    turned_away: AtomicU64,
}

impl House {
    pub fn new(places: usize, user: String, password: String) -> House {
        House {
            exchange: Exchange::new(),
            guests: Arc::new(Guests::new(places)),
            user,
            password,
            publishers: Mutex::default(),
            turned_away: AtomicU64::new(0),
        }
    }

    /// Who it is, or the reason why it may not come in.
    pub fn judge(&self, connect: &Connect, place: &Place, from: IpAddr) -> Result<Rights, u8> {
        if connect.has_method {
            return Err(reason::BAD_METHOD);
        }
        match &connect.login {
            Some((user, password)) if *user == self.user => {
                // It reaches us as version 5, whatever the settings say of brokers.
                let is_gateway = connect.version == Version::V5 && *password == *self.password.as_bytes();
                return is_gateway.then_some(Rights::Gateway).ok_or(reason::BAD_LOGIN);
            }
            _ => {}
        }
        if connect.client_id.len() > CLIENT_ID_MAX {
            return Err(reason::CLIENT_ID_INVALID);
        }
        if connect.will.is_some() {
            self.turn_away("last will", from);
            if connect.version == Version::V5 {
                return Err(reason::NOT_AUTHORISED);
            }
        }
        place.is_client().then_some(Rights::Client).ok_or(reason::QUOTA)
    }

    pub fn turn_away(&self, what: &str, from: IpAddr) {
        let count = self.turned_away.fetch_add(1, Ordering::Relaxed) + 1;
        // Each doubling once: it may be thousands a second.
        if count.is_power_of_two() {
            warn!(client.address = %from, count, "a {what} of a client was refused: only the gateway publishes to the embedded broker");
        }
    }

    /// Its earlier connection ends, and its last will with it: this one has its own.
    pub fn publishes(&self, client_id: &str, place: &Place) {
        let newest = (place.number, Arc::clone(&place.ending));
        if let Some((_, before)) = self.publishers().insert(client_id.to_owned(), newest) {
            before.end(reason::TAKEN_OVER);
        }
    }

    /// Whether this connection was the newest with its client id; now there is none.
    pub fn unpublishes(&self, client_id: &str, place: u64) -> bool {
        let mut publishers = self.publishers();
        let is_newest = publishers.get(client_id).is_some_and(|(number, _)| *number == place);
        is_newest && publishers.remove(client_id).is_some()
    }

    fn publishers(&self) -> MutexGuard<'_, HashMap<String, (u64, Arc<Ending>)>> {
        self.publishers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
