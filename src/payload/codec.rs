//! Values to JSON and back.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::canonical;
use super::checked::{Checked, call};
use super::compare::compare;
use super::error::{DecodeError, EncodeError, cut};
use super::sink::Sink;
use crate::outcome::digest;
use crate::user_code::{Contained, contain};

/// A value as JSON that returns.
pub(crate) struct Encoded {
    /// The JSON, exactly as the value has written it.
    pub(crate) bytes: Vec<u8>,
    /// The digest of its canonical form: equal for inputs that differ only in the order of keys.
    pub(crate) digest: u128,
}

/// Writes a value as JSON of at most `limit` bytes, reads it back, and compares.
///
/// The value is refused if something in it has no JSON (such as NaN, or a `Some` that is written as `null`) and does not return
/// by what the type makes of it, if it is nested deeper than it can be read, if it cannot be read, or if what is read is
/// another value. A panic in the user's code is such an error.
pub(crate) fn encode<T: Serialize + DeserializeOwned>(
    value: &T,
    limit: usize,
) -> Result<Vec<u8>, EncodeError> {
    checked(value, limit).map(|(bytes, _)| bytes)
}

/// The same, with the digest.
pub(crate) fn encode_input<T: Serialize + DeserializeOwned>(
    value: &T,
    limit: usize,
) -> Result<Encoded, EncodeError> {
    let (bytes, noted) = checked(value, limit)?;
    let digest = canonical_digest(value, &bytes, &noted);
    Ok(Encoded { bytes, digest })
}

/// A value as a `Value` that says the same as its JSON does.
pub(crate) fn encode_value<T: Serialize + DeserializeOwned>(value: &T) -> Result<Value, EncodeError> {
    let (bytes, noted) = checked(value, usize::MAX)?;
    let shown = contain(|| serde_json::to_value(value).map_err(|error| error.to_string()));
    let shown = shown.and_then(|shown| shown).map_err(|error| EncodeError::Unfit(cut(&error)))?;
    if noted.raw {
        // Typed numbers are kept or refused; those in raw text may be longer than a `Value` holds.
        let written =
            serde_json::to_vec(&shown).map_err(|error| EncodeError::Unfit(cut(&error.to_string())))?;
        let (one, other) = (canonical::of(&bytes, true), canonical::of(&written, true));
        if one != other {
            let (one, other) = (one.unwrap_or_default(), other.unwrap_or_default());
            let first = one.iter().zip(other.iter()).take_while(|(one, other)| one == other).count();
            return Err(EncodeError::at(&one, first, "a JSON value does not hold it"));
        }
    }
    Ok(shown)
}

/// Reads a value. A panic in the user's code is an error.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    match contain(|| serde_json::from_slice(bytes).map_err(|error| DecodeError::new(bytes, &error))) {
        Ok(read) => read,
        Err(panic) => Err(DecodeError::of(&format!("its `Deserialize` has panicked: {panic}"))),
    }
}

/// Reads a value out of a `Value`.
pub(crate) fn decode_value<T: DeserializeOwned>(value: Value) -> Result<T, DecodeError> {
    if !is_shallow(&value) {
        return Err(DecodeError::of("it is nested deeper than JSON is read"));
    }
    match contain(|| serde_json::from_value(value).map_err(|error| DecodeError::of(&error.to_string()))) {
        Ok(read) => read,
        Err(panic) => Err(DecodeError::of(&format!("its `Deserialize` has panicked: {panic}"))),
    }
}

/// What was noted while a value was written.
struct Noted {
    /// Whether there were single floats.
    singles: bool,
    /// Whether there was text that serde_json has not made.
    raw: bool,
    /// Whether there were objects whose keys have an order.
    objects: bool,
}

