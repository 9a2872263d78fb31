//! Random histories of a journal, beside a model of what it promises.
//!
//! A history is a list of operations, whatever sense they make: attempts are concluded twice, late and in a later life,
//! clocks step, commits fail, lives end without concluding anything. After every operation all records are compared with the
//! model's, which knows nothing of how a journal works. A history that shows a difference is shrunk, and printed.
//!
//! The seed is fixed. `SORTIE_MODEL_CASES` and `SORTIE_MODEL_SEED` make it more and others.

mod model;
mod operation;
mod play;

use std::env;
use std::time::Duration;

use proptest::collection::vec;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use sortie::EndedBy;
use sortie::probe::{Shelf, ShelfFault, ShelfJournal, StoreProbe};
use tokio::runtime::Builder;

use self::operation::{Operation, operations};
use self::play::Table;
use crate::journal_conformance::{Bench, OnDisk};
use crate::support::SECOND;

/// Journals over a store in memory that outlives them, and whose commits may fail.
#[derive(Default)]
struct OnShelf(Shelf);

impl Bench for OnShelf {
    type Journal = ShelfJournal;

    fn journal(&self) -> ShelfJournal {
        self.0.journal()
    }
}

/// A bench whose commits can be made to fail.
trait Breakable: Bench {
    /// The next commit fails. `false` if that cannot be.
    fn break_next(&self, _: ShelfFault) -> bool {
        false
    }

    /// Whether that commit is still to come.
    fn is_armed(&self) -> bool {
        false
    }

    /// What is there, between two lives.
    fn store(&self) -> Option<StoreProbe> {
        None
    }
}

impl Breakable for OnDisk {}

impl Breakable for OnShelf {
    fn break_next(&self, fault: ShelfFault) -> bool {
        self.0.break_next(fault);
        true
    }

    fn is_armed(&self) -> bool {
        self.0.is_armed()
    }

    fn store(&self) -> Option<StoreProbe> {
        Some(self.0.store())
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

/// Plays one history.
fn play<B: Breakable>(history: &[Operation]) -> Result<(), String> {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(Table::<B>::play(history))
}

/// Plays so many histories, each of at most so many operations.
fn check<B: Breakable>(cases: u64, longest: usize) {
    let config = Config {
        cases: number("SORTIE_MODEL_CASES", cases) as u32,
        rng_seed: RngSeed::Fixed(number("SORTIE_MODEL_SEED", 1)),
        failure_persistence: None,
        max_shrink_iters: 4_000,
        ..Config::default()
    };
    let played = TestRunner::new(config).run(&vec(operations(), 1..=longest), |history: Vec<Operation>| {
        play::<B>(&history).map_err(TestCaseError::fail)
    });
    match played {
        Ok(()) => {}
        Err(TestError::Fail(why, history)) => {
            let history: String = history.iter().map(|operation| format!("  {operation:?}\n")).collect();
            panic!("{why}\nafter\n{history}");
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_journal_does_what_its_model_does() {
    check::<OnShelf>(128, 60);
}

#[test]
fn a_journal_on_disk_does_what_its_model_does() {
    check::<OnDisk>(12, 40);
}

/// A launch of the first agent, with the first terms.
fn launch(input: u8, after: Duration) -> Operation {
    Operation::Launch { agent: 0, key: None, input, terms: 0, after }
}

#[test]
fn histories_that_made_a_difference_once() {
    let none = Duration::ZERO;
    for history in [
        // A commit fails and the store is opened again: a wait goes on.
        &[
            launch(0, SECOND),
            Operation::Break(ShelfFault::Lost),
            Operation::Forward(SECOND),
            launch(0, none),
            Operation::Claim { agents: 0, max: 0 },
        ][..],
        // The same, where the commit was that of its end.
        &[
            launch(0, SECOND),
            Operation::Forward(SECOND),
            Operation::Break(ShelfFault::Lost),
            Operation::Cancel { which: 0 },
            Operation::Claim { agents: 0, max: 0 },
        ],
        // A launch whose wait is over does not wait once more.
        &[
            launch(0, SECOND),
            Operation::Wait(SECOND),
            Operation::Back(10 * SECOND),
            Operation::Break(ShelfFault::Lost),
            Operation::Claim { agents: 0, max: 1 },
            Operation::Claim { agents: 0, max: 1 },
        ],
        // What is parked stays so.
        &[
            launch(0, none),
            Operation::Claim { agents: 0, max: 1 },
            Operation::Park { claim: 0 },
            Operation::Break(ShelfFault::Lost),
            launch(0, none),
            Operation::Claim { agents: 0, max: 1 },
        ],
        // What could not be parked is not.
        &[
            launch(0, none),
            Operation::Claim { agents: 0, max: 1 },
            Operation::Break(ShelfFault::Lost),
            Operation::Park { claim: 0 },
            Operation::Fail { claim: 0, by: EndedBy::Panic },
        ],
        // What could not be discarded is parked as before.
        &[
            launch(0, none),
            Operation::Claim { agents: 0, max: 1 },
            Operation::Park { claim: 0 },
            Operation::Break(ShelfFault::Lost),
            Operation::Discard { which: 0 },
        ],
        // It was cancelled while it ran, and the life ended: nothing of its input stays.
        &[
            launch(2, none),
            Operation::Claim { agents: 0, max: 1 },
            Operation::Cancel { which: 0 },
            Operation::Reopen,
        ],
    ] {
        play::<OnShelf>(history).unwrap_or_else(|why| panic!("{why} after {history:?}"));
    }
}
