//! A log with group commit, and nothing else: the limit for whoever makes records durable one by one.
//!
//! It is built as sortie's journal is: one thread owns the file, callers leave their records in a queue under a lock and
//! wait for their answer on a oneshot channel, and whatever has come while the disk was busy is one write and one
//! `fdatasync`. It keeps no index, gives no ids, looks for no duplicates, and cannot be read by key.
//!
//! The file is made longer ahead of what is written. A sync of a file that has become longer has to write the file
//! system's journal as well, and waits for whoever else uses that: it takes up to 30 times as long on a busy disk. A log that
//! is only appended to, as one would write it first, is there as well.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use super::callers::Recorder;

/// By how much the file is made longer at once, in bytes.
const AHEAD: u64 = 64 << 20;

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
    /// With each the one to tell when it is durable; where many came together, the last of them has it.
    records: Vec<(Vec<u8>, Option<oneshot::Sender<()>>)>,
    closed: bool,
}

impl RawLog {
    pub fn create(path: &Path) -> Self {
        Self::with_room(path, AHEAD)
    }

    /// One whose file becomes longer with each write.
    pub fn appending(path: &Path) -> Self {
        Self::with_room(path, 0)
    }

    fn with_room(path: &Path, ahead: u64) -> Self {
        let file = File::create_new(path).expect("there is a disk to write to");
        let desk = Arc::<Desk>::default();
        let theirs = Arc::clone(&desk);
        let thread = Some(thread::spawn(move || theirs.write(file, ahead)));
        Self { desk, thread }
    }

    /// Resolves when the record is durable: written, and synced with `fdatasync`.
    pub async fn append(&self, record: Vec<u8>) {
        self.append_all([record]).await;
    }

    /// Resolves when all of them are durable, which is one write and one sync: they come into the queue together.
    async fn append_all(&self, records: impl IntoIterator<Item = Vec<u8>>) {
        let synced = self.desk.queue().take_in(records);
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

impl Queue {
    /// Gives what tells when all of them are durable.
    fn take_in(&mut self, records: impl IntoIterator<Item = Vec<u8>>) -> oneshot::Receiver<()> {
        let (sender, synced) = oneshot::channel();
        self.records.extend(records.into_iter().map(|record| (record, None)));
        self.records.last_mut().expect("nobody asks for nothing").1 = Some(sender);
        synced
    }
}

impl Desk {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("nobody panics with the lock")
    }

    fn write(&self, file: File, ahead: u64) {
        let mut bytes = Vec::new();
        let (mut end, mut length) = (0, 0);
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
                bytes.extend(u32::try_from(record.len()).expect("a record is short").to_le_bytes());
                bytes.extend(record);
            }
            let start = end;
            end += bytes.len() as u64;
            if end > length && ahead > 0 {
                length = end + ahead;
                file.set_len(length).expect("the disk is not full");
            }
            file.write_all_at(&bytes, start).and_then(|()| file.sync_data()).expect("the disk is not full");
            for answer in records.into_iter().filter_map(|(_, answer)| answer) {
                // Whether or not anybody still waits.
                let _ = answer.send(());
            }
        }
    }
}

impl Recorder for RawLog {
    async fn record(&self, job: String) {
        self.append(json(&job)).await;
    }

    async fn record_all(&self, jobs: Vec<String>) {
        // Before there is a lock to wait for.
        let records: Vec<_> = jobs.iter().map(json).collect();
        self.append_all(records).await;
    }
}

fn json(job: &String) -> Vec<u8> {
    serde_json::to_vec(job).expect("text is JSON")
}
