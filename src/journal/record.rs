//! How records stand in a store: `[version][kind][crc32][body]`.
//!
//! The body is bincode with fixed integers, of our own types only: what users give is opaque bytes in it. The checksum
//! covers the key and the body, so that neither a flipped bit nor a value under a wrong key is taken for a record;
//! bincode alone would read most of them without an error.

use bincode::Options;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// The version of the records that are written.
pub(crate) const VERSION: u8 = 1;

const HEADER: usize = 6;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The boot epoch.
    Epoch = 1,
    /// The head of a launch.
    Head = 2,
    /// A piece of an input or an output.
    Piece = 3,
    /// The mark of a launch whose pieces are being written, and whose head is not.
    Staging = 4,
}

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum RecordError {
    #[error("the record is of version {0}, which only a newer version of the crate can read")]
    Newer(u8),
    #[error("the record is damaged: {0}")]
    Damaged(&'static str),
}

fn options() -> impl Options {
    // The limit is on what a length in a damaged record can make us allocate; values are much shorter.
    bincode::DefaultOptions::new().with_fixint_encoding().with_limit(1 << 16).reject_trailing_bytes()
}

/// How long a record of this body would be.
pub(crate) fn length<T: Serialize>(body: &T) -> usize {
    options().serialized_size(body).map_or(usize::MAX, |length| length as usize + HEADER)
}

/// Makes a record of a body.
pub(crate) fn seal<T: Serialize>(kind: Kind, key: &[u8], body: &T) -> Result<Vec<u8>, bincode::Error> {
    let mut record = Vec::with_capacity(length(body).min(1 << 16));
    record.extend([VERSION, kind as u8, 0, 0, 0, 0]);
    options().serialize_into(&mut record, body)?;
    let checksum = checksum(key, &record[HEADER..]);
    record[2..HEADER].copy_from_slice(&checksum.to_le_bytes());
    Ok(record)
}

/// The body of a record of this kind.
pub(crate) fn open<T: DeserializeOwned>(kind: Kind, key: &[u8], record: &[u8]) -> Result<T, RecordError> {
    let Some((header, body)) = record.split_at_checked(HEADER) else {
        return Err(RecordError::Damaged("it is too short"));
    };
    // The version first: of a newer one nothing else is known.
    if header[0] > VERSION {
        return Err(RecordError::Newer(header[0]));
    }
    if header[2..] != checksum(key, body).to_le_bytes() {
        return Err(RecordError::Damaged("its checksum differs"));
    }
    if header[0] != VERSION || header[1] != kind as u8 {
        return Err(RecordError::Damaged("it is of another kind"));
    }
    options().deserialize(body).map_err(|_| RecordError::Damaged("its body cannot be read"))
}

fn checksum(key: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(body);
    hasher.finalize()
}
