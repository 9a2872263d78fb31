//! Inputs and outputs: `Clone`, `Drop` and serde.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sortie::{
    AgentContext, AgentRef, Cause, LaunchStatus, MemoryJournal, Restart, System, agent_fn, foreach,
};

use super::{Bomb, innocent, innocents_run, is_well};
use crate::support::{SECOND, leaves_no_task};

#[tokio::test(start_paused = true)]
async fn clones_and_drops_cost_their_own_branch() {
    struct Input(u32, #[expect(dead_code, reason = "it is there to be dropped")] Option<Bomb>);
    impl Clone for Input {
        fn clone(&self) -> Self {
            assert!(self.0 != 1, "in Clone");
            Self(self.0, (self.0 == 2).then(|| Bomb))
        }
    }
    let agent = agent_fn(|input: Input, cx: AgentContext| async move {
        match input.0 {
            2 => Err(format!("attempt {}", cx.attempt()).into()),
            3 => Ok(Some(Bomb)),
            4 => std::future::pending().await,
            _ => {
                std::mem::forget(input);
                Ok(None)
            }
        }
    });
    let agent = AgentRef::new(agent);
    let items = || (0..6).map(|n| Input(n, (n == 2 || n == 4).then(|| Bomb)));
    let fan_out = || foreach(items(), &agent).restart(Restart::attempts(2)).timeout(SECOND);
    let mut outcomes = leaves_no_task(fan_out().settled()).await;
    let panicked = |n: usize| matches!(outcomes[n].as_ref().err().unwrap().cause(), Cause::Panicked(_));
    // The clone, and the input that is dropped with the attempt's future.
    assert!(panicked(1) && panicked(2));
    assert!(matches!(outcomes[4].as_ref().err().unwrap().cause(), Cause::TimedOut { .. }));
    assert!(outcomes[0].is_ok() && outcomes[5].is_ok());
    std::mem::forget(outcomes.remove(3));
    // Those that are not handed over.
    assert!(
        leaves_no_task(foreach([3, 0], agent_fn(|n, _| async move { Ok((n == 3).then(|| Bomb)) })).any())
            .await
            .map(std::mem::forget)
            .is_ok()
    );
}

/// A value whose serde implementations panic.
struct Unruly(u32);

impl Serialize for Unruly {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert!(self.0 != 1, "in Serialize");
        serializer.serialize_u32(self.0)
    }
}

impl<'de> Deserialize<'de> for Unruly {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = u32::deserialize(deserializer)?;
        assert!(value != 2, "in Deserialize");
        Ok(Self(value))
    }
}

#[tokio::test(start_paused = true)]
async fn serde_costs_its_own_launch() {
    let mut builder = System::builder().journal(MemoryJournal::new());
    // An output of 1 cannot be written, one of 2 cannot be read.
    let write = builder.register(agent_fn(|n: u32, _| async move { Ok(Unruly(n)) }).named("write"));
    let innocent = builder.register(innocent());
    let system = builder.start().await.unwrap();
    let ticket = system.launch(&write, 1).restart(Restart::attempts(1)).await.unwrap();
    let failure = ticket.result().await.unwrap().err().unwrap();
    assert_eq!(failure.attempts(), 1);
    assert_eq!(ticket.status().await.unwrap(), LaunchStatus::Dead);
    innocents_run(&system, &innocent).await;
    let ticket = system.launch(&write, 3).await.unwrap();
    assert_eq!(ticket.result().await.unwrap().unwrap().0, 3);
    is_well(&system);
}
