//! What a journal promises, as somebody would write it down who has read the guarantees and not the code.

use std::time::{Duration, SystemTime};

use sortie::journal::{Claim, Delivery, Refused, Terms};
use sortie::{Backoff, EndedBy, LaunchId, LaunchStatus, Restart, Trigger};

/// All launches, in the order in which they were recorded.
#[derive(Debug, Clone, Default)]
pub struct Model {
    pub launches: Vec<Launch>,
    /// The attempts of suspended suspects that are to go on, in the order in which that was asked for.
    pub returning: Vec<(LaunchId, u32)>,
}

/// What is known of a launch.
#[derive(Debug, Clone)]
pub struct Launch {
    pub id: LaunchId,
    pub agent: usize,
    pub key: Option<u8>,
    pub input: Vec<u8>,
    pub terms: usize,
    pub recorded: SystemTime,
    pub stands: Stands,
    pub attempts: u32,
    pub failures: u32,
    pub crashes: u32,
    pub suspect: bool,
    /// The attempt that was suspended while the launch was a suspect, in this life.
    pub suspended: Option<u32>,
    /// Not in this life.
    pub parked: bool,
    pub history: Vec<(u32, EndedBy)>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Stands {
    Waits(Option<Wait>),
    Runs { epoch: u64, unwanted: bool },
    Done { at: SystemTime, output: Vec<u8> },
    Dead(SystemTime),
    Cancelled(SystemTime),
    Ambiguous(SystemTime),
}

/// A wait for a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wait {
    span: Duration,
    /// When it is over by the wall clock, which counts for later lives.
    pub due: SystemTime,
    /// When it is over on the clock of this life.
    over: Duration,
}

/// What both clocks say.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    pub wall: SystemTime,
    pub steady: Duration,
}

/// How an attempt ends.
pub enum End {
    Value(Vec<u8>),
    Failure(EndedBy),
    Release { begun: bool },
    Park,
}

/// The kinds of terms that launches are recorded with.
pub fn terms(kind: usize) -> Terms {
    let five = Backoff::fixed(Duration::from_secs(5));
    let (delivery, restart, max_crashes) = match kind {
        0 => (Delivery::AtLeastOnce, Restart::attempts(3).backoff(five), 2),
        1 => (Delivery::AtLeastOnce, Restart::attempts(1).backoff(five), 1),
        2 => (Delivery::AtMostOnce, Restart::attempts(3).backoff(five), 2),
        _ => (Delivery::AtLeastOnce, Restart::attempts(4).backoff(Backoff::none()).only([Trigger::Error]), 3),
    };
    let retention = Duration::from_secs(if kind < 2 { 30 } else { 4000 });
    Terms { delivery, restart, max_crashes, retention, priority: kind as i32, ..Terms::default() }
}

/// The wait before another attempt of these terms, if there is one: what the table above says, in other words.
fn another(kind: usize, failures: u32, by: EndedBy) -> Option<Duration> {
    let (most, wait) = match kind {
        0 => (3, Duration::from_secs(5)),
        1 => (1, Duration::from_secs(5)),
        _ if by != EndedBy::Error => return None,
        _ => (4, Duration::ZERO),
    };
    (failures < most && by != EndedBy::Fatal).then_some(wait)
}

impl Launch {
    fn is_once(&self) -> bool {
        self.terms == 2
    }

    pub fn status(&self) -> LaunchStatus {
        match self.stands {
            Stands::Waits(_) if self.parked => LaunchStatus::Parked,
            Stands::Waits(_) => LaunchStatus::Pending,
            Stands::Runs { .. } => LaunchStatus::Running,
            Stands::Done { .. } => LaunchStatus::Done,
            Stands::Dead(_) => LaunchStatus::Dead,
            Stands::Cancelled(_) => LaunchStatus::Cancelled,
            Stands::Ambiguous(_) => LaunchStatus::Ambiguous,
        }
    }

    /// Whether the body of its attempt is taken to have begun when all attempts are given back.
    pub fn has_begun(&self) -> bool {
        self.attempts % 2 == 1
    }

    /// Whether it could start now, but for the rule of suspects.
    pub fn is_ready(&self, now: Now) -> bool {
        match self.stands {
            Stands::Waits(wait) => !self.parked && wait.is_none_or(|wait| wait.over <= now.steady),
            _ => false,
        }
    }

