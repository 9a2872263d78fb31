//! The state machine of launches, and how their records stand on disk.

use sortie::probe::Sample;

/// Applies events at time 1000 and compares the states.
fn table(mut launch: Sample, steps: &[(&str, &str)]) {
    for (position, (event, state)) in steps.iter().enumerate() {
        assert_eq!(launch.apply(event, 1000), *state, "step {position}: {event}");
    }
}

#[test]
fn a_launch_that_succeeds_is_done_once() {
    table(
        Sample::new(3, false),
        &[
            ("succeed 1 1", "refused: the attempt is stale"),
            ("start 1", "running 1"),
            ("start 1", "refused: the attempt is stale"),
            ("succeed 1 2", "refused: the attempt is stale"),
            ("succeed 2 1", "refused: the attempt is stale"),
            ("succeed 1 1", "done"),
            ("succeed 1 1", "refused: the launch has ended"),
            ("error 1 1", "refused: the launch has ended"),
            ("crash", "refused: the launch has ended"),
            ("cancel", "refused: the launch has ended"),
            ("requeue", "refused: the launch has ended"),
            ("start 1", "refused: the launch has ended"),
        ],
    );
}

#[test]
fn failures_are_counted_until_the_launch_is_dead() {
    table(
        Sample::new(3, false),
        &[
            ("start 1", "running 1"),
            ("error 1 1", "pending until 2000"),
            ("start 1", "running 2"),
            ("panic 1 2", "pending until 2000"),
            ("start 1", "running 3"),
            ("timeout 1 3", "dead"),
            ("requeue", "pending"),
            ("requeue", "refused: the launch has not ended"),
            ("start 1", "running 4"),
            ("error 1 4", "pending until 2000"),
            ("start 1", "running 5"),
            ("fatal 1 5", "dead"),
        ],
    );
}

#[test]
fn what_is_given_back_counts_for_nothing() {
    let mut launch = Sample::new(1, false);
    for attempt in 1..100 {
        assert_eq!(launch.apply("start 1", 0), format!("running {attempt}"));
        assert_eq!(launch.apply(&format!("release 1 {attempt}"), 0), "pending");
    }
}

#[test]
fn only_the_deaths_of_a_suspect_are_counted() {
    table(
        Sample::new(1, false),
        &[
            ("crash", "refused: the attempt is stale"),
            ("start 1", "running 1"),
            ("crash", "pending suspect"),
            ("start 2", "running 2 suspect"),
            ("crash", "pending suspect"),
            ("start 3", "running 3 suspect"),
            ("release 3 3", "pending suspect"),
            ("start 3", "running 4 suspect"),
            ("crash", "pending suspect"),
            ("start 4", "running 5 suspect"),
            ("crash", "dead"),
            ("requeue", "pending"),
        ],
    );
}

#[test]
fn a_suspect_that_waits_stands_as_one_again_before_it_goes_on() {
    table(
        Sample::new(1, false),
        &[
            ("suspend 1 0", "refused: the attempt is stale"),
            ("start 1", "running 1"),
            ("crash", "pending suspect"),
            ("start 2", "running 2 suspect"),
            ("suspend 2 1", "refused: the attempt is stale"),
            ("suspend 2 2", "running 2"),
            ("resume 1 2", "refused: the attempt is stale"),
            ("resume 2 2", "running 2 suspect"),
            ("suspend 2 2", "running 2"),
            // Not counted, where one death as a suspect is one too many.
            ("crash", "pending suspect"),
            ("start 3", "running 3 suspect"),
            ("suspend 3 3", "running 3"),
            ("cancel", "running 3 unwanted"),
            ("succeed 3 3", "done"),
            ("suspend 3 3", "refused: the launch has ended"),
            ("resume 3 3", "refused: the launch has ended"),
        ],
    );
}

#[test]
fn an_attempt_that_ends_by_itself_clears_of_suspicion() {
    table(
        Sample::new(2, false),
        &[
            ("start 1", "running 1"),
            ("crash", "pending suspect"),
            ("start 2", "running 2 suspect"),
            ("error 2 2", "pending until 2000"),
            ("start 2", "running 3"),
            ("crash", "pending suspect"),
        ],
    );
}

#[test]
fn a_cancelled_launch_does_not_run_again_and_a_value_wins() {
    table(Sample::new(3, false), &[("cancel", "cancelled"), ("start 1", "refused: the launch has ended")]);
    let running =
        [("start 1", "running 1"), ("cancel", "running 1 unwanted"), ("cancel", "running 1 unwanted")];
    for (event, state) in [
        ("succeed 1 1", "done"),
        ("error 1 1", "cancelled"),
        ("fatal 1 1", "cancelled"),
        ("release 1 1", "cancelled"),
        ("crash", "cancelled"),
    ] {
        let steps: Vec<_> = running.into_iter().chain([(event, state)]).collect();
        table(Sample::new(3, false), &steps);
    }
}

