//! Group commit: many requests, one thread that owns the store, one sync for all that wait.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use tokio::sync::{Semaphore, oneshot};

use super::ledger::Now;
use super::plan::Plan;
use super::waiting::News;
use crate::journal::failpoint::pass;
use crate::journal::{JournalError, JournalErrorKind};

/// How many requests may wait at once; more wait outside.
const MOST_WAITING: usize = 1024;

/// How many changes are committed together: more would only make those wait who came first.
const LARGEST_BATCH: usize = 256;

/// The way to the thread that owns the store.
pub(crate) struct Committer {
    desk: Arc<Desk>,
    room: Semaphore,
}

/// What callers and the thread share.
struct Desk {
    queue: Mutex<Queue>,
    /// There is something to do.
    work: Condvar,
    /// A batch has been answered.
    answered: Condvar,
}

#[derive(Default)]
struct Queue {
    requests: Vec<Request>,
    /// The number of the batch that the next request will be part of.
    forming: u64,
    /// The last batch that was answered.
    answered: u64,
    /// The last batch that a blocking task waits for.
    awaited: u64,
    /// Nothing more is taken.
    closed: bool,
    /// The store is closed: nothing more is answered.
    ended: bool,
}

/// What is asked of the plan, and how the answer gets back once it is durable.
struct Request {
    now: Now,
    ask: Box<Ask>,
}

/// Plans what was asked for, or passes on why nothing can be planned.
type Ask = dyn FnOnce(Result<&mut Plan, &JournalError>, Now) -> Option<Answer> + Send;

/// Told whether what was planned is durable.
type Answer = Box<dyn FnOnce(Result<(), &JournalError>) + Send>;

impl Committer {
    /// Gives `plan` to a thread of its own, which ends when the committer is closed or dropped.
    pub(crate) fn start(plan: Plan) -> Result<Self, JournalError> {
        let queue = Mutex::new(Queue { forming: 1, ..Queue::default() });
        let desk = Arc::new(Desk { queue, work: Condvar::new(), answered: Condvar::new() });
        let theirs = Arc::clone(&desk);
        let thread = std::thread::Builder::new().name("sortie-journal".to_owned());
        let ended = Ended { desk: Arc::clone(&desk), news: Arc::clone(&plan.news) };
        let work = move || {
            // Dropped after the store, also if that panics.
            let _ended = ended;
            Owner { plan, desk: theirs, broken: None }.work();
        };
        thread.spawn(work).map_err(JournalError::from)?;
        Ok(Self { desk, room: Semaphore::new(MOST_WAITING) })
    }

    /// Asks the plan for something. The answer holds: everything on which it rests is durable.
    ///
    /// A request is carried out whether or not its caller still waits.
    pub(crate) async fn submit<T: Send + 'static>(
        &self,
        now: Now,
        ask: impl FnOnce(&mut Plan, Now) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let closed = || JournalError::new(JournalErrorKind::Closed);
        let _room = self.room.acquire().await.map_err(|_| closed())?;
        let (sender, answer) = oneshot::channel();
        // Whether or not anybody still waits for the answer.
        let ask = Box::new(move |plan: Result<&mut Plan, &JournalError>, now: Now| match plan {
            Ok(plan) => {
                let planned = ask(plan, now);
                let answer = move |durable: Result<(), &JournalError>| {
                    let _ = sender.send(durable.map_err(JournalError::clone).and(planned));
                };
                Some(Box::new(answer) as Answer)
            }
            Err(error) => {
                let _ = sender.send(Err(error.clone()));
                None
            }
        });
        if !self.desk.post(Request { now, ask }) {
            return Err(closed());
        }
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Takes no further requests; what waits is carried out, then the store is closed.
    pub(crate) fn close(&self) {
        self.desk.queue().closed = true;
        self.desk.work.notify_all();
    }

    /// Waits until the store is closed. A paused clock stands still meanwhile.
    pub(crate) async fn closed(&self) {
        let desk = Arc::clone(&self.desk);
        #[expect(
            clippy::disallowed_methods,
            reason = "it holds no code of anybody's, and ends with the store"
        )]
        let closed = tokio::task::spawn_blocking(move || {
            let queue = desk.queue();
            drop(desk.answered.wait_while(queue, |queue| !queue.ended));
        });
        // Cancelled only where the runtime ends.
        let _ = closed.await;
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.close();
    }
}

