//! New ids of launches.

use crate::outcome::LaunchId;

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
        LaunchId::from_u128(id)
    }
}
