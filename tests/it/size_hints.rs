//! A size hint is a hint: an iterator whose hint is wrong loses no item, and costs nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use futures::stream::Stream;
use sortie::{AgentRef, Cause, MemoryJournal, System, agent_fn, foreach, foreach_stream};
use tokio::sync::Barrier;

use crate::support::{MS, SECOND, threads};

type Hint = (usize, Option<usize>);

/// Gives the numbers below `end`, and says something else of them.
#[derive(Clone)]
struct Wrong {
    next: u32,
    end: u32,
    hint: Hint,
    /// Whether the hint goes down as items are given, as that of an honest iterator does.
    falls: bool,
}

impl Iterator for Wrong {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let next = self.next;
        self.next += 1;
        (next < self.end).then_some(next)
    }

    fn size_hint(&self) -> Hint {
        let given = if self.falls { self.next as usize } else { 0 };
        (self.hint.0.saturating_sub(given), self.hint.1.map(|most| most.saturating_sub(given)))
    }
}

impl Stream for Wrong {
    type Item = u32;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<u32>> {
        std::task::Poll::Ready(Iterator::next(&mut *self))
    }

    fn size_hint(&self) -> Hint {
        Iterator::size_hint(self)
    }
}

const HINTS: [Hint; 11] = [
    (0, Some(0)),
    (0, Some(1)),
    (0, Some(2)),
    (0, Some(5)),
    (5, Some(2)),
    (3, Some(3)),
    (usize::MAX, None),
    (usize::MAX, Some(usize::MAX)),
    (usize::MAX, Some(0)),
    (1_000_000_000, Some(1_000_000_000)),
    (0, None),
];

/// Every wrong iterator over twelve items, and over none.
fn wrong() -> impl Iterator<Item = Wrong> {
    let cases = HINTS.into_iter().flat_map(|hint| [0, 1, 12].map(|end| (hint, end)));
    cases.flat_map(|(hint, end)| [false, true].map(|falls| Wrong { next: 0, end, hint, falls }))
}

/// Fails for the numbers below `failing`.
fn agent(failing: u32) -> AgentRef<u32, u32> {
    AgentRef::new(agent_fn(move |n: u32, _| async move {
        tokio::task::yield_now().await;
        if n < failing { Err("too small".into()) } else { Ok(n) }
    }))
}

fn what(items: &Wrong) -> String {
    format!("{:?} of {}, {}", items.hint, items.end, items.falls)
}

