//! The thread that tells sled what the log has.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use super::database::Database;
use super::recent::Recent;
use crate::journal::{JournalError, JournalErrorKind};

/// The way to the thread. Dropping it waits until that has let go of the database.
#[derive(Debug)]
pub(super) struct Checkpointer {
    orders: Option<Sender<Order>>,
    done: Receiver<Result<(), JournalError>>,
    thread: Option<JoinHandle<()>>,
}

/// Changes of which sled is to be told, and the number of the last commit in them.
#[derive(Debug)]
struct Order {
    changes: Arc<Recent>,
    number: u64,
}

impl Checkpointer {
    pub(super) fn start(database: Arc<Database>) -> Result<Self, JournalError> {
        let (orders, theirs) = mpsc::channel::<Order>();
        let (told, done) = mpsc::channel();
        let work = move || {
            for Order { changes, number } in theirs {
                let result = changes.tell(&database, number);
                // Before the answer: whoever hears it may take the changes for its own.
                drop(changes);
                if told.send(result).is_err() {
                    break;
                }
            }
        };
        let thread = thread::Builder::new().name("sortie-checkpoint".to_owned()).spawn(work)?;
        Ok(Self { orders: Some(orders), done, thread: Some(thread) })
    }

    /// Orders a checkpoint. There is one at a time.
    pub(super) fn order(&self, changes: Arc<Recent>, number: u64) {
        if let Some(orders) = &self.orders {
            // If the thread is gone, that is heard afterwards.
            let _ = orders.send(Order { changes, number });
        }
    }

    /// Waits until sled was told.
    pub(super) fn hear(&self) -> Result<(), JournalError> {
        self.done.recv().unwrap_or_else(|_| Err(gone()))
    }

    /// Whether sled was told meanwhile.
    pub(super) fn try_hear(&self) -> Option<Result<(), JournalError>> {
        self.done.try_recv().ok()
    }

    /// Ends the thread once it has done what it was ordered to. Gives the result of that, if nobody has heard it.
    pub(super) fn end(mut self) -> Result<(), JournalError> {
        self.join();
        self.done.try_recv().unwrap_or(Ok(()))
    }

    fn join(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // What sled panics of is an error by then.
            let _ = thread.join();
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.join();
    }
}

fn gone() -> JournalError {
    JournalError::new(JournalErrorKind::Io).because("the thread that makes checkpoints is gone")
}