    /// How long it waits, if it does so for a time.
    pub fn waits(&self, now: Now) -> Option<Duration> {
        match self.stands {
            Stands::Waits(Some(wait)) if !self.parked => {
                wait.over.checked_sub(now.steady).filter(|left| !left.is_zero())
            }
            _ => None,
        }
    }

    pub fn start(&mut self, epoch: u64) {
        self.attempts += 1;
        self.stands = Stands::Runs { epoch, unwanted: false };
    }

    /// Whether this is the attempt that runs, and whether it is unwanted.
    fn is_current(&self, claim: &Claim) -> Result<bool, Refused> {
        match self.stands {
            Stands::Runs { epoch, unwanted } if epoch == claim.epoch && self.attempts == claim.attempt => {
                Ok(unwanted)
            }
            Stands::Runs { .. } | Stands::Waits(_) => Err(Refused::Stale),
            _ => Err(Refused::Ended),
        }
    }

    pub fn conclude(&mut self, claim: &Claim, end: End, now: Now) -> Result<(), Refused> {
        let unwanted = self.is_current(claim)?;
        self.suspect = matches!(end, End::Release { .. } | End::Park) && self.is_or_was_suspect();
        if let End::Failure(by) = end {
            self.failures += 1;
            self.history.push((self.attempts, by));
        }
        self.parked |= matches!(end, End::Park);
        self.stands = match end {
            End::Value(output) => Stands::Done { at: now.wall, output },
            _ if unwanted => Stands::Cancelled(now.wall),
            End::Failure(EndedBy::Error | EndedBy::Fatal) if self.is_once() => Stands::Dead(now.wall),
            End::Failure(_) | End::Release { begun: true } if self.is_once() => Stands::Ambiguous(now.wall),
            End::Failure(by) => match another(self.terms, self.failures, by) {
                Some(wait) => Stands::Waits(Wait::new(wait, now)),
                None => Stands::Dead(now.wall),
            },
            End::Release { .. } | End::Park => Stands::Waits(None),
        };
        Ok(())
    }

    /// Whether it is a suspect, or was until its attempt was suspended.
    fn is_or_was_suspect(&self) -> bool {
        self.suspect || self.suspended == Some(self.attempts)
    }

    pub fn suspend(&mut self, claim: &Claim) -> Result<(), Refused> {
        self.is_current(claim)?;
        if std::mem::take(&mut self.suspect) {
            self.suspended = Some(self.attempts);
        }
        Ok(())
    }

    pub fn cancel(&mut self, now: Now) -> Result<(), Refused> {
        match &mut self.stands {
            Stands::Waits(_) => self.stands = Stands::Cancelled(now.wall),
            Stands::Runs { unwanted, .. } => *unwanted = true,
            _ => return Err(Refused::Ended),
        }
        Ok(())
    }

    pub fn requeue(&mut self) -> Result<(), Refused> {
        self.awaits_decision()?;
        (self.failures, self.crashes, self.suspect) = (0, 0, false);
        self.stands = Stands::Waits(None);
        Ok(())
    }

    /// Whether it waits for somebody's decision, or why not.
    fn awaits_decision(&self) -> Result<(), Refused> {
        match self.stands {
            Stands::Dead(_) | Stands::Ambiguous(_) => Ok(()),
            Stands::Waits(_) | Stands::Runs { .. } => Err(Refused::NotEnded),
            Stands::Done { .. } | Stands::Cancelled(_) => Err(Refused::Ended),
        }
    }

    pub fn settle(&mut self, output: Vec<u8>, now: Now) -> Result<(), Refused> {
        self.awaits_decision()?;
        self.suspect = false;
        self.stands = Stands::Done { at: now.wall, output };
        Ok(())
    }

    /// When nobody needs it any more, if that time comes by itself.
    pub fn expires(&self) -> Option<SystemTime> {
        match self.stands {
            // A stored time is cut to the millisecond, and nothing goes too early.
            Stands::Done { at, .. } | Stands::Cancelled(at) => {
                Some(at + terms(self.terms).retention + Duration::from_millis(1))
            }
            _ => None,
        }
    }

