//! A log with group commit, and nothing else: the limit for whoever makes records durable one by one.
//!
//! It is built as sortie's journal is: one thread owns the file, callers leave their records in a queue under a lock and
//! wait for their answer on a oneshot channel, and whatever has come while the disk was busy is one write and one
//! `fdatasync`. It keeps no index, gives no ids, looks for no duplicates, and cannot be read by key.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use super::callers::Recorder;

/// An open log. Dropping it ends its thread.
pub struct RawLog {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Desk {
    queue: Mutex<Queue>,
    work: Condvar,
}

#[derive(Default)]
struct Queue {
    records: Vec<(Vec<u8>, oneshot::Sender<()>)>,
    closed: bool,
}

impl RawLog {
    pub fn create(path: &Path) -> Self {
        let file = File::create_new(path).expect("there is a disk to write to");
        let desk = Arc::<Desk>::default();
        let theirs = Arc::clone(&desk);
        let thread = Some(thread::spawn(move || theirs.write(file)));
        Self { desk, thread }
    }

    /// Resolves when the record is durable: written, and synced with `fdatasync`.
    pub async fn append(&self, record: Vec<u8>) {
        let (sender, synced) = oneshot::channel();
        self.desk.queue().records.push((record, sender));
        self.desk.work.notify_one();
        synced.await.expect("the disk takes it");
    }
}

impl Drop for RawLog {
    fn drop(&mut self) {
        self.desk.queue().closed = true;
        self.desk.work.notify_one();
        if let Some(thread) = self.thread.take() {
            // If it has panicked, those who waited have heard of it.
            let _ = thread.join();
        }
    }
}

impl Desk {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("nobody panics with the lock")
    }

    fn write(&self, mut file: File) {
        let mut bytes = Vec::new();
        loop {
            let idle = |queue: &mut Queue| queue.records.is_empty() && !queue.closed;
            let mut queue = self.work.wait_while(self.queue(), idle).expect("nobody panics with the lock");
            let records = std::mem::take(&mut queue.records);
            drop(queue);
            if records.is_empty() {
                return;
            }
            bytes.clear();
            for (record, _) in &records {
                let length = u32::try_from(record.len()).expect("a record is short");
                bytes.extend(length.to_le_bytes());
                bytes.extend(record);
            }
            file.write_all(&bytes).and_then(|()| file.sync_data()).expect("the disk is not full");
            for (_, answer) in records {
                // Whether or not anybody still waits.
                let _ = answer.send(());
            }
        }
    }
}

impl Recorder for RawLog {
    async fn record(&self, job: String) {
        self.append(serde_json::to_vec(&job).expect("text is JSON")).await;
    }
}
