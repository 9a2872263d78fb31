//! Into a new journal.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::ImportError;
use super::line::{FirstLine, Launch, Line};
use crate::journal::intent::{Head, State, Stored};
use crate::journal::local::{LONGEST_INLINE, PIECE, key};
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

/// How long names are that a journal takes, in bytes.
const LONGEST_AGENT: usize = 256;
/// Keys of callers have at most 512; those that look like keys of the crate's own are escaped.
const LONGEST_KEY: usize = 520;

/// Beyond these an id or an epoch was not given by a journal, and would leave no room for those that follow.
const LAST_ID: u128 = u128::MAX >> 1;
const LAST_EPOCH: u64 = u64::MAX >> 1;

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
}

impl Import {
    fn into(store: SledStore) -> Self {
        Self { store, batch: Vec::new(), ids: HashSet::new(), keys: HashSet::new(), epoch: 0 }
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
            let read = serde_json::from_slice::<Line<'_>>(&line);
            let launch = read.map_err(|error| error.to_string()).and_then(Line::launch);
            let launch = launch.and_then(|launch| self.admit(launch)).map_err(bad)?;
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
    fn admit(&mut self, mut launch: Launch) -> Result<Launch, String> {
        let Launch { id, head, input, output } = &mut launch;
        if id.as_u128() > LAST_ID {
            return Err(format!("no journal has given the id {id}"));
        }
        if head.agent.is_empty() || head.agent.len() > LONGEST_AGENT {
            return Err(format!("its agent has a name of {} bytes", head.agent.len()));
        }
        if let Some(key) = &head.key {
            if key.is_empty() || key.len() > LONGEST_KEY {
                return Err(format!("its key is {} bytes long", key.len()));
            }
            if !self.keys.insert(digest::of(format!("{}\0{key}", head.agent).as_bytes())) {
                return Err(format!("an earlier line has the same key of the same agent: `{key}`"));
            }
        }
        if !self.ids.insert(*id) {
            return Err(format!("an earlier line has the same id: {id}"));
        }
        let running = match head.state {
            State::Running { epoch, .. } => Some(epoch),
            _ => None,
        };
        let latest = head.history.iter().map(|end| end.epoch).chain(running).max().unwrap_or_default();
        if latest > LAST_EPOCH {
            return Err(format!("no journal has had the epoch {latest}"));
        }
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
        return Err(format!("{expected}: it is about `{}`", first.sortie));
    }
    if first.version > FirstLine::VERSION {
        return Err(format!("version {} is of a newer version of the crate", first.version));
    }
    Ok(())
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
fn fit(head: &mut Head) -> Result<(), String> {
    while record::length(head) > LONGEST_VALUE && !head.history.is_empty() {
        head.history.remove(0);
    }
    if record::length(head) > LONGEST_VALUE {
        return Err("its names are too long for a record".to_owned());
    }
    Ok(())
}

fn seal<T: serde::Serialize>(kind: Kind, key: &[u8], body: &T) -> Result<Vec<u8>, JournalError> {
    record::seal(kind, key, body).map_err(|error| JournalError::new(JournalErrorKind::Io).because(error))
}
