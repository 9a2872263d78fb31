//! Policies are pure: tables of decisions.

use std::time::Duration;

use sortie::{Backoff, Decision, Restart, Trigger};

use crate::support::{MS, SECOND};

const NO_FLOOR: Duration = Duration::ZERO;

fn wait(decision: Decision) -> Option<Duration> {
    match decision {
        Decision::Restart { after } => Some(after),
        Decision::GiveUp => None,
    }
}

#[test]
fn exponential_waits_double_up_to_the_maximum() {
    let backoff = Backoff::exponential(100 * MS).max(SECOND).jitter(false);
    let waits: Vec<_> = (1..=6).map(|attempt| backoff.wait_after(attempt, 0.7).as_millis()).collect();
    assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
    assert_eq!(backoff.wait_after(u32::MAX, 0.0), SECOND);
    let steep = Backoff::exponential(MS).factor(10.0).jitter(false);
    assert_eq!([1, 2, 3].map(|attempt| steep.wait_after(attempt, 0.0)), [MS, 10 * MS, 100 * MS]);
}

#[test]
fn the_defaults_are_the_documented_ones() {
    assert_eq!(Backoff::default(), Backoff::exponential(100 * MS));
    assert_eq!(Backoff::default().wait_after(60, 0.0), Backoff::DEFAULT_MAX);
    assert_eq!(Backoff::exponential(60 * SECOND).wait_after(1, 0.0), 60 * SECOND);
}

#[test]
fn jitter_takes_up_to_half_and_adds_nothing() {
    let backoff = Backoff::exponential(100 * MS).max(400 * MS);
    for attempt in 1..10 {
        let whole = backoff.wait_after(attempt, 0.0);
        for roll in [0.0, 0.1, 0.5, 0.999, 1.0, 7.0] {
            let wait = backoff.wait_after(attempt, roll);
            assert!(wait <= whole && wait >= whole / 2, "{wait:?} of {whole:?}");
        }
    }
    assert_eq!(Backoff::fixed(SECOND).wait_after(9, 1.0), SECOND, "none unless asked for");
    assert_eq!(Backoff::fixed(SECOND).jitter(true).wait_after(9, 1.0), SECOND / 2);
}

#[test]
fn extremes_do_not_overflow() {
    let backoff = Backoff::exponential(Duration::MAX).factor(f64::MAX).max(Duration::MAX);
    assert!(backoff.wait_after(u32::MAX, 0.5) <= Duration::MAX);
    assert_eq!(Backoff::none().wait_after(u32::MAX, 0.5), Duration::ZERO);
}

#[test]
fn attempts_are_counted_from_the_first() {
    let policy = Restart::attempts(3).backoff(Backoff::fixed(SECOND));
    let decisions: Vec<_> =
        (1..=4).map(|attempt| wait(policy.decide(attempt, Trigger::Error, NO_FLOOR, 0.0))).collect();
    assert_eq!(decisions, [Some(SECOND), Some(SECOND), None, None]);
    assert_eq!(Restart::attempts(1).decide(1, Trigger::Panic, NO_FLOOR, 0.0), Decision::GiveUp);
}

#[test]
fn only_the_named_causes_count() {
    let all = [Trigger::Error, Trigger::Panic, Trigger::Timeout];
    for trigger in all {
        assert!(wait(Restart::attempts(2).decide(1, trigger, NO_FLOOR, 0.0)).is_some(), "{trigger:?}");
        for other in all {
            let decision = Restart::attempts(2).only([trigger]).decide(1, other, NO_FLOOR, 0.0);
            assert_eq!(wait(decision).is_some(), trigger == other, "{trigger:?} {other:?}");
        }
    }
}

#[test]
fn a_floor_is_never_undershot() {
    let policy = Restart::attempts(9).backoff(Backoff::exponential(100 * MS).max(200 * MS));
    for roll in [0.0, 0.5, 1.0] {
        for attempt in 1..9 {
            let after = wait(policy.decide(attempt, Trigger::Error, 300 * MS, roll)).unwrap();
            assert_eq!(after, 300 * MS);
        }
    }
}

#[test]
#[should_panic(expected = "at least 1 attempt")]
fn zero_attempts_are_refused() {
    let _ = Restart::attempts(0);
}

#[test]
#[should_panic(expected = "needs a cause")]
fn no_causes_are_refused() {
    let _ = Restart::attempts(2).only([]);
}

#[test]
#[should_panic(expected = "Backoff::none()")]
fn a_zero_backoff_is_refused_with_a_remedy() {
    let _ = Backoff::exponential(Duration::ZERO);
}

#[test]
#[should_panic(expected = "Backoff::none()")]
fn a_zero_fixed_backoff_is_refused() {
    let _ = Backoff::fixed(Duration::ZERO);
}

#[test]
#[should_panic(expected = "maximum of a backoff")]
fn a_zero_maximum_is_refused() {
    let _ = Backoff::default().max(Duration::ZERO);
}

#[test]
#[should_panic(expected = "at least 1, not NaN")]
fn a_factor_that_is_no_number_is_refused() {
    let _ = Backoff::default().factor(f64::NAN);
}
