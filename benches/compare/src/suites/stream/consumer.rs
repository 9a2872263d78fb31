//! The slow consumer.

use std::fmt::Display;
use std::hint::black_box;
use std::pin::pin;
use std::time::Duration;

use futures::{Stream, StreamExt};
use tokio::time::sleep;

use crate::suites::contest::resident;

/// How many times a number is stirred for each outcome: about half a microsecond, twice what sortie needs for a
/// no-op item.
const STIRS: u32 = 400;

/// How many outcomes a consumer takes that rests, before it does.
const AT_A_STRETCH: usize = 1_000;

const REST: Duration = Duration::from_millis(1);

/// What the consumer does besides its work.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    Steady,
    /// It looks at the memory after every 1,000 outcomes and then rests.
    Resting,
}

/// What the consumer got.
#[derive(Debug, PartialEq, Eq)]
pub struct Consumed {
    pub count: usize,
    /// The sum of the positions.
    pub sum: usize,
    /// The most memory it saw, in KiB. It looks at it only when it rests.
    pub peak: u64,
}

/// Takes all outcomes, each of which must be the position that it comes with.
pub async fn consume<E: Display>(
    outcomes: impl Stream<Item = (usize, Result<usize, E>)>,
    habit: Habit,
) -> Consumed {
    let mut outcomes = pin!(outcomes);
    let mut consumed = Consumed { count: 0, sum: 0, peak: 0 };
    while let Some((index, outcome)) = outcomes.next().await {
        match outcome {
            Ok(output) => assert_eq!(output, index, "an outcome comes with its own position"),
            Err(failure) => panic!("item {index} failed: {failure}"),
        }
        black_box(stir(index));
        consumed.count += 1;
        consumed.sum += index;
        if habit == Habit::Resting && consumed.count.is_multiple_of(AT_A_STRETCH) {
            consumed.peak = consumed.peak.max(resident::kib());
            sleep(REST).await;
        }
    }
    consumed
}

/// Work whose length depends on nothing but the processor. It is the same code for every subject, whatever the
/// compiler makes of what is around it.
#[inline(never)]
fn stir(number: usize) -> usize {
    (0..STIRS).fold(black_box(number), |number, _| number.wrapping_mul(0x9E37_79B9).rotate_left(7))
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures::stream;

    use super::*;

    #[tokio::test]
    async fn all_outcomes_are_taken() {
        let outcomes = stream::iter([2, 0, 1].map(|item| (item, io::Result::Ok(item))));
        let consumed = consume(outcomes, Habit::Steady).await;
        assert_eq!(consumed, Consumed { count: 3, sum: 3, peak: 0 });
    }
}
