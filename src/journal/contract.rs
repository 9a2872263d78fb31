//! What a system asks of a journal.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures::stream::BoxStream;

use super::JournalError;
use super::clock::WallClock;
use super::exchange::{Appended, Claim, Claims, FailedAttempt, Intent, Moved, Refused, Swept, Want};
use super::launch_record::{LaunchCounts, LaunchFilter, LaunchRecord};
use crate::outcome::LaunchId;

/// The answer of a journal.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, JournalError>> + Send + 'a>>;

/// The durable store of launches: of what shall be run, what runs, and what came out.
///
/// It is the seam below a [`System`](crate::System): [`SledJournal`](crate::SledJournal) and
/// [`MemoryJournal`](crate::MemoryJournal) implement it, and so may a database of yours. A journal moves launches between
/// states; it runs nothing. Its rules, which hold for every method:
///
/// - **What an answer says is durable**, as far as [`durability`](Journal::durability) promises, when its future resolves.
/// - **An error says nothing.** What was asked for may be durable or not; asking again must do no harm, and where it could,
///   the fence of a [`Claim`] or the key of an [`Intent`] sees to it.
/// - **Dropping a future does not take back** what it asked for. It may be carried out or not.
/// - **An attempt is concluded once.** The first `complete`, `fail`, `release` or `park` that is durable counts; later
///   ones, and those of earlier attempts or epochs, are [`Refused`](super::Refused).
/// - **Nothing that was recorded vanishes**, but for done and cancelled launches whose retention is over, dead ones that are
///   kept for longer than [`Scope::retain_dead`], and those that are discarded.
///
/// - **A panic costs its request.** A system contains every call of a journal that is not the crate's own, every poll of what
///   it returns, and its drop. The request has failed with the kind
///   [`Panicked`](super::JournalErrorKind::Panicked), and may be made again; where [`changes`](Journal::changes) panics or ends
///   before the journal is closed, it is called again a second later. Nothing bounds how long an answer takes.
///
/// # Lives
///
/// A journal belongs to one system and has one life: [`start`](Journal::start) begins it and raises the epoch,
/// [`close`](Journal::close) ends it. Before and after, every method fails with
/// [`JournalErrorKind::Closed`](super::JournalErrorKind::Closed).
pub trait Journal: Send + Sync + 'static {
    /// Begins the life of the journal: raises the epoch durably, and brings back what ran when the last life ended.
    ///
    /// Launches that ran then have crashed: they wait for another attempt at once, as suspects; or are dead, if that was one
    /// crash too many; or ambiguous, if they were to run at most once; or cancelled, if somebody had asked for that. It may be
    /// interrupted at any time and begun again.
    ///
    /// # Errors
    /// With the kind [`InUse`](super::JournalErrorKind::InUse) if it has been started before.
    fn start(&self, scope: Scope) -> Answer<'_, ()>;

    /// Records intents, each for itself and in their order: some may be recorded and others not. The answers are in that order.
    fn append(&self, intents: Vec<Intent>) -> Answer<'_, Vec<Appended>>;

    /// Claims at most `max` launches that may start now, of each agent at most as many as are wanted. Their attempts have
    /// begun as far as the journal is concerned, and their inputs are read; a launch whose input cannot be read is parked
    /// instead.
    ///
    /// Agents take turns; within an agent it is priority, then due time, then age, and the oldest of all at every eighth
    /// start. Of the suspects, one at a time runs, and so of each lane: that which was recorded first, of those that are not
    /// done, dead or cancelled.
    fn claim<'a>(&'a self, wants: &'a [Want], max: usize) -> Answer<'a, Claims>;

    /// Yields when there may be something to claim that there was not before, and at once if so since it was last polled.
    /// What is told of is durable. Waits that end by themselves, for a due time, are not told. It ends when the journal is closed.
    fn changes(&self) -> BoxStream<'static, ()>;

    /// Concludes an attempt with its output: the launch is done, also if it was cancelled meanwhile.
    fn complete<'a>(&'a self, claim: &'a Claim, output: &'a [u8]) -> Answer<'a, Moved>;

    /// Concludes an attempt that has failed: the launch waits for another one, or is dead, or ambiguous, or cancelled.
    fn fail<'a>(&'a self, claim: &'a Claim, failed: FailedAttempt) -> Answer<'a, Moved>;

    /// Gives an attempt back: it counts neither as a failure nor as a crash. `begun` says whether its body was.
    fn release<'a>(&'a self, claim: &'a Claim, begun: bool) -> Answer<'a, Moved>;

    /// Gives back every attempt of these agents that stands as running in this life: whoever made them is gone. The bodies of
    /// those launches that are in `begun` had begun, the others had not. Says how many launches wait for another attempt.
    fn release_all<'a>(&'a self, agents: &'a [String], begun: &'a [LaunchId]) -> Answer<'a, usize>;

    /// The same without the launches that are in `running`: code of their attempts still runs. Each of them is given back with
    /// [`release`](Journal::release) when it has ended.
    ///
    /// `None` if the journal cannot leave launches out, which is so unless this is implemented: nothing was given back then,
    /// and the caller calls `release_all` when no code runs any more.
    fn release_all_but<'a>(
        &'a self,
        agents: &'a [String],
        begun: &'a [LaunchId],
        running: &'a [LaunchId],
    ) -> Answer<'a, Option<usize>> {
        let _ = (agents, begun, running);
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Gives an attempt back whose input this process cannot read, and does not claim the launch again in this life.
    fn park<'a>(&'a self, claim: &'a Claim) -> Answer<'a, Moved>;

    /// A suspect waits for another launch, and executes no code until it has it: another suspect may run. While it is suspended it
    /// does not stand as a suspect: a death of the process makes it one again, and is not counted as a crash of it. An attempt
    /// that is not a [suspect's](Claim::suspect), or that is suspended already, is left as it is.
    ///
    /// Asked for only where [`Claim::suspect`] says so. Unless it is implemented, the suspect stays the one that runs, and a
    /// suspect that waits for another one waits for ever.
    fn suspend_suspect<'a>(&'a self, claim: &'a Claim) -> Answer<'a, Moved> {
        let _ = claim;
        Box::pin(std::future::ready(Ok(Ok(()))))
    }

    /// A suspect that was [suspended](Journal::suspend_suspect) is to go on: it stands as a suspect again, and is the one that
    /// runs. `true` once that is durable, and for an attempt that is not suspended. `false` while another suspect runs: it is to
    /// be asked again after the next of [`changes`](Journal::changes). Those that are to go on come before suspects that wait
    /// to be claimed, in the order in which this was first asked for them.
    ///
    /// An attempt that ends or is given back while it is suspended is treated as that of the suspect that it was.
    fn resume_suspect<'a>(&'a self, claim: &'a Claim) -> Answer<'a, Result<bool, Refused>> {
        let _ = claim;
        Box::pin(std::future::ready(Ok(Ok(true))))
    }

    /// Nobody wants a launch any more. One that waits is cancelled; one that runs is when its attempt ends, unless that
    /// gives a value. Refused if it has ended.
    fn cancel(&self, id: LaunchId) -> Answer<'_, Moved>;

    /// Gives a dead or ambiguous launch a new series of attempts. Refused if it is neither.
    fn requeue(&self, id: LaunchId) -> Answer<'_, Moved>;

    /// Ends a dead or ambiguous launch as done, with an output that somebody knows. Refused if it is neither.
    fn settle<'a>(&'a self, id: LaunchId, output: &'a [u8]) -> Answer<'a, Moved>;

    /// Removes a dead, ambiguous or parked launch with its payloads. From then on its id is unknown, whoever waits for it is
    /// told so, and its key is free: launching under it again records another launch. Refused if it is none of these.
    fn discard(&self, id: LaunchId) -> Answer<'_, Moved>;

    /// What is recorded of a launch; `None` if there is none with this id.
    fn get(&self, id: LaunchId) -> Answer<'_, Option<LaunchRecord>>;

    /// What is recorded of the launch under this key of an agent.
    fn by_key<'a>(&'a self, agent: &'a str, key: &'a str) -> Answer<'a, Option<LaunchRecord>>;

    /// At most `max` of the launches that are meant, in the order in which they were recorded, beyond `after`. Fewer than
    /// `max` mean that there are no more.
    ///
    /// It is no snapshot: launches that move while it reads stand in the result as they were found.
    fn scan<'a>(
        &'a self,
        filter: &'a LaunchFilter,
        after: Option<LaunchId>,
        max: usize,
    ) -> Answer<'a, Vec<LaunchRecord>>;

    /// The input of a launch. `None` if there is no such launch, or its input is gone: that of a launch which is done or
    /// cancelled is removed.
    fn input(&self, id: LaunchId) -> Answer<'_, Option<Vec<u8>>>;

    /// The output of a launch that is done.
    fn output(&self, id: LaunchId) -> Answer<'_, Option<Vec<u8>>>;

    /// Waits until a launch has ended, durably. `None` if there is none with this id. May be dropped at any time.
    fn ended(&self, id: LaunchId) -> Answer<'_, Option<LaunchRecord>>;

    /// Removes at most `max` launches that are done or cancelled, and whose retention is over, with their payloads and their
    /// keys; and those that are dead for longer than [`Scope::retain_dead`], if that is set. All others stay, however old they
    /// are. What has begun to be removed is unknown to every other method, and its
    /// key is free.
    ///
    /// It is called again and again while the system lives. One call is a small piece of work, so that nobody else waits for
    /// it: it may remove fewer than there are, or none and only a part of a large payload. [`Swept::next`] says when
    /// there is more to do.
    ///
    /// Nothing is removed while the clock cannot be trusted: from when it has gone an hour further, or less far, than time
    /// has since the last call or the start, until it is back or the next life begins. [`Swept::suspended`] says so.
    fn sweep(&self, max: usize) -> Answer<'_, Swept>;

    /// How many launches stand how, as of the last commit, without looking at any of them. `None` unless implemented: the
    /// journal cannot tell that cheaply.
    fn counts(&self) -> Option<LaunchCounts> {
        None
    }

    /// What an answer promises.
    fn durability(&self) -> Durability;

    /// What the journal can take.
    fn capabilities(&self) -> Capabilities;

    /// The last handle of the system was dropped: the journal will be closed as soon as what runs has ended. Requests go on until
    /// then. A journal may let the next opening of its place wait for that; it need not do anything, and does not unless
    /// implemented.
    fn ending(&self) {}

    /// Ends the life of the journal: takes no further requests. Those that wait are answered.
    fn close(&self);

    /// Waits until everything is answered and the journal is free for another life. `close` must have been called.
    fn closed(&self) -> Answer<'_, ()>;
}

