//! A producer that writes what no gateway does: any key, value, header and time, compressed or in a transaction; by rdkafka, and as raw bytes
//! where rdkafka does not let it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::Broker;
use crate::parts::child::PATIENCE;

/// One record, as it is to stand there.
#[derive(Clone, Debug, Default)]
pub struct Odd {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
    /// 0 is now to librdkafka.
    pub timestamp: Option<i64>,
}

/// What becomes of the transaction that the records stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transaction {
    Committed,
    Aborted,
    /// It ends with its time limit.
    Left,
}

impl Broker {
    /// Behind each other in one batch, packed by this codec.
    pub fn produce(&self, topic: &str, partition: i32, codec: &str, records: &[Odd]) {
        let producer: BaseProducer = self.producer(codec).create().unwrap();
        send(&producer, topic, partition, records);
        producer.flush(PATIENCE).unwrap();
    }

    /// In a transaction of its own.
    pub fn produce_within(
        &self,
        transaction: Transaction,
        topic: &str,
        partition: i32,
        record: &Odd,
    ) {
        let id = uuid::Uuid::new_v4().to_string();
        let producer: BaseProducer = self
            .producer("none")
            .set("transactional.id", id)
            .set("transaction.timeout.ms", PATIENCE.as_millis().to_string())
            .create()
            .unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        producer.begin_transaction().unwrap();
        send(&producer, topic, partition, std::slice::from_ref(record));
        producer.flush(PATIENCE).unwrap();

        match transaction {
            Transaction::Committed => producer.commit_transaction(PATIENCE).unwrap(),
            Transaction::Aborted => producer.abort_transaction(PATIENCE).unwrap(),
            Transaction::Left => {}
        }
    }

    fn producer(&self, codec: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.address())
            .set("compression.type", codec)
            .set("message.max.bytes", "1000000000")
            .set("batch.num.messages", "1000000")
            .set("batch.size", "500000000")
            .set("queue.buffering.max.messages", "2000000")
            // All of them are there before the batch is closed.
            .set("linger.ms", "1000");
        config
    }

    /// One record with a header of this name, which need not be text.
    pub fn produce_raw(&self, topic: &str, partition: i32, name: &[u8], value: &[u8]) {
        let request = request(topic, partition, &batch(&record(name, value)));
        let address = (std::net::Ipv4Addr::LOCALHOST, self.port).into();
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&sized(&request)).unwrap();

        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut answer).unwrap();
        // Behind the number of the request, one topic and its name, one partition and its number.
        let at = 4 + 4 + 2 + topic.len() + 4 + 4;
        assert_eq!(answer[at..at + 2], [0, 0], "an error of Kafka: {answer:?}");
    }
}

fn send(producer: &BaseProducer, topic: &str, partition: i32, records: &[Odd]) {
    for odd in records {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(partition);
        record.key = odd.key.as_deref();
        record.payload = odd.value.as_deref();
        record.timestamp = odd.timestamp;
        record.headers = Some(headers(odd));
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.poll(Duration::ZERO);
    }
}

fn headers(odd: &Odd) -> OwnedHeaders {
    let empty = OwnedHeaders::new_with_capacity(odd.headers.len());
    odd.headers.iter().fold(empty, |headers, (name, value)| {
        headers.insert(Header {
            key: name,
            value: Some(value),
        })
    })
}

/// Produce, version 3.
fn request(topic: &str, partition: i32, batch: &[u8]) -> Vec<u8> {
    let mut request = vec![0, 0, 0, 3, 0, 0, 0, 0, 0, 0];
    // No transaction, the leader's acknowledgement, a second.
    request.extend([0xff, 0xff, 0, 1, 0, 0, 3, 0xe8]);
    request.extend([0, 0, 0, 1]);
    request.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
    request.extend(topic.as_bytes());
    request.extend([0, 0, 0, 1]);
    request.extend(partition.to_be_bytes());
    request.extend(sized(batch));
    request
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&length, bytes].concat()
}

/// Of one record, as magic 2 has it.
fn batch(record: &[u8]) -> Vec<u8> {
    let now = boxbridge_event::Timestamp::now().0.to_be_bytes();
    // No codec, the last offset is the first.
    let mut counted = vec![0; 2 + 4];
    counted.extend([now, now].concat());
    // No producer that is known.
    counted.extend([0xff; 8 + 2 + 4]);
    counted.extend([0, 0, 0, 1]);
    counted.extend(record);

    let mut batch = vec![0; 8];
    let behind = u32::try_from(4 + 1 + 4 + counted.len()).unwrap();
    batch.extend(behind.to_be_bytes());
    batch.extend([0xff, 0xff, 0xff, 0xff, 2]);
    batch.extend(crc32c(&counted).to_be_bytes());
    batch.extend(counted);
    batch
}

fn record(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut record = vec![0, 0, 0];
    put_number(&mut record, -1);
    put(&mut record, value);
    put_number(&mut record, 1);
    put(&mut record, name);
    put(&mut record, b"x");

    let mut sized = Vec::new();
    put(&mut sized, &record);
    sized
}

fn put(into: &mut Vec<u8>, bytes: &[u8]) {
    put_number(into, i64::try_from(bytes.len()).unwrap());
    into.extend(bytes);
}

/// Zigzag, seven bits a byte.
fn put_number(into: &mut Vec<u8>, number: i64) {
    let mut left = ((number << 1) ^ (number >> 63)) as u64;
    while left >= 0x80 {
        into.push(left as u8 | 0x80);
        left >>= 7;
    }
    into.push(left as u8);
}

fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), step);
    !bytes.iter().fold(!0, byte)
}
