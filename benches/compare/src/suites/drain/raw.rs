//! The limit: two records per job in a log.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::SLOTS;
use crate::suites::durable::raw_log::RawLog;

/// What has to be known of an attempt, about: the job's id, the number of the attempt, what came out.
const RECORD: [u8; 32] = [1; 32];

/// Jobs per second.
pub async fn drain(path: PathBuf, n: usize) -> f64 {
    let log = Arc::new(RawLog::create(&path));
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let slots = (0..SLOTS).map(|_| {
        let (log, next) = (Arc::clone(&log), Arc::clone(&next));
        tokio::spawn(async move {
            while next.fetch_add(1, Ordering::Relaxed) < n {
                log.append(RECORD.to_vec()).await;
                log.append(RECORD.to_vec()).await;
            }
        })
    });
    let slots: Vec<_> = slots.collect();
    for slot in slots {
        slot.await.expect("the disk is not full");
    }
    n as f64 / start.elapsed().as_secs_f64()
}
