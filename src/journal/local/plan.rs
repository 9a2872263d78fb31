//! What is asked of a journal, one request at a time, on the thread that owns the store.

use std::collections::HashSet;
use std::sync::Arc;

use super::attempts::{Attempts, Begun, Fence};
use super::debt::Debt;
use super::ids::{ById, Ids};
use super::key;
use super::ledger::{Ledger, Now, stored};
use super::pieces::in_pieces;
use super::waiting::News;
use crate::journal::exchange::{Appended, Intent, Want};
use crate::journal::intent::{Delivery, Event, Head, Refused, State, Stored, StoredTerms, is_current, step};
use crate::journal::record::{self, Kind, RecordError};
use crate::journal::store::{Change, LONGEST_VALUE, Store};
use crate::journal::{JournalError, JournalErrorKind, Scope};
use crate::outcome::LaunchId;

/// A journal's state, and the changes that wait for their commit. What it answers holds once they are durable.
pub(crate) struct Plan {
    pub(crate) store: Box<dyn Store>,
    pub(crate) ledger: Ledger,
    pub(crate) epoch: u64,
    pub(super) batch: Vec<Change>,
    /// Where in the batch the heads are that were changed.
    pub(super) waiting: ById<usize>,
    pub(super) ids: Ids,
    pub(super) attempts: Attempts,
    pub(super) scope: Scope,
    pub(super) news: Arc<News>,
    /// What there will be to tell after the commit.
    pub(super) untold: Untold,
    pub(super) debt: Debt,
    /// How many launches were recorded since the last sweep.
    pub(super) recorded: usize,
}

/// News that are not durable yet.
#[derive(Debug, Default)]
pub(super) struct Untold {
    pub(super) pending: bool,
    pub(super) ended: Vec<LaunchId>,
}