#[test]
fn at_most_once_a_body_that_has_begun_is_not_begun_again() {
    for (event, state) in [
        ("error 1 1", "dead"),
        ("fatal 1 1", "dead"),
        ("panic 1 1", "ambiguous"),
        ("timeout 1 1", "ambiguous"),
        ("crash", "ambiguous"),
        ("release 1 1", "ambiguous"),
        ("unbegun 1 1", "pending"),
        ("succeed 1 1", "done"),
    ] {
        table(Sample::new(3, true), &[("start 1", "running 1"), (event, state)]);
    }
}

#[test]
fn who_waits_for_a_decision_is_run_again_or_settled_or_discarded() {
    for event in ["fatal 1 1", "panic 1 1"] {
        for (decision, state, next, answer) in [
            ("requeue", "pending", "start 1", "running 2"),
            ("settle", "done", "settle", "refused: the launch has ended"),
            ("settle", "done", "requeue", "refused: the launch has ended"),
            ("settle", "done", "discard_parked", "refused: the launch has ended"),
            ("discard", "leaving", "discard", "refused: the launch has ended"),
        ] {
            let mut launch = Sample::new(1, true);
            launch.apply("start 1", 1000);
            let before = launch.apply(event, 1000);
            assert!(["dead", "ambiguous"].contains(&&*before));
            assert_eq!(launch.apply(decision, 1000), state, "{event} {decision}");
            assert_eq!(launch.apply(next, 1000), answer, "{event} {decision} {next}");
        }
    }
}

#[test]
fn who_waits_for_no_decision_is_neither_settled_nor_discarded() {
    let (not_ended, ended) = ("refused: the launch has not ended", "refused: the launch has ended");
    table(
        Sample::new(3, false),
        &[
            ("settle", not_ended),
            ("discard", not_ended),
            ("start 1", "running 1"),
            ("settle", not_ended),
            ("discard", not_ended),
            ("discard_parked", not_ended),
            ("succeed 1 1", "done"),
            ("settle", ended),
            ("discard", ended),
        ],
    );
    table(Sample::new(3, false), &[("cancel", "cancelled"), ("settle", ended), ("discard", ended)]);
    // One that the process at hand cannot run does wait for a decision.
    table(Sample::new(3, false), &[("discard_parked", "leaving"), ("discard_parked", ended)]);
}

#[test]
fn only_what_is_done_or_cancelled_leaves() {
    let still_wanted = "refused: the launch has not ended";
    let ended = "refused: the launch has ended";
    table(
        Sample::new(1, false),
        &[
            ("leave", still_wanted),
            ("start 1", "running 1"),
            ("leave", still_wanted),
            ("error 1 1", "dead"),
            ("leave", still_wanted),
            ("requeue", "pending"),
            ("start 1", "running 2"),
            ("succeed 1 2", "done"),
            ("leave", "leaving"),
            ("leave", "leaving"),
            ("start 1", ended),
            ("cancel", ended),
            ("requeue", ended),
        ],
    );
    table(Sample::new(1, false), &[("cancel", "cancelled"), ("leave", "leaving")]);
    let unknown = [("start 1", "running 1"), ("crash", "ambiguous"), ("leave", still_wanted)];
    table(Sample::new(1, true), &unknown);
}

/// A launch with something in every field.
fn full() -> Sample {
    let mut launch = Sample::new(3, false);
    for event in ["start 1", "error 1 1", "start 1", "crash"] {
        launch.apply(event, 1_700_000_000_500);
    }
    launch
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_records_of_version_1_are_frozen() {
    let golden = include_str!("fixtures/head_v1.hex").split_whitespace().collect::<String>();
    let key = b"h0123456789abcdef";
    assert_eq!(hex(&full().record(key)), golden);
    let bytes: Vec<_> =
        (0..golden.len()).step_by(2).map(|at| u8::from_str_radix(&golden[at..at + 2], 16).unwrap()).collect();
    assert!(Sample::read(key, &bytes).unwrap().is(&full()));
}

#[test]
fn the_other_records_of_version_1_are_frozen() {
    let golden = include_str!("fixtures/others_v1.hex").split_whitespace();
    let records = Sample::others(b"k0123456789abcdef");
    assert_eq!(records.map(|record| hex(&record)).to_vec(), golden.collect::<Vec<_>>());
}

#[test]
fn a_record_that_is_not_what_was_written_is_refused() {
    let key = b"h0123456789abcdef";
    let record = full().record(key);
    assert!(Sample::read(key, &record).is_ok());
    assert!(Sample::read(b"h0123456789abcdeF", &record).is_err());
    for byte in 0..record.len() {
        for bit in 0..8 {
            let mut damaged = record.clone();
            damaged[byte] ^= 1 << bit;
            assert!(Sample::read(key, &damaged).is_err(), "bit {bit} of byte {byte}");
        }
        assert!(Sample::read(key, &record[..byte]).is_err(), "cut at {byte}");
    }
    let mut newer = record;
    newer[0] = 2;
    let error = Sample::read(key, &newer).err().unwrap();
    assert!(error.contains("newer version"), "{error}");
}
