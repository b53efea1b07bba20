//! What is told of devices: the latest of each, for every bus that wants to know.
//!
//! Promises: a reader gets the newest state of each device, and none twice; one that comes late or comes back gets all. Nobody waits for a
//! reader: what it has not read is replaced. Bounded by the devices there are, and as many that are forgotten. Deliberately knows no bus:
//! a reader makes messages of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use boxbridge_event::{DeviceStatus, Message, Timestamp};

/// How the message of a device is made, as of now.
pub type ToMessage = fn(&DeviceStatus, Timestamp) -> Message;

/// So many forgotten devices are remembered, so that a bus that is down hears of them: as many as there can be at once.
const FORGOTTEN_MAX: usize = 10_000;

pub struct Board {
    said: Mutex<Said>,
    /// The number of what was said last.
    newest: watch::Sender<u64>,
}

#[derive(Default)]
struct Said {
    /// By number, the latest of each device.
    by_number: BTreeMap<u64, DeviceStatus>,
    numbers: HashMap<(Arc<str>, Arc<str>), u64>,
    forgotten: BTreeSet<u64>,
}

/// One bus's place.
pub struct Reader {
    board: Arc<Board>,
    read_through: u64,
    newest: watch::Receiver<u64>,
}

impl Default for Board {
    fn default() -> Board {
        Board {
            said: Mutex::default(),
            newest: watch::Sender::new(0),
        }
    }
}

impl Board {
    /// Replaces what was said of the device.
    pub fn say(&self, status: DeviceStatus) {
        let mut said = self.said.lock();
        let key = (Arc::clone(&status.site), Arc::clone(&status.device));
        if let Some(number) = said.numbers.get(&key).copied() {
            if said.by_number.get(&number) == Some(&status) {
                return;
            }
            said.by_number.remove(&number);
            said.forgotten.remove(&number);
        }

        // Under the lock, so that numbers come in their order.
        let number = *self.newest.borrow() + 1;
        said.put(number, key, status);
        self.newest.send_replace(number);
    }

    pub fn reader(self: &Arc<Self>) -> Reader {
        Reader {
            board: Arc::clone(self),
            read_through: 0,
            newest: self.newest.subscribe(),
        }
    }
}

impl Said {
    fn put(&mut self, number: u64, key: (Arc<str>, Arc<str>), status: DeviceStatus) {
        if status.state.is_none() {
            self.forgotten.insert(number);
        }
        self.by_number.insert(number, status);
        self.numbers.insert(key, number);

        if self.forgotten.len() > FORGOTTEN_MAX
            && let Some(oldest) = self.forgotten.pop_first()
            && let Some(status) = self.by_number.remove(&oldest)
        {
            self.numbers.remove(&(status.site, status.device));
        }
    }
}

impl Reader {
    /// The next that this bus was not told.
    pub fn read(&mut self) -> Option<DeviceStatus> {
        let said = self.board.said.lock();
        let unread = (self.read_through + 1)..;
        let (number, status) = said.by_number.range(unread).next()?;
        self.read_through = *number;
        Some(status.clone())
    }

    /// Until there is something to read.
    pub async fn wait(&mut self) {
        let read_through = self.read_through;
        // An error means that the board is gone: then nothing more will come.
        if self
            .newest
            .wait_for(|newest| *newest > read_through)
            .await
            .is_err()
        {
            std::future::pending().await
        }
    }

    /// Reads all again: the bus may have lost what it was told.
    pub fn begin_again(&mut self) {
        self.read_through = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxbridge_event::DeviceState;

    fn status(device: &str, state: Option<DeviceState>) -> DeviceStatus {
        DeviceStatus {
            site: "lobby".into(),
            device: device.into(),
            state,
            since: Timestamp(0),
            last_seen: None,
            box_id: None,
        }
    }

    fn read(reader: &mut Reader) -> Vec<(String, Option<DeviceState>)> {
        std::iter::from_fn(|| reader.read())
            .map(|status| (status.device.to_string(), status.state))
            .collect()
    }

    #[tokio::test]
    async fn a_reader_gets_the_latest_of_each_device_once_and_all_when_it_comes_back() {
        let (online, silent) = (Some(DeviceState::Online), Some(DeviceState::Silent));
        let board = Arc::new(Board::default());
        let mut reader = board.reader();
        for (device, state) in [("a", online), ("b", online), ("a", silent), ("b", online)] {
            board.say(status(device, state));
        }
        reader.wait().await;
        let all = [("b".to_owned(), online), ("a".to_owned(), silent)];
        assert_eq!(read(&mut reader), all);
        assert_eq!(read(&mut reader), []);

        board.say(status("b", None));
        assert_eq!(read(&mut reader), [("b".to_owned(), None)]);
        reader.begin_again();
        assert_eq!(read(&mut reader).len(), 2);
        assert_eq!(read(&mut board.reader()).len(), 2);
    }

    #[test]
    fn what_is_forgotten_is_remembered_within_bounds() {
        let board = Arc::new(Board::default());
        board.say(status("kept", Some(DeviceState::Online)));
        for number in 0..FORGOTTEN_MAX + 10 {
            board.say(status(&number.to_string(), None));
        }
        let read = read(&mut board.reader());
        assert_eq!(read.len(), FORGOTTEN_MAX + 1);
        assert_eq!(read[0].0, "kept");
        assert_eq!(board.said.lock().numbers.len(), FORGOTTEN_MAX + 1);
    }
}
