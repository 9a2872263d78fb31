//! Bad input: a documented panic where it is set, a clear error, or a defined outcome; never a hang.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use sortie::{AgentError, AgentRef, Cause, Failure, agent_fn, branches, foreach};

use crate::support::{MS, SECOND, leaves_no_task};

async fn echo(n: u32) -> Result<u32, AgentError> {
    Ok(n)
}

/// The message of the panic of `set`.
fn refused<T>(set: impl FnOnce() -> T) -> String {
    let payload = catch_unwind(AssertUnwindSafe(set)).err().unwrap();
    payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref().cloned())
        .unwrap()
}

#[test]
fn zero_limits_panic_where_they_are_set_and_name_the_remedy() {
    let agent = AgentRef::new(agent_fn(|n: u32, _| async move { Ok(n) }));
    let zero = Duration::ZERO;
    assert!(refused(|| foreach([1], echo).concurrency(0)).contains("at least 1"));
    for message in [
        refused(|| foreach([1], echo).timeout(zero)),
        refused(|| foreach([1], echo).deadline(zero)),
        refused(|| branches([agent.branch(1)]).timeout(zero)),
        refused(|| agent.branch(1).timeout(zero)),
        refused(|| agent.clone().timeout(zero)),
        refused(|| sortie::ask(&agent, 1).timeout(zero)),
        refused(|| sortie::ask(&agent, 1).deadline(zero)),
    ] {
        assert!(message.contains("longer than zero: leave it out for no limit"), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn absurd_limits_are_no_limits() {
    let fan_out = foreach(0..10, echo)
        .concurrency(usize::MAX)
        .timeout(Duration::MAX)
        .deadline(Duration::MAX)
        .stop_grace(Duration::MAX);
    assert_eq!(fan_out.all().await.unwrap().len(), 10);
    let slow = agent_fn(|n: u32, cx: sortie::AgentContext| async move {
        tokio::time::sleep(SECOND).await;
        Ok((n, cx.remaining()))
    });
    let values = foreach(0..10, slow).timeout(Duration::MAX).deadline(Duration::MAX).all().await.unwrap();
    assert_eq!(values[3], (3, None), "a limit beyond the clock's range is none");
    // A grace without an end is one too: whoever cleans up is not killed.
    let tidy = agent_fn(|n: u32, cx: sortie::AgentContext| async move {
        cx.cancelled().await;
        tokio::time::sleep(SECOND).await;
        Ok(n)
    });
    let outcomes = foreach(0..3, tidy).deadline(SECOND).stop_grace(Duration::MAX).settled().await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    // One nanosecond is a limit like any other.
    let hang = agent_fn(|_: u32, _| std::future::pending::<Result<(), AgentError>>());
    let outcomes = foreach(0..3, hang).timeout(Duration::from_nanos(1)).settled().await;
    assert!(outcomes.iter().all(|o| matches!(o.as_ref().unwrap_err().cause(), Cause::TimedOut { .. })));
}

#[tokio::test(start_paused = true)]
async fn an_iterator_that_panics_ends_the_list_with_that_failure() {
    let items = || (0..10).inspect(|n| assert!(*n < 4, "no item {n}"));
    let outcomes = leaves_no_task(foreach(items(), echo).concurrency(2).settled()).await;
    assert_eq!(outcomes.len(), 5, "four items, and the place of the fifth");
    assert!(outcomes[..4].iter().enumerate().all(|(n, o)| matches!(o, Ok(v) if *v as usize == n)));
    let failure = outcomes[4].as_ref().unwrap_err();
    let text = format!("{failure:#}");
    assert!(
        text.contains("did not start") && text.contains("iterator") && text.contains("no item 4"),
        "{text}"
    );
    assert!(foreach(items(), echo).all().await.is_err());

    // The same while a stopped run counts what is left.
    let hang = agent_fn(|_: u32, _| std::future::pending::<Result<(), AgentError>>());
    let outcomes = leaves_no_task(foreach(items(), hang).concurrency(1).deadline(SECOND).settled()).await;
    assert_eq!(outcomes.len(), 5);
    assert!(matches!(outcomes[4].as_ref().unwrap_err().cause(), Cause::Panicked(_)));
}

#[test]
fn a_key_function_that_panics_does_so_before_anything_runs() {
    let message = refused(|| foreach([1], echo).keyed(|_| -> u32 { panic!("no key") }));
    assert_eq!(message, "no key");
}

#[tokio::test(start_paused = true)]
async fn a_size_hint_that_lies_or_panics_does_no_harm() {
    struct Liar(u32, (usize, Option<usize>));
    impl Iterator for Liar {
        type Item = u32;
        fn next(&mut self) -> Option<u32> {
            self.0 += 1;
            (self.0 <= 100).then_some(self.0)
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            assert!(self.1.0 != 13, "no hint");
            self.1
        }
    }
    // One that denies its items has them reported as not started, not lost.
    let outcomes = foreach(Liar(0, (0, Some(0))), agent_fn(|n: u32, _| async move { Ok(n) })).settled().await;
    assert_eq!(outcomes.len(), 100);
    for hint in [(usize::MAX, None), (0, None), (13, None), (0, Some(1)), (0, Some(usize::MAX))] {
        let agent = agent_fn(|n: u32, _| async move {
            tokio::time::sleep(MS).await;
            Ok(n)
        });
        let values = foreach(Liar(0, hint), agent).concurrency(8).all().await.unwrap();
        assert_eq!(values.len(), 100, "{hint:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn endless_items_end_with_the_run() {
    let agent = || {
        agent_fn(|n: u64, _| async move {
            tokio::time::sleep(100 * MS).await;
            if n == 7 { Err("enough".into()) } else { Ok(n) }
        })
    };
    let outcomes = leaves_no_task(foreach(0.., agent()).concurrency(2).deadline(SECOND).settled()).await;
    assert!((18..=22).contains(&outcomes.len()), "about ten for each of two slots: {}", outcomes.len());
    let error =
        leaves_no_task(foreach(std::iter::repeat(7), agent()).concurrency(2).all()).await.unwrap_err();
    assert!(error.into_outcomes().len() <= 4);
}

#[tokio::test(start_paused = true)]
async fn results_that_nobody_reads_are_dropped() {
    leaves_no_task(async {
        let _unread = foreach(0..1000, echo).settled().await;
        drop(foreach(0..1000, echo));
        drop(foreach(0..1000, echo).settled());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn inputs_and_outputs_need_only_be_send() {
    /// Neither `Clone`, nor `Sync`, nor anything else.
    struct Connection(std::cell::Cell<u8>);
    async fn serve(connection: Connection) -> Result<std::cell::Cell<u8>, std::fmt::Error> {
        Ok(connection.0)
    }
    fn is_error<T: std::error::Error + Send + Sync + 'static>(_: &T) {}
    let served = foreach([Connection(3.into())], serve).all().await;
    match served {
        Ok(values) => assert_eq!(values[0].get(), 3),
        Err(error) => is_error(&error),
    }
    fn is_shared<T: Send + Sync + Clone + 'static>() {}
    is_shared::<Failure>();
    is_shared::<AgentRef<Connection, std::cell::Cell<u8>>>();
    is_shared::<sortie::AgentContext>();
}

#[test]
fn futures_are_send() {
    fn is_send<T: Send>(value: T) {
        drop(value);
    }
    let agent = AgentRef::new(agent_fn(|n: u32, _| async move { Ok(n) }));
    is_send(foreach([1], echo).settled());
    is_send(foreach([1], echo).keyed(|n| *n).unwrap().all());
    is_send(branches((agent.branch(1), agent.branch(2))).all());
    is_send(std::future::IntoFuture::into_future(sortie::ask(&agent, 1)));
}
