//! How long to wait between attempts.

use std::time::Duration;

use super::positive;

/// The wait between two attempts of a branch: none, fixed, or exponential; bounded, with jitter.
///
/// Jitter takes up to half of a wait away, so that branches that failed together do not come back together. It
/// never lengthens a wait: [`max`](Backoff::max) is a bound that holds. A wait of more than
/// [`Restart::LONGEST_WAIT`](crate::Restart::LONGEST_WAIT) is not waited for: there is no further attempt then.
///
/// ```
/// use std::time::Duration;
/// use sortie::Backoff;
///
/// let backoff = Backoff::exponential(Duration::from_millis(100)).max(Duration::from_secs(1));
/// // Without jitter the waits after attempts 1, 2, 3, … are 100, 200, 400, 800, 1000, 1000, … ms.
/// assert_eq!(backoff.wait_after(3, 0.0), Duration::from_millis(400));
/// assert_eq!(backoff.wait_after(9, 0.0), Duration::from_secs(1));
/// // With all of the jitter, half as long.
/// assert_eq!(backoff.wait_after(3, 1.0), Duration::from_millis(200));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Backoff {
    pub(crate) base: Duration,
    pub(crate) factor: f64,
    pub(crate) max: Duration,
    pub(crate) jitter: bool,
}

impl Backoff {
    /// The bound on one wait where none is set: 30 s.
    pub const DEFAULT_MAX: Duration = Duration::from_secs(30);

    /// No wait: the next attempt may start at once.
    pub const fn none() -> Self {
        Self { base: Duration::ZERO, factor: 1.0, max: Duration::ZERO, jitter: false }
    }

    /// The same wait after each attempt, without jitter unless [`jitter`](Backoff::jitter) is called.
    ///
    /// # Panics
    /// If `wait` is zero: [`none`](Backoff::none) says that.
    #[track_caller]
    pub fn fixed(wait: Duration) -> Self {
        let wait = positive(wait, "a fixed backoff", "use `Backoff::none()` to retry at once");
        Self { base: wait, factor: 1.0, max: wait, jitter: false }
    }

    /// `base` after the first attempt and twice as long after each further one, up to
    /// [`DEFAULT_MAX`](Backoff::DEFAULT_MAX) (or `base`, if that is longer), with jitter.
    ///
    /// # Panics
    /// If `base` is zero: [`none`](Backoff::none) says that.
    #[track_caller]
    pub fn exponential(base: Duration) -> Self {
        let base = positive(base, "an exponential backoff", "use `Backoff::none()` to retry at once");
        Self { base, factor: 2.0, max: Self::DEFAULT_MAX.max(base), jitter: true }
    }

    /// Multiplies the wait by `factor` after each further attempt; 2 unless set.
    ///
    /// # Panics
    /// If `factor` is below 1 or not finite.
    #[track_caller]
    pub fn factor(mut self, factor: f64) -> Self {
        assert!(
            factor.is_finite() && factor >= 1.0,
            "a backoff grows by a finite factor of at least 1, not {factor}"
        );
        self.factor = factor;
        self
    }

    /// Bounds each wait.
    ///
    /// # Panics
    /// If `max` is zero.
    #[track_caller]
    pub fn max(mut self, max: Duration) -> Self {
        self.max = positive(max, "the maximum of a backoff", "use `Backoff::none()` to retry at once");
        self
    }

    /// Turns jitter on or off; on for exponential waits, off for fixed ones.
    pub fn jitter(mut self, on: bool) -> Self {
        self.jitter = on;
        self
    }

    /// The wait after attempt number `attempt`, counted from 1.
    ///
    /// `roll`, between 0 and 1, says how much of the jitter is taken: nothing of the wait at 0, half of it at 1. It is
    /// the only random input, and it is an argument, so that the decision is the same wherever it is made.
    pub fn wait_after(&self, attempt: u32, roll: f64) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let wait = self.base.as_secs_f64() * self.factor.powi(exponent);
        let wait = wait.min(self.max.as_secs_f64());
        let kept = if self.jitter { 1.0 - roll.clamp(0.0, 1.0) / 2.0 } else { 1.0 };
        Duration::try_from_secs_f64(wait * kept).unwrap_or(self.max).min(self.max)
    }
}

impl Default for Backoff {
    /// Exponential from 100 ms, doubling, at most 30 s, with jitter.
    fn default() -> Self {
        Self { base: Duration::from_millis(100), factor: 2.0, max: Self::DEFAULT_MAX, jitter: true }
    }
}
