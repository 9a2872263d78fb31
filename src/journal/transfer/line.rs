//! One launch as a line of JSON.
//!
//! Another field that older versions may leave out is no new version of the format; a field that is gone, or means
//! something else, is.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::import::shown;
use crate::journal::intent::{Ended, Head, Millis, State, Stored, StoredDue, StoredTerms, Wrong};
use crate::outcome::LaunchId;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FirstLine {
    /// What it is: [`FirstLine::WHAT`].
    pub(super) sortie: String,
    pub(super) version: u32,
}

impl FirstLine {
    pub(super) const WHAT: &str = "launches";
    pub(super) const VERSION: u32 = 1;

    pub(super) fn new() -> Self {
        Self { sortie: Self::WHAT.to_owned(), version: Self::VERSION }
    }
}

/// Everything that is recorded of a launch, with its payloads.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line<'a> {
    id: String,
    agent: String,
    key: Option<String>,
    /// 32 hexadecimal digits.
    digest: String,
    recorded: Millis,
    state: Stands,
    attempt: u32,
    failures: u32,
    crashes: u32,
    suspect: bool,
    terms: StoredTerms,
    history: Vec<Ended>,
    #[serde(borrow)]
    input: Option<Payload<'a>>,
    #[serde(borrow)]
    output: Option<Payload<'a>>,
}

/// How a launch stands, without its output.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Stands {
    Pending { due: Option<StoredDue> },
    Running { epoch: u64, since: Millis, cancel: bool },
    Done { at: Millis },
    Dead { at: Millis },
    Cancelled { at: Millis },
    Ambiguous { at: Millis },
}

/// The bytes of a payload: JSON as it is, to the byte, and hexadecimal digits for what is not JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Payload<'a> {
    #[serde(borrow)]
    Json(&'a RawValue),
    Hex(String),
}

/// A launch with its payloads, out of a line.
pub(super) struct Launch {
    pub(super) id: LaunchId,
    /// With payloads that are [`Stored::Gone`]: they stand beside it.
    pub(super) head: Head,
    pub(super) input: Option<Vec<u8>>,
    pub(super) output: Option<Vec<u8>>,
}

impl<'a> Line<'a> {
    pub(super) fn new(id: LaunchId, head: Head, input: Option<&'a [u8]>, output: Option<&'a [u8]>) -> Self {
        let state = match head.state {
            State::Pending(due) => Stands::Pending { due },
            State::Running { epoch, since, cancel } => Stands::Running { epoch, since, cancel },
            State::Done { at, .. } => Stands::Done { at },
            State::Dead { at } => Stands::Dead { at },
            State::Cancelled { at } => Stands::Cancelled { at },
            State::Ambiguous { at } => Stands::Ambiguous { at },
        };
        Self {
            id: id.to_string(),
            agent: head.agent,
            key: head.key,
            digest: format!("{:032x}", head.digest),
            recorded: head.recorded,
            state,
            attempt: head.attempt,
            failures: head.failures,
            crashes: head.crashes,
            suspect: head.suspect,
            terms: head.terms,
            history: head.history,
            input: input.map(Payload::new),
            output: output.map(Payload::new),
        }
    }

    /// Reads a line, or says in which field it is wrong.
    pub(super) fn read(line: &'a [u8]) -> Result<Self, Wrong> {
        serde_json::from_slice(line).map_err(|error| {
            // Read again, because to keep the path to the field takes time.
            let mut track = serde_path_to_error::Track::new();
            let mut reader = serde_json::Deserializer::from_slice(line);
            let tracked = serde_path_to_error::Deserializer::new(&mut reader, &mut track);
            let path = Self::deserialize(tracked).err().map(|_| track.path().to_string());
            let path = path.filter(|path| path != ".").unwrap_or_default();
            Wrong::new(shown(&path), shown(&error.to_string()))
        })
    }

    /// The launch of the line, or what is wrong with it.
    pub(super) fn launch(self) -> Result<Launch, Wrong> {
        let id = self.id.parse::<LaunchId>().map_err(|_| {
            Wrong::new("id", format!("`{}` is not the id of a launch, which is a UUID", shown(&self.id)))
        })?;
        let digits = self.digest.len() == 32 && self.digest.bytes().all(|byte| digit(byte).is_some());
        let digest = digits.then(|| u128::from_str_radix(&self.digest, 16).ok()).flatten();
        let digest = digest.ok_or_else(|| {
            Wrong::new("digest", format!("the digest `{}` is not 32 hexadecimal digits", shown(&self.digest)))
        })?;
        let (input, output) = (bytes("input", self.input)?, bytes("output", self.output)?);
        let state = match self.state {
            Stands::Pending { due } => State::Pending(due),
            Stands::Running { epoch, since, cancel } => State::Running { epoch, since, cancel },
            Stands::Done { at } => State::Done { at, output: Stored::Gone },
            Stands::Dead { at } => State::Dead { at },
            Stands::Cancelled { at } => State::Cancelled { at },
            Stands::Ambiguous { at } => State::Ambiguous { at },
        };
        let done = matches!(state, State::Done { .. });
        if output.is_some() != done {
            return Err(Wrong::new("output", "a launch that is done has an output, and no other has"));
        }
        if input.is_none() && !done && !matches!(state, State::Cancelled { .. }) {
            return Err(Wrong::new("input", "it has no input, without which it cannot run"));
        }
        let head = Head {
            agent: self.agent,
            key: self.key,
            digest,
            recorded: self.recorded,
            input: Stored::Gone,
            terms: self.terms,
            state,
            attempt: self.attempt,
            failures: self.failures,
            crashes: self.crashes,
            suspect: self.suspect,
            history: self.history,
        };
        Ok(Launch { id, head, input, output })
    }
}

impl<'a> Payload<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        // JSON may be spread over lines, but not here.
        let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains(['\n', '\r']));
        // What stands around a value is no part of it, and would be lost.
        let json = text.and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
        match json.filter(|json| json.get().len() == bytes.len()) {
            Some(json) => Self::Json(json),
            None => Self::Hex(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }
}

fn bytes(field: &str, payload: Option<Payload<'_>>) -> Result<Option<Vec<u8>>, Wrong> {
    match payload {
        None => Ok(None),
        Some(Payload::Json(json)) => Ok(Some(json.get().as_bytes().to_vec())),
        Some(Payload::Hex(digits)) => {
            let pairs = digits.as_bytes().chunks(2);
            let bytes = pairs.map(|pair| match pair {
                [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
                _ => None,
            });
            let bytes = bytes.collect::<Option<Vec<u8>>>();
            let wrong = || Wrong::new(format!("{field}.hex"), "a payload in hexadecimal digits is none");
            bytes.map(Some).ok_or_else(wrong)
        }
    }
}

fn digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}
