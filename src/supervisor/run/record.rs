//! Recording runs.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use super::control::{Stop, nanos};
use super::log::{Line, Logged};
use super::seat::{Moment, NEVER};
use super::state::Run;
use super::work::Work;
use crate::agent::{AgentContext, Roster, RunInfo};
use crate::outcome::{AttemptReport, BranchReport, Failure, ParentAttempt, Report, RunEnd, RunReport};
use crate::sync::lock;
use crate::user_code::discard;

/// Collects the [`Report`] of every run that it is [given to](crate::FanOut::record), attempt by attempt: also of runs
/// that fail, exceed their deadline or are dropped.
///
/// Cheap to clone; clones collect into the same report. It keeps every run that it has seen until the last clone is
/// dropped, with 24 bytes for a branch that succeeds at its first attempt and 40 for any other attempt: a service that
/// does not end makes one for each request, not one for all.
///
/// Recording an attempt costs little beside the attempt: one that does not wait is not worth a reading of the clock, which
/// is why its [`end`](crate::AttemptReport::end) is a little late.
///
/// ```
/// use std::time::Duration;
/// use sortie::{Recorder, RunEnd, foreach};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// async fn work(seconds: u64) -> Result<u64, &'static str> {
///     tokio::time::sleep(Duration::from_secs(seconds)).await;
///     if seconds == 2 { Err("two") } else { Ok(seconds) }
/// }
/// let recorder = Recorder::default();
/// let error = foreach([1, 2, 3], work).concurrency(1).record(&recorder).all().await;
/// assert!(error.is_err());
///
/// let report = recorder.report();
/// let run = &report.runs()[0];
/// assert_eq!(run.end(), Some(RunEnd::Decided));
/// assert_eq!((run.counts().ok, run.counts().failed, run.counts().cancelled), (1, 1, 1));
/// let two = &run.branches()[1];
/// assert_eq!(two.attempts()[0].failure().unwrap().cause().to_string(), "two");
/// assert_eq!(two.queue_wait().unwrap().as_secs(), 1);
/// assert_eq!(two.attempts()[0].duration().unwrap().as_secs(), 2);
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<Arc<Record>>>>);

impl Recorder {
    /// What was recorded so far, also while runs are under way.
    ///
    /// Every attempt that had ended before the call is in it. What happens during the call may be: the report of a run
    /// that is under way is not that of a single moment. The call copies what was recorded, and holds each child up for as
    /// long as its part takes.
    pub fn report(&self) -> Report {
        let records = lock(&self.0).clone();
        Report { runs: records.iter().map(|record| record.report()).collect() }
    }

    /// A run starts.
    pub(super) fn begin(&self, info: &Arc<RunInfo>, parent: Option<&AgentContext>) -> Arc<Record> {
        let record = Arc::new(Record {
            info: Arc::clone(info),
            parent: parent.map(|cx| ParentAttempt::new(cx.run_id(), cx.index(), cx.attempt())),
            started_at: SystemTime::now(),
            places: Mutex::default(),
            others: Mutex::default(),
            ended: OnceLock::new(),
        });
        lock(&self.0).push(Arc::clone(&record));
        record
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("runs", &lock(&self.0).len()).finish()
    }
}

/// What is recorded of one run. The lines themselves lie in its places, which the record keeps when the run is gone.
pub(super) struct Record {
    info: Arc<RunInfo>,
    parent: Option<ParentAttempt>,
    started_at: SystemTime,
    places: Mutex<Vec<Arc<dyn Logged>>>,
    /// The branches to which no child came.
    others: Mutex<Vec<Line>>,
    ended: OnceLock<(RunEnd, Moment)>,
}

impl Record {
    /// The run has one more place.
    pub(super) fn add_place(&self, place: Arc<dyn Logged>) {
        lock(&self.places).push(place);
    }

