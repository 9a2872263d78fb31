//! Launches: recorded, run, retried, and read, within one process.

mod recording;
mod running;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sortie::{AgentContext, AgentError, AgentRef, Builder, MemoryJournal, System, Ticket, agent_fn};
use tokio::time::{Instant, sleep};

use crate::support::{Gauge, MS};

fn builder() -> Builder {
    System::builder().journal(MemoryJournal::new())
}

/// An agent that takes as long as its input says.
fn sleeper(gauge: &Gauge) -> AgentRef<Duration, Duration> {
    let gauge = gauge.clone();
    let agent = agent_fn(move |time: Duration, _| {
        let gauge = gauge.clone();
        async move {
            let _body = gauge.enter();
            sleep(time).await;
            Ok(time)
        }
    });
    AgentRef::new(agent.named("sleeper"))
}

async fn result<O: sortie::Payload>(ticket: &Ticket<O>) -> O {
    ticket.result().await.unwrap().unwrap()
}

/// An agent that does what its input says, attempt by attempt, and notes when each began.
fn scripted(began: Arc<Mutex<Vec<(u32, Instant)>>>) -> AgentRef<Vec<String>, u32> {
    let agent = agent_fn(move |script: Vec<String>, cx: AgentContext| {
        began.lock().unwrap().push((cx.attempt(), Instant::now()));
        let step = script.get(cx.attempt() as usize - 1).cloned().unwrap_or_default();
        async move {
            match step.as_str() {
                "error" => Err("not yet".into()),
                "fatal" => Err(AgentError::fatal("never").with_code("gone")),
                "later" => Err(AgentError::retry_after(300 * MS, "later")),
                "panic" => panic!("oops"),
                "hang" => std::future::pending().await,
                _ => Ok(cx.attempt()),
            }
        }
    });
    AgentRef::new(agent.named("scripted"))
}

fn script<const N: usize>(steps: [&str; N]) -> Vec<String> {
    steps.map(str::to_owned).to_vec()
}
