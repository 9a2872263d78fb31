//! A history is played: on a journal and on the model at once.

mod compare;

use std::sync::Arc;
use std::time::Duration;

use sortie::journal::{
    Appended, Claim, Due, FailedAttempt, Intent, Journal, JournalError, LaunchRecord, Moved, Refused, Scope,
};
use sortie::{LaunchFilter, LaunchId};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use self::compare::{check, same, words};
use super::Breakable;
use super::model::{End, Launch, Model, Now, Stands, Wait, terms};
use super::operation::Operation;
use crate::journal_conformance::Clock;
use crate::support::{SECOND, wants};

/// How many launches may be pending.
const MOST_PENDING: usize = 9;

/// A difference between the journal and the model, in words.
type Played<T = ()> = Result<T, String>;

/// The journal and the model, and what was handed out.
pub struct Table<B: Breakable> {
    bench: B,
    clock: Clock,
    journal: Arc<B::Journal>,
    began: Instant,
    model: Model,
    /// Every claim that was ever handed out.
    claims: Vec<Claim>,
    /// Those who wait for the end of a launch in this life.
    waiting: Vec<(LaunchId, EndHeard)>,
}

/// One who waits for the end of a launch.
type EndHeard = JoinHandle<Result<Option<LaunchRecord>, JournalError>>;

fn agent(number: usize) -> String {
    ["a", "b"][number].to_owned()
}

fn agents(which: usize) -> Vec<String> {
    match which {
        0 => vec![agent(0)],
        1 => vec![agent(1)],
        _ => vec![agent(0), agent(1)],
    }
}

fn payload(number: u8, large: bool) -> Vec<u8> {
    if large { vec![number; 9000] } else { vec![number] }
}

impl<B: Breakable> Table<B> {
    /// Plays a history.
    ///
    /// # Errors
    /// The first difference.
    pub async fn play(history: &[Operation]) -> Played {
        let (bench, clock) = (B::default(), Clock::default());
        let (journal, model) = (Self::start(&bench, &clock).await?, Model::default());
        let (began, claims, waiting) = (Instant::now(), Vec::new(), Vec::new());
        let mut table = Self { bench, clock, journal, began, model, claims, waiting };
        for (position, operation) in history.iter().enumerate() {
            let at = |why: String| format!("at {position}, {operation:?}: {why}");
            table.carry_out(operation).await.map_err(at)?;
            table.compare(position).await.map_err(at)?;
        }
        table.reopen().await?;
        table.compare_payloads().await?;
        table.end_life().await?;
        table.nothing_is_left()
    }

    /// Begins a life. The start of one may fail if a commit does, and can be tried again.
    async fn start(bench: &B, clock: &Clock) -> Played<Arc<B::Journal>> {
        for _ in 0..3 {
            let mut scope = Scope::new(agents(2));
            (scope.clock, scope.most_pending) = (clock.wall(), MOST_PENDING);
            let (journal, armed) = (bench.journal(), bench.is_armed());
            match journal.start(scope).await {
                Ok(()) => return Ok(Arc::new(journal)),
                Err(error) => check("start", armed, || error.to_string())?,
            }
        }
        Err("it does not start".to_owned())
    }

    fn now(&self) -> Now {
        Now { wall: self.clock.now(), steady: self.began.elapsed() }
    }

    /// Ends the life. Who waited for a launch that has ended was told.
    async fn end_life(&mut self) -> Played {
        for (id, wait) in std::mem::take(&mut self.waiting) {
            let removed = self.model.launch(id).is_none();
            let over = self.model.launch(id).is_some_and(|launch| launch.status().is_final());
            if removed {
                timeout(SECOND, wait)
                    .await
                    .map_err(|_| format!("nobody was told that {id} is gone"))?
                    .unwrap()
                    .unwrap();
            } else if over {
                let told = timeout(SECOND, wait).await.map_err(|_| format!("nobody was told of {id}"))?;
                let status = told.unwrap().map(|record| record.map(|record| record.status.is_final()));
                same("ended", status.map_err(|error| error.kind()), Ok(Some(true)))?;
            } else {
                wait.abort();
            }
        }
        self.journal.close();
        self.journal.closed().await.map_err(|error| error.to_string())
    }

