//! A journal that is not the crate's own: every call of it is contained.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use tokio::time::sleep;

use super::contract::{Answer, Capabilities, Durability, Journal, Scope};
use super::exchange::{Appended, Claim, Claims, FailedAttempt, Intent, Moved, Refused, Swept, Want};
use super::launch_record::{LaunchCounts, LaunchFilter, LaunchRecord};
use super::{JournalError, JournalErrorKind};
use crate::outcome::LaunchId;
use crate::sync::lock;
use crate::user_code::{Contained, contain, printable};

/// How long after a panic, or an end that was not ordered, the changes of a journal are asked for again.
const PAUSE: Duration = Duration::from_secs(1);

/// How many changes are told one after the other, and how long none is told then: a stream that is never pending holds up
/// nothing else.
const AT_A_STRETCH: u32 = 32;
const REST: Duration = Duration::from_millis(10);

/// Calls a journal of the user's. A panic, of a method or of what it returns, is the error of that request
/// ([`JournalErrorKind::Panicked`]); it reaches neither the service that made the request nor another request.
pub(super) struct Foreign<J> {
    journal: Arc<Contained<J>>,
    /// What the journal has last said of itself, for the case that it panics when it is asked again.
    capabilities: Mutex<Capabilities>,
    durability: Mutex<Durability>,
    counts: Mutex<Option<LaunchCounts>>,
    is_closed: Arc<AtomicBool>,
}

impl<J: Journal> Foreign<J> {
    pub(super) fn new(journal: J) -> Self {
        Self {
            journal: Arc::new(Contained::new(journal)),
            // Without an answer no limit is known: the journal itself refuses what it cannot take.
            capabilities: Mutex::new(Capabilities { longest_payload: usize::MAX }),
            durability: Mutex::new(Durability::Memory),
            counts: Mutex::default(),
            is_closed: Arc::default(),
        }
    }

    /// Asks for an answer.
    fn ask<'a, T: 'a>(
        &'a self,
        method: &'static str,
        ask: impl FnOnce(&'a J) -> Answer<'a, T>,
    ) -> Answer<'a, T>
    where
        Result<T, JournalError>: Send,
    {
        let Some(journal) = self.journal.get() else {
            return Box::pin(ready(Err(JournalError::new(JournalErrorKind::Closed))));
        };
        match contain(|| ask(journal)) {
            Ok(answer) => Box::pin(Asked { method, answer: Contained::new(answer) }),
            Err(panic) => Box::pin(ready(Err(panicked(method, &panic)))),
        }
    }

    /// Asks for a plain value; where that panics, the last one stands.
    fn look<T: Copy>(&self, method: &'static str, last: &Mutex<T>, look: impl FnOnce(&J) -> T) -> T {
        match self.journal.get().map(|journal| contain(|| look(journal))) {
            Some(Ok(value)) => *lock(last) = value,
            Some(Err(panic)) => {
                log_warn!(method, panic = %printable(&panic), "a journal panicked");
            }
            None => {}
        }
        *lock(last)
    }
}

/// An answer that is waited for.
struct Asked<'a, T> {
    method: &'static str,
    answer: Contained<Answer<'a, T>>,
}

impl<T> Future for Asked<'_, T> {
    type Output = Result<T, JournalError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Once it is ready it is not polled again.
        let Some(answer) = self.answer.get_mut() else { return Poll::Pending };
        let answered = match contain(|| answer.as_mut().poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(answered)) => answered,
            Err(panic) => Err(panicked(self.method, &panic)),
        };
        self.answer.clear();
        Poll::Ready(answered)
    }
}

fn panicked(method: &str, panic: &str) -> JournalError {
    JournalError::new(JournalErrorKind::Panicked).because(format!("`{method}` panicked: {panic}"))
}

