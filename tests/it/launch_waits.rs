//! Launches that wait for each other: they lend their slots, so that they do not run out of them.

use std::sync::{Arc, Mutex};

use sortie::{
    AgentContext, AgentRef, Builder, LaunchFilter, LaunchStatus, MemoryJournal, System, TicketError, agent_fn,
};
use tokio::time::{Instant, sleep};

use crate::support::{Gauge, MS, SECOND};

type Log = Arc<Mutex<Vec<String>>>;

fn builder(concurrency: usize) -> Builder {
    let mut builder = System::builder().journal(MemoryJournal::new());
    builder.launch_concurrency(concurrency);
    builder
}

fn say(log: &Log, text: impl Into<String>) {
    log.lock().unwrap().push(text.into());
}

/// Takes 10 ms.
fn work(builder: &mut Builder, name: &'static str, gauge: &Gauge, log: &Log) -> AgentRef<u32, u32> {
    let (gauge, log) = (gauge.clone(), Arc::clone(log));
    let agent = agent_fn(move |n: u32, _| {
        let (gauge, log) = (gauge.clone(), Arc::clone(&log));
        async move {
            let _body = gauge.enter();
            say(&log, format!("{name} {n}"));
            sleep(10 * MS).await;
            Ok(n)
        }
    });
    builder.register(agent.named(name))
}

/// Launches a child and waits for it.
fn parent(
    builder: &mut Builder,
    name: &'static str,
    child: &AgentRef<u32, u32>,
    log: &Log,
) -> AgentRef<u32, u32> {
    let (child, log) = (child.clone(), Arc::clone(log));
    let agent = agent_fn(move |n: u32, cx: AgentContext| {
        let (child, log) = (child.clone(), Arc::clone(&log));
        async move {
            say(&log, format!("{name} {n}"));
            let below = cx.launch(&child, n).await?.result().await??;
            say(&log, format!("{name} {n} again"));
            Ok(below + 1)
        }
    });
    builder.register(agent.named(name))
}

#[tokio::test(start_paused = true)]
async fn a_chain_of_launches_that_wait_for_each_other_needs_one_slot() {
    let mut builder = builder(1);
    let (gauge, log) = (Gauge::default(), Log::default());
    let mut below = work(&mut builder, "leaf", &gauge, &log);
    for name in ["a", "b", "c", "d", "e"] {
        below = parent(&mut builder, name, &below, &log);
    }
    let system = builder.start().await.unwrap();
    let ticket = system.launch(&below, 10).await.unwrap();
    assert_eq!(ticket.result_within(SECOND).await.unwrap().unwrap(), 15);
}

#[tokio::test(start_paused = true)]
async fn who_has_lent_a_slot_has_one_again_soon_however_many_new_launches_there_are() {
    let mut builder = builder(1);
    let (gauge, log) = (Gauge::default(), Log::default());
    let child = work(&mut builder, "child", &gauge, &log);
    let later = work(&mut builder, "later", &gauge, &log);
    let parent = parent(&mut builder, "parent", &child, &log);
    let system = builder.start().await.unwrap();
    let first = system.launch(&parent, 1).await.unwrap();
    while log.lock().unwrap().len() < 2 {
        sleep(MS).await;
    }
    // The child runs, and the parent waits. These want the next slot.
    let mut others = Vec::new();
    for n in 0..50 {
        others.push(system.launch(&later, n).await.unwrap());
    }
    assert_eq!(first.result().await.unwrap().unwrap(), 2);
    for other in others {
        other.result().await.unwrap().unwrap();
    }
    let order = log.lock().unwrap().clone();
    assert_eq!(order[..2], ["parent 1", "child 1"]);
    let again = order.iter().position(|line| line == "parent 1 again").unwrap();
    assert!(again < 25, "{order:?}");
    assert_eq!(gauge.peak(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_slot_is_lost_or_made_by_waits_that_end_early_or_together() {
    let mut builder = builder(3);
    let (gauge, log) = (Gauge::default(), Log::default());
    let child = work(&mut builder, "child", &gauge, &log);
    let hasty = {
        let child = child.clone();
        let agent = agent_fn(move |n: u32, cx: AgentContext| {
            let child = child.clone();
            async move {
                let one = cx.launch(&child, n).await?;
                let other = cx.launch(&child, n + 1).await?;
                match n % 3 {
                    // Both at once, one after the other, or not to the end.
                    0 => drop(tokio::try_join!(one.result(), other.result())?),
                    1 => drop((one.result().await?, other.result().await?)),
                    _ => {
                        let late = one.result_within(3 * MS).await.unwrap_err();
                        assert!(matches!(late, TicketError::TimedOut { .. }));
                    }
                }
                Ok(())
            }
        });
        builder.register(AgentRef::new(agent.named("hasty")).timeout(60 * SECOND))
    };
    let system = builder.start().await.unwrap();
    let tickets = (0..30).map(|n| system.launch(&hasty, n));
    for ticket in system.launch_many(tickets).await {
        ticket.unwrap().result_within(60 * SECOND).await.unwrap().unwrap();
    }
    // The children for which nobody waited to the end.
    for status in [LaunchStatus::Pending, LaunchStatus::Running] {
        while system.launches(LaunchFilter::all().status(status)).count().await.unwrap() > 0 {
            sleep(MS).await;
        }
    }
    // Afterwards there are as many slots as before: nine launches of 10 ms each take three turns.
    let began = Instant::now();
    let more = (0..9).map(|n| system.launch(&child, 1_000 + n));
    for ticket in system.launch_many(more).await {
        ticket.unwrap().result_within(60 * SECOND).await.unwrap().unwrap();
    }
    assert!((30 * MS..40 * MS).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!(gauge.running(), 0);
}
