//! Digests that stay the same in every process and every version.

use std::fmt;
use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

/// 128 bits of some bytes. SipHash with a fixed key: it tells inputs apart that differ by chance or by mistake; it does not
/// resist somebody who looks for two that collide.
pub(crate) fn of(bytes: &[u8]) -> u128 {
    let mut hasher = SipHasher13::new();
    hasher.write(bytes);
    hasher.finish128().as_u128()
}

/// A payload as `Debug` shows it: how long it is, and its digest. The payload itself is the user's, and stands in no log.
pub(crate) struct Digested<'a>(pub(crate) &'a [u8]);

impl fmt::Debug for Digested<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, digest {:032x}", self.0.len(), of(self.0))
    }
}
