//! Out of a journal's directory.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;

use super::ExportError;
use super::line::{FirstLine, Line};
use crate::journal::intent::{Head, State, Stored, Wrong};
use crate::journal::local::PIECE;
use crate::journal::local::key;
use crate::journal::record::{self, Kind};
use crate::journal::sled::Rescue;
use crate::journal::{JournalError, JournalErrorKind};
use crate::outcome::LaunchId;
use crate::user_code::printable;

/// How many of those that were skipped are named.
const MOST_NAMED: usize = 1000;

/// What an export has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// How many launches were written.
    pub launches: u64,
    /// How many records were skipped because they are damaged.
    pub damaged: u64,
    /// Which ones, and why: the first thousand of them.
    pub skipped: Vec<Skipped>,
    /// What is known to be missing beyond that, if a part of the store is lost.
    pub missing: Option<String>,
}

/// A record that is damaged, and was not exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The launch, as far as that can be read.
    pub id: Option<LaunchId>,
    /// What is wrong with it.
    pub reason: String,
}

/// Writes every launch of a directory that can be read.
pub(in crate::journal) fn export(path: &Path, to: &mut dyn Write) -> Result<Exported, ExportError> {
    let rescue = Rescue::open(path)?;
    let mut exported = Exported { missing: rescue.missing().map(str::to_owned), ..Exported::default() };
    let mut to = io::BufWriter::new(to);
    write_line(&mut to, &FirstLine::new()).map_err(ExportError::Write)?;
    let mut failed = None;
    let scanned = rescue.scan(key::HEADS, None, &mut |key, record| {
        let id = key::launch(key::HEADS, key);
        match id
            .ok_or_else(|| "its key cannot be read".to_owned())
            .and_then(|id| read(&rescue, id, key, record))
        {
            // What is being removed is gone.
            Ok(None) => {}
            Ok(Some(launch)) => match launch.write(&mut to) {
                Ok(()) => exported.launches += 1,
                Err(error) => {
                    failed = Some(error);
                    return Ok(ControlFlow::Break(()));
                }
            },
            Err(reason) => exported.skip(id, reason),
        }
        Ok(ControlFlow::Continue(()))
    });
    match scanned {
        // The rest cannot be reached any more; what was read is of use all the same.
        Err(error) if error.kind() == JournalErrorKind::Corrupt => {
            exported.missing = Some(format!("the store cannot be read any further: {error:#}"));
        }
        scanned => scanned?,
    }
    match failed {
        None => to.flush().map_err(ExportError::Write)?,
        Some(error) => return Err(ExportError::Write(error)),
    }
    Ok(exported)
}

impl Exported {
    fn skip(&mut self, id: Option<LaunchId>, reason: String) {
        log_warn!(launch = id.map_or_else(String::new, |id| id.to_string()), reason = %printable(&reason), "a damaged record is not exported");
        self.damaged += 1;
        if self.skipped.len() < MOST_NAMED {
            self.skipped.push(Skipped { id, reason });
        }
    }
}

/// A launch with its payloads.
struct Launch {
    id: LaunchId,
    head: Head,
    input: Option<Vec<u8>>,
    output: Option<Vec<u8>>,
}

impl Launch {
    fn write(self, to: &mut impl Write) -> io::Result<()> {
        let Self { id, head, input, output } = self;
        write_line(to, &Line::new(id, head, input.as_deref(), output.as_deref()))
    }
}

fn write_line(to: &mut impl Write, line: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *to, line)?;
    to.write_all(b"\n")
}

/// Reads all of a launch, or says what is wrong with it. `None` if its removal has begun.
fn read(rescue: &Rescue, id: LaunchId, key: &[u8], record: &[u8]) -> Result<Option<Launch>, String> {
    let head: Head = record::open(Kind::Head, key, record).map_err(|error| error.to_string())?;
    if head.is_leaving() {
        return Ok(None);
    }
    // It could not be imported, and would keep all others from being.
    head.check_numbers()
        .map_err(|Wrong { field, why }| format!("the record is damaged: `{field}`: {why}"))?;
    let input =
        payload(rescue, key::INPUTS, id, &head.input).map_err(|error| format!("its input: {error}"))?;
    let output = match &head.state {
        State::Done { output, .. } => {
            payload(rescue, key::OUTPUTS, id, output).map_err(|error| format!("its output: {error}"))?
        }
        _ => None,
    };
    Ok(Some(Launch { id, head, input, output }))
}

fn payload(rescue: &Rescue, prefix: &[u8], id: LaunchId, stored: &Stored) -> Result<Option<Vec<u8>>, String> {
    let length = match stored {
        Stored::Here(bytes) => return Ok(Some(bytes.clone())),
        Stored::Gone => return Ok(None),
        Stored::InPieces(length) => *length,
    };
    let mut bytes = Vec::new();
    for number in 0..u32::try_from(length.div_ceil(PIECE as u64)).unwrap_or(u32::MAX) {
        let key = key::piece(prefix, id, number);
        let piece = rescue.get(&key).map_err(|error: JournalError| format!("{error:#}"))?;
        let piece = piece.ok_or_else(|| format!("piece {number} is missing"))?;
        let piece: Vec<u8> =
            record::open(Kind::Piece, &key, &piece).map_err(|error| format!("piece {number}: {error}"))?;
        bytes.extend(piece);
    }
    if bytes.len() as u64 == length {
        Ok(Some(bytes))
    } else {
        Err("its pieces are not all of it".to_owned())
    }
}