fn checked<T: Serialize + DeserializeOwned>(
    value: &T,
    limit: usize,
) -> Result<(Vec<u8>, Noted), EncodeError> {
    let sink = Sink::keeping(limit);
    write(value, &sink)?;
    let again = match sink.with_text(decode) {
        // Dropped by itself, whatever follows: it is a value of the user's.
        Ok(again) => Contained::new(again),
        Err(error) => return Err(sink.loss().unwrap_or_else(|| unreadable(value, &error))),
    };
    let is_same = |again: &T| {
        sink.with_text(|text| {
            let other = Sink::comparing(text);
            write(again, &other).is_ok() && other.is_same(&sink)
        })
    };
    // What hashes its elements writes them in another order.
    let is_alike = |again: &T| {
        let other = Sink::keeping(limit);
        write(again, &other).is_ok()
            && other.is_alike(&sink)
            && sink.with_text(|text| other.with_text(|other| canonical::are_alike(text, other)))
    };
    match again.get() {
        Some(again) if !is_same(again) && !is_alike(again) => {
            compare(value, again, limit).map_err(|error| sink.loss().unwrap_or(error))?;
        }
        _ => {}
    }
    let noted = Noted { singles: sink.singles.get(), raw: sink.raw.get(), objects: sink.objects.get() };
    Ok((sink.into_bytes(), noted))
}

/// Writes a value.
pub(super) fn write<T: Serialize>(value: &T, sink: &Sink<'_>) -> Result<(), EncodeError> {
    let written = contain(|| {
        let mut serializer = serde_json::Serializer::new(sink);
        value.serialize(Checked::new(&mut serializer, sink)).map_err(|error| error.to_string())
    });
    match written {
        // The caller knows what was expected.
        _ if sink.differs() => Err(EncodeError::Unfit(String::new())),
        // A `Serialize` may go on after an error, and return what it likes.
        _ if sink.is_too_long() => Err(EncodeError::TooLarge { bytes: sink.len(), limit: sink.limit() }),
        _ if sink.is_too_deep() => Err(sink.error("it is nested deeper than it could be read back")),
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(sink.error(&error)),
        Err(panic) => Err(sink.error(&format!("its `Serialize` has panicked: {panic}"))),
    }
}

/// Why a value whose JSON is not read cannot be written.
#[cold]
fn unreadable<T: Serialize>(value: &T, error: &DecodeError) -> EncodeError {
    // Types that serde buffers (tagged, flattened, untagged) do not read integers of 128 bits, and the error says neither
    // that nor where they are: it is the last one before the reading ended.
    let sink = Sink::recording(usize::MAX);
    if write(value, &sink).is_ok() {
        let (text, calls) = sink.into_parts();
        let is_long = |position: usize| {
            let rest = text.get(position..).unwrap_or_default();
            let length =
                rest.iter().position(|byte| !matches!(byte, b'-' | b'0'..=b'9')).unwrap_or(rest.len());
            let number = rest.get(..length).and_then(|number| std::str::from_utf8(number).ok());
            number.is_some_and(|number| number.parse::<i64>().is_err() && number.parse::<u64>().is_err())
        };
        let mut before = calls
            .iter()
            .rev()
            .filter(|(position, call)| *position < error.offset && matches!(*call, call::I128 | call::U128));
        if let Some((position, _)) =
            before.find(|(position, _)| error.text().contains("128") || is_long(*position))
        {
            let what = "an integer of 128 bits is not read back in a tagged, flattened or untagged type";
            return EncodeError::at(&text, *position, &format!("{what} ({error})"));
        }
    }
    EncodeError::Unfit(format!("it could not be read back: {error}"))
}

/// The digest of an input of which these bytes were written.
fn canonical_digest<T: Serialize>(value: &T, bytes: &[u8], noted: &Noted) -> u128 {
    if noted.singles {
        // Digests were taken of single floats as doubles, and those of the same input stay the same.
        let sink = Sink::widening(usize::MAX);
        if write(value, &sink).is_ok() {
            return sink.with_text(|text| digest_of(text, noted));
        }
    }
    digest_of(bytes, noted)
}

fn digest_of(bytes: &[u8], noted: &Noted) -> u128 {
    if !noted.objects && !noted.raw {
        // It is canonical as it is.
        return digest::of(bytes);
    }
    match canonical::of(bytes, noted.raw) {
        Some(form) => digest::of(&form),
        None => digest::of(bytes),
    }
}

/// Whether a value is not nested deeper than JSON is read: those that are built by hand may be.
fn is_shallow(value: &Value) -> bool {
    let mut open = vec![(value, 0)];
    while let Some((value, levels)) = open.pop() {
        if levels > canonical::MOST_LEVELS {
            return false;
        }
        match value {
            Value::Array(items) => open.extend(items.iter().map(|item| (item, levels + 1))),
            Value::Object(fields) => open.extend(fields.values().map(|field| (field, levels + 1))),
            _ => {}
        }
    }
    true
}