    async fn reopen(&mut self) -> Played {
        self.end_life().await?;
        // A journal on disk is free once it is gone, with all who waited.
        while Arc::strong_count(&self.journal) > 1 {
            tokio::task::yield_now().await;
        }
        self.journal = Self::start(&self.bench, &self.clock).await?;
        self.began = Instant::now();
        let now = self.now();
        self.model.next_life(now);
        Ok(())
    }

    /// The claim that is meant, counted from the last.
    fn claim_at(&self, back: usize) -> Option<Claim> {
        let last = self.claims.len().checked_sub(1)?;
        self.claims.get(last - back % (last + 1)).cloned()
    }

    /// The launch that is meant, counted from the last.
    fn launch_at(&self, back: usize) -> LaunchId {
        let launches = &self.model.launches;
        let last = launches.len().checked_sub(1);
        let nobody = || "00000000-0000-7000-8000-000000000001".parse().unwrap();
        last.map_or_else(nobody, |last| launches[last - back % (last + 1)].id)
    }

    async fn carry_out(&mut self, operation: &Operation) -> Played {
        let journal = Arc::clone(&self.journal);
        let now = self.now();
        match operation {
            Operation::Launch { agent, key, input, terms, after } => {
                self.launch(*agent, *key, *input, *terms, *after).await
            }
            Operation::Claim { agents, max } => self.claim(*agents, *max).await,
            Operation::Complete { claim, large } => {
                let Some(claim) = self.claim_at(*claim) else { return Ok(()) };
                let output = payload(claim.attempt as u8, *large);
                let answer = journal.complete(&claim, &output).await;
                self.moved(claim.id, answer, |launch| {
                    launch.conclude(&claim, End::Value(output.clone()), now)
                })
                .await
            }
            Operation::Fail { claim, by } => {
                let Some(claim) = self.claim_at(*claim) else { return Ok(()) };
                let (message, code, floor) = ("why".to_owned(), None, Duration::ZERO);
                let failed = FailedAttempt { by: *by, message, code, floor, roll: 0.5 };
                let answer = journal.fail(&claim, failed).await;
                self.moved(claim.id, answer, |launch| launch.conclude(&claim, End::Failure(*by), now)).await
            }
            Operation::Release { claim, begun } => {
                let Some(claim) = self.claim_at(*claim) else { return Ok(()) };
                let answer = journal.release(&claim, *begun).await;
                let end = || End::Release { begun: *begun };
                self.moved(claim.id, answer, |launch| launch.conclude(&claim, end(), now)).await
            }
            Operation::Park { claim } => {
                let Some(claim) = self.claim_at(*claim) else { return Ok(()) };
                let answer = journal.park(&claim).await;
                self.moved(claim.id, answer, |launch| launch.conclude(&claim, End::Park, now)).await
            }
            Operation::ReleaseAll { agent } => {
                let begun = self.model.launches.iter().filter(|launch| launch.has_begun());
                let begun: Vec<_> = begun.map(|launch| launch.id).collect();
                let answer = journal.release_all(&agents(*agent), &begun).await;
                let mut moved = self.model.clone();
                let given_back = moved.release_all(*agent, now);
                match answer {
                    Ok(count) => {
                        self.model = moved;
                        same("given back", count, given_back)
                    }
                    Err(error) => self.one_of(error, moved).await,
                }
            }
            Operation::Suspend { claim } => {
                let Some(claim) = self.claim_at(*claim) else { return Ok(()) };
                let answer = journal.suspend_suspect(&claim).await;
                let mut moved = self.model.clone();
                let expected = moved.suspend(&claim);
                self.answered(answer, expected, moved).await
            }
            Operation::Resume { claim } => {
                let Some(claim) = self.claim_at(*claim) else { return Ok(()) };
                let answer = journal.resume_suspect(&claim).await;
                let mut moved = self.model.clone();
                let expected = moved.resume(&claim);
                if answer.is_err() {
                    // It was asked for, whatever became of it.
                    self.model.returning.clone_from(&moved.returning);
                }
                self.answered(answer, expected, moved).await
            }
            Operation::Cancel { which } => {
                let id = self.launch_at(*which);
                let answer = journal.cancel(id).await;
                self.moved(id, answer, |launch| launch.cancel(now)).await
            }
            Operation::Requeue { which } => {
                let id = self.launch_at(*which);
                let answer = journal.requeue(id).await;
                self.moved(id, answer, Launch::requeue).await
            }
            Operation::Settle { which, large } => {
                let (id, output) = (self.launch_at(*which), payload(9, *large));
                let answer = journal.settle(id, &output).await;
                self.moved(id, answer, |launch| launch.settle(output.clone(), now)).await
            }
            Operation::Discard { which } => {
                let id = self.launch_at(*which);
                let answer = journal.discard(id).await;
                let mut moved = self.model.clone();
                let expected = moved.discard(id);
                self.answered(answer, expected, moved).await
            }
            Operation::Sweep { max } => self.sweep(*max).await,
            Operation::Forward(span) => {
                self.clock.forward(*span);
                Ok(())
            }
            Operation::Back(span) => {
                self.clock.back(*span);
                Ok(())
            }
            Operation::Wait(span) => {
                self.clock.pass(*span).await;
                Ok(())
            }
            Operation::Reopen => {
                drop(journal);
                self.reopen().await
            }
            Operation::Break(fault) => {
                self.bench.break_next(*fault);
                Ok(())
            }
        }
    }

