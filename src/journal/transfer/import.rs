//! Into a new journal.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::SystemTime;

use super::ImportError;
use super::line::{FirstLine, Launch, Line};
use crate::journal::clock::to_millis;
use crate::journal::intent::{Head, Millis, State, Stored, Wrong};
use crate::journal::local::{LONGEST_INLINE, PIECE, key, time_of};
use crate::journal::record::{self, Kind};
use crate::journal::sled::{Draft, SledStore};
use crate::journal::store::{Change, LONGEST_VALUE, Store};
use crate::journal::{JournalError, JournalErrorKind};
use crate::outcome::LaunchId;
use crate::outcome::digest;

/// How long a line may be, in bytes: what is longer is no line of an export, and is not read into memory.
const LONGEST_LINE: u64 = 1 << 30;

/// How many changes are committed together.
const COMMITTED_AT_ONCE: usize = 256;

/// How far ahead of the clock the time of an id may be: 366 days, because the clock under which it was given may have been
/// wrong. What is further ahead is a mistake.
const AHEAD: Millis = 366 * 24 * 60 * 60 * 1000;

/// How much of a name is shown in an error, in characters.
const SHOWN: usize = 200;

/// Makes a journal of the lines of an export. Says how many launches it holds.
pub(in crate::journal) fn import(path: &Path, from: &mut dyn Read) -> Result<u64, ImportError> {
    let draft = Draft::begin(path)?;
    // Declared after the draft, so that it is closed before what was made is removed.
    let mut import = Import::into(SledStore::open(draft.path()).map_err(|error| error.at(path))?);
    let launches = import.read(BufReader::new(from))?;
    draft.publish(import.store)?;
    Ok(launches)
}

/// A journal that is being filled.
struct Import {
    store: SledStore,
    batch: Vec<Change>,
    ids: HashSet<LaunchId>,
    /// Digests of the agents with the keys that name a launch already.
    keys: HashSet<u128>,
    /// The last epoch that the launches know of. The next life of the journal comes after it, so that what ran is found
    /// to have crashed.
    epoch: u64,
    /// What the clock says.
    now: Millis,
}

impl Import {
    fn into(store: SledStore) -> Self {
        let (ids, keys, now) = (HashSet::new(), HashSet::new(), to_millis(SystemTime::now()));
        Self { store, batch: Vec::new(), ids, keys, epoch: 0, now }
    }

    /// Takes every line. Says how many launches there were.
    fn read(&mut self, mut from: impl BufRead) -> Result<u64, ImportError> {
        let (mut line, mut number) = (Vec::new(), 0);
        while next_line(&mut from, &mut line).map_err(ImportError::Read)? {
            number += 1;
            let bad = |reason| ImportError::BadLine { line: number, reason };
            if line.len() as u64 == LONGEST_LINE {
                return Err(bad(format!("it is longer than {LONGEST_LINE} bytes")));
            }
            if number == 1 {
                check_first(&line).map_err(bad)?;
                continue;
            }
            let launch = Line::read(&line).and_then(Line::launch);
            let launch = launch.and_then(|launch| self.admit(launch));
            let launch = launch.map_err(|wrong| bad(reason(&wrong)))?;
            self.put(launch)?;
        }
        if number == 0 {
            let reason = "there is no first line, which says what this is".to_owned();
            return Err(ImportError::BadLine { line: 1, reason });
        }
        let epoch = seal(Kind::Epoch, key::EPOCH, &self.epoch)?;
        self.change(Change::Put(key::EPOCH.to_vec(), epoch))?;
        self.store.commit(&std::mem::take(&mut self.batch))?;
        Ok(number - 1)
    }

