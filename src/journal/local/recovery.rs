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
use super::plan::{Plan, Untold, key_of, read};
use super::waiting::News;
use crate::journal::failpoint::pass;
use crate::journal::intent::{Event, Head, LAST_EPOCH, State, Stored, step};
use crate::journal::record::Kind;
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
        let epoch = match last.unwrap_or(0) {
            last @ 0..LAST_EPOCH => last + 1,
            last => {
                let epoch = epoch_after_all(store.as_ref())?;
                log_error!(
                    last,
                    epoch,
                    "the stored epoch is none that a journal has had: it goes on after its launches'"
                );
                epoch
            }
        };
        let (ids, ledger, attempts) = (Ids::default(), Ledger::new(&scope), Attempts::default());
        let (batch, waiting, untold) = (Vec::new(), ById::default(), Untold::default());
        let (debt, recorded) = (Debt::default(), 0);
        let mut plan =
            Self { store, ledger, epoch, batch, waiting, ids, attempts, scope, news, untold, debt, recorded };
        plan.put(Kind::Epoch, key::EPOCH.to_vec(), &epoch)?;
        plan.load(now, true)?;
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
        self.ledger.begin_anew(&self.scope);
        self.load(now, false)?;
        self.news.set_counts(self.ledger.counts());
        self.ledger.end_anew();
        let running = |id, attempt| self.ledger.running(id).is_some_and(|head| head.attempt == attempt);
        self.attempts.keep(running);
        // What seemed to have failed may be there.
        self.news.tell_ready();
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
        self.news.set_counts(self.ledger.counts());
        Ok(())
    }

    /// Reads every head into the ledger. Those that ran, and that nobody makes an attempt of now, move on. At the start of a
    /// life nothing runs, whichever epoch it says.
    fn load(&mut self, now: Now, starts: bool) -> Result<(), JournalError> {
        let (mut left, mut ahead) = (Vec::new(), 0_usize);
        let Self { store, ledger, ids, epoch, attempts, .. } = self;
        let take_in = |id: LaunchId, head: &Head| {
            ahead += usize::from(!ids.beyond(id, now.wall));
            match head.state {
                State::Running { epoch: ran, .. } if starts || ran != *epoch => {
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
        if ahead > 0 {
            log_warn!(
                launches = ahead,
                "ids of launches are of a time more than a day ahead: new ones do not follow them"
            );
        }
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

/// The epoch that comes after those of all launches.
fn epoch_after_all(store: &dyn Store) -> Result<u64, JournalError> {
    let mut last = 0;
    store.scan(key::HEADS, None, &mut |key, record| {
        if key::launch(key::HEADS, key).is_some() {
            let head: Head = read(Kind::Head, key, record)?;
            let running = match head.state {
                State::Running { epoch, .. } => Some(epoch),
                _ => None,
            };
            let epochs = head.history.iter().map(|end| end.epoch).chain(running);
            last = epochs.filter(|epoch| *epoch < LAST_EPOCH).fold(last, u64::max);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(last + 1)
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
