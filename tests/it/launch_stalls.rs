//! Launches that do not go on say so in the log, once.

use std::future::pending;
use std::time::Duration;

use sortie::{AgentContext, AgentError, Builder, MemoryJournal, System, agent_fn};
use tokio::time::sleep;

use crate::log::Warnings;
use crate::support::{MS, SECOND};

const HELD: &str = "every slot has been held";
const UNENDING: &str = "cannot end before it";

fn builder(slots: usize) -> Builder {
    let mut builder = System::builder().journal(MemoryJournal::new());
    builder.launch_concurrency(slots);
    builder
}

#[tokio::test(start_paused = true)]
async fn slots_that_are_held_for_a_minute_are_said_once_with_those_that_hold_them() {
    let warnings = Warnings::default();
    let _listening = warnings.listen();
    let mut builder = builder(64);
    // Takes as many seconds as its input says; 0 for ever.
    let hang = builder.register(
        agent_fn(|seconds: u64, _| async move {
            match seconds {
                0 => pending::<()>().await,
                _ => sleep(Duration::from_secs(seconds)).await,
            }
            Ok::<_, AgentError>(seconds)
        })
        .named("hang"),
    );
    let system = builder.start().await.unwrap();
    let stalled = || system.status().supervisor("main").unwrap().launches.as_ref().unwrap().stalled;
    let hanging = system.launch_many((0..63).map(|n| system.launch(&hang, 0).key(n))).await;
    sleep(300 * SECOND).await;
    // One slot is free.
    assert_eq!((warnings.with(HELD).len(), stalled()), (0, None));
    let long = system.launch(&hang, 200).await.unwrap();
    sleep(59 * SECOND).await;
    assert_eq!(warnings.with(HELD).len(), 0);
    sleep(2 * SECOND).await;
    let said = warnings.with(HELD);
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("slots=64") && said[0].contains("\"hang\""), "{said:?}");
    let ids: Vec<_> = hanging.iter().map(|ticket| ticket.as_ref().unwrap().id().to_string()).collect();
    assert!(
        ids.iter().chain([&long.id().to_string()]).filter(|id| said[0].contains(*id)).count() == 5,
        "{said:?}"
    );
    assert!(stalled().unwrap() >= 60 * SECOND);
    // It is said once of each stall.
    long.result().await.unwrap().unwrap();
    assert_eq!((warnings.with(HELD).len(), stalled()), (1, None));
    let _long = system.launch(&hang, 0).await.unwrap();
    sleep(1000 * SECOND).await;
    assert_eq!(warnings.with(HELD).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn slots_that_change_hands_are_no_stall() {
    let warnings = Warnings::default();
    let _listening = warnings.listen();
    let mut builder = builder(2);
    let slow = builder.register(
        agent_fn(|_: u64, _| async move {
            sleep(50 * SECOND).await;
            Ok::<_, AgentError>(())
        })
        .named("slow"),
    );
    let system = builder.start().await.unwrap();
    for ticket in system.launch_many((0..40).map(|n| system.launch(&slow, n))).await {
        ticket.unwrap().result().await.unwrap().unwrap();
    }
    assert_eq!(warnings.with(HELD).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_cannot_end_is_said_once_with_both_launches() {
    let warnings = Warnings::default();
    let _listening = warnings.listen();
    let mut builder = builder(4);
    let child = builder.register(agent_fn(|n: u64, _| async move { Ok::<_, AgentError>(n) }).named("child"));
    let parent = {
        let child = child.clone();
        let agent = agent_fn(move |_: u64, cx: AgentContext| {
            let child = child.clone();
            async move {
                let ticket = cx.launch(&child, 1).lane("lane").await?;
                for _ in 0..3 {
                    let _ = tokio::time::timeout(MS, ticket.result()).await;
                }
                Ok(ticket.id().to_string())
            }
        });
        builder.register(agent.named("parent"))
    };
    let system = builder.start().await.unwrap();
    let ticket = system.launch(&parent, 1).lane("lane").await.unwrap();
    let child = ticket.result().await.unwrap().unwrap();
    let said = warnings.with(UNENDING);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said.iter().all(|said| said.contains(&child) && said.contains(&ticket.id().to_string())),
        "{said:?}"
    );
}
