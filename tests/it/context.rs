//! What an attempt knows about itself.

use sortie::{AgentContext, AgentRef, agent_fn, foreach};
use tokio::time::{Instant, sleep};

use crate::support::{MS, SECOND};

#[tokio::test(start_paused = true)]
async fn the_deadline_is_the_earlier_of_timeout_and_fan_out() {
    let agent = AgentRef::new(agent_fn(|(): (), cx: AgentContext| async move {
        assert_eq!(cx.deadline().is_some(), cx.remaining().is_some());
        let before = cx.remaining();
        sleep(MS).await;
        if let (Some(before), Some(after)) = (before, cx.remaining()) {
            assert!(after < before);
            assert_eq!(cx.deadline().map(Instant::from_std), Some(Instant::now() + after));
        }
        Ok(before)
    }));
    let run = async |timeout: Option<u32>, deadline: Option<u32>| {
        let mut fan_out = foreach([()], &agent);
        if let Some(timeout) = timeout {
            fan_out = fan_out.timeout(timeout * SECOND);
        }
        if let Some(deadline) = deadline {
            fan_out = fan_out.deadline(deadline * SECOND);
        }
        fan_out.all().await.unwrap()[0]
    };
    assert_eq!(run(None, None).await, None);
    assert_eq!(run(Some(2), None).await, Some(2 * SECOND));
    assert_eq!(run(None, Some(3)).await, Some(3 * SECOND));
    assert_eq!(run(Some(2), Some(3)).await, Some(2 * SECOND));
    assert_eq!(run(Some(5), Some(3)).await, Some(3 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn runs_have_ids_in_the_order_of_time() {
    let agent = AgentRef::new(agent_fn(|(): (), cx: AgentContext| async move { Ok(cx.run_id()) }));
    let one = foreach([(); 20], &agent).all().await.unwrap();
    assert!(one.iter().all(|id| *id == one[0]), "one run, one id");
    let other = sortie::ask(&agent, ()).await.unwrap();
    assert_ne!(one[0], other);
    assert_eq!(one[0].to_string().len(), 36);
    assert_eq!(one[0].to_string().as_bytes()[14], b'7', "a UUID of version 7");
    assert!(one[0].as_u128() >> 80 <= other.as_u128() >> 80, "the first 48 bits are the time");
}

#[tokio::test(start_paused = true)]
async fn a_token_for_libraries_is_cancelled_with_the_attempt() {
    let agent = AgentRef::new(agent_fn(|(): (), cx: AgentContext| async move {
        let token = cx.cancellation_token();
        tokio::select! {
            () = token.cancelled() => Ok("cancelled"),
            () = sleep(60 * SECOND) => Ok("slept"),
        }
    }));
    let failure = sortie::ask(&agent, ()).timeout(SECOND).await.unwrap_err();
    assert_eq!(failure.attempts(), 1);
    // It is this attempt's alone, also where a child makes one attempt after the other.
    let borrowed = agent_fn(|n: u32, cx: AgentContext| async move {
        let born_cancelled = cx.is_cancelled();
        drop(cx.cancellation_token().drop_guard());
        Ok((n, born_cancelled))
    });
    let values = foreach(0..4, borrowed).concurrency(1).all().await.unwrap();
    assert_eq!(values, [(0, false), (1, false), (2, false), (3, false)]);
    // Cancelling it oneself stops nothing else.
    let own = agent_fn(|n: u32, cx: AgentContext| async move {
        cx.cancellation_token().cancel();
        sleep(MS).await;
        Ok(n)
    });
    assert_eq!(foreach(0..10, own).concurrency(2).all().await.unwrap().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn the_context_says_who_it_is() {
    let agent = AgentRef::new(agent_fn(|(): (), cx: AgentContext| async move { Ok(format!("{cx:?}")) }));
    let text = foreach([()], &agent).keyed(|()| "k").unwrap().all().await.unwrap().remove(0).1;
    assert!(
        text.contains("index: 0") && text.contains("key: Some(\"k\")") && text.contains("attempt: 1"),
        "{text}"
    );
}