impl Desk {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Queues a request. `false` if nobody would ever carry it out.
    fn post(self: &Arc<Self>, request: Request) -> bool {
        let mut queue = self.queue();
        if queue.closed {
            return false;
        }
        queue.requests.push(request);
        let batch = queue.forming;
        let first = queue.awaited < batch;
        queue.awaited = batch;
        drop(queue);
        self.work.notify_one();
        if first {
            self.hold_the_clock(batch);
        }
        true
    }

    /// Waits for the batch on a blocking thread of the runtime: a test's paused clock stands still as long as one is
    /// busy, and otherwise would jump to the next timer while the disk is written to. One for all who wait for the batch.
    fn hold_the_clock(self: &Arc<Self>, batch: u64) {
        let desk = Arc::clone(self);
        #[expect(
            clippy::disallowed_methods,
            reason = "it holds no code of anybody's, and ends with the batch"
        )]
        tokio::task::spawn_blocking(move || {
            let queue = desk.queue();
            let over = |queue: &mut Queue| queue.answered < batch && !queue.ended;
            drop(desk.answered.wait_while(queue, over));
        });
    }
}

/// The thread that owns the store.
struct Owner {
    plan: Plan,
    desk: Arc<Desk>,
    /// Why the store must be opened again before anything is written.
    broken: Option<JournalError>,
}

impl Owner {
    fn work(mut self) {
        while let Some((batch, requests)) = self.take() {
            self.carry_out(requests);
            self.desk.queue().answered = batch;
            self.desk.answered.notify_all();
        }
    }

    /// The next batch; `None` at the end.
    fn take(&self) -> Option<(u64, Vec<Request>)> {
        let queue = self.desk.queue();
        let idle = |queue: &mut Queue| queue.requests.is_empty() && !queue.closed;
        let mut queue =
            self.desk.work.wait_while(queue, idle).unwrap_or_else(std::sync::PoisonError::into_inner);
        if queue.requests.is_empty() {
            return None;
        }
        let batch = queue.forming;
        queue.forming += 1;
        Some((batch, std::mem::take(&mut queue.requests)))
    }

    fn carry_out(&mut self, requests: Vec<Request>) {
        let mut answers = Vec::with_capacity(requests.len());
        let queued = pass("journal.queued").map_err(JournalError::from).err();
        let mut broken = queued.or_else(|| requests.first().and_then(|first| self.heal(first.now)));
        for Request { now, ask } in requests {
            answers.extend(ask(broken.as_ref().map_or(Ok(&mut self.plan), Err), now));
            if self.plan.changes() >= LARGEST_BATCH {
                broken = broken.or(self.commit(&mut answers));
            }
        }
        self.commit(&mut answers);
    }

    /// Commits what was planned, and tells those who asked for it. Gives the error for those who come later.
    fn commit(&mut self, answers: &mut Vec<Answer>) -> Option<JournalError> {
        let error = self.write().err();
        if let Some(error) = &error {
            tracing::error!(%error, "a commit of the journal has failed");
            self.broken = Some(error.clone());
            // Whoever runs launches may have nothing to do, and has to learn that the journal does not work.
            self.plan.news.ready.send_replace(());
        }
        for answer in answers.drain(..) {
            answer(error.as_ref().map_or(Ok(()), Err));
        }
        error
    }

    /// Makes what was planned durable, if anything was.
    fn write(&mut self) -> Result<(), JournalError> {
        if self.broken.is_some() || !self.plan.is_dirty() {
            return Ok(());
        }
        pass("journal.planned")?;
        self.plan.commit()?;
        // From here on nothing can fail: the answers have only to arrive.
        let _ = pass("journal.synced");
        Ok(())
    }

    /// Opens the store again if the last commit has failed. Gives the error for as long as that fails too.
    fn heal(&mut self, now: Now) -> Option<JournalError> {
        let error = self.broken.take()?;
        if error.kind() == JournalErrorKind::NotSynced {
            self.broken = Some(error.clone());
            return Some(error);
        }
        if let Err(error) = self.plan.reopen(now) {
            self.broken = Some(error.clone());
            return Some(error);
        }
        tracing::info!("the journal works again");
        None
    }
}

/// Tells everybody that the thread has ended, however it did.
struct Ended {
    desk: Arc<Desk>,
    news: Arc<News>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        let mut queue = self.desk.queue();
        queue.closed = true;
        // Whoever still waits learns it with the request.
        let requests = std::mem::take(&mut queue.requests);
        drop(queue);
        drop(requests);
        // Who waits for news asks again, and learns that there will be none.
        self.news.ready.send_replace(());
        self.news.ends.close();
        // At last, because until then a paused clock stands still.
        self.desk.queue().ended = true;
        self.desk.answered.notify_all();
    }
}
