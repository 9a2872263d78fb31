//! The keys of a journal's records: one prefix byte, then what they belong to.

use crate::outcome::LaunchId;

/// The prefix of heads, in the order of launches.
pub(crate) const HEADS: &[u8] = b"h";
/// The prefix of the pieces of inputs.
pub(crate) const INPUTS: &[u8] = b"i";
/// The prefix of the pieces of outputs.
pub(crate) const OUTPUTS: &[u8] = b"o";
/// The prefix of the marks of launches that are being written.
pub(crate) const STAGING: &[u8] = b"s";
/// The boot epoch.
pub(crate) const EPOCH: &[u8] = b"e";

/// The key of a record of a launch.
pub(crate) fn of(prefix: &[u8], id: LaunchId) -> Vec<u8> {
    [prefix, &id.to_bytes()].concat()
}

/// The key of one piece of a payload.
pub(crate) fn piece(prefix: &[u8], id: LaunchId, number: u32) -> Vec<u8> {
    [prefix, &id.to_bytes(), &number.to_be_bytes()].concat()
}

/// The launch that a key belongs to.
pub(crate) fn launch(prefix: &[u8], key: &[u8]) -> Option<LaunchId> {
    let bytes = key.strip_prefix(prefix)?.get(..16)?;
    Some(LaunchId::from_bytes(bytes.try_into().ok()?))
}