    /// The answer to what moves a launch, and what the model says to it.
    async fn moved(
        &mut self,
        id: LaunchId,
        answer: Result<Moved, JournalError>,
        step: impl Fn(&mut Launch) -> Result<(), Refused>,
    ) -> Played {
        let mut moved = self.model.clone();
        let expected = moved.launch(id).map_or(Err(Refused::Unknown), step);
        self.answered(answer, expected, moved).await
    }

    /// An answer of the journal, what the model says to it, and the model after that.
    async fn answered<T: PartialEq + std::fmt::Debug>(
        &mut self,
        answer: Result<T, JournalError>,
        expected: T,
        moved: Model,
    ) -> Played {
        match answer {
            Ok(answer) => {
                self.model = moved;
                same("answer", answer, expected)
            }
            Err(error) => self.one_of(error, moved).await,
        }
    }

    /// An error says nothing: what was asked for is there, or is not.
    async fn one_of(&mut self, error: JournalError, moved: Model) -> Played {
        check("error", !self.bench.is_armed(), || format!("{error}, before a commit has failed"))?;
        let told = self.records().await?;
        let model = |model: &Model| model.launches.iter().map(words).collect::<Vec<_>>();
        if told == model(&moved) {
            self.model = moved;
        }
        Ok(())
    }

    async fn launch(
        &mut self,
        name: usize,
        key: Option<u8>,
        input: u8,
        kind: usize,
        after: Duration,
    ) -> Played {
        let bytes = payload(input, input == 2);
        let intent = Intent {
            agent: agent(name),
            key: key.map(|key| key.to_string()),
            input: bytes.clone(),
            digest: u128::from(input),
            due: if after.is_zero() { Due::Now } else { Due::After(after) },
            terms: terms(kind),
        };
        let now = self.now();
        let pending = self.model.launches.iter().filter(|launch| !launch.status().is_final()).count();
        let there = key.and_then(|key| self.model.by_key(name, key));
        let expected = match there {
            Some(there) if there.input == bytes => Some(Appended::Known(there.id)),
            Some(there) => Some(Appended::Conflict(there.id)),
            None if pending >= MOST_PENDING => Some(Appended::Full),
            None => None,
        };
        let answer = self.journal.append(vec![intent]).await;
        let id = match answer.as_deref() {
            Ok([Appended::New(id)]) => Some(*id),
            Ok([answer]) => return same("append", Some(*answer), expected),
            Ok(answers) => return Err(format!("{} answers to one intent", answers.len())),
            // It may be there, under an id that nobody was told.
            Err(_) => {
                let records = self.records().await?;
                let last = self.model.launches.last().map(|launch| launch.id);
                records.last().map(|told| told.id).filter(|id| Some(*id) > last)
            }
        };
        let Some(id) = id else { return Ok(()) };
        same("append", None, expected)?;
        let launch = Launch {
            id,
            agent: name,
            key,
            input: bytes,
            terms: kind,
            recorded: now.wall,
            stands: Stands::Waits(Wait::new(after, now)),
            attempts: 0,
            failures: 0,
            crashes: 0,
            suspect: false,
            suspended: None,
            parked: false,
            history: Vec::new(),
        };
        self.model.launches.push(launch);
        let journal = Arc::clone(&self.journal);
        self.waiting.push((id, tokio::spawn(async move { journal.ended(id).await })));
        Ok(())
    }

