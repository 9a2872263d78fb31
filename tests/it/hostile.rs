//! Hostile code at every trait through which the crate calls code of its user: it panics, fails, never ends, is huge, or
//! refers to itself. It costs its own branch, launch or call; what stands beside it succeeds.
//!
//! `ARCHITECTURE.md` lists these traits ("Calls into code of the user's"), and names the test of each.

mod actors;
mod agents;
mod errors;
mod journals;
mod logs;
mod names;
mod sources;
mod table;
mod values;
mod wakers;

use sortie::{AgentContext, AgentRef, Phase, System, agent_fn};

use crate::support::SECOND;

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in Drop");
    }
}

/// An agent with nothing hostile in it.
fn innocent() -> AgentRef<u32, u32> {
    AgentRef::new(agent_fn(|n: u32, _: AgentContext| async move { Ok(n + 1) }).named("innocent"))
}

/// Launches of it are run.
async fn innocents_run(system: &System, innocent: &AgentRef<u32, u32>) {
    for n in 0..5 {
        let ticket = system.launch(innocent, n).await.unwrap();
        assert_eq!(ticket.result_within(60 * SECOND).await.unwrap().unwrap(), n + 1);
    }
}

/// The system lives, and none of its supervisors has died.
fn is_well(system: &System) {
    let status = system.status();
    assert_eq!(status.phase, Phase::Running);
    assert!(status.supervisors.iter().all(|supervisor| supervisor.deaths == 0), "{status}");
}