    /// Checks what the journal relies on.
    fn admit(&mut self, mut launch: Launch) -> Result<Launch, Wrong> {
        let Launch { id, head, input, output } = &mut launch;
        if id.version() != 7 {
            return Err(Wrong::new("id", format!("no journal has given the id {id}")));
        }
        if time_of(*id) > self.now.saturating_add(AHEAD) {
            let why = format!(
                "no journal has given the id {id}: it is of a time more than a year ahead of the clock"
            );
            return Err(Wrong::new("id", why));
        }
        head.check_names()?;
        head.check_numbers()?;
        if head.terms.timeout.is_some_and(|limit| limit.is_zero()) {
            return Err(Wrong::new("terms.timeout", "a timeout is longer than zero"));
        }
        if let Some(key) = &head.key {
            if !self.keys.insert(digest::of(format!("{}\0{key}", head.agent).as_bytes())) {
                let why = format!("an earlier line has the same key of the same agent: `{}`", shown(key));
                return Err(Wrong::new("key", why));
            }
        }
        if !self.ids.insert(*id) {
            return Err(Wrong::new("id", format!("an earlier line has the same id: {id}")));
        }
        let running = match head.state {
            State::Running { epoch, .. } => Some(epoch),
            _ => None,
        };
        let latest = head.history.iter().map(|end| end.epoch).chain(running).max().unwrap_or_default();
        self.epoch = self.epoch.max(latest);
        if let Some(input) = input {
            head.input = place(input);
        }
        if let (Some(bytes), State::Done { output, .. }) = (output, &mut head.state) {
            *output = place(bytes);
        }
        fit(head)?;
        Ok(launch)
    }

    fn put(&mut self, launch: Launch) -> Result<(), JournalError> {
        let Launch { id, head, input, output } = launch;
        for (prefix, payload) in [(key::INPUTS, input), (key::OUTPUTS, output)] {
            let pieces = payload.as_deref().filter(|payload| payload.len() > LONGEST_INLINE);
            for (number, piece) in (0..).zip(pieces.unwrap_or_default().chunks(PIECE)) {
                let key = key::piece(prefix, id, number);
                let record = seal(Kind::Piece, &key, &piece)?;
                self.change(Change::Put(key, record))?;
            }
        }
        let key = key::of(key::HEADS, id);
        let record = seal(Kind::Head, &key, &head)?;
        self.change(Change::Put(key, record))
    }

    fn change(&mut self, change: Change) -> Result<(), JournalError> {
        self.batch.push(change);
        if self.batch.len() < COMMITTED_AT_ONCE {
            return Ok(());
        }
        self.store.commit(&std::mem::take(&mut self.batch))
    }
}

/// Reads a line without its end. `false` if there is none.
fn next_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    let read = from.take(LONGEST_LINE).read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(read > 0)
}

fn check_first(line: &[u8]) -> Result<(), String> {
    let expected = "the first line must be `{\"sortie\":\"launches\",\"version\":1}`";
    let first: FirstLine = serde_json::from_slice(line).map_err(|error| format!("{expected}: {error}"))?;
    if first.sortie != FirstLine::WHAT {
        return Err(format!("{expected}: it is about `{}`", shown(&first.sortie)));
    }
    if first.version > FirstLine::VERSION {
        return Err(format!("version {} is of a newer version of the crate", first.version));
    }
    Ok(())
}

/// What is wrong with a line, with the field in front.
fn reason(wrong: &Wrong) -> String {
    let Wrong { field, why } = wrong;
    if field.is_empty() { why.clone() } else { format!("`{field}`: {why}") }
}

/// The beginning of a text of others, fit for an error.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('\u{2026}');
    }
    shown
}

/// Where a payload will stand.
fn place(bytes: &[u8]) -> Stored {
    if bytes.len() <= LONGEST_INLINE {
        Stored::Here(bytes.to_vec())
    } else {
        Stored::InPieces(bytes.len() as u64)
    }
}

/// Makes a head fit into a record, as a journal does: without the oldest ends of attempts.
fn fit(head: &mut Head) -> Result<(), Wrong> {
    while record::length(head) > LONGEST_VALUE && !head.history.is_empty() {
        head.history.remove(0);
    }
    if record::length(head) > LONGEST_VALUE {
        return Err(Wrong::new("agent", "its names are too long for a record"));
    }
    Ok(())
}

fn seal<T: serde::Serialize>(kind: Kind, key: &[u8], body: &T) -> Result<Vec<u8>, JournalError> {
    record::seal(kind, key, body).map_err(|error| JournalError::new(JournalErrorKind::Io).because(error))
}
