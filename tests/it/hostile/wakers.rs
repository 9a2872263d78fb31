//! Wakers of the user's, which the crate calls where a future of its own becomes ready.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures::future::maybe_done;
use futures::stream::StreamExt;
use sortie::{MemoryJournal, SledJournal, System, agent_fn, foreach};
use tokio::time::sleep;

use super::{innocent, innocents_run, is_well};
use crate::directory::Directory;
use crate::support::SECOND;

struct Panicking;

impl Wake for Panicking {
    fn wake(self: Arc<Self>) {
        panic!("in wake");
    }
}

/// Polls a future once, with a waker that panics.
fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    let waker = Waker::from(Arc::new(Panicking));
    future.poll(&mut Context::from_waker(&waker))
}

#[tokio::test(start_paused = true)]
async fn a_waker_costs_the_wait_of_its_own_task() {
    let directory = Directory::new();
    for on_disk in [false, true] {
        let builder = System::builder();
        let mut builder = match on_disk {
            true => builder.journal(SledJournal::open(directory.journal()).unwrap()),
            false => builder.journal(MemoryJournal::new()),
        };
        let innocent = builder.register(innocent());
        let slow = agent_fn(|n: u32, _| async move {
            sleep(SECOND).await;
            Ok(n)
        });
        let slow = builder.register(slow.named("slow"));
        let system = builder.start().await.unwrap();
        let tickets = [system.launch(&slow, 1).await.unwrap(), system.launch(&slow, 2).await.unwrap()];
        // An intent, an outcome and the end of the system are waited for with such a waker, and so is an outcome by others.
        let mut appended = pin!(maybe_done(system.launch(&innocent, 1).into_future()));
        let _ = poll_once(appended.as_mut());
        let (mut ended, mut over) = (pin!(tickets[0].result()), pin!(system.wait()));
        for _ in 0..10 {
            // Until it waits for the outcome itself.
            assert!(poll_once(ended.as_mut()).is_pending());
            tokio::task::yield_now().await;
            sleep(SECOND / 100).await;
        }
        assert!(poll_once(over.as_mut()).is_pending());
        assert_eq!(tickets[1].result_within(60 * SECOND).await.unwrap().unwrap(), 2);
        innocents_run(&system, &innocent).await;
        assert_eq!(ended.await.unwrap().unwrap(), 1);
        appended.as_mut().await;
        let appended = appended.take_output().unwrap().unwrap();
        assert_eq!(appended.result_within(60 * SECOND).await.unwrap().unwrap(), 2);
        is_well(&system);
        system.shutdown(SECOND).await.unwrap();
        over.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_waker_of_a_stream_costs_no_outcome() {
    let agent = agent_fn(|n: u32, _| async move {
        sleep(SECOND).await;
        Ok(n)
    });
    let mut stream = pin!(foreach(0..10, agent).concurrency(3).stream());
    let mut values = 0;
    loop {
        let waker = Waker::from(Arc::new(Panicking));
        match stream.as_mut().poll_next_unpin(&mut Context::from_waker(&waker)) {
            Poll::Ready(None) => break,
            Poll::Ready(Some(completed)) => values += u32::from(completed.outcome.is_ok()),
            Poll::Pending => sleep(SECOND / 10).await,
        }
    }
    assert_eq!(values, 10);
}