#[tokio::test(start_paused = true)]
async fn every_item_has_an_outcome_in_every_ending() {
    for items in wrong() {
        for concurrency in [1, 3, 64] {
            let (case, all) = (what(&items), (0..items.end).collect::<Vec<_>>());
            let run = |failing| foreach(items.clone(), &agent(failing)).concurrency(concurrency);
            let outcomes = run(0).settled().await;
            assert_eq!(outcomes.into_iter().map(Result::unwrap).collect::<Vec<_>>(), all, "{case}");
            assert_eq!(run(0).all().await.unwrap(), all, "{case}");
            let completed: Vec<_> = run(0).stream().collect().await;
            assert_eq!(completed.len(), all.len(), "{case}");
            let keyed = foreach(items.clone(), &agent(0)).keyed(|n| *n).unwrap().concurrency(concurrency);
            assert_eq!(keyed.all().await.unwrap().len(), all.len(), "{case}");
            if items.end < 12 {
                continue;
            }
            assert!(run(11).any().await.is_ok_and(|n| n == 11), "{case}");
            assert_eq!(run(7).quorum(5).await.unwrap(), [7, 8, 9, 10, 11], "{case}");
            let error = run(8).quorum(5).await.unwrap_err();
            assert_eq!(error.failures().len() + error.into_values().len(), 12, "{case}");
            let error = run(1).all().await.unwrap_err();
            assert_eq!(error.failure().index(), 0, "{case}");
            let outcomes = error.into_outcomes();
            assert!(outcomes.len() == 12 || items.hint == (usize::MAX, None), "{case}: {}", outcomes.len());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_item_of_a_stream_has_an_outcome_in_every_ending() {
    for items in wrong() {
        let (case, all) = (what(&items), (0..items.end).collect::<Vec<_>>());
        let run = |failing| foreach_stream(items.clone(), &agent(failing)).concurrency(3);
        assert_eq!(run(0).all().await.unwrap(), all, "{case}");
        assert_eq!(run(0).settled().await.len(), all.len(), "{case}");
        assert_eq!(run(0).stream().count().await, all.len(), "{case}");
        let keyed = foreach_stream(items.clone(), &agent(0)).keyed(|n| *n);
        assert_eq!(keyed.all().await.unwrap().len(), all.len(), "{case}");
        if items.end == 12 {
            assert_eq!(run(11).any().await.unwrap(), 11, "{case}");
            assert_eq!(run(7).quorum(5).await.unwrap(), [7, 8, 9, 10, 11], "{case}");
            assert!(run(8).quorum(5).await.is_err(), "{case}");
        }
    }
}

/// A hint that is too small does not keep attempts from running at the same time.
#[tokio::test(start_paused = true)]
async fn items_that_wait_for_each_other_run_together_whatever_the_hint_is() {
    for items in wrong().filter(|items| items.end == 12) {
        let (case, barrier) = (what(&items), Arc::new(Barrier::new(12)));
        let agent = agent_fn(move |n: u32, _| {
            let barrier = Arc::clone(&barrier);
            async move {
                barrier.wait().await;
                Ok(n)
            }
        });
        let run = foreach(items, agent).concurrency(12).all();
        assert_eq!(tokio::time::timeout(60 * SECOND, run).await.expect(&case).unwrap().len(), 12, "{case}");
    }
}

#[test]
fn nothing_is_lost_on_two_threads() {
    let runtime = threads(2);
    for items in wrong().chain(wrong()) {
        let case = what(&items);
        let (end, seen) = (items.end, Arc::new(AtomicUsize::new(0)));
        let noted = Arc::clone(&seen);
        let agent = agent_fn(move |n: u32, _| {
            noted.fetch_add(1, Ordering::SeqCst);
            async move {
                if n % 2 == 0 {
                    tokio::task::yield_now().await;
                }
                Ok(n)
            }
        });
        let run = foreach(items, agent).concurrency(4).lanes(2).all();
        let values = runtime.block_on(async { tokio::spawn(run).await }).unwrap().unwrap();
        assert_eq!((values.len(), seen.load(Ordering::SeqCst)), (end as usize, end as usize), "{case}");
    }
}

/// What a hint is asked for is never executed twice, and the end is asked for once only.
#[tokio::test(start_paused = true)]
async fn an_iterator_is_not_asked_again_behind_its_end() {
    for most in [None, Some(0), Some(2), Some(3), Some(100)] {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let items = std::iter::from_fn(move || {
            let call = count.fetch_add(1, Ordering::SeqCst);
            assert!(call <= 3, "it was asked behind its end");
            (call < 3).then_some(call as u32)
        });
        struct Hinted<I>(I, Option<usize>);
        impl<I: Iterator> Iterator for Hinted<I> {
            type Item = I::Item;
            fn next(&mut self) -> Option<I::Item> {
                self.0.next()
            }
            fn size_hint(&self) -> Hint {
                (0, self.1)
            }
        }
        assert_eq!(foreach(Hinted(items, most), &agent(0)).all().await.unwrap(), [0, 1, 2], "{most:?}");
        assert_eq!(asked.load(Ordering::SeqCst), 4, "{most:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_behind_a_wrong_hint_stands_in_its_place() {
    for most in 0..5 {
        struct Panics(u32, usize);
        impl Iterator for Panics {
            type Item = u32;
            fn next(&mut self) -> Option<u32> {
                self.0 += 1;
                assert!(self.0 < 4, "on purpose");
                Some(self.0)
            }
            fn size_hint(&self) -> Hint {
                (0, Some(self.1))
            }
        }
        let outcomes = foreach(Panics(0, most), &agent(0)).settled().await;
        assert_eq!(outcomes.len(), 4, "{most}");
        assert!(matches!(outcomes[3].as_ref().unwrap_err().cause(), Cause::Panicked(_)), "{most}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_leaves_no_item_without_an_outcome() {
    for items in wrong().filter(|items| items.hint != (usize::MAX, None)) {
        let (case, end) = (what(&items), items.end as usize);
        let hangs = agent_fn(|_: u32, _| std::future::pending::<Result<(), sortie::AgentError>>());
        let run = foreach(items.clone(), hangs).concurrency(2).deadline(MS);
        assert_eq!(run.settled().await.len(), end, "{case}");
        let hangs = agent_fn(|_: u32, _| std::future::pending::<Result<(), sortie::AgentError>>());
        let run = foreach(items, hangs).concurrency(2).queue_timeout(MS).deadline(5 * MS);
        assert_eq!(run.settled().await.len(), end, "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn launches_are_recorded_together_whatever_the_hint_is() {
    let mut builder = System::builder().journal(MemoryJournal::new());
    let agent = builder.register(agent_fn(|n: u32, _| async move { Ok(n) }).named("same"));
    let system = builder.start().await.unwrap();
    for items in wrong() {
        struct Mapped<F>(Wrong, F);
        impl<T, F: Fn(u32) -> T> Iterator for Mapped<F> {
            type Item = T;
            fn next(&mut self) -> Option<T> {
                Iterator::next(&mut self.0).map(&self.1)
            }
            fn size_hint(&self) -> Hint {
                Iterator::size_hint(&self.0)
            }
        }
        let (case, end) = (what(&items), items.end as usize);
        let many = system.launch_many(Mapped(items, |n| system.launch(&agent, n))).await;
        assert_eq!(many.into_iter().filter(Result::is_ok).count(), end, "{case}");
    }
    system.shutdown(SECOND).await.unwrap();
}
