//! How many deaths in how long a supervisor puts up with.

use std::collections::VecDeque;
use std::time::Duration;

use super::positive;

/// How many deaths in how long a supervisor puts up with before it fails itself: `Intensity::new(3, 5 s)`, the default,
/// restarts up to three times within five seconds, and gives up at the fourth death.
///
/// What dies is a resident actor, or a supervisor under the root; attempts are not counted, they have a
/// [restart policy](crate::Restart). The meaning is that of the restart intensity of OTP's supervisors.
///
/// ```
/// use std::time::Duration;
/// use sortie::Intensity;
///
/// assert_eq!(Intensity::default(), Intensity::new(3, Duration::from_secs(5)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intensity {
    deaths: u32,
    within: Duration,
}

impl Intensity {
    /// Up to `deaths` deaths within the window are followed by a restart. With 0, the first death is one too many.
    ///
    /// # Panics
    /// If the window is zero.
    #[track_caller]
    pub fn new(deaths: u32, within: Duration) -> Self {
        Self {
            deaths,
            within: positive(within, "the window of an intensity", "use 0 deaths for no restarts"),
        }
    }

    /// How many deaths are followed by a restart.
    pub fn deaths(&self) -> u32 {
        self.deaths
    }

    /// Within how long.
    pub fn within(&self) -> Duration {
        self.within
    }
}

impl Default for Intensity {
    fn default() -> Self {
        Self { deaths: 3, within: Duration::from_secs(5) }
    }
}

/// The deaths that still count.
#[derive(Debug, Default)]
pub(crate) struct Deaths(VecDeque<Duration>);

impl Deaths {
    /// Notes a death at `now`, on any clock that does not go back. `false` if it is one too many.
    pub(crate) fn bearable(&mut self, intensity: Intensity, now: Duration) -> bool {
        let forgotten = now.saturating_sub(intensity.within);
        while self.0.front().is_some_and(|death| *death < forgotten) {
            self.0.pop_front();
        }
        self.0.push_back(now);
        self.0.len() <= intensity.deaths as usize
    }
}
