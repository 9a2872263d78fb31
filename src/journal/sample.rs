//! The state machine of launches and its records, open to the crate's own tests.

use std::time::Duration;

use super::intent::{
    Delivery, EndedBy, Event, Head, RestartTerms, State, Stored, StoredDue, StoredTerms, step,
};
use super::record::{self, Kind};
use crate::policy::{Backoff, Restart};

/// A launch under test: what is recorded of it, without a journal.
pub struct Sample(Head);

impl Sample {
    /// A launch that was just recorded, with so many attempts a second apart, at least once or at most once.
    pub fn new(attempts: u32, at_most_once: bool) -> Self {
        let restart = Restart::attempts(attempts).backoff(Backoff::fixed(Duration::from_secs(1)));
        let terms = StoredTerms {
            delivery: if at_most_once { Delivery::AtMostOnce } else { Delivery::AtLeastOnce },
            restart: RestartTerms::from(&restart),
            max_crashes: 3,
            timeout: Some(Duration::from_secs(30)),
            retention: Duration::from_secs(60),
            priority: -1,
            lane: Some("lane".to_owned()),
        };
        Self(Head {
            agent: "agent".to_owned(),
            key: Some("key".to_owned()),
            digest: 0x0123_4567_89ab_cdef,
            recorded: 1_700_000_000_000,
            input: Stored::Here(b"[1]".to_vec()),
            terms,
            state: State::Pending(None),
            attempt: 0,
            failures: 0,
            crashes: 0,
            suspect: false,
            history: Vec::new(),
        })
    }

    /// The same launch with an input that is said to stand in pieces, this many bytes in all.
    #[must_use]
    pub fn with_input_in_pieces(mut self, bytes: u64) -> Self {
        self.0.input = Stored::InPieces(bytes);
        self
    }

    /// The record of a piece of a payload under a key.
    pub fn piece(key: &[u8], piece: &[u8]) -> Vec<u8> {
        record::seal(Kind::Piece, key, &piece).unwrap_or_default()
    }

    /// The record of a boot epoch under a key.
    pub fn epoch(key: &[u8], epoch: u64) -> Vec<u8> {
        record::seal(Kind::Epoch, key, &epoch).unwrap_or_default()
    }

    /// Applies one event, at a time in milliseconds: `start E`, `succeed E N`, `error E N`, `fatal E N`, `panic E N`,
    /// `timeout E N`, `release E N`, `unbegun E N`, `suspend E N`, `resume E N`, `crash`, `cancel`, `requeue`, `settle`, `discard`, `discard_parked`; E is
    /// the epoch, N the attempt. Gives the state in words, or why the event was refused.
    pub fn apply(&mut self, event: &str, now: u64) -> String {
        let mut words = event.split(' ');
        let name = words.next().unwrap_or_default();
        let mut number = || words.next().and_then(|word| word.parse::<u32>().ok()).unwrap_or_default();
        let (epoch, attempt) = (u64::from(number()), number());
        let fail = |by| Event::Fail {
            epoch,
            attempt,
            by,
            message: "why".to_owned(),
            code: None,
            floor: Duration::ZERO,
            roll: 0.0,
        };
        let event = match name {
            "start" => Event::Start { epoch },
            "succeed" => Event::Succeed { epoch, attempt, output: Stored::Here(b"2".to_vec()) },
            "error" => fail(EndedBy::Error),
            "fatal" => fail(EndedBy::Fatal),
            "panic" => fail(EndedBy::Panic),
            "timeout" => fail(EndedBy::Timeout),
            "release" => Event::Release { epoch, attempt, begun: true },
            "unbegun" => Event::Release { epoch, attempt, begun: false },
            "suspend" => Event::Suspend { epoch, attempt },
            "resume" => Event::Resume { epoch, attempt },
            "crash" => Event::Crash,
            "cancel" => Event::Cancel,
            "requeue" => Event::Requeue,
            "settle" => Event::Settle { output: Stored::Here(b"3".to_vec()) },
            "discard" => Event::Discard { parked: false },
            "discard_parked" => Event::Discard { parked: true },
            "leave" => Event::Leave,
            other => return format!("there is no event `{other}`"),
        };
        match step(&mut self.0, event, now) {
            Ok(()) => self.state(),
            Err(refused) => format!("refused: {refused}"),
        }
    }

