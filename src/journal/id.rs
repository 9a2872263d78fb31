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

    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
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

/// Makes ids that ascend, whatever the clock does.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    last: u128,
}

impl Ids {
    /// Ids will be beyond this one, which exists already.
    pub(crate) fn beyond(&mut self, id: LaunchId) {
        self.last = self.last.max(id.as_u128());
    }

    /// The next id, at this time in milliseconds since 1970.
    pub(crate) fn next(&mut self, millis: u64) -> LaunchId {
        let (high, low) = (fastrand::u64(..).to_be_bytes(), fastrand::u16(..).to_be_bytes());
        let mut random = [0; 10];
        random[..8].copy_from_slice(&high);
        random[8..].copy_from_slice(&low);
        let mut id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().as_u128();
        if id <= self.last {
            // Within a millisecond, or after the clock went back. The step leaves the bits of the variant alone, and
            // carries over into those of the time when it must.
            const STEP: u128 = 1 << 32;
            id = (self.last + STEP) & !(STEP - 1) | u128::from(fastrand::u32(..));
            id = id & !(0b11 << 62) | (0b10 << 62);
            if id <= self.last {
                id = self.last + 1;
            }
        }
        self.last = id;
        LaunchId(Uuid::from_u128(id))
    }
}