/// What a journal is told about the system that it belongs to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Scope {
    /// The agents that are registered in this process. Launches of others are parked.
    pub agents: HashSet<String>,
    /// Names under which agents were known before, each with the name of today. A launch that was recorded under such a name
    /// belongs to the agent of today: that one claims it, keys of both names are one set, and of two launches under one key
    /// the latest counts. Every name that a journal gives is the one of today; what is recorded does not change.
    pub aliases: BTreeMap<String, String>,
    /// How many launches that have not ended there may be.
    pub most_pending: usize,
    /// How long dead launches are kept after they died. `None` keeps them until an operator decides about each.
    pub retain_dead: Option<Duration>,
    /// The clock of all times that are stored.
    pub clock: WallClock,
}

impl Scope {
    /// A system with these agents, without aliases or a bound on pending launches, that keeps dead launches, and with the clock
    /// of the machine.
    pub fn new(agents: impl IntoIterator<Item = String>) -> Self {
        let (agents, clock) = (agents.into_iter().collect(), WallClock::default());
        Self { agents, aliases: BTreeMap::new(), most_pending: usize::MAX, retain_dead: None, clock }
    }

    /// The name of today of the agent that had this name.
    pub fn name_today<'a>(&'a self, name: &'a str) -> &'a str {
        self.aliases.get(name).map_or(name, String::as_str)
    }
}

/// What survives which crash, once a journal has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Everything is lost with the process.
    Memory,
    /// Committed and synced: it survives the death of the process, a crash of the kernel and a power cut, as far as the disk
    /// keeps what it says it has synced.
    Immediate,
    /// Launches, and outcomes of launches that run at least once, are acknowledged at once, and committed and synced within
    /// this interval or after 256 changes. A crash of whatever kind loses at most what was acknowledged in the last interval,
    /// the latest first; an outcome that is lost means another attempt. Everything else is synced before it is acknowledged:
    /// the beginnings of attempts, cancellations, outcomes of launches that run at most once, and whatever is read.
    Buffered(Duration),
}

/// What a journal can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// How long an input or an output may be, in bytes.
    pub longest_payload: usize,
}
