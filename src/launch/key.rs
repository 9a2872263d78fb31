//! The keys of launches: those that callers give, and those that are derived from the attempts that launch.
//!
//! Both stand in one column of a journal, and no caller's key is stored as a derived one: a key of a caller that looks like a
//! derived one, or like an escaped one, is stored with an [`ESCAPE`] before it, which is taken off where keys are shown. All other
//! keys are stored as they are given, so that what was recorded before there was an escape is found.

use super::error::LaunchErrorKind;
use crate::agent::Lineage;
use crate::journal::LaunchRecord;

/// How long the key of a caller may be, in bytes.
const LONGEST_KEY: usize = 512;

/// How long a label may be, in bytes: it is part of a key.
const LONGEST_LABEL: usize = 256;

/// What stands before the keys of callers that look like others. Journals take keys that are so much longer.
const ESCAPE: &str = "~caller~";

/// What derived keys begin with. The lineage of the parent follows, as 32 hexadecimal digits.
const DERIVED: &str = "child/";
const DIGITS: usize = 32;

/// The key of a caller as it is stored.
pub(super) fn of_caller(key: String) -> Result<String, LaunchErrorKind> {
    let bytes = key.len();
    if bytes == 0 || bytes > LONGEST_KEY {
        return Err(LaunchErrorKind::BadKey { bytes, limit: LONGEST_KEY });
    }
    Ok(stored(key))
}

/// A key as it is stored if it is a caller's.
fn stored(key: String) -> String {
    if is_derived(&key) || key.starts_with(ESCAPE) { format!("{ESCAPE}{key}") } else { key }
}

/// The keys under which a launch may stand that is shown with this key: that of a caller first.
pub(crate) fn candidates(key: String) -> impl Iterator<Item = String> {
    let derived = is_derived(&key).then(|| key.clone());
    std::iter::once(stored(key)).chain(derived)
}

/// A stored key as it is shown.
pub(super) fn shown(key: &str) -> &str {
    key.strip_prefix(ESCAPE).unwrap_or(key)
}

/// The record of a launch with its key as it is shown.
pub(super) fn shown_in(mut record: LaunchRecord) -> LaunchRecord {
    if let Some(key) = record.key.as_mut().filter(|key| key.starts_with(ESCAPE)) {
        key.drain(..ESCAPE.len());
    }
    record
}

/// The key of the launch that an attempt calls so.
pub(super) fn of_label(parent: Lineage, label: &str) -> Result<String, LaunchErrorKind> {
    let bytes = label.len();
    if bytes == 0 || bytes > LONGEST_LABEL {
        return Err(LaunchErrorKind::BadLabel { bytes, limit: LONGEST_LABEL });
    }
    Ok(format!("{DERIVED}{parent}/{label}"))
}

/// The key of the launch that an attempt makes at this position.
pub(super) fn of_position(parent: Lineage, position: u32) -> String {
    // Not after a slash: a label may look like a position.
    format!("{DERIVED}{parent}#{position}")
}

/// Whether a key has the form of a derived one.
fn is_derived(key: &str) -> bool {
    let digits = key.strip_prefix(DERIVED).and_then(|rest| rest.as_bytes().split_at_checked(DIGITS));
    digits.is_some_and(|(digits, rest)| {
        let are_digits = digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        are_digits && matches!(rest.first(), Some(b'#' | b'/'))
    })
}
