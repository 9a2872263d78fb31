//! Panics of user code, wherever it is called: one failure, nothing lost, nobody else harmed.

use std::future::Future;
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use sortie::{AgentContext, AgentError, Backoff, Cause, Outcome, Restart, agent_fn, foreach};
use tokio::time::sleep;

use crate::support::{MS, SECOND, leaves_no_task};

/// Panics when it is dropped, and counts that.
struct Bomb(Arc<AtomicUsize>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("in drop");
    }
}

fn message<T>(outcome: &Outcome<T>) -> &str {
    match outcome.as_ref().err().unwrap().cause() {
        Cause::Panicked(message) => message,
        other => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_is_thrown_becomes_a_message() {
    let agent = agent_fn(|n: u32, _| async move {
        match n {
            0 => panic!("plain"),
            1 => panic!("formatted {n}"),
            2 => panic_any(7_u32),
            _ => panic_any(Bomb(Arc::default())),
        }
        #[expect(unreachable_code, reason = "gives the block its type")]
        Ok(())
    });
    let outcomes = leaves_no_task(foreach(0..4, agent).settled()).await;
    let messages: Vec<_> = outcomes.iter().map(message).collect();
    assert_eq!(messages, ["plain", "formatted 1", "a panic without a message", "a panic without a message"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_outside_the_future_is_one_too() {
    let agent = agent_fn(|n: u32, _| {
        assert!(n != 1, "before the future");
        async move { Ok(n) }
    });
    let outcomes = foreach(0..3, agent).settled().await;
    assert_eq!(message(&outcomes[1]), "before the future");
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_panic_after_an_await_is_one_too() {
    let agent = agent_fn(|n: u32, _| async move {
        sleep(MS).await;
        assert!(n % 10 != 3, "item {n}");
        Ok(n)
    });
    let outcomes = leaves_no_task(foreach(0..100, agent).concurrency(7).settled()).await;
    for (n, outcome) in outcomes.iter().enumerate() {
        if n % 10 == 3 {
            assert_eq!(message(outcome), format!("item {n}"));
        } else {
            assert_eq!(*outcome.as_ref().unwrap() as usize, n);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clone_that_panics_fails_its_branch() {
    struct Touchy(u32);
    impl Clone for Touchy {
        fn clone(&self) -> Self {
            assert!(self.0 != 1, "not cloneable");
            Self(self.0)
        }
    }
    let agent = agent_fn(|input: Touchy, _| async move { Ok(input.0) });
    let items = [Touchy(0), Touchy(1), Touchy(2)];
    let outcomes = foreach(items, agent).restart(Restart::attempts(2)).settled().await;
    assert_eq!(message(&outcomes[1]), "the clone of the input: not cloneable");
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
}

/// A future that panics in its `Drop`, whether it was finished or not.
struct Volatile {
    ready: bool,
    _bomb: Bomb,
}

impl Future for Volatile {
    type Output = Result<&'static str, AgentError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if self.ready { Poll::Ready(Ok("value")) } else { Poll::Pending }
    }
}

#[tokio::test(start_paused = true)]
async fn a_future_that_panics_in_drop_changes_no_outcome() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let agent = || {
        let dropped = Arc::clone(&dropped);
        agent_fn(move |ready: bool, _| Volatile { ready, _bomb: Bomb(Arc::clone(&dropped)) })
    };
    // Finished, timed out, cut short by a deadline, dropped with the caller.
    let items = [true, false, true, false];
    let outcomes = leaves_no_task(foreach(items, agent()).timeout(SECOND).settled()).await;
    assert_eq!(*outcomes[2].as_ref().unwrap(), "value");
    assert!(matches!(outcomes[3].as_ref().unwrap_err().cause(), Cause::TimedOut { stopped: true, .. }));
    assert_eq!(dropped.swap(0, Ordering::SeqCst), 4);

    let outcomes = leaves_no_task(foreach(items, agent()).deadline(SECOND).settled()).await;
    assert_eq!(*outcomes[2].as_ref().unwrap(), "value");
    assert!(matches!(
        outcomes[3].as_ref().unwrap_err().cause(),
        Cause::DeadlineExceeded { stopped: true, .. }
    ));
    assert_eq!(dropped.swap(0, Ordering::SeqCst), 4);

    leaves_no_task(async {
        let _ = tokio::time::timeout(SECOND, foreach(items, agent()).settled()).await;
    })
    .await;
    assert_eq!(dropped.swap(0, Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn a_late_output_that_panics_in_drop_changes_no_outcome() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let outputs = Arc::clone(&dropped);
    let agent = agent_fn(move |(): (), cx: AgentContext| {
        let output = Bomb(Arc::clone(&outputs));
        async move {
            cx.cancelled().await;
            Ok(output)
        }
    });
    let restart = Restart::attempts(2).backoff(Backoff::none());
    let outcomes = foreach([()], agent).timeout(SECOND).stop_grace(SECOND).restart(restart).settled().await;
    let failure = outcomes[0].as_ref().err().unwrap();
    assert!(matches!(failure.cause(), Cause::TimedOut { stopped: true, .. }), "{failure:?}");
    assert_eq!((failure.attempts(), dropped.load(Ordering::SeqCst)), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn outputs_that_panic_in_drop_do_no_harm_while_the_rest_is_counted() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let outputs = Arc::clone(&dropped);
    let agent = agent_fn(move |n: u32, _| {
        let output = (n < 3).then(|| Bomb(Arc::clone(&outputs)));
        async move {
            match output {
                Some(output) => Ok(output),
                None => std::future::pending().await,
            }
        }
    });
    // The caller goes away after the deadline, in the middle of the count.
    let counted = Arc::new(AtomicUsize::new(0));
    let items = (0..100_000).inspect({
        let counted = Arc::clone(&counted);
        move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    leaves_no_task(async {
        let mut ending = Box::pin(foreach(items, agent).concurrency(4).deadline(SECOND).settled());
        std::future::poll_fn(|cx| {
            let pending = ending.as_mut().poll(cx).is_pending();
            assert!(pending);
            if counted.load(Ordering::SeqCst) > 2000 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    })
    .await;
    assert_eq!(dropped.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn items_agents_and_outputs_that_panic_in_drop_do_no_harm() {
    let dropped = Arc::new(AtomicUsize::new(0));
    // Items that no child ever pulled, and the agent itself.
    let items: Vec<_> = (0..10).map(|_| Bomb(Arc::clone(&dropped))).collect();
    let guard = Bomb(Arc::clone(&dropped));
    let agent = agent_fn(move |item: Bomb, _| {
        let _ = &guard;
        async move {
            std::mem::forget(item);
            std::future::pending::<Result<(), AgentError>>().await
        }
    });
    let outcomes = leaves_no_task(foreach(items, agent).concurrency(2).deadline(SECOND).settled()).await;
    assert_eq!(outcomes.len(), 10);
    assert_eq!(dropped.swap(0, Ordering::SeqCst), 9, "eight items and the agent");

    // Outputs of a run whose caller has gone.
    let outputs = Arc::clone(&dropped);
    let agent = agent_fn(move |n: u32, _| {
        let output = Bomb(Arc::clone(&outputs));
        async move {
            if n == 5 {
                std::mem::forget(output);
                return std::future::pending().await;
            }
            Ok(output)
        }
    });
    leaves_no_task(async {
        let _ = tokio::time::timeout(SECOND, foreach(0..10, agent).settled()).await;
    })
    .await;
    assert_eq!(dropped.load(Ordering::SeqCst), 9);
}

#[tokio::test(start_paused = true)]
async fn a_child_whose_agent_panicked_makes_no_further_attempt() {
    let ids = Arc::new(std::sync::Mutex::new(Vec::new()));
    let agent = agent_fn({
        let ids = Arc::clone(&ids);
        move |n: u32, cx: AgentContext| {
            ids.lock().unwrap().push((tokio::task::id(), n));
            async move {
                assert!(!(n == 2 && cx.attempt() == 1), "once");
                Ok(n)
            }
        }
    });
    let restart = Restart::attempts(2).backoff(Backoff::none());
    let values = foreach(0..6, agent).concurrency(1).restart(restart).all().await.unwrap();
    assert_eq!(values, [0, 1, 2, 3, 4, 5]);
    let ids = ids.lock().unwrap();
    let first = ids[0].0;
    let on_first: Vec<_> = ids.iter().filter(|(id, _)| *id == first).map(|(_, n)| *n).collect();
    assert_eq!(on_first, [0, 1, 2], "it ended with its panic; another child did the rest");
}

#[tokio::test(start_paused = true)]
async fn agents_are_dropped_with_their_run() {
    struct Watched(Arc<AtomicUsize>);
    impl Drop for Watched {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let watched = Watched(Arc::clone(&dropped));
    let agent = agent_fn(move |n: u32, _| {
        let _ = &watched;
        async move { Ok(n) }
    });
    leaves_no_task(foreach(0..10, agent).all()).await.unwrap();
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}
