//! Reproducible dice.

/// A roll in `0.0..1.0` that depends on its arguments alone: the same run, branch and attempt roll the same number,
/// whatever was scheduled when.
pub(crate) fn jitter(seed: u64, branch: usize, attempt: u32) -> f64 {
    // Two odd constants keep neighbouring branches and attempts apart; the generator does the mixing.
    let branch = (branch as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let attempt = u64::from(attempt).wrapping_mul(0xD1B5_4A32_D192_ED03);
    fastrand::Rng::with_seed(seed ^ branch ^ attempt).f64()
}