    /// The state in words.
    fn state(&self) -> String {
        let suspect = if self.0.suspect { " suspect" } else { "" };
        match &self.0.state {
            State::Pending(None) => format!("pending{suspect}"),
            State::Pending(Some(due)) => format!("pending until {}{suspect}", due.at),
            State::Running { cancel: true, .. } => format!("running {} unwanted{suspect}", self.0.attempt),
            State::Running { .. } => format!("running {}{suspect}", self.0.attempt),
            State::Done { output: Stored::Gone, .. } => "leaving".to_owned(),
            State::Done { .. } => "done".to_owned(),
            State::Dead { .. } => "dead".to_owned(),
            State::Cancelled { .. } => "cancelled".to_owned(),
            State::Ambiguous { .. } => "ambiguous".to_owned(),
        }
    }

    /// Names the launch.
    pub fn named(mut self, agent: &str, key: Option<&str>, lane: Option<&str>) -> Self {
        (self.0.agent, self.0.key) = (agent.to_owned(), key.map(str::to_owned));
        self.0.terms.lane = lane.map(str::to_owned);
        self
    }

    /// Writes a number where no event would: into the field with this name in the line of an export, where the present
    /// state has it. Cut to the type of the field; `true` is any other number than 0, and a float has these bits. Says whether
    /// there is such a field.
    pub fn set(&mut self, field: &str, number: u64) -> bool {
        let head = &mut self.0;
        let small = number as u32;
        let span = Duration::new(number, 999_999_999);
        match (field, &mut head.state) {
            ("recorded", _) => head.recorded = number,
            ("attempt", _) => head.attempt = small,
            ("failures", _) => head.failures = small,
            ("crashes", _) => head.crashes = small,
            ("terms.restart.attempts", _) => head.terms.restart.attempts = small,
            ("terms.restart.factor", _) => head.terms.restart.factor = f64::from_bits(number),
            ("terms.restart.base", _) => head.terms.restart.base = span,
            ("terms.restart.max", _) => head.terms.restart.max = span,
            ("terms.restart.causes", _) => {
                let RestartTerms { error, panic, timeout, .. } = &mut head.terms.restart;
                (*error, *panic, *timeout) = (number & 1 > 0, number & 2 > 0, number & 4 > 0);
            }
            ("terms.max_crashes", _) => head.terms.max_crashes = small,
            ("terms.timeout", _) => head.terms.timeout = Some(span),
            ("terms.retention", _) => head.terms.retention = span,
            ("terms.priority", _) => head.terms.priority = small as i32,
            ("input.length", _) => head.input = Stored::InPieces(number),
            ("output.length", State::Done { output, .. }) => *output = Stored::InPieces(number),
            ("state.pending.at", State::Pending(due)) => *due = Some(StoredDue { at: number, wait: 1 }),
            ("state.pending.wait", State::Pending(due)) => *due = Some(StoredDue { at: 1, wait: number }),
            ("state.pending.both", State::Pending(due)) => {
                *due = Some(StoredDue { at: number, wait: number })
            }
            ("state.running.epoch", State::Running { epoch, .. }) => *epoch = number,
            ("state.running.since", State::Running { since, .. }) => *since = number,
            (
                "state.at",
                State::Done { at, .. }
                | State::Dead { at }
                | State::Cancelled { at }
                | State::Ambiguous { at },
            ) => *at = number,
            ("history.attempt", _) if !head.history.is_empty() => head.history[0].attempt = small,
            ("history.epoch", _) if !head.history.is_empty() => head.history[0].epoch = number,
            ("history.at", _) if !head.history.is_empty() => head.history[0].at = number,
            _ => return false,
        }
        true
    }

    /// The record of the launch under a key.
    pub fn record(&self, key: &[u8]) -> Vec<u8> {
        record::seal(Kind::Head, key, &self.0).unwrap_or_default()
    }

    /// The other records that there are: of an epoch, of a piece and of a mark, each under this key.
    pub fn others(key: &[u8]) -> [Vec<u8>; 3] {
        let piece: &[u8] = b"a piece of an input";
        [
            record::seal(Kind::Epoch, key, &7_u64).unwrap_or_default(),
            record::seal(Kind::Piece, key, &piece).unwrap_or_default(),
            record::seal(Kind::Staging, key, &()).unwrap_or_default(),
        ]
    }

    /// Reads a record.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(key: &[u8], record: &[u8]) -> Result<Self, String> {
        record::open(Kind::Head, key, record).map(Self).map_err(|error| error.to_string())
    }

    /// Whether both say the same.
    pub fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
