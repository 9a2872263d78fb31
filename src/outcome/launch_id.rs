//! The identity of a launch.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use uuid::Uuid;

/// The identity of a launch: time-ordered, 128 bits (a UUID of version 7, RFC 9562).
///
/// It stays the same over all attempts, restarts of the process included, and is what an agent hands on as an idempotency
/// key. Unique, not secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaunchId(Uuid);

impl LaunchId {
    /// The id as a number.
    pub fn as_u128(&self) -> u128 {
        self.0.as_u128()
    }

    /// The version of the UUID. A journal gives those of version 7.
    #[cfg_attr(not(feature = "sled"), expect(dead_code, reason = "only imports are checked"))]
    pub(crate) fn version(self) -> usize {
        self.0.get_version_num()
    }

    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    pub(crate) fn from_u128(id: u128) -> Self {
        Self(Uuid::from_u128(id))
    }
}

impl fmt::Display for LaunchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for LaunchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LaunchId({self})")
    }
}

/// A text that is no launch id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not the id of a launch: it is a UUID, as `Display` writes it")]
pub struct BadLaunchId(String);

impl FromStr for LaunchId {
    type Err = BadLaunchId;

    fn from_str(text: &str) -> Result<Self, BadLaunchId> {
        Uuid::try_parse(text).map(Self).map_err(|_| BadLaunchId(text.to_owned()))
    }
}