    /// The process has died, and another one finds what it has left.
    fn next_life(&mut self, now: Now) {
        (self.parked, self.suspended) = (false, None);
        match &mut self.stands {
            Stands::Waits(Some(wait)) => {
                // What comes first: a clock that was set back prolongs no wait.
                let left = wait.due.duration_since(now.wall).unwrap_or_default();
                wait.over = now.steady + left.min(wait.span);
            }
            Stands::Runs { unwanted, .. } => {
                let unwanted = *unwanted;
                self.history.push((self.attempts, EndedBy::Crash));
                if !unwanted && !self.is_once() {
                    // Only deaths as a suspect are counted: then nobody else of the kind ran.
                    self.crashes += u32::from(self.suspect);
                    self.suspect = true;
                }
                self.stands = match () {
                    () if unwanted => Stands::Cancelled(now.wall),
                    () if self.is_once() => Stands::Ambiguous(now.wall),
                    () if self.crashes >= terms(self.terms).max_crashes => Stands::Dead(now.wall),
                    () => Stands::Waits(None),
                };
            }
            _ => {}
        }
    }
}

impl Wait {
    pub fn new(span: Duration, now: Now) -> Option<Self> {
        (!span.is_zero()).then(|| Self { span, due: now.wall + span, over: now.steady + span })
    }
}

impl Model {
    pub fn launch(&mut self, id: LaunchId) -> Option<&mut Launch> {
        self.launches.iter_mut().find(|launch| launch.id == id)
    }

    pub fn by_key(&self, agent: usize, key: u8) -> Option<&Launch> {
        self.launches.iter().find(|launch| launch.agent == agent && launch.key == Some(key))
    }

    pub fn next_life(&mut self, now: Now) {
        self.returning.clear();
        self.launches.iter_mut().for_each(|launch| launch.next_life(now));
    }

    /// Gives back what an agent runs, all of whose bodies have begun. Says how many wait again.
    pub fn release_all(&mut self, agent: usize, now: Now) -> usize {
        let mut given_back = 0;
        for launch in self.launches.iter_mut().filter(|launch| launch.agent == agent) {
            if let Stands::Runs { unwanted, .. } = launch.stands {
                launch.suspect = launch.is_or_was_suspect();
                launch.stands = match () {
                    () if unwanted => Stands::Cancelled(now.wall),
                    () if launch.is_once() && launch.has_begun() => Stands::Ambiguous(now.wall),
                    () => Stands::Waits(None),
                };
                given_back += usize::from(matches!(launch.stands, Stands::Waits(_)));
            }
        }
        given_back
    }

    pub fn discard(&mut self, id: LaunchId) -> Result<(), Refused> {
        let launch = self.launch(id).ok_or(Refused::Unknown)?;
        if launch.status() != LaunchStatus::Parked {
            launch.awaits_decision()?;
        }
        self.launches.retain(|launch| launch.id != id);
        Ok(())
    }

    /// Suspends the attempt of a suspect.
    pub fn suspend(&mut self, claim: &Claim) -> Result<(), Refused> {
        let launch = self.launch(claim.id).ok_or(Refused::Unknown)?;
        let was_suspect = launch.suspect;
        launch.suspend(claim)?;
        if was_suspect {
            self.returning.retain(|(id, _)| *id != claim.id);
        }
        Ok(())
    }

    /// Has the attempt of a suspended suspect go on, if it may.
    pub fn resume(&mut self, claim: &Claim) -> Result<bool, Refused> {
        let launch = self.launch(claim.id).ok_or(Refused::Unknown)?;
        launch.is_current(claim)?;
        if launch.suspect || launch.suspended != Some(claim.attempt) {
            return Ok(true);
        }
        let wanted = (claim.id, claim.attempt);
        if !self.returning.contains(&wanted) {
            self.returning.push(wanted);
        }
        let may = !self.suspect_runs() && self.first_returning() == Some(claim.id);
        if may {
            self.launch(claim.id).unwrap().suspect = true;
        }
        Ok(may)
    }

    /// The first suspended suspect that is to go on.
    pub fn first_returning(&self) -> Option<LaunchId> {
        let runs = |(id, attempt): &&(LaunchId, u32)| {
            let launch = self.launches.iter().find(|launch| launch.id == *id);
            launch.is_some_and(|launch| {
                matches!(launch.stands, Stands::Runs { .. }) && launch.attempts == *attempt
            })
        };
        self.returning.iter().find(runs).map(|(id, _)| *id)
    }

    pub fn suspect_runs(&self) -> bool {
        self.launches.iter().any(|launch| launch.suspect && matches!(launch.stands, Stands::Runs { .. }))
    }
}
