//! Group commit: many requests, one thread that owns the store, one sync for all that wait.
//!
//! The callers' side: the queue, and how a paused clock is held. The thread's side is the `Owner`.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Semaphore, oneshot};

use super::ledger::Now;
use super::owner::Owner;
use super::plan::Plan;
use super::waiting::News;
use crate::journal::{JournalError, JournalErrorKind};
use crate::user_code::{EachContained, contain, contain_waker};

/// How many requests may wait at once; more wait outside.
const MOST_WAITING: usize = 1024;

/// The way to the thread that owns the store.
pub(crate) struct Committer {
    desk: Arc<Desk>,
    room: Semaphore,
}

/// What callers and the thread share.
#[derive(Default)]
pub(super) struct Desk {
    queue: Mutex<Queue>,
    /// There is something to do.
    pub(super) work: Condvar,
    /// There is nothing left to do.
    rests: Condvar,
}

#[derive(Default)]
pub(super) struct Queue {
    pub(super) requests: Vec<Request>,
    /// Requests are being carried out, or have been answered and wait for their commit.
    pub(super) busy: bool,
    /// A blocking task of the runtime waits until that is over.
    held: bool,
    /// Nothing more is taken.
    pub(super) closed: bool,
    /// The store is closed: nothing more is answered.
    ended: bool,
}

/// What is asked of the plan, and how the answer gets back once it is durable.
pub(super) struct Request {
    pub(super) now: Now,
    pub(super) ask: Box<Ask>,
}

/// Plans what was asked for, or passes on why nothing can be planned.
pub(super) type Ask = dyn FnOnce(Result<&mut Plan, &JournalError>, Now) -> Option<Answer> + Send;

/// Told whether what was planned is durable.
pub(super) type Answer = Box<dyn FnOnce(Result<(), &JournalError>) + Send>;

impl Committer {
    /// Gives `plan` to a thread of its own, which ends when the committer is closed or dropped. With an interval, some
    /// answers come before their commit, which then follows within the interval.
    pub(crate) fn start(plan: Plan, interval: Option<Duration>) -> Result<Self, JournalError> {
        let desk = Arc::<Desk>::default();
        let theirs = Arc::clone(&desk);
        let thread = std::thread::Builder::new().name("sortie-journal".to_owned());
        let ended = Ended { desk: Arc::clone(&desk), news: Arc::clone(&plan.news) };
        let work = move || {
            // Dropped after the store, also if that panics.
            let _ended = ended;
            Owner::new(plan, theirs, interval).work();
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
        let _room = match self.room.try_acquire() {
            Ok(room) => room,
            Err(_) => contain_waker(self.room.acquire()).await.map_err(|_| closed())?,
        };
        let (sender, answer) = oneshot::channel();
        // Whether or not anybody still waits for the answer.
        let ask = Box::new(move |plan: Result<&mut Plan, &JournalError>, now: Now| match plan {
            Ok(plan) => {
                let planned = ask(plan, now);
                let answer = move |durable: Result<(), &JournalError>| {
                    send(sender, durable.map_err(JournalError::clone).and(planned));
                };
                Some(Box::new(answer) as Answer)
            }
            Err(error) => {
                send(sender, Err(error.clone()));
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
            drop(desk.rests.wait_while(queue, |queue| !queue.ended));
        });
        // Cancelled only where the runtime ends.
        let _ = closed.await;
    }
}

/// Answers. The waker of who waits may be the user's: the thread of the store does not end with it.
fn send<T>(sender: oneshot::Sender<T>, answer: T) {
    let _ = contain(|| drop(sender.send(answer)));
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.close();
    }
}

impl Desk {
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a request. `false` if nobody would ever carry it out.
    fn post(self: &Arc<Self>, request: Request) -> bool {
        let mut queue = self.queue();
        if queue.closed {
            return false;
        }
        queue.requests.push(request);
        let held = std::mem::replace(&mut queue.held, true);
        drop(queue);
        self.work.notify_one();
        if !held {
            self.hold_the_clock();
        }
        true
    }

    /// The thread has nothing left to do.
    pub(super) fn rest(&self, queue: &mut Queue) {
        if std::mem::take(&mut queue.busy) {
            self.rests.notify_all();
        }
    }

    /// Waits on a blocking thread of the runtime until the journal rests: a test's paused clock stands still as long as one
    /// is busy, and otherwise would jump to the next timer while the disk is written to. One for all who wait.
    fn hold_the_clock(self: &Arc<Self>) {
        let mut hold = Hold(Some(Arc::clone(self)));
        // Only the clock of a runtime with one thread can be paused; outside of a runtime there is none.
        let flavor = Handle::try_current().map(|runtime| runtime.runtime_flavor());
        if !matches!(flavor, Ok(RuntimeFlavor::CurrentThread)) {
            return;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "it holds no code of anybody's, and ends when the journal rests"
        )]
        tokio::task::spawn_blocking(move || {
            let Some(desk) = hold.0.take() else { return };
            let works = |queue: &mut Queue| (queue.busy || !queue.requests.is_empty()) && !queue.ended;
            let queue = desk.rests.wait_while(desk.queue(), works);
            // Under the lock: who posts from here on finds that nobody waits.
            queue.unwrap_or_else(PoisonError::into_inner).held = false;
        });
    }
}

/// One who is to hold the clock. A runtime that ends drops it before it could; then another one must.
struct Hold(Option<Arc<Desk>>);

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(desk) = &self.0 {
            desk.queue().held = false;
        }
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
        drop(EachContained(requests));
        // Who waits for news asks again, and learns that there will be none.
        self.news.tell_ready();
        self.news.ends.close();
        // At last, because until then a paused clock stands still.
        self.desk.queue().ended = true;
        self.desk.rests.notify_all();
    }
}
