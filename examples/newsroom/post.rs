//! The post office: has notifications launched, sees earlier ones through, and counts what became of them.

use std::collections::HashSet;
use std::fmt::{self, Display};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use sortie::journal::{JournalError, JournalErrorKind};
use sortie::{
    AgentRef, LaunchError, LaunchErrorKind, LaunchFilter, LaunchId, LaunchStatus, System, Ticket, TicketError,
};

use crate::messenger::Sent;
use crate::notification::Notification;
use crate::terminal::visible;

/// How many records of launches are read at once.
const PAGE: usize = 1000;

/// How long a notification is waited for until somebody looks whether it can be sent at all.
const PATIENCE: Duration = Duration::from_secs(1);

/// Has one notification sent for each key, and watches those that are on their way.
pub(crate) struct Post {
    system: System,
    notify: AgentRef<Notification, ()>,
    sent: Sent,
    watched: HashSet<LaunchId>,
    under_way: FuturesUnordered<BoxFuture<'static, Result<Fate, TicketError>>>,
    count: Count,
}

/// What became of the notifications. The post knows of those that it was given, and of those that earlier processes had
/// left.
#[derive(Debug, Default)]
pub(crate) struct Count {
    /// Recorded by this process: nobody had under their keys.
    pub(crate) recorded: usize,
    /// Sent by this process, whoever had recorded them.
    pub(crate) sent: usize,
    /// Given to this one, and sent by an earlier process.
    pub(crate) before: usize,
    /// Out of attempts, each with its key and its last error.
    pub(crate) dead: Vec<String>,
    /// Not sent yet, and not dead: it was stopped before.
    pub(crate) left: usize,
}

/// How a launch has ended, if it has.
enum Fate {
    Done(LaunchId),
    Dead(String),
    /// It waits in the journal for the next process.
    Left(LaunchId),
}

impl Post {
    /// A post office that sees through what earlier processes have left, which the system has resumed by itself. With
    /// `requeue`, dead letters get new attempts.
    ///
    /// It reads the record of every notification there is. A service need not: resumed launches run whether or not anybody
    /// looks. This program ends, and must know when.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub(crate) async fn open(
        system: &System,
        notify: AgentRef<Notification, ()>,
        sent: Sent,
        requeue: bool,
    ) -> Result<Self, JournalError> {
        let (system, under_way) = (system.clone(), FuturesUnordered::new());
        let launches = LaunchFilter::all().agent(notify.name());
        let (watched, count) = (HashSet::new(), Count::default());
        let mut post = Self { system, notify, sent, watched, under_way, count };
        if requeue {
            post.system.launches(launches.clone().status(LaunchStatus::Dead)).requeue().await?;
        }
        let (launches, mut last) = (post.system.launches(launches), None);
        loop {
            let page = launches.page(last, PAGE).await?;
            for record in page.iter().filter(|record| record.status != LaunchStatus::Done) {
                post.watch(post.system.ticket(record.id));
            }
            last = page.last().map(|record| record.id);
            if page.len() < PAGE {
                return Ok(post);
            }
        }
    }

    /// Has a notification sent: it is recorded when this returns, unless it was before under its key, or the system is being
    /// stopped.
    ///
    /// # Errors
    /// If it could not be recorded. Then it is left, and the next run does it.
    pub(crate) async fn launch(&mut self, notification: Notification) -> Result<(), LaunchError> {
        let key = notification.key.clone();
        // The record of a launch is what keeps its key taken. Done ones are removed after a day unless they say otherwise, and
        // whoever was notified yesterday shall not be today.
        let launch = self.system.launch(&self.notify, notification).key(key).retain(Duration::MAX);
        let ticket = match launch.await {
            Ok(ticket) => {
                self.count.recorded += usize::from(!ticket.is_known());
                Some(ticket)
            }
            Err(error) => match error.kind() {
                // The same document was reviewed with another result: attempts failed then or now. Its first
                // notification is its notification.
                LaunchErrorKind::KeyConflict(id) => self.system.ticket(*id),
                LaunchErrorKind::ShuttingDown => {
                    self.count.left += 1;
                    None
                }
                _ => {
                    self.count.left += 1;
                    return Err(error);
                }
            },
        };
        self.watch(ticket);
        Ok(())
    }

    /// Counts what becomes of a launch, once: a document may be given twice.
    fn watch(&mut self, ticket: Option<Ticket<()>>) {
        if let Some(ticket) = ticket.filter(|ticket| self.watched.insert(ticket.id())) {
            self.under_way.push(Box::pin(fate(ticket)));
        }
    }

    /// Takes note of the next notification that has ended; `None` if none is on its way. It may be dropped and called
    /// again.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub(crate) async fn settle_next(&mut self) -> Option<Result<(), TicketError>> {
        let fate = self.under_way.next().await?;
        Some(fate.map(|fate| self.add(fate)))
    }

    fn add(&mut self, fate: Fate) {
        match fate {
            // Also one whose record did not make it before the end: it is out.
            Fate::Done(id) | Fate::Left(id) if self.sent.has(id) => {}
            Fate::Done(_) => self.count.before += 1,
            Fate::Left(_) => self.count.left += 1,
            Fate::Dead(why) => self.count.dead.push(why),
        }
    }

    /// What it came to, when nothing is on its way any more.
    pub(crate) fn close(mut self) -> Count {
        self.count.sent = self.sent.count();
        self.count
    }
}

/// Waits until a launch has ended, or will not in this process.
async fn fate(ticket: Ticket<()>) -> Result<Fate, TicketError> {
    let id = ticket.id();
    loop {
        match ticket.result_within(PATIENCE).await {
            Ok(Ok(())) => return Ok(Fate::Done(id)),
            Ok(Err(failure)) => return Ok(Fate::Dead(format!("{failure:#}"))),
            Err(TicketError::TimedOut { .. }) if is_parked(&ticket).await => return Ok(Fate::Left(id)),
            // Another attempt is to come.
            Err(TicketError::TimedOut { .. }) => {}
            // The system has ended.
            Err(TicketError::Journal(error)) if error.kind() == JournalErrorKind::Closed => {
                return Ok(Fate::Left(id));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether a launch waits for another program: an older one has recorded what this one cannot read.
async fn is_parked(ticket: &Ticket<()>) -> bool {
    matches!(ticket.status().await, Ok(LaunchStatus::Parked))
}

/// A line for each that is dead, for readers, and a last one for programs.
impl Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { recorded, sent, before, dead, left } = self;
        for why in dead {
            writeln!(f, "dead       {}; --requeue gives it new attempts", visible(why))?;
        }
        let dead = dead.len();
        writeln!(f, "notifications: recorded={recorded} sent={sent} before={before} dead={dead} left={left}")
    }
}
