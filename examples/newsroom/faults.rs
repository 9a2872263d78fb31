//! Injected faults: errors, panics and hangs that hit the same attempts in every run with the same seed.
//!
//! The decision is a pure function of seed, document, branch and attempt. Scheduling, concurrency and the other
//! documents of a run have no say in it.

use std::fmt;
use std::panic;

/// How often attempts are hit, as shares from 0 to 1 of all attempts.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Faults {
    pub(crate) seed: u64,
    pub(crate) fail: f64,
    pub(crate) panic: f64,
    pub(crate) hang: f64,
}

/// What happens to an attempt that is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Fail,
    Panic,
    Hang,
}

/// The error of an attempt that was made to fail; a further attempt may succeed.
#[derive(Debug)]
pub(crate) struct InjectedError;

impl fmt::Display for InjectedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("injected error")
    }
}

impl std::error::Error for InjectedError {}

/// The message by which the panic hook knows an injected panic from a real one.
const INJECTED_PANIC: &str = "injected panic";

impl Faults {
    /// Lets the fault that is due happen: fails, panics, or never returns.
    ///
    /// # Errors
    /// If this attempt shall fail.
    ///
    /// # Panics
    /// If this attempt shall panic.
    pub(crate) async fn inject(
        &self,
        document: &str,
        branch: &str,
        attempt: u32,
    ) -> Result<(), InjectedError> {
        match self.decide(document, branch, attempt) {
            None => Ok(()),
            Some(Fault::Fail) => Err(InjectedError),
            Some(Fault::Panic) => panic!("{INJECTED_PANIC}"),
            Some(Fault::Hang) => std::future::pending().await,
        }
    }

    /// One draw decides, so that each rate is the share of attempts it hits. If the rates add up to more than 1,
    /// they are scaled to a sum of 1 and keep their proportions.
    pub(crate) fn decide(&self, document: &str, branch: &str, attempt: u32) -> Option<Fault> {
        let scale = (self.fail + self.panic + self.hang).max(1.0);
        let mut left = self.draw(document, branch, attempt) * scale;
        for (rate, fault) in [(self.fail, Fault::Fail), (self.panic, Fault::Panic), (self.hang, Fault::Hang)]
        {
            if left < rate {
                return Some(fault);
            }
            left -= rate;
        }
        None
    }

    /// A number in `0.0..1.0`, evenly spread over the attempts.
    ///
    /// FNV-1a with the finaliser of SplitMix64 rather than the standard hasher, whose values may change with the
    /// toolchain.
    fn draw(&self, document: &str, branch: &str, attempt: u32) -> f64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut eat = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        };
        eat(&self.seed.to_le_bytes());
        // Lengths keep ("ab", "c") and ("a", "bc") apart.
        for text in [document, branch] {
            eat(&(text.len() as u64).to_le_bytes());
            eat(text.as_bytes());
        }
        eat(&attempt.to_le_bytes());

        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^= hash >> 31;
        // The upper 53 bits fill a float's mantissa exactly.
        (hash >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Keeps injected panics off stderr; all others are reported as before.
pub(crate) fn quiet_injected_panics() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let payload = panic.payload();
        let message = payload.downcast_ref::<&str>().copied();
        let message = message.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        if message != Some(INJECTED_PANIC) {
            report(panic);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(faults: Faults, wanted: Option<Fault>) -> usize {
        (0..10_000).filter(|n| faults.decide(&format!("{n}.md"), "summary", 1) == wanted).count()
    }

    #[test]
    fn each_rate_is_the_share_of_attempts_it_hits() {
        let faults = Faults { seed: 7, fail: 0.1, panic: 0.2, hang: 0.3 };
        let shares =
            [(Some(Fault::Fail), 0.1), (Some(Fault::Panic), 0.2), (Some(Fault::Hang), 0.3), (None, 0.4)];
        for (fault, share) in shares {
            let found = count(faults, fault) as f64 / 10_000.0;
            assert!((found - share).abs() < 0.02, "{fault:?}: {found} instead of {share}");
        }
    }

    #[test]
    fn rates_at_their_limits_hold_exactly() {
        assert_eq!(count(Faults::default(), None), 10_000);
        assert_eq!(count(Faults { hang: 1.0, ..Faults::default() }, Some(Fault::Hang)), 10_000);
        let all = Faults { fail: 1.0, panic: 1.0, hang: 1.0, seed: 3 };
        assert_eq!(count(all, None), 0);
        for fault in [Fault::Fail, Fault::Panic, Fault::Hang] {
            let found = count(all, Some(fault));
            assert!((3_000..3_700).contains(&found), "{fault:?}: {found} of 10,000");
        }
    }

    #[test]
    fn seed_document_branch_and_attempt_all_matter() {
        let faults = Faults { seed: 1, ..Faults::default() };
        let draw = faults.draw("a.md", "summary", 1);
        assert_eq!(draw, faults.draw("a.md", "summary", 1));
        assert_ne!(draw, Faults { seed: 2, ..faults }.draw("a.md", "summary", 1));
        assert_ne!(draw, faults.draw("b.md", "summary", 1));
        assert_ne!(draw, faults.draw("a.md", "sentiment", 1));
        assert_ne!(draw, faults.draw("a.md", "summary", 2));
    }

    #[test]
    fn the_decisions_of_a_seed_never_change() {
        let faults = Faults { seed: 42, fail: 0.25, panic: 0.25, hang: 0.25 };
        let decisions: Vec<_> =
            (1..=4).map(|attempt| faults.decide("README.md", "summary", attempt)).collect();
        assert_eq!(decisions, [None, Some(Fault::Hang), Some(Fault::Fail), None]);
    }
}
