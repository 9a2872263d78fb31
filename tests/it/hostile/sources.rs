//! Where branches, times and bytes come from: iterators, streams, clocks, readers and writers.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::SystemTime;

use futures::stream::Stream;
use sortie::{Cause, MemoryJournal, SledJournal, System, WallClock, agent_fn, foreach, foreach_stream};

use super::{Bomb, innocent, innocents_run, is_well};
use crate::directory::{Directory, names};
use crate::support::{SECOND, leaves_no_task};

/// Where an iterator or a stream is hostile.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Next,
    SizeHint,
    Drop,
}

struct Items {
    at: At,
    next: u32,
    _bomb: Option<Bomb>,
}

impl Items {
    fn new(at: At) -> Self {
        Self { at, next: 0, _bomb: (at == At::Drop).then(|| Bomb) }
    }
}

impl Iterator for Items {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.next += 1;
        assert!(self.at != At::Next || self.next <= 3, "in next");
        (self.next <= 5).then_some(self.next)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        assert!(self.at != At::SizeHint, "in size_hint");
        (0, None)
    }
}

impl Stream for Items {
    type Item = u32;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u32>> {
        Poll::Ready(self.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        Iterator::size_hint(self)
    }
}

#[tokio::test(start_paused = true)]
async fn iterators_and_streams_cost_the_rest_of_their_own_items() {
    let agent = || agent_fn(|n: u32, _| async move { Ok(n) });
    for at in [At::Next, At::SizeHint, At::Drop] {
        let by_iterator = leaves_no_task(foreach(Items::new(at), agent()).settled()).await;
        let by_stream = leaves_no_task(foreach_stream(Items::new(at), agent()).settled()).await;
        for outcomes in [by_iterator, by_stream] {
            let (values, failures): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
            if at == At::Next {
                let cause = failures[0].as_ref().unwrap_err().cause();
                assert!(matches!(cause, Cause::Panicked(text) if text.ends_with("in next")), "{cause}");
                assert_eq!((values.len(), failures.len()), (3, 1));
            } else {
                assert_eq!((values.len(), failures.len()), (5, 0));
            }
        }
        let fan_out = foreach(Items::new(at), agent());
        assert!(format!("{fan_out:?}").contains("ForEach"));
        std::mem::forget(fan_out);
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_panics_stands_still() {
    let broken = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&broken);
    let bomb = Bomb;
    let clock = WallClock::new(move || {
        let _ = &bomb;
        assert!(!theirs.load(Ordering::SeqCst), "no time");
        SystemTime::UNIX_EPOCH + 1000 * SECOND
    });
    let mut builder = System::builder().journal(MemoryJournal::new());
    builder.wall_clock(clock.clone());
    let innocent = builder.register(innocent());
    let system = builder.start().await.unwrap();
    for is_broken in [false, true, false, true] {
        broken.store(is_broken, Ordering::SeqCst);
        innocents_run(&system, &innocent).await;
        assert_eq!(clock.now(), SystemTime::UNIX_EPOCH + 1000 * SECOND);
        assert!(format!("{clock:?}").contains("WallClock"));
    }
    let ticket = system.launch(&innocent, 1).delay(10 * SECOND).await.unwrap();
    assert_eq!(ticket.result_within(60 * SECOND).await.unwrap().unwrap(), 2);
    is_well(&system);
    system.shutdown(SECOND).await.unwrap();
    // One that has never given a time.
    let clock = WallClock::new(|| panic!("never"));
    assert!(clock.now() > SystemTime::UNIX_EPOCH);
}

#[tokio::test(start_paused = true)]
async fn readers_and_writers_cost_their_own_export_or_import() {
    struct Broken;
    impl io::Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            panic!("in write")
        }

        fn flush(&mut self) -> io::Result<()> {
            panic!("in flush")
        }
    }
    impl io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("in read")
        }
    }
    let directory = Directory::new();
    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    let agent = builder.register(innocent());
    let system = builder.start().await.unwrap();
    innocents_run(&system, &agent).await;
    system.shutdown(SECOND).await.unwrap();
    let copy = directory.path().join("copy");
    assert!(catch_unwind(AssertUnwindSafe(|| SledJournal::export(directory.journal(), Broken))).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| SledJournal::import(&copy, Broken))).is_err());
    assert_eq!(names(directory.path()), ["journal"]);
    let mut lines = Vec::new();
    assert_eq!(SledJournal::export(directory.journal(), &mut lines).unwrap().launches, 5);
    assert_eq!(SledJournal::import(&copy, &lines[..]).unwrap(), 5);
}
