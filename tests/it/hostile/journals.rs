//! Journals of the user's.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::stream::{self, BoxStream, StreamExt};
use sortie::journal::{
    Answer, Appended, Capabilities, Claim, Claims, FailedAttempt, Intent, Journal, Moved, Scope, Swept, Want,
};
use sortie::{
    Backoff, Durability, JournalError, JournalErrorKind, LaunchErrorKind, LaunchFilter, LaunchId,
    LaunchRecord, LaunchStatus, MemoryJournal, Restart, System, TicketError, agent_fn,
};
use tokio::time::sleep;

use super::errors::{HOSTILITIES, Hostile};
use super::{Bomb, innocent, is_well};
use crate::support::SECOND;

/// What goes wrong in a method.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Trouble {
    /// It panics when it is called.
    Call,
    /// What it returns panics when it is polled.
    Poll,
    /// It fails, with the hostile error of this number inside.
    Error(usize),
    /// The stream of the changes ends at once.
    End,
    /// The stream of the changes is never pending.
    Flood,
}

/// A journal that works, but for some calls of one method.
struct Unsteady {
    inner: MemoryJournal,
    plan: Plan,
    _bomb: Bomb,
}

#[derive(Clone)]
struct Plan {
    method: &'static str,
    trouble: Trouble,
    /// How many calls are still to go wrong, and how many have.
    left: Arc<AtomicUsize>,
    hits: Arc<AtomicUsize>,
}

impl Plan {
    fn new(method: &'static str, trouble: Trouble, times: usize) -> Self {
        let (left, hits) = (Arc::new(AtomicUsize::new(times)), Arc::default());
        Self { method, trouble, left, hits }
    }

    /// Whether this call goes wrong.
    fn strikes(&self, method: &str) -> bool {
        let strikes = method == self.method
            && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        self.hits.fetch_add(usize::from(strikes), Ordering::SeqCst);
        strikes
    }

    fn look(&self, method: &str) {
        assert!(!self.strikes(method), "in {method}");
    }

