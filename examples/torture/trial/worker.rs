//! The child: it launches, waits and asks again, writes down what it is told, and is killed.

use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use sortie::journal::JournalErrorKind;
use sortie::{
    AgentRef, Launch, LaunchErrorKind, LaunchId, Outcome, SledJournal, System, Ticket, TicketError,
};

use super::log::{Fact, Log};
use super::order::{Again, Order};
use super::work::{self, Answer, Inputs};

/// The argument that makes a child of this program; the file with its order follows.
pub(super) const ORDER: &str = "--order";
/// How many callers launch at once.
const CALLERS: usize = 8;
/// How many launches are asked for at once.
const QUESTIONS: usize = 64;
/// How many bodies run at once.
const BODIES: usize = 16;
/// A child ends by itself after this time, in case that its parent is gone.
const LIFETIME: Duration = Duration::from_secs(120);

type Failed = Box<dyn Error + Send + Sync>;

/// Does what a child is told, if this process is one. Otherwise `None`.
pub(crate) fn run_if_ordered() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(OsStr::new(ORDER)) {
        return None;
    }
    let file = PathBuf::from(arguments.next()?);
    Some(match run(&file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("a child has failed: {error}");
            ExitCode::FAILURE
        }
    })
}

fn run(file: &Path) -> Result<(), Failed> {
    let order: Order = serde_json::from_slice(&fs::read(file)?)?;
    let log = Arc::new(Log::open(&order.log)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let worker = match Worker::open(order, Arc::clone(&log)).await {
            Ok(worker) => worker,
            Err(error) => return Ok(log.say(&Fact::Unopenable(format!("{error:#}")))?),
        };
        let done = tokio::time::timeout(LIFETIME, worker.work()).await;
        if let Err(error) = done.unwrap_or_else(|_| Err("it was not killed in time".into())) {
            log.say(&Fact::Broken(error.to_string()))?;
        }
        Ok(())
    })
}

struct Worker {
    order: Order,
    inputs: Inputs,
    log: Arc<Log>,
    system: System,
    agent: AgentRef<String, Answer>,
    opened: Instant,
    /// The next key that nothing was launched under.
    next: AtomicU64,
}

impl Worker {
    async fn open(order: Order, log: Arc<Log>) -> Result<Self, Failed> {
        let mut builder = System::builder().journal(SledJournal::open(&order.journal)?);
        builder.launch_concurrency(BODIES);
        let agent = builder.register(work::agent(Arc::clone(&log)));
        let system = builder.start().await?;
        log.say(&Fact::Opened)?;
        let (inputs, next) =
            (Inputs { seed: order.seed, payload: order.payload }, AtomicU64::new(order.first));
        Ok(Self { order, inputs, log, system, agent, opened: Instant::now(), next })
    }

    async fn work(self) -> Result<(), Failed> {
        let asked = AtomicU64::new(0);
        let questions = join_all((0..QUESTIONS).map(|_| self.ask_in_turn(&asked)));
        let callers = join_all((0..CALLERS).map(|_| self.launch_in_turn()));
        let (questions, callers) = tokio::join!(questions, callers);
        questions.into_iter().chain(callers).collect::<Result<(), _>>()?;
        if self.order.launches > 0 {
            // What was launched runs on, until the parent has had enough.
            std::future::pending::<()>().await;
        }
        self.system.shutdown(Duration::from_secs(5)).await?;
        Ok(())
    }

    /// One of those who launch. Every other launch is waited for.
    async fn launch_in_turn(&self) -> Result<(), Failed> {
        loop {
            let key = self.next.fetch_add(1, Ordering::Relaxed);
            if key >= self.order.first + self.order.launches {
                return Ok(());
            }
            if key - self.order.first >= self.order.launches / 2 {
                self.be_late().await;
            }
            let ticket = self.launch(key).await?;
            if key % 2 == 0 {
                self.result(key, &ticket).await?;
            }
        }
    }

    /// One of those who ask for what was launched before.
    async fn ask_in_turn(&self, asked: &AtomicU64) -> Result<(), Failed> {
        loop {
            let number = asked.fetch_add(1, Ordering::Relaxed) as usize;
            let Some(again) = self.order.again.get(number) else { return Ok(()) };
            if number >= self.order.again.len() / 2 {
                self.be_late().await;
            }
            self.ask(again).await?;
        }
    }