    async fn claim(&mut self, which: usize, max: usize) -> Played {
        let now = self.now();
        let names = agents(which);
        let mine = |launch: &&Launch| names.contains(&agent(launch.agent)) && launch.is_ready(now);
        let ready: Vec<_> = self.model.launches.iter().filter(mine).cloned().collect();
        let suspects = ready.iter().filter(|launch| launch.suspect).count();
        let way = usize::from(!self.model.suspect_runs() && self.model.first_returning().is_none());
        let most = ready.len() - suspects + suspects.min(way);
        let answer = match self.journal.claim(&wants(&names), max).await {
            Ok(answer) => answer,
            Err(error) => {
                // Attempts that nobody was told of are given back.
                let mut moved = self.model.clone();
                for told in self.journal.scan(&LaunchFilter::all(), None, usize::MAX).await.unwrap() {
                    let Some(launch) = moved.launch(told.id) else { continue };
                    if told.attempts > launch.attempts && ready.iter().any(|ready| ready.id == told.id) {
                        launch.attempts += 1;
                        launch.stands = Stands::Waits(None);
                    }
                }
                return self.one_of(error, moved).await;
            }
        };
        same("claims", answer.claims.len(), most.min(max))?;
        let suspects =
            answer.claims.iter().filter(|claim| self.model.launch(claim.id).is_some_and(|l| l.suspect));
        check("suspects", suspects.count() <= way, || format!("{way} may run"))?;
        for claim in &answer.claims {
            let found = ready.iter().find(|launch| launch.id == claim.id);
            let launch = found.ok_or_else(|| format!("{} was claimed and is not ready", claim.id))?;
            same("claim", claim.attempt, launch.attempts + 1)?;
            same("claim", claim.suspect, launch.suspect)?;
            same("claim", claim.agent.clone(), agent(launch.agent))?;
            same("claim", claim.key.clone(), launch.key.map(|key| key.to_string()))?;
            same("claim", &claim.terms, &terms(launch.terms))?;
            check("claim", claim.input == launch.input, || "another input".to_owned())?;
            let last = self.claims.last().map(|claim| claim.epoch);
            check("epoch", Some(claim.epoch) >= last, || format!("{last:?}, then {}", claim.epoch))?;
            self.model.launch(claim.id).unwrap().start(claim.epoch);
            self.claims.push(claim.clone());
        }
        let mine = self.model.launches.iter().filter(|launch| names.contains(&agent(launch.agent)));
        let next_due = mine.filter_map(|launch| launch.waits(now)).min();
        same("next due", answer.next_due, next_due)
    }

    /// Removes all that has expired, unless the journal does not believe the clock.
    async fn sweep(&mut self, max: usize) -> Played {
        let now = self.now().wall;
        let mut kept = self.model.clone();
        kept.launches.retain(|launch| launch.expires().is_none_or(|at| at > now));
        let next = kept.launches.iter().filter_map(Launch::expires).min();
        let next = next.map(|at| at.duration_since(now).unwrap());
        loop {
            match self.journal.sweep(max).await {
                Ok(swept) if swept.suspended => return same("removed", swept.removed, 0),
                Ok(swept) if swept.next == Some(Duration::ZERO) => {}
                Ok(swept) => {
                    self.model = kept;
                    return same("next to expire", swept.next, next);
                }
                Err(error) => {
                    // Some may be gone.
                    let told = self.records().await?;
                    let there = |launch: &Launch| told.iter().any(|told| told.id == launch.id);
                    let mut moved = self.model.clone();
                    moved
                        .launches
                        .retain(|launch| there(launch) || launch.expires().is_none_or(|at| at > now));
                    return self.one_of(error, moved).await;
                }
            }
        }
    }
}