impl Plan {
    /// Whether anything waits for a commit.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.batch.is_empty()
    }

    /// How many changes wait for the commit.
    pub(crate) fn changes(&self) -> usize {
        self.batch.len()
    }

    /// Makes what waits durable. After an error the plan is worth nothing before a [`reopen`](Plan::reopen).
    pub(crate) fn commit(&mut self) -> Result<(), JournalError> {
        self.store.commit(&self.batch)?;
        self.attempts.commit();
        self.debt.clear();
        self.batch.clear();
        self.waiting.clear();
        self.news.set_counts(self.ledger.counts());
        let Untold { pending, ended } = std::mem::take(&mut self.untold);
        if pending {
            self.news.tell_ready();
        }
        for id in ended {
            self.ledger.has_ended(id);
            self.news.ends.tell(id);
        }
        Ok(())
    }

    /// Whether another launch may be recorded under this name, or which one is there.
    pub(crate) fn look_up(
        &self,
        agent: &str,
        name: Option<&str>,
        digest: u128,
    ) -> Result<Option<Appended>, JournalError> {
        if let Some(name) = name {
            if let Some(id) = self.ledger.by_key(agent, fingerprint(name)) {
                // The name itself as well: two of them with one fingerprint must not become one launch.
                let same = |head: Head| head.digest == digest && head.key.as_deref() == Some(name);
                let known = self.head(id)?.is_some_and(same);
                return Ok(Some(if known { Appended::Known(id) } else { Appended::Conflict(id) }));
            }
        }
        Ok((self.ledger.pending() >= self.scope.most_pending).then_some(Appended::Full))
    }

    /// Records an intent with its input, which stands in the head, or in pieces under an id that it was given before.
    pub(super) fn append(
        &mut self,
        id: Option<LaunchId>,
        intent: Intent,
        input: Stored,
        now: Now,
    ) -> Result<Appended, JournalError> {
        if let Some(there) = self.look_up(&intent.agent, intent.key.as_deref(), intent.digest)? {
            if let Some(id) = id {
                self.remove_pieces(key::INPUTS, id)?;
                self.unmark(id);
            }
            return Ok(there);
        }
        let staged = id;
        let id = id.unwrap_or_else(|| self.next_id(now));
        let Intent { agent, key, digest, due, terms, .. } = intent;
        let mut head = Head {
            agent,
            key,
            digest,
            recorded: now.wall,
            input,
            terms: StoredTerms::from(&terms),
            state: State::Pending(stored(due, now)),
            attempt: 0,
            failures: 0,
            crashes: 0,
            suspect: false,
            history: Vec::new(),
        };
        self.write(id, &mut head, now)?;
        self.recorded += 1;
        if staged.is_some() {
            self.unmark(id);
        }
        Ok(Appended::New(id))
    }

    /// Begins the next attempts of at most `max` launches, and of each agent at most as many as are wanted.
    pub(super) fn claim(&mut self, wants: &[Want], max: usize, now: Now) -> Result<Vec<Begun>, JournalError> {
        let (mut begun, mut unread) = (Vec::new(), None);
        for id in self.ledger.next(wants, max, now) {
            let Some(mut head) = self.chosen(id, &mut unread) else { continue };
            if step(&mut head, Event::Start { epoch: self.epoch }, now.wall).is_ok() {
                self.write(id, &mut head, now)?;
                self.attempts.begin(id, head.attempt);
                begun.push(Begun { id, epoch: self.epoch, head });
            }
        }
        match unread {
            Some(error) if begun.is_empty() => return Err(error),
            _ => {}
        }
        if !begun.is_empty() {
            self.must_sync();
        }
        Ok(begun)
    }

    /// Moves a launch. Who concludes an attempt says so in the event; a stale one is refused.
    pub(crate) fn advance(
        &mut self,
        id: LaunchId,
        event: Event,
        now: Now,
    ) -> Result<Result<Head, Refused>, JournalError> {
        let Some(mut head) = self.head(id)? else { return Ok(Err(Refused::Unknown)) };
        let before = head.input.clone();
        let was_dead = matches!(head.state, State::Dead { .. });
        let staged = matches!(&event, Event::Succeed { output, .. } if in_pieces(output));
        let is_outcome = matches!(event, Event::Succeed { .. } | Event::Fail { .. });
        if let Some(resume) = self.resumed_by(id, &event) {
            // Refused only if the event itself is.
            let _ = step(&mut head, resume, now.wall);
        }
        if let Err(refused) = step(&mut head, event, now.wall) {
            if staged && !matches!(head.state, State::Done { .. }) {
                self.remove_pieces(key::OUTPUTS, id)?;
                self.unmark(id);
            }
            return Ok(Err(refused));
        }
        if was_dead {
            self.ledger.has_left_the_dead();
        }
        if !matches!(head.state, State::Running { .. }) {
            self.attempts.end(id, head.attempt);
        }
        if in_pieces(&before) && head.input == Stored::Gone {
            self.remove_pieces(key::INPUTS, id)?;
        }
        if staged {
            self.unmark(id);
        }
        self.write(id, &mut head, now)?;
        if !is_outcome || head.terms.delivery == Delivery::AtMostOnce {
            self.must_sync();
        }
        Ok(Ok(head))
    }

    /// Gives the attempts of these agents back that stand as running: whoever made them is gone. Says how many wait
    /// again.
    pub(super) fn give_back(
        &mut self,
        agents: &[String],
        begun: &HashSet<LaunchId>,
        running: &HashSet<LaunchId>,
        now: Now,
    ) -> Result<usize, JournalError> {
        let theirs = |(id, head): &(LaunchId, &Head)| self.is_of(head, agents) && !running.contains(id);
        let left: Vec<_> =
            self.ledger.all_running().filter(theirs).map(|(id, head)| (id, head.attempt)).collect();
        let mut waiting = 0;
        for (id, attempt) in &left {
            let begun = begun.contains(id);
            let release = Event::Release { epoch: self.epoch, attempt: *attempt, begun };
            // Refused only if it does not run, and then it would not be here.
            let released = self.advance(*id, release, now)?;
            waiting += usize::from(released.is_ok_and(|head| matches!(head.state, State::Pending(_))));
        }
        Ok(waiting)
    }

    /// Gives an attempt back whose input this process cannot read, and does not claim the launch again.
    pub(super) fn park(&mut self, fence: Fence, now: Now) -> Result<Result<Head, Refused>, JournalError> {
        let Fence { id, epoch, attempt } = fence;
        if let Err(refused) = self.current(fence)? {
            return Ok(Err(refused));
        }
        // Before the release, which would make it ready.
        self.ledger.park(id);
        self.advance(id, Event::Release { epoch, attempt, begun: false }, now)
    }

    /// The head of the launch whose attempt this is, if it is the one that runs.
    pub(super) fn current(&self, fence: Fence) -> Result<Result<Head, Refused>, JournalError> {
        let Some(head) = self.head(fence.id)? else { return Ok(Err(Refused::Unknown)) };
        Ok(is_current(&head, fence.epoch, fence.attempt).map(|_| head))
    }

    /// Whether a launch waits for a process that knows its agent, or can read its input.
    pub(crate) fn is_parked(&self, id: LaunchId, head: &Head) -> bool {
        let unknown = !self.scope.agents.contains(self.scope.name_today(&head.agent));
        matches!(head.state, State::Pending(_)) && (unknown || self.ledger.is_parked(id))
    }

    pub(super) fn next_id(&mut self, now: Now) -> LaunchId {
        self.ids.next(now.wall)
    }

    /// What is stored of a launch.
    pub(super) fn stored(&self, id: LaunchId) -> Result<Option<Head>, JournalError> {
        if let Some(head) = self.ledger.running(id) {
            return Ok(Some(head.clone()));
        }
        let key = key::of(key::HEADS, id);
        // What waits for its commit counts already: it is committed before this is answered.
        match self.waiting.get(&id).and_then(|position| self.batch.get(*position)) {
            Some(Change::Put(_, record)) => read(Kind::Head, &key, record).map(Some),
            Some(Change::Delete(_)) => Ok(None),
            None => self.store.get(&key)?.map(|record| read(Kind::Head, &key, &record)).transpose(),
        }
    }

    /// Writes a head, without the oldest ends of attempts if it would be too long for a record.
    pub(super) fn write(&mut self, id: LaunchId, head: &mut Head, now: Now) -> Result<(), JournalError> {
        while record::length(head) > LONGEST_VALUE && !head.history.is_empty() {
            head.history.remove(0);
        }
        self.put(Kind::Head, key::of(key::HEADS, id), head)?;
        self.waiting.insert(id, self.batch.len() - 1);
        self.untold.pending |= self.ledger.set(id, key_of(head), head, now);
        match head.state {
            State::Pending(_) => self.untold.pending = true,
            State::Running { .. } => {}
            _ => self.untold.ended.push(id),
        }
        // The end of one suspect makes way for the next.
        self.untold.pending |= self.ledger.has_way_for_suspect();
        Ok(())
    }

    /// Whoever waits for the end of a launch learns that there is none; what has waited behind it may start.
    pub(super) fn tell_of_removal(&mut self, id: LaunchId) {
        self.untold.ended.push(id);
        self.untold.pending = true;
    }

    pub(super) fn put<T: serde::Serialize>(
        &mut self,
        kind: Kind,
        key: Vec<u8>,
        body: &T,
    ) -> Result<(), JournalError> {
        let record = record::seal(kind, &key, body)
            .map_err(|error| JournalError::new(JournalErrorKind::Io).because(error))?;
        self.change(Change::Put(key, record));
        Ok(())
    }

    pub(super) fn change(&mut self, change: Change) {
        self.batch.push(change);
    }
}

/// The fingerprint of a launch's name, by which it is found.
pub(super) fn key_of(head: &Head) -> Option<u128> {
    head.key.as_deref().map(fingerprint)
}

/// 128 bits of a text: for telling texts apart within one journal, not for keeping secrets.
pub(super) fn fingerprint(text: &str) -> u128 {
    crate::outcome::digest::of(text.as_bytes())
}

pub(super) fn read<T: serde::de::DeserializeOwned>(
    kind: Kind,
    key: &[u8],
    bytes: &[u8],
) -> Result<T, JournalError> {
    record::open(kind, key, bytes).map_err(damaged)
}

pub(super) fn damaged(error: RecordError) -> JournalError {
    let kind = match error {
        RecordError::Newer(_) => JournalErrorKind::NewerFormat,
        RecordError::Damaged(_) => JournalErrorKind::Corrupt,
    };
    JournalError::new(kind).because(error)
}
