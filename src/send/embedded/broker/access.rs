//! Who may connect, and as what: a subscriber, or our own gateway, which alone publishes.
//!
//! Promises: the gateway proves itself by a password that is made with the process and never leaves it; it is compared in the same time
//! whatever is shown. No client can take the gateway's client id and close its connection: publishers and subscribers are apart. A refusal, or a connection that we close, is in the log, with the client's address. Never logs a topic or
//! a payload. Deliberately gives all users the same: to subscribe to anything.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::warn;

use super::admission::{CloseSignal, Slot};
use super::logged_count::LoggedCount;
use super::packet::connect::Connect;
use super::packet::{Role, Version, reason};
use super::users::{Login, Users};
use boxbridge_config::{is_same_token, token_hash};

/// Of a client id: it is held as long as the session, and a log line has it.
const CLIENT_ID_MAX: usize = 256;

pub(super) struct Access {
    /// The gateway's.
    pub user: String,
    pub password: String,
    /// The subscribers.
    pub users: Users,
    /// The newest connection of each of the gateway's client ids.
    publishers: Mutex<HashMap<String, (u64, Arc<CloseSignal>)>>,
    refused_publications: LoggedCount,
    refused_connections: LoggedCount,
    closed_connections: LoggedCount,
}

impl Access {
    pub fn new(user: String, password: String, users: Users) -> Access {
        Access {
            user,
            password,
            users,
            publishers: Mutex::default(),
            refused_publications: LoggedCount::default(),
            refused_connections: LoggedCount::default(),
            closed_connections: LoggedCount::default(),
        }
    }

    /// As what the client may connect, or the reason why it may not.
    pub async fn check(&self, connect: &Connect, slot: &Slot, from: IpAddr) -> Result<Role, u8> {
        if connect.has_method {
            return Err(reason::BAD_METHOD);
        }
        if let Some((user, password)) = &connect.login
            && *user == self.user
        {
            // Our own session speaks version 5, whatever the settings say of brokers.
            let [shown, own] = [password.as_slice(), self.password.as_bytes()].map(token_hash);
            let is_gateway = connect.version == Version::V5 && is_same_token(&own, &shown);
            return is_gateway.then_some(Role::Gateway).ok_or(reason::BAD_LOGIN);
        }

        let user = match self.users.log_in(connect.login.as_ref()).await {
            Login::Open => None,
            Login::Is(user) => Some(user),
            Login::Wrong => return Err(reason::BAD_LOGIN),
        };
        if connect.client_id.len() > CLIENT_ID_MAX {
            return Err(reason::CLIENT_ID_INVALID);
        }
        if connect.will.is_some() {
            self.refuse_publication("last will", from);
            if connect.version == Version::V5 {
                return Err(reason::NOT_AUTHORISED);
            }
        }

        if !slot.becomes_client(user.clone()) {
            return Err(reason::QUOTA);
        }
        // The user may have been taken away while it logged in.
        match self.users.still_has(user.as_ref()) {
            true => Ok(Role::Client),
            false => Err(reason::BAD_LOGIN),
        }
    }

    /// Counts a publication of a client, and says so.
    pub fn refuse_publication(&self, what: &str, from: IpAddr) {
        if let Some(count) = self.refused_publications.add(1) {
            warn!(client.address = %from, count, "a {what} of a client was refused: only the gateway publishes to the embedded broker");
        }
    }

    /// Counts a client that may not connect, and says why.
    pub fn refused(&self, reason: u8, from: IpAddr) {
        if let Some(count) = self.refused_connections.add(1) {
            let why = reason::of_refusal(reason);
            warn!(client.address = %from, count, "a client may not connect to the embedded broker: {why}");
        }
    }

    /// Counts a connection that we close, and says why.
    pub fn closed(&self, reason: u8, from: IpAddr) {
        if let Some(why) = reason::of_closing(reason)
            && let Some(count) = self.closed_connections.add(1)
        {
            warn!(client.address = %from, count, "the embedded broker closed the connection of a client: {why}");
        }
    }

    /// A publisher is connected. Its earlier connection is closed, and the last will of that one is void: this one has its own.
    pub fn publisher_connected(&self, client_id: &str, slot: &Slot) {
        let newest = (slot.number, Arc::clone(&slot.closing));
        if let Some((_, before)) = self.publishers.lock().insert(client_id.to_owned(), newest) {
            before.close(reason::TAKEN_OVER);
        }
    }

    /// A publisher's connection ended. Whether it was the newest with its client id; now there is none.
    pub fn publisher_disconnected(&self, client_id: &str, connection: u64) -> bool {
        let mut publishers = self.publishers.lock();
        let is_newest = publishers
            .get(client_id)
            .is_some_and(|(number, _)| *number == connection);
        is_newest && publishers.remove(client_id).is_some()
    }
}