    /// Waits until the second half of everything is to be begun.
    async fn be_late(&self) {
        tokio::time::sleep(self.order.late.saturating_sub(self.opened.elapsed())).await;
    }

    /// Asks for a launch by its id, for the one before it, and under its key.
    async fn ask(&self, Again { key, id, removed, launch }: &Again) -> Result<(), Failed> {
        let key = *key;
        for id in removed.iter().chain(id) {
            self.look(key, id).await?;
        }
        if !launch {
            return Ok(());
        }
        let ticket = self.launch(key).await?;
        // One that may be removed at any time can make way for the other input.
        if work::retention(key).is_none() {
            self.ask_with_other_input(key).await?;
        }
        if self.order.wait {
            return self.result(key, &ticket).await;
        }
        match ticket.try_result().await {
            Ok(outcome) => outcome.map_or(Ok(()), |outcome| self.tell(key, ticket.id(), outcome)),
            Err(error) => self.excuse(key, ticket.id(), error),
        }
    }

    /// Asks for a launch by its id, and for all that it has given: it is there as a whole, or not at all.
    async fn look(&self, key: u64, id: &str) -> Result<(), Failed> {
        let id = id.parse::<LaunchId>()?;
        let ticket = self.system.ticket::<Answer>(id).ok_or("there is no journal")?;
        let outcome = match ticket.try_result().await {
            Ok(outcome) => outcome,
            Err(error) => return self.excuse(key, id, error),
        };
        self.log.say(&Fact::There { key, id: id.to_string() })?;
        outcome.map_or(Ok(()), |outcome| self.tell(key, id, outcome))
    }

    /// Asks under a key with another input.
    async fn ask_with_other_input(&self, key: u64) -> Result<(), Failed> {
        let fact = match self.prepare(key, self.inputs.other(key)).await {
            Ok(other) => Fact::Forked { key, id: other.id().to_string() },
            Err(error) => match error.kind() {
                LaunchErrorKind::KeyConflict(id) => Fact::Conflict { key, id: id.to_string() },
                _ => return Err(error.into()),
            },
        };
        Ok(self.log.say(&fact)?)
    }

    /// Writes down that there is no launch, or nothing to be read of it. Any other error is one of the trial.
    fn excuse(&self, key: u64, id: LaunchId, error: TicketError) -> Result<(), Failed> {
        let id = id.to_string();
        let why = format!("{error:#}");
        let fact = match error {
            TicketError::Unknown(_) => Fact::Gone { key, id },
            TicketError::BadOutput { .. } => Fact::Unreadable { key, id, why },
            TicketError::Journal(error) if error.kind() == JournalErrorKind::Corrupt => {
                Fact::Unreadable { key, id, why }
            }
            error => return Err(error.into()),
        };
        Ok(self.log.say(&fact)?)
    }

    /// What every launch of the trial is.
    fn prepare(&self, key: u64, input: String) -> Launch<Answer> {
        // However often its process is killed, a launch is not given up.
        let launch = self.system.launch(&self.agent, input).key(key).max_crashes(u32::MAX);
        match work::retention(key) {
            Some(time) => launch.retain(time),
            None => launch,
        }
    }

    async fn launch(&self, key: u64) -> Result<Ticket<Answer>, Failed> {
        self.log.say(&Fact::Try { key })?;
        let ticket = self.prepare(key, self.inputs.of(key)).await?;
        let (id, known) = (ticket.id().to_string(), ticket.is_known());
        self.log.say(&Fact::Acknowledged { key, id, known })?;
        Ok(ticket)
    }

    async fn result(&self, key: u64, ticket: &Ticket<Answer>) -> Result<(), Failed> {
        match ticket.result().await {
            Ok(outcome) => self.tell(key, ticket.id(), outcome),
            Err(error) => self.excuse(key, ticket.id(), error),
        }
    }

    /// Writes down how a launch has ended.
    fn tell(&self, key: u64, id: LaunchId, outcome: Outcome<Answer>) -> Result<(), Failed> {
        let id = id.to_string();
        let fact = match outcome {
            Ok(answer) if self.inputs.is_answer(&answer, key) => {
                Fact::Done { key, id, output: answer.digest() }
            }
            Ok(_) => Fact::Wrong { key, id },
            Err(failure) => Fact::Failed { key, id, why: format!("{failure:#}") },
        };
        Ok(self.log.say(&fact)?)
    }
}
