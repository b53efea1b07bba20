//! How long sessions live: clients that come, go, and do not come back.
//!
//! Promises: a session is kept for [`KEPT_FOR`] at most without its client, and [`OFFLINE_MAX`] sessions at most are kept so. Messages that were waiting
//! in a session that ends are counted.

use std::time::{Duration, Instant};

use super::session::Session;
use super::{ConnectionHandle, Register, Sessions, quota, reason};

/// Sessions without a connection.
const OFFLINE_MAX: usize = 256;
/// How long a session outlives its connection at most: a shift change, a reboot; not a screen that was taken down.
const KEPT_FOR: Duration = Duration::from_secs(3_600);

/// The session of a client that connects.
pub(in super::super) struct Resumption {
    /// Its session was there already.
    pub is_present: bool,
    pub kept_for: Duration,
}

impl Sessions {
    /// A client connected. Its earlier connection is closed; its session goes on, unless it wants a new one.
    pub fn connect(
        &self,
        client_id: &str,
        connection: ConnectionHandle,
        clean_start: bool,
        asked: Option<Duration>,
    ) -> Resumption {
        let mut register = self.lock();
        self.leave_earlier(&mut register, client_id, clean_start);
        register.last_number += 1;
        let number = register.last_number;

        let is_present = register.sessions.contains_key(client_id);
        let session = register
            .sessions
            .entry(client_id.to_owned())
            .or_insert_with(|| Session::new(number, connection.from));
        session.disconnected();
        session.from = connection.from;
        session.kept_for = asked.unwrap_or(KEPT_FOR).min(KEPT_FOR);
        connection.wake.notify_one();
        session.connection = Some(connection);

        Resumption {
            is_present,
            kept_for: session.kept_for,
        }
    }

    /// Closes the client's earlier connection, and ends its session if that does not go on.
    fn leave_earlier(&self, register: &mut Register, client_id: &str, clean_start: bool) {
        let Some(session) = register.sessions.get(client_id) else {
            return;
        };
        if let Some(connection) = &session.connection {
            connection.closing.close(reason::TAKEN_OVER);
        }

        // One that was to end with its connection ends here, too, if that is taken over (MQTT-3.1.2-6).
        if clean_start || session.kept_for.is_zero() {
            let waiting = session.depth();
            register.sessions.remove(client_id);
            self.count_dropped(client_id, waiting, "its client began a new session");
        }
    }

    /// A connection ended; in MQTT 5 its client may have said how long its session is kept.
    pub fn disconnect(&self, client_id: &str, connection: u64, asked: Option<Duration>) {
        let mut register = self.lock();
        let Some(session) = register.session(client_id, connection) else {
            return;
        };
        session.disconnected();

        // A session that was to end with its connection cannot be kept by its DISCONNECT.
        if !session.kept_for.is_zero() {
            session.kept_for = asked.map_or(session.kept_for, |asked| asked.min(KEPT_FOR));
        }
        if session.kept_for.is_zero() {
            let why = "its session ended with its connection";
            self.end_session(&mut register, client_id, why);
        }
        while register.offline() > OFFLINE_MAX
            && let Some(client_id) = quota::offline_session(&register.sessions)
        {
            self.end_session(&mut register, &client_id, "too many sessions are offline");
        }

        drop(register);
        self.moved.notify_waiters();
    }

    /// Ends a session, and its connection with it.
    pub(super) fn end_session(&self, register: &mut Register, client_id: &str, why: &str) {
        let Some(session) = register.sessions.remove(client_id) else {
            return;
        };
        if let Some(connection) = &session.connection {
            connection.closing.close(reason::QUOTA);
        }
        self.count_dropped(client_id, session.depth(), why);
    }

    /// Looks after everything that ends with time: the first seconds, abandoned sessions.
    pub fn tick(&self) {
        let mut register = self.lock();
        let backlog = &mut register.startup_backlog;
        if let Some(backlog) = backlog.take_if(|backlog| backlog.is_over()) {
            backlog.end();
        }
        register.credits.retain(|_, credit| !credit.is_whole());

        let now = Instant::now();
        for client_id in register.abandoned(now) {
            let why = "nobody came back for its session";
            self.end_session(&mut register, &client_id, why);
        }
    }

    /// Lets connected clients take their messages, at most for so long, and closes their connections. How many messages were not taken.
    pub async fn drain(&self, at_most: Duration) -> usize {
        let late = tokio::time::Instant::now() + at_most;
        loop {
            let moved = self.moved.notified();
            let is_done = self.lock().is_drained();
            if is_done || tokio::time::timeout_at(late, moved).await.is_err() {
                break;
            }
        }

        let register = self.lock();
        for session in register.sessions.values() {
            if let Some(connection) = &session.connection {
                connection.closing.close(reason::SHUTTING_DOWN);
            }
        }
        register.sessions.values().map(Session::depth).sum()
    }
}

impl Register {
    fn offline(&self) -> usize {
        self.sessions
            .values()
            .filter(|session| session.connection.is_none())
            .count()
    }

    /// The clients that have not come back in time.
    fn abandoned(&self, now: Instant) -> Vec<String> {
        let is_over = |session: &Session| {
            session.connection.is_none() && now.duration_since(session.since) >= session.kept_for
        };
        self.sessions
            .iter()
            .filter(|(_, session)| is_over(session))
            .map(|(client_id, _)| client_id.clone())
            .collect()
    }

    /// Nothing waits for a client that is connected.
    fn is_drained(&self) -> bool {
        self.sessions
            .values()
            .all(|session| session.connection.is_none() || session.depth() == 0)
    }
}
