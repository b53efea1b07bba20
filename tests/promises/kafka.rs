//! x
use crate::parts::kafka::{Broker, Security};

#[tokio::test]
async fn starts() {
    let t = std::time::Instant::now();
    let b = tokio::task::spawn_blocking(|| Broker::start(Security::All)).await.unwrap();
    eprintln!("started {:?}", t.elapsed());
    b.make_topic("x", 3, &[]).await;
    assert_eq!(b.partitions("x"), Some(3));
    eprintln!("topic {:?}", t.elapsed());
    let b = tokio::task::spawn_blocking(move || {let mut b = b; b.restart(); b}).await.unwrap();
    eprintln!("restart {:?}", t.elapsed());
    drop(b);
}
