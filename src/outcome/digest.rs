//! Digests that stay the same in every process and every version.

use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

/// 128 bits of some bytes. SipHash with a fixed key: it tells inputs apart that differ by chance or by mistake; it does not
/// resist somebody who looks for two that collide.
pub(crate) fn of(bytes: &[u8]) -> u128 {
    let mut hasher = SipHasher13::new();
    hasher.write(bytes);
    hasher.finish128().as_u128()
}
