//! Subjects: one way each to do a piece of work, seen alike.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, FutureExt};

/// A piece of work, as large as its number of items.
pub trait Work: Copy + Send + 'static {
    fn items(self) -> usize;
}

/// A flat fan-out is nothing but its items.
impl Work for usize {
    fn items(self) -> usize {
        self
    }
}

/// One way to do the work.
pub struct Subject<W> {
    pub name: &'static str,
    /// Does the work so many times, and tells for how long in all.
    pub run: Box<dyn Fn(W, u32) -> BoxFuture<'static, Duration>>,
}

impl<W: Work> Subject<W> {
    /// Wraps the work in what is not measured: the check of its results, and their end.
    ///
    /// Nothing is awaited between the repeats. What one leaves behind it, such as actors that are still about to
    /// end, therefore runs on its own time: in the next repeat.
    pub fn new<F, Fut>(name: &'static str, run: F, check: fn(&str, W, Fut::Output)) -> Self
    where
        F: Fn(W) -> Fut + Send + Sync + 'static,
        Fut: Future<Output: Send> + Send + 'static,
    {
        let run = Arc::new(run);
        let repeated = move |work, repeats| {
            let run = Arc::clone(&run);
            async move {
                let mut took = Duration::ZERO;
                for _ in 0..repeats {
                    let start = Instant::now();
                    let results = run(work).await;
                    took += start.elapsed();
                    check(name, work, results);
                }
                took
            }
            .boxed()
        };
        Self { name, run: Box::new(repeated) }
    }
}
