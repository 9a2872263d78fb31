//! Why a value is no payload, or a payload no value.

use std::fmt;

use super::path;

/// How many characters of what serde and its implementations say are kept: it may quote the value.
const LONGEST: usize = 300;

/// Why a value is not given out as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EncodeError {
    /// It is longer than it may be. `bytes` is how long it is, and at least as much for a value that is longer than four times
    /// the limit.
    TooLarge { bytes: usize, limit: usize },
    /// It cannot be written, or does not return when it is read. The text names the path in the value.
    Unfit(String),
}

impl EncodeError {
    /// Something is wrong with the value whose text begins or ends at `offset` of the JSON.
    #[cold]
    pub(super) fn at(text: &[u8], offset: usize, what: &str) -> Self {
        Self::Unfit(located(text, offset, what))
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes, limit } => {
                write!(f, "it is {bytes} bytes long, where {limit} are allowed")
            }
            Self::Unfit(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for EncodeError {}

/// Why JSON is not read as a value. The text names the path in the JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DecodeError {
    text: String,
    /// How far the reading had come when it was found; the largest number if that is not known.
    pub(super) offset: usize,
}

impl DecodeError {
    #[cold]
    pub(super) fn new(text: &[u8], error: &serde_json::Error) -> Self {
        let offset = match error.line() {
            0 => return Self::of(&error.to_string()),
            line => {
                let before = text.split_inclusive(|byte| *byte == b'\n').take(line - 1).map(<[u8]>::len);
                before.sum::<usize>() + error.column().saturating_sub(1)
            }
        };
        let what = error.to_string();
        let position = format!(" at line {} column {}", error.line(), error.column());
        Self { text: located(text, offset, what.strip_suffix(&position).unwrap_or(&what)), offset }
    }

    /// An error of the value as a whole.
    #[cold]
    pub(super) fn of(what: &str) -> Self {
        Self { text: cut(what), offset: usize::MAX }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for DecodeError {}

fn located(text: &[u8], offset: usize, what: &str) -> String {
    let (path, what) = (path::at(text, offset), cut(what));
    if path.is_empty() { what } else { format!("at `{path}`: {what}") }
}

/// A text of others, cut.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
