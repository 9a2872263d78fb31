//! Keys, labels and names of lanes: their `Display`.

use std::fmt;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use futures::stream;
use sortie::{
    AgentContext, AgentError, Cause, LaunchErrorKind, MemoryJournal, Restart, System, agent_fn, foreach,
    foreach_stream,
};

use super::{innocent, innocents_run, is_well};
use crate::support::leaves_no_task;

#[derive(Clone, Copy)]
enum Name {
    Fails,
    Panics,
    NeverEnds,
    IsHuge,
    Fine(u32),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fails => Err(fmt::Error),
            Self::Panics => panic!("in Display"),
            Self::NeverEnds => loop {
                let _ = f.write_str("on and on, ");
            },
            Self::IsHuge => f.write_str(&"x".repeat(100 << 20)),
            Self::Fine(n) => n.fmt(f),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn keys_labels_and_lanes_cost_their_own_launch() {
    let mut builder = System::builder().journal(MemoryJournal::new());
    let innocent = builder.register(innocent());
    let target = innocent.clone();
    let parent = agent_fn(move |name: u32, cx: AgentContext| {
        let target = target.clone();
        async move {
            let name = [Name::Fails, Name::Panics, Name::NeverEnds, Name::IsHuge][name as usize];
            let ticket = cx.launch(&target, 1).label(name).await.map_err(AgentError::fatal)?;
            ticket.result().await.map_err(AgentError::fatal)?.map_err(AgentError::fatal)
        }
    });
    let parent = builder.register(parent.named("parent"));
    let system = builder.start().await.unwrap();
    for name in [Name::NeverEnds, Name::IsHuge] {
        let error = system.launch(&innocent, 1).key(name).await.unwrap_err();
        assert!(matches!(error.kind(), LaunchErrorKind::BadKey { bytes: 513.., limit: 512 }), "{error}");
        let error = system.launch(&innocent, 1).lane(name).await.unwrap_err();
        assert!(matches!(error.kind(), LaunchErrorKind::BadLane { bytes: 257.., limit: 256 }), "{error}");
        assert!(system.ticket_by_key(&innocent, name).await.unwrap().is_none());
    }
    // In the code of the caller, as any `Display` that is asked for a text.
    for name in [Name::Fails, Name::Panics] {
        let key = AssertUnwindSafe(async { system.launch(&innocent, 1).key(name).await }).catch_unwind();
        assert!(key.await.is_err());
        let lane = AssertUnwindSafe(async { system.launch(&innocent, 1).lane(name).await }).catch_unwind();
        assert!(lane.await.is_err());
        assert!(AssertUnwindSafe(system.ticket_by_key(&innocent, name)).catch_unwind().await.is_err());
    }
    for name in 0..4 {
        let ticket = system.launch(&parent, name).restart(Restart::attempts(1)).await.unwrap();
        assert!(ticket.result().await.unwrap().is_err());
    }
    innocents_run(&system, &innocent).await;
    is_well(&system);
}

#[tokio::test(start_paused = true)]
async fn keys_of_items_cost_their_own_fan_out() {
    let agent = || agent_fn(|name: Name, _| async move { Ok(matches!(name, Name::Fine(_))) });
    for name in [Name::Fails, Name::Panics, Name::NeverEnds, Name::IsHuge] {
        let items = [Name::Fine(1), name, Name::Fine(2)];
        let keyed = AssertUnwindSafe(async { foreach(items, agent()).keyed(|name| *name).map(drop) });
        assert!(keyed.catch_unwind().await.is_err());
        let fan_out = foreach_stream(stream::iter(items), agent()).keyed(|name| *name);
        let outcomes = leaves_no_task(fan_out.settled()).await;
        assert_eq!(
            (outcomes.len(), &outcomes[0].0, *outcomes[0].1.as_ref().unwrap()),
            (2, &"1".to_owned(), true)
        );
        let cause = outcomes[1].1.as_ref().unwrap_err().cause();
        assert!(matches!(cause, Cause::Panicked(text) if text.len() < 1000), "{cause}");
    }
}