    fn ask<'a, T: Send + 'a>(&self, method: &str, ask: impl FnOnce() -> Answer<'a, T>) -> Answer<'a, T> {
        if !self.strikes(method) {
            return ask();
        }
        match self.trouble {
            Trouble::Poll => Box::pin(async { panic!("in the answer") }),
            Trouble::Error(number) => {
                let error = std::io::Error::other(Hostile(HOSTILITIES[number]));
                Box::pin(ready(Err(JournalError::from(error))))
            }
            _ => panic!("in {method}"),
        }
    }
}

impl Journal for Unsteady {
    fn start(&self, scope: Scope) -> Answer<'_, ()> {
        self.plan.ask("start", || self.inner.start(scope))
    }
    fn append(&self, intents: Vec<Intent>) -> Answer<'_, Vec<Appended>> {
        self.plan.ask("append", || self.inner.append(intents))
    }
    fn claim<'a>(&'a self, wants: &'a [Want], max: usize) -> Answer<'a, Claims> {
        self.plan.ask("claim", || self.inner.claim(wants, max))
    }
    fn changes(&self) -> BoxStream<'static, ()> {
        if !self.plan.strikes("changes") {
            return self.inner.changes();
        }
        match self.plan.trouble {
            Trouble::Poll => stream::once(async { panic!("in the changes") }).boxed(),
            Trouble::End => stream::empty().boxed(),
            Trouble::Flood => stream::repeat(()).boxed(),
            _ => panic!("in changes"),
        }
    }
    fn complete<'a>(&'a self, claim: &'a Claim, output: &'a [u8]) -> Answer<'a, Moved> {
        self.plan.ask("complete", || self.inner.complete(claim, output))
    }
    fn fail<'a>(&'a self, claim: &'a Claim, failed: FailedAttempt) -> Answer<'a, Moved> {
        self.plan.ask("fail", || self.inner.fail(claim, failed))
    }
    fn release<'a>(&'a self, claim: &'a Claim, begun: bool) -> Answer<'a, Moved> {
        self.plan.ask("release", || self.inner.release(claim, begun))
    }
    fn release_all<'a>(&'a self, agents: &'a [String], begun: &'a [LaunchId]) -> Answer<'a, usize> {
        self.plan.ask("release_all", || self.inner.release_all(agents, begun))
    }
    fn park<'a>(&'a self, claim: &'a Claim) -> Answer<'a, Moved> {
        self.plan.ask("park", || self.inner.park(claim))
    }
    fn cancel(&self, id: LaunchId) -> Answer<'_, Moved> {
        self.plan.ask("cancel", || self.inner.cancel(id))
    }
    fn requeue(&self, id: LaunchId) -> Answer<'_, Moved> {
        self.plan.ask("requeue", || self.inner.requeue(id))
    }
    fn settle<'a>(&'a self, id: LaunchId, output: &'a [u8]) -> Answer<'a, Moved> {
        self.plan.ask("settle", || self.inner.settle(id, output))
    }
    fn discard(&self, id: LaunchId) -> Answer<'_, Moved> {
        self.plan.ask("discard", || self.inner.discard(id))
    }
    fn get(&self, id: LaunchId) -> Answer<'_, Option<LaunchRecord>> {
        self.plan.ask("get", || self.inner.get(id))
    }
    fn by_key<'a>(&'a self, agent: &'a str, key: &'a str) -> Answer<'a, Option<LaunchRecord>> {
        self.plan.ask("by_key", || self.inner.by_key(agent, key))
    }
    fn scan<'a>(
        &'a self,
        filter: &'a LaunchFilter,
        after: Option<LaunchId>,
        max: usize,
    ) -> Answer<'a, Vec<LaunchRecord>> {
        self.plan.ask("scan", || self.inner.scan(filter, after, max))
    }
    fn input(&self, id: LaunchId) -> Answer<'_, Option<Vec<u8>>> {
        self.plan.ask("input", || self.inner.input(id))
    }
    fn output(&self, id: LaunchId) -> Answer<'_, Option<Vec<u8>>> {
        self.plan.ask("output", || self.inner.output(id))
    }
    fn ended(&self, id: LaunchId) -> Answer<'_, Option<LaunchRecord>> {
        self.plan.ask("ended", || self.inner.ended(id))
    }
    fn sweep(&self, max: usize) -> Answer<'_, Swept> {
        self.plan.ask("sweep", || self.inner.sweep(max))
    }
    fn durability(&self) -> Durability {
        self.plan.look("durability");
        self.inner.durability()
    }
    fn capabilities(&self) -> Capabilities {
        self.plan.look("capabilities");
        self.inner.capabilities()
    }
    fn close(&self) {
        self.plan.look("close");
        self.inner.close();
    }
    fn closed(&self) -> Answer<'_, ()> {
        self.plan.ask("closed", || self.inner.closed())
    }
}

/// How often a method goes wrong.
const TIMES: usize = 3;

/// Asks until the journal answers. Each error is that of one request.
async fn insist<T, E>(is_the_journals: impl Fn(&E) -> bool, mut ask: impl AsyncFnMut() -> Result<T, E>) -> T
where
    E: std::fmt::Display,
{
    for _ in 0..=TIMES {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => assert!(is_the_journals(&error), "{error:#}"),
        }
    }
    panic!("a journal has failed more often than it was to");
}

