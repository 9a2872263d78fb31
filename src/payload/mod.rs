//! The codec of payloads: inputs, outputs and settled values, as the JSON that a journal stores.
//!
//! | part | what it is |
//! |---|---|
//! | [`encode`], [`encode_input`] | a value as JSON that returns: what was written is read back and compared before it is given out |
//! | [`decode`], [`decode_value`] | a value out of JSON |
//! | `Checked` | the serializer in front of serde_json's: it notes what JSON loses, and bounds depth and length |
//! | `Sink` | what is written, or compared with what was written before, and what was noted beside it |
//! | `canonical` | the form of a payload of which digests are taken: never what is stored |
//! | `escape` | the escapes in strings, found eight bytes at a time |
//! | `path` | where in a value something is |
//!
//! Every call into the user's serde implementations is made here, and contained. What is written is bounded by the length that
//! the journal takes, so a value without an end costs bounded memory; code that loops without writing is not bounded.
//!
//! # What JSON cannot tell apart
//!
//! Written and read values are compared by their JSON and by the calls that their `Serialize` makes. Two values are taken for
//! the same although they may differ: if a `Serialize` makes the same calls for both (variants of an untagged enum that hold the
//! same types, fields that are skipped), and if they differ only in the order of the elements of arrays and of the keys of
//! objects, because sets and maps that hash have another order each time. Two equal inputs that hold such a *set* have different
//! digests for the same reason: the order of an array counts there.

mod canonical;
mod checked;
mod codec;
mod compare;
mod error;
mod escape;
mod path;
mod sink;

pub(crate) use codec::{Encoded, decode, decode_value, encode, encode_input, encode_value};
pub(crate) use error::{DecodeError, EncodeError};
