//! sortie.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use sortie::{AgentContext, AgentRef, LaunchId, System, agent_fn};

use super::SLOTS;
use crate::suites::durable::fill::fill;
use crate::suites::durable::ran::Ran;
use crate::suites::durable::sortie::Gate;

/// How many of those that began last are asked for their outcomes before the clock stops. A slot is free only when an
/// outcome is durable, so no more than [`SLOTS`] can be missing when the last job has begun.
const LAST: usize = 4 * SLOTS;

/// Launches per second.
pub async fn drain(path: PathBuf, n: usize) -> f64 {
    let ran = Arc::new(Ran::none_of(n));
    let theirs = Arc::clone(&ran);
    let agent = agent_fn(move |job: String, cx: AgentContext| {
        theirs.note(cx.launch_id());
        async move { Ok(job.len()) }
    });
    let gate = Arc::new(Gate::start(&path, SLOTS, AgentRef::new(agent.named("job"))).await);
    fill(&gate, n).await;
    let start = Instant::now();
    gate.open();
    let ids: Vec<LaunchId> = ran.all().await.into_iter().map(|id| id.expect("it is a launch")).collect();
    let (first, last) = ids.split_at(n.saturating_sub(LAST));
    for id in last {
        let ticket = gate.system.ticket::<usize>(*id).expect("there is a journal");
        ticket.result().await.expect("it can be read").expect("the agent does not fail");
    }
    let took = start.elapsed();
    check(&gate.system, first).await;
    gate.end().await;
    n as f64 / took.as_secs_f64()
}

/// What came first is done, too.
async fn check(system: &System, ids: &[LaunchId]) {
    for id in ids {
        let ticket = system.ticket::<usize>(*id).expect("there is a journal");
        let outcome = ticket.try_result().await.expect("it can be read").expect("it is done");
        outcome.expect("the agent does not fail");
    }
}