impl<J: Journal> Journal for Foreign<J> {
    fn start(&self, scope: Scope) -> Answer<'_, ()> {
        self.ask("start", |journal| journal.start(scope))
    }

    fn append(&self, intents: Vec<Intent>) -> Answer<'_, Vec<Appended>> {
        self.ask("append", |journal| journal.append(intents))
    }

    fn claim<'a>(&'a self, wants: &'a [Want], max: usize) -> Answer<'a, Claims> {
        self.ask("claim", |journal| journal.claim(wants, max))
    }

    fn changes(&self) -> BoxStream<'static, ()> {
        let (journal, is_closed) = (Arc::clone(&self.journal), Arc::clone(&self.is_closed));
        let told = Told { journal, is_closed, changes: Contained::empty(), at_a_stretch: 0 };
        stream::unfold(told, |mut told| async move { told.next().await.then_some(((), told)) }).boxed()
    }

    fn complete<'a>(&'a self, claim: &'a Claim, output: &'a [u8]) -> Answer<'a, Moved> {
        self.ask("complete", |journal| journal.complete(claim, output))
    }

    fn fail<'a>(&'a self, claim: &'a Claim, failed: FailedAttempt) -> Answer<'a, Moved> {
        self.ask("fail", |journal| journal.fail(claim, failed))
    }

    fn release<'a>(&'a self, claim: &'a Claim, begun: bool) -> Answer<'a, Moved> {
        self.ask("release", |journal| journal.release(claim, begun))
    }

    fn release_all<'a>(&'a self, agents: &'a [String], begun: &'a [LaunchId]) -> Answer<'a, usize> {
        self.ask("release_all", |journal| journal.release_all(agents, begun))
    }

    fn release_all_but<'a>(
        &'a self,
        agents: &'a [String],
        begun: &'a [LaunchId],
        running: &'a [LaunchId],
    ) -> Answer<'a, Option<usize>> {
        self.ask("release_all_but", |journal| journal.release_all_but(agents, begun, running))
    }

    fn suspend_suspect<'a>(&'a self, claim: &'a Claim) -> Answer<'a, Moved> {
        self.ask("suspend_suspect", |journal| journal.suspend_suspect(claim))
    }

    fn resume_suspect<'a>(&'a self, claim: &'a Claim) -> Answer<'a, Result<bool, Refused>> {
        self.ask("resume_suspect", |journal| journal.resume_suspect(claim))
    }

    fn park<'a>(&'a self, claim: &'a Claim) -> Answer<'a, Moved> {
        self.ask("park", |journal| journal.park(claim))
    }

    fn cancel(&self, id: LaunchId) -> Answer<'_, Moved> {
        self.ask("cancel", |journal| journal.cancel(id))
    }

    fn requeue(&self, id: LaunchId) -> Answer<'_, Moved> {
        self.ask("requeue", |journal| journal.requeue(id))
    }

    fn settle<'a>(&'a self, id: LaunchId, output: &'a [u8]) -> Answer<'a, Moved> {
        self.ask("settle", |journal| journal.settle(id, output))
    }

    fn discard(&self, id: LaunchId) -> Answer<'_, Moved> {
        self.ask("discard", |journal| journal.discard(id))
    }

    fn get(&self, id: LaunchId) -> Answer<'_, Option<LaunchRecord>> {
        self.ask("get", |journal| journal.get(id))
    }

    fn by_key<'a>(&'a self, agent: &'a str, key: &'a str) -> Answer<'a, Option<LaunchRecord>> {
        self.ask("by_key", |journal| journal.by_key(agent, key))
    }

    fn scan<'a>(
        &'a self,
        filter: &'a LaunchFilter,
        after: Option<LaunchId>,
        max: usize,
    ) -> Answer<'a, Vec<LaunchRecord>> {
        self.ask("scan", |journal| journal.scan(filter, after, max))
    }

    fn input(&self, id: LaunchId) -> Answer<'_, Option<Vec<u8>>> {
        self.ask("input", |journal| journal.input(id))
    }

    fn output(&self, id: LaunchId) -> Answer<'_, Option<Vec<u8>>> {
        self.ask("output", |journal| journal.output(id))
    }

    fn ended(&self, id: LaunchId) -> Answer<'_, Option<LaunchRecord>> {
        self.ask("ended", |journal| journal.ended(id))
    }

    fn sweep(&self, max: usize) -> Answer<'_, Swept> {
        self.ask("sweep", |journal| journal.sweep(max))
    }

    fn counts(&self) -> Option<LaunchCounts> {
        self.look("counts", &self.counts, J::counts)
    }

    fn durability(&self) -> Durability {
        self.look("durability", &self.durability, J::durability)
    }

    fn capabilities(&self) -> Capabilities {
        self.look("capabilities", &self.capabilities, J::capabilities)
    }

    fn ending(&self) {
        self.look("ending", &Mutex::new(()), J::ending);
    }

    fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.look("close", &Mutex::new(()), J::close);
    }

    fn closed(&self) -> Answer<'_, ()> {
        self.ask("closed", J::closed)
    }
}

/// What a journal tells of its changes.
struct Told<J> {
    journal: Arc<Contained<J>>,
    is_closed: Arc<AtomicBool>,
    /// Dropped before the journal, which may be the last owner of what the stream borrows from.
    changes: Contained<BoxStream<'static, ()>>,
    at_a_stretch: u32,
}

impl<J: Journal> Told<J> {
    /// Waits for the next change; `false` once the journal is closed. Where the stream panics or ends before, it is asked for
    /// again after a moment, and that counts as a change: something may have been missed.
    async fn next(&mut self) -> bool {
        if self.changes.get().is_none() {
            let Some(journal) = self.journal.get() else { return false };
            match contain(|| journal.changes()) {
                Ok(changes) => self.changes = Contained::new(changes),
                Err(panic) => return self.pause(Some(&panic)).await,
            }
        }
        if self.at_a_stretch >= AT_A_STRETCH {
            self.at_a_stretch = 0;
            sleep(REST).await;
        }
        let Some(changes) = self.changes.get_mut() else { return false };
        let mut is_first = true;
        let next = std::future::poll_fn(|cx| {
            let polled = contain(|| changes.as_mut().poll_next(cx));
            is_first &= !matches!(polled, Ok(Poll::Pending));
            match polled {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(next)) => Poll::Ready(Ok(next)),
                Err(panic) => Poll::Ready(Err(panic)),
            }
        });
        let next = next.await;
        self.at_a_stretch = if is_first { self.at_a_stretch + 1 } else { 0 };
        match next {
            Ok(Some(())) => true,
            Ok(None) => self.pause(None).await,
            Err(panic) => self.pause(Some(&panic)).await,
        }
    }

    async fn pause(&mut self, panic: Option<&str>) -> bool {
        self.changes.clear();
        if self.is_closed.load(Ordering::Acquire) {
            return false;
        }
        let panic = panic.unwrap_or("none: the stream has ended");
        log_warn!(panic = %printable(panic), "a journal does not tell its changes: it is asked again");
        sleep(PAUSE).await;
        true
    }
}
