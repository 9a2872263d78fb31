//! Ids of launches: new ones, and what is kept by them.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::journal::intent::Millis;
use crate::outcome::LaunchId;

/// How far ahead of the clock the time of an id may be for others to follow it: a day. The clock may have gone back.
const AHEAD: Millis = 24 * 60 * 60 * 1000;

/// The latest time of an id, in milliseconds since 1970: in the year 6429. It is half of what an id can hold, so that there is room
/// behind every id that was ever given.
const LATEST: u64 = (1 << 47) - 1;

/// The time in an id, in milliseconds since 1970.
pub(crate) fn time_of(id: LaunchId) -> Millis {
    (id.as_u128() >> 80) as Millis
}

/// Makes ids that ascend, whatever the clock does; unless there is one at the end of their range, which no clock leads to.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    last: u128,
}

impl Ids {
    /// Ids will be beyond this one, which exists already, unless its time is more than a day ahead of the clock: then it was
    /// not given by this clock, and the ids that follow it would not be in the order of time. Says whether they will.
    pub(crate) fn beyond(&mut self, id: LaunchId, now: Millis) -> bool {
        let follows = time_of(id) <= now.saturating_add(AHEAD);
        if follows {
            self.last = self.last.max(id.as_u128());
        }
        follows
    }

    /// The next id, at this time in milliseconds since 1970. Behind the last id that there can be, it is another one of this
    /// time: it has 74 bits of chance, and no id is given twice because of a record that is nonsense.
    pub(crate) fn next(&mut self, millis: u64) -> LaunchId {
        let millis = millis.min(LATEST);
        let (high, low) = (fastrand::u64(..).to_be_bytes(), fastrand::u16(..).to_be_bytes());
        let mut random = [0; 10];
        random[..8].copy_from_slice(&high);
        random[8..].copy_from_slice(&low);
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().as_u128();
        let id = if id > self.last { id } else { self.step().unwrap_or(id) };
        self.last = self.last.max(id);
        LaunchId::from_u128(id)
    }

    /// An id behind the last one, within its millisecond: after another one in this, or after the clock went back. The step leaves
    /// the bits of the variant alone, and carries over into those of the time when it must.
    fn step(&self) -> Option<u128> {
        const STEP: u128 = 1 << 32;
        let id = self.last.checked_add(STEP)? & !(STEP - 1) | u128::from(fastrand::u32(..));
        let id = id & !(0b11 << 62) | (0b10 << 62);
        if id > self.last { Some(id) } else { self.last.checked_add(1) }
    }
}

/// Something for each of some launches.
pub(super) type ById<T> = HashMap<LaunchId, T, BuildHasherDefault<IdHasher>>;

/// Hashes ids of launches, which have enough chance in them: nobody chooses them, so there is nothing to defend against.
#[derive(Debug, Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            // A product folded onto itself spreads what chance there is over all bits.
            let product = u128::from(self.0 ^ u64::from_le_bytes(word)) * 0x9e37_79b9_7f4a_7c15_u128;
            self.0 = (product as u64) ^ ((product >> 64) as u64);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
