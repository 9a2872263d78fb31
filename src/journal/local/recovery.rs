//! How a plan begins: with what the store holds, at the start of a system and after a failed commit.

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::{Arc, mpsc};
use std::thread;

use super::attempts::Attempts;
use super::debt::Debt;
use super::ids::{ById, Ids};
use super::key;
use super::ledger::{Ledger, Now};
use super::pieces::in_pieces;
use super::plan::{Plan, Untold, damaged, key_of, read};
use super::waiting::News;
use crate::journal::failpoint::pass;
use crate::journal::intent::{Event, Head, State, Stored, step};
use crate::journal::record::{Kind, RecordError};
use crate::journal::store::Store;
use crate::journal::{JournalError, Scope};
use crate::outcome::LaunchId;

/// How many launches are brought back by one commit.
const RECOVERED_AT_ONCE: usize = 1024;
/// How many heads are handed over at once, and how many times that may wait to be taken in.
const READ_AT_ONCE: usize = 256;
const PARTS_AHEAD: usize = 16;

/// Heads on their way to the ledger.
type Part = Vec<(LaunchId, Head)>;

impl Plan {
    /// Opens what the store holds: raises the epoch, and brings every launch that ran in an earlier one back.
    ///
    /// The changes of that wait in the batch; nothing may run before they are committed.
    pub(crate) fn open(
        store: Box<dyn Store>,
        scope: Scope,
        news: Arc<News>,
        now: Now,
    ) -> Result<Self, JournalError> {
        let stored = store.get(key::EPOCH)?;
        let last = stored.map(|bytes| read::<u64>(Kind::Epoch, key::EPOCH, &bytes)).transpose()?;
        let no_next = || damaged(RecordError::Damaged("the epoch cannot be raised"));
        let epoch = last.unwrap_or(0).checked_add(1).ok_or_else(no_next)?;
        let (ids, ledger, attempts) = (Ids::default(), Ledger::new(&scope.aliases), Attempts::default());
        let (batch, waiting, untold) = (Vec::new(), ById::default(), Untold::default());
        let (debt, recorded) = (Debt::default(), 0);
        let mut plan =
            Self { store, ledger, epoch, batch, waiting, ids, attempts, scope, news, untold, debt, recorded };
        plan.put(Kind::Epoch, key::EPOCH.to_vec(), &epoch)?;
        plan.load(now)?;
        plan.sweep_staging()?;
        Ok(plan)
    }

    /// Opens the store again after a commit has failed. Attempts that are being made go on.
    pub(crate) fn reopen(&mut self, now: Now) -> Result<(), JournalError> {
        self.keep_debt();
        self.untold = Untold::default();
        self.attempts.forget_uncommitted();
        self.store.reopen()?;
        self.pay_debt()?;
        self.ledger.begin_anew(&self.scope.aliases);
        self.load(now)?;
        self.ledger.end_anew();
        let running = |id, attempt| self.ledger.running(id).is_some_and(|head| head.attempt == attempt);
        self.attempts.keep(running);
        // What seemed to have failed may be there.
        self.news.ready.send_replace(());
        self.news.ends.tell_all();
        Ok(())
    }

    /// Makes durable what [`open`](Plan::open) has planned. Each launch that was brought back stands for itself, so there
    /// is no need to bring all of them back at once.
    pub(crate) fn commit_recovery(&mut self) -> Result<(), JournalError> {
        for some in self.batch.chunks(RECOVERED_AT_ONCE) {
            self.store.commit(some)?;
            pass("recovery.part")?;
        }
        self.batch.clear();
        self.waiting.clear();
        Ok(())
    }

    /// Reads every head into the ledger. Those that ran, and that nobody makes an attempt of now, move on.
    fn load(&mut self, now: Now) -> Result<(), JournalError> {
        let mut left = Vec::new();
        let Self { store, ledger, ids, epoch, attempts, .. } = self;
        let take_in = |id: LaunchId, head: &Head| {
            ids.beyond(id);
            match head.state {
                State::Running { epoch: ran, .. } if ran != *epoch => {
                    left.push((id, head.clone(), Event::Crash));
                }
                State::Running { .. } if !attempts.is_made(id, head.attempt) => {
                    let release = Event::Release { epoch: *epoch, attempt: head.attempt, begun: false };
                    left.push((id, head.clone(), release));
                }
                _ => {
                    ledger.set(id, key_of(head), head, now);
                }
            }
        };
        read_heads(store.as_mut(), take_in)?;
        for (id, mut head, event) in left {
            let large = in_pieces(&head.input);
            // Refused only if it has ended, and then it would not be here.
            let _ = step(&mut head, event, now.wall);
            if large && head.input == Stored::Gone {
                self.remove_pieces(key::INPUTS, id)?;
            }
            self.write(id, &mut head, now)?;
        }
        Ok(())
    }
}

/// Shows every head. They are read on a thread beside the one that takes them in, because of a million of them either takes as
/// long; and they go back to it, because memory is given back quickest where it was taken.
fn read_heads(store: &mut dyn Store, mut take_in: impl FnMut(LaunchId, &Head)) -> Result<(), JournalError> {
    let (sender, parts) = mpsc::sync_channel::<Part>(PARTS_AHEAD);
    let (taken, empty) = mpsc::channel::<Part>();
    thread::scope(|scope| {
        let read = move || {
            let mut part = Part::with_capacity(READ_AT_ONCE);
            store.scan(key::HEADS, None, &mut |key, record| {
                if let Some(id) = key::launch(key::HEADS, key) {
                    part.push((id, read(Kind::Head, key, record)?));
                }
                if part.len() == READ_AT_ONCE {
                    let mut next = empty.try_recv().unwrap_or_default();
                    next.clear();
                    // Taken as long as this thread lives.
                    let _ = sender.send(std::mem::replace(&mut part, next));
                }
                Ok(ControlFlow::Continue(()))
            })?;
            let _ = sender.send(part);
            // Until all are taken in.
            drop(sender);
            empty.into_iter().for_each(drop);
            Ok(())
        };
        let reading = thread::Builder::new().name("sortie-recovery".to_owned()).spawn_scoped(scope, read)?;
        for part in parts {
            part.iter().for_each(|(id, head)| take_in(*id, head));
            // It is there until this end is dropped.
            let _ = taken.send(part);
        }
        drop(taken);
        reading.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}
