//! What may happen to a journal.

use std::time::Duration;

use proptest::prelude::*;
use sortie::EndedBy;
use sortie::probe::ShelfFault;

/// Something that happens to a journal. `which` and `claim` count around what there is.
#[derive(Debug, Clone)]
pub enum Operation {
    Launch {
        agent: usize,
        key: Option<u8>,
        input: u8,
        terms: usize,
        after: Duration,
    },
    Claim {
        agents: usize,
        max: usize,
    },
    Complete {
        claim: usize,
        large: bool,
    },
    Fail {
        claim: usize,
        by: EndedBy,
    },
    Release {
        claim: usize,
        begun: bool,
    },
    Park {
        claim: usize,
    },
    ReleaseAll {
        agent: usize,
    },
    /// A suspect waits for another launch.
    Suspend {
        claim: usize,
    },
    /// It is to go on.
    Resume {
        claim: usize,
    },
    Cancel {
        which: usize,
    },
    Requeue {
        which: usize,
    },
    Settle {
        which: usize,
        large: bool,
    },
    Discard {
        which: usize,
    },
    /// What has expired is removed, so many at once.
    Sweep {
        max: usize,
    },
    /// The wall clock is set.
    Forward(Duration),
    Back(Duration),
    /// Time passes, on both clocks.
    Wait(Duration),
    /// The life ends, without concluding anything, and the next one begins.
    Reopen,
    /// The next commit fails.
    Break(ShelfFault),
}

/// Any operation; launches and claims more often than what needs some.
pub fn operations() -> impl Strategy<Value = Operation> {
    let seconds = || (0..20u64).prop_map(Duration::from_secs);
    let keys = prop_oneof![2 => Just(None), 1 => (0..3u8).prop_map(Some)];
    let after = prop_oneof![3 => Just(Duration::ZERO), 1 => seconds()];
    // Mostly the latest: what comes later in a history is about what was there just before.
    let claim = || 0..6usize;
    let ends = prop_oneof![
        3 => Just(EndedBy::Error),
        1 => Just(EndedBy::Fatal),
        1 => Just(EndedBy::Panic),
        1 => Just(EndedBy::Timeout),
    ];
    prop_oneof![
        6 => (0..2usize, keys, 0..3u8, 0..4usize, after)
            .prop_map(|(agent, key, input, terms, after)| Operation::Launch { agent, key, input, terms, after }),
        8 => (0..3usize, 0..5usize).prop_map(|(agents, max)| Operation::Claim { agents, max }),
        3 => (claim(), any::<bool>()).prop_map(|(claim, large)| Operation::Complete { claim, large }),
        4 => (claim(), ends).prop_map(|(claim, by)| Operation::Fail { claim, by }),
        2 => (claim(), any::<bool>()).prop_map(|(claim, begun)| Operation::Release { claim, begun }),
        1 => claim().prop_map(|claim| Operation::Park { claim }),
        1 => (0..2usize).prop_map(|agent| Operation::ReleaseAll { agent }),
        2 => claim().prop_map(|claim| Operation::Suspend { claim }),
        2 => claim().prop_map(|claim| Operation::Resume { claim }),
        2 => (0..8usize).prop_map(|which| Operation::Cancel { which }),
        2 => (0..8usize).prop_map(|which| Operation::Requeue { which }),
        1 => (0..8usize, any::<bool>()).prop_map(|(which, large)| Operation::Settle { which, large }),
        1 => (0..8usize).prop_map(|which| Operation::Discard { which }),
        2 => (1..4usize).prop_map(|max| Operation::Sweep { max }),
        1 => (0..5000u64).prop_map(|seconds| Operation::Forward(Duration::from_secs(seconds))),
        1 => (0..5000u64).prop_map(|seconds| Operation::Back(Duration::from_secs(seconds))),
        3 => seconds().prop_map(Operation::Wait),
        3 => Just(Operation::Reopen),
        1 => prop_oneof![Just(ShelfFault::Lost), Just(ShelfFault::Untold)].prop_map(Operation::Break),
    ]
}
