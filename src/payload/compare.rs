//! Whether what was read is what was written, where the bytes differ.

use serde::Serialize;

use super::canonical;
use super::codec::write;
use super::error::EncodeError;
use super::sink::{Loss, Sink};

/// What is said of a value that returns as another one.
const DIFFERS: &str = "it would be read back as another value";

/// Compares a value with what was read back of it, by their JSON and the calls that have written it, but for the order of keys
/// and of the elements of arrays: values that hash their elements give them in another order each time.
pub(super) fn compare<T: Serialize>(value: &T, again: &T, limit: usize) -> Result<(), EncodeError> {
    let (text, mut calls, raw) = written(value, limit)?;
    let (text_again, mut calls_again, raw_again) = match written(again, limit) {
        Ok(written) => written,
        Err(error) => {
            let what = format!("what would be read back of it cannot be written: {error}");
            return Err(EncodeError::at(&[], 0, &what));
        }
    };
    if raw || raw_again {
        // Raw text may stand in for any value, however that is written. What is lost still counts.
        calls.retain(|(_, call)| Loss::is_loss(*call));
        calls_again.retain(|(_, call)| Loss::is_loss(*call));
    }
    let form = |loose| {
        let one = canonical::marked(&text, &calls, loose)?;
        Some((one, canonical::marked(&text_again, &calls_again, loose)?))
    };
    match form(true) {
        Some((one, other)) if one == other => return Ok(()),
        Some(_) => {}
        None if text == text_again => return Ok(()),
        None => return Err(EncodeError::at(&[], 0, DIFFERS)),
    }
    let (one, other) = form(false).unwrap_or_default();
    let first = one.iter().zip(&other).position(|(one, other)| one != other);
    Err(EncodeError::at(&one, first.unwrap_or_else(|| one.len().min(other.len())), DIFFERS))
}

/// The JSON of a value, the calls that have written it, each with its position, and whether there is raw text in it.
type Written = (Vec<u8>, Vec<(usize, u64)>, bool);

fn written<T: Serialize>(value: &T, limit: usize) -> Result<Written, EncodeError> {
    let sink = Sink::recording(limit);
    write(value, &sink)?;
    let raw = sink.raw.get();
    let (text, calls) = sink.into_parts();
    Ok((text, calls, raw))
}