    /// A branch has ended without a child.
    pub(super) fn add_other(&self, failure: &Failure) {
        lock(&self.others).push(Line::without_attempt(failure.clone()));
    }

    /// The run has ended. Only the first end counts.
    pub(super) fn end(&self, end: RunEnd) {
        let _ = self.ended.set((end, self.now()));
    }

    /// The branches without an outcome, where it is known how many branches there are.
    pub(super) fn open_branches(&self) -> Vec<usize> {
        let Some(count) = self.info.roster.len() else { return Vec::new() };
        let mut open = vec![true; count];
        for line in self.lines(self.now()).iter().filter(|line| line.last) {
            if let Some(open) = open.get_mut(line.index) {
                *open = false;
            }
        }
        (0..count).filter(|index| open[*index]).collect()
    }

    fn now(&self) -> Moment {
        nanos(self.info.start.elapsed())
    }

    fn lines(&self, now: Moment) -> Vec<Line> {
        let places = lock(&self.places).clone();
        let mut lines = Vec::new();
        places.iter().for_each(|place| place.read(now, &mut lines));
        lines.extend_from_slice(&lock(&self.others));
        lines
    }

    fn report(&self) -> RunReport {
        RunReport {
            id: self.info.id,
            parent: self.parent,
            started_at: self.started_at,
            end: self.ended.get().map(|(end, moment)| (*end, Duration::from_nanos(*moment))),
            branches: branches(&self.info.roster, self.lines(self.now())),
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // A failure holds a value of the user's.
        lock(&self.others).drain(..).filter_map(|line| line.failure).for_each(discard);
    }
}

/// What a run tells its recorder, besides what stands in its places.
impl<W: Work> Run<W> {
    /// A branch has ended without a child.
    pub(super) fn record_other(&self, failure: &Failure) {
        if let Some(record) = &self.recorded {
            record.add_other(failure);
        }
    }

    /// The branches that nobody has asked for.
    pub(super) fn record_open_branches(&self) {
        let stop = self.control().stopped().unwrap_or(Stop::Abandoned);
        if let Some(record) = &self.recorded {
            record.open_branches().into_iter().for_each(|index| drop(self.missing(index, stop)));
        }
    }

    /// The run has ended.
    pub(super) fn record_end(&self, end: RunEnd) {
        if let Some(record) = &self.recorded {
            record.end(end);
        }
    }
}

/// Sorts the lines of a run by branch and attempt.
fn branches(roster: &Roster, mut lines: Vec<Line>) -> Vec<BranchReport> {
    lines.sort_by_key(|line| (line.index, line.number == 0, line.number));
    let seen = lines.last().map_or(0, |line| line.index + 1);
    let mut lines = lines.into_iter().peekable();
    let branch = |index| {
        let (mut attempts, mut outcome) = (Vec::new(), None);
        while let Some(line) = lines.next_if(|line| line.index == index) {
            if line.last {
                outcome = Some(line.failure.clone().map_or(Ok(()), Err));
            }
            if line.number > 0 {
                attempts.push(attempt(line));
            }
        }
        BranchReport { index, label: roster.name(index), agent: roster.agent(index), attempts, outcome }
    };
    (0..seen.max(roster.len().unwrap_or_default())).map(branch).collect()
}

fn attempt(line: Line) -> AttemptReport {
    AttemptReport {
        number: line.number,
        start: Duration::from_nanos(line.started),
        end: (line.ended != NEVER).then(|| Duration::from_nanos(line.ended)),
        failure: line.failure,
    }
}

impl From<Stop> for RunEnd {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Deadline(_) => Self::DeadlineExceeded,
            Stop::Unwanted => Self::Decided,
            Stop::Cancelled => Self::Cancelled,
            Stop::Stuck => Self::Stuck,
            Stop::Abandoned => Self::Dropped,
            Stop::ShutDown => Self::ShutDown,
            Stop::Lost | Stop::NoRuntime => Self::Lost,
        }
    }
}