/// Everything that a caller can ask of a system with such a journal.
async fn exercise(plan: Plan) {
    let what = format!("{} {:?}", plan.method, plan.trouble);
    let is_it = |error: &JournalError| match plan.trouble {
        Trouble::Error(_) => error.kind() == JournalErrorKind::Io,
        _ => error.kind() == JournalErrorKind::Panicked,
    };
    let of_ticket = |error: &TicketError| matches!(error, TicketError::Journal(error) if is_it(error));
    let mut builder =
        System::builder().journal(Unsteady { inner: MemoryJournal::new(), plan: plan.clone(), _bomb: Bomb });
    let innocent = builder.register(innocent());
    let failing = agent_fn(|(): (), _| async { Err::<u32, _>("no".into()) });
    let failing = builder.register(failing.named("failing"));
    let system = match builder.start().await {
        Ok(system) => system,
        Err(error) => {
            assert_eq!(plan.method, "start");
            return assert!(is_it(error.journal().unwrap()), "{error:#}");
        }
    };
    for n in 0..5 {
        let launch = async || {
            let launched = system.launch(&innocent, n).key(n).await;
            launched.map_err(|error| match error.kind() {
                LaunchErrorKind::Journal(error) => error.clone(),
                other => panic!("{what}: {other:?}"),
            })
        };
        let ticket = insist(&is_it, launch).await;
        let outcome = insist(of_ticket, async || ticket.result_within(600 * SECOND).await).await;
        assert_eq!(outcome.unwrap(), n + 1, "{what}");
        let found = insist(&is_it, async || system.ticket_by_key(&innocent, n).await).await;
        assert_eq!(found.unwrap().id(), ticket.id());
    }
    let restart = Restart::attempts(2).backoff(Backoff::none());
    let launch = async || match system.launch(&failing, ()).restart(restart.clone()).await {
        Ok(ticket) => Ok(ticket),
        Err(error) => match error.kind() {
            LaunchErrorKind::Journal(error) => Err(error.clone()),
            other => panic!("{what}: {other:?}"),
        },
    };
    let ticket = insist(&is_it, launch).await;
    let result = async || insist(of_ticket, async || ticket.result_within(600 * SECOND).await).await;
    assert!(result().await.is_err());
    assert!(insist(of_ticket, async || ticket.requeue().await).await);
    assert!(result().await.is_err());
    assert_eq!(insist(of_ticket, async || ticket.status().await).await, LaunchStatus::Dead);
    assert!(insist(of_ticket, async || ticket.settle(&7).await).await);
    assert_eq!(result().await.unwrap(), 7);
    assert!(!insist(of_ticket, async || ticket.cancel().await).await);
    assert!(!insist(of_ticket, async || ticket.discard().await).await);
    assert!(insist(&is_it, async || system.launches(LaunchFilter::all()).count().await).await >= 6);
    // Sweeps come once a minute at least.
    sleep(if plan.method == "sweep" { 240 * SECOND } else { SECOND }).await;
    is_well(&system);
    system.shutdown(SECOND).await.unwrap();
    let hits = plan.hits.load(Ordering::SeqCst);
    assert!(hits > 0, "{what} was not tried");
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_panics_costs_its_request() {
    let both = [
        "start",
        "append",
        "claim",
        "complete",
        "fail",
        "release_all",
        "cancel",
        "requeue",
        "settle",
        "discard",
        "get",
        "by_key",
        "scan",
        "output",
        "ended",
        "sweep",
        "changes",
        "closed",
    ];
    for method in both {
        exercise(Plan::new(method, Trouble::Call, TIMES)).await;
        exercise(Plan::new(method, Trouble::Poll, TIMES)).await;
    }
    exercise(Plan::new("capabilities", Trouble::Call, usize::MAX)).await;
    exercise(Plan::new("close", Trouble::Call, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn errors_of_a_journal_cost_their_request_whatever_is_inside_them() {
    for number in 0..HOSTILITIES.len() {
        for method in ["append", "claim", "complete", "ended", "release_all"] {
            exercise(Plan::new(method, Trouble::Error(number), TIMES)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn changes_that_end_or_never_end_stop_no_launch() {
    exercise(Plan::new("changes", Trouble::End, TIMES)).await;
    exercise(Plan::new("changes", Trouble::Flood, 1)).await;
}
