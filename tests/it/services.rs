//! The services that run launches: when they begin, and what they leave when they end with their supervisor.

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use sortie::{
    AgentContext, AgentError, AgentRef, Builder, LaunchId, LaunchStatus, SledJournal, System, actor, agent_fn,
};
use tokio::time::sleep;

use crate::directory::Directory;
use crate::support::{Gauge, MS, SECOND, eventually};

/// A resident whose start takes a second, and may fail then.
struct Late {
    succeeds: bool,
}

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for Late {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        sleep(SECOND).await;
        if self.succeeds { Ok(()) } else { Err("no disk".into()) }
    }
}

/// An agent that takes a minute, and gives the number of its attempt.
fn slow(gauge: &Gauge) -> AgentRef<(), u32> {
    let gauge = gauge.clone();
    let agent = agent_fn(move |(): (), cx: AgentContext| {
        let body = gauge.enter();
        async move {
            let _body = body;
            sleep(60 * SECOND).await;
            Ok(cx.attempt())
        }
    });
    AgentRef::new(agent.named("slow"))
}

/// Starts a system over the journal there, in which a resident starts after the service that runs the launches.
async fn start(directory: &Directory, agent: AgentRef<(), u32>, succeeds: bool) -> Option<System> {
    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    builder.register(agent);
    builder.supervisor("main");
    add_late(&mut builder, "late", succeeds);
    builder.start().await.ok()
}

fn add_late(builder: &mut Builder, supervisor: &str, succeeds: bool) {
    let late = actor::resident("late", move || (Late { succeeds }, ()), |(): (), _: RpcReplyPort<()>| ());
    builder.supervisor(supervisor).resident(late);
}

async fn launch(system: &System, agent: &AgentRef<(), u32>) -> LaunchId {
    system.launch(agent, ()).await.unwrap().id()
}

#[tokio::test(start_paused = true)]
async fn launches_begin_when_the_whole_system_has_started() {
    let (directory, gauge) = (Directory::new(), Gauge::default());
    let agent = slow(&gauge);
    let system = start(&directory, agent.clone(), true).await.unwrap();
    let id = launch(&system, &agent).await;
    system.shutdown(MS).await.unwrap();

    let (again, before) = (Gauge::default(), gauge.begun());
    let agent = slow(&again);
    // One that does not start has run nothing, and leaves every launch as it was.
    assert!(start(&directory, agent.clone(), false).await.is_none());
    assert_eq!(again.begun(), 0);
    let system = start(&directory, agent, true).await.unwrap();
    // A service that began too early would have died of it, and the deaths would have counted for its supervisor.
    let status = system.status();
    assert!(status.supervisors.iter().all(|one| (one.deaths, one.restarts) == (0, 0)), "{status}");
    let ticket = system.ticket::<u32>(id).unwrap();
    assert_eq!(ticket.result().await.unwrap().unwrap() as usize, before + 1);
    assert!(ticket.record().await.unwrap().history.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_supervisor_leaves_that_dies_in_a_shutdown_is_handed_back() {
    let (directory, gauge) = (Directory::new(), Gauge::default());
    let often = slow(&gauge);
    let once = agent_fn(|(): (), _| std::future::pending::<Result<u32, AgentError>>());
    let once = AgentRef::new(once.named("once"));
    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    builder.register(&often);
    builder.register(once.clone().at_most_once());
    // A shutdown does not wait until the supervisor has started again.
    add_late(&mut builder, "main", true);
    let system = builder.start().await.unwrap();
    let ids = [launch(&system, &often).await, launch(&system, &once).await];
    eventually("a body", || gauge.running() == 1).await;
    sleep(SECOND).await;
    let shutting_down = tokio::spawn({
        let system = system.clone();
        async move { system.shutdown(10 * SECOND).await }
    });
    sleep(SECOND).await;
    assert!(system.break_supervisor("main"));
    let left = shutting_down.await.unwrap().unwrap();
    assert_eq!((left.handed_back, gauge.running()), (1, 0));

    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    builder.register(&often);
    builder.register(once.at_most_once());
    let system = builder.start().await.unwrap();
    let [often, once] = ids.map(|id| system.ticket::<u32>(id).unwrap());
    // It is no suspect, as it would be after a death of the process.
    let record = often.record().await.unwrap();
    assert!(!record.suspect && record.history.is_empty(), "{record:?}");
    assert_eq!(often.result().await.unwrap().unwrap(), 2);
    let record = once.record().await.unwrap();
    assert_eq!(record.status, LaunchStatus::Ambiguous);
    assert!(record.history.is_empty(), "{record:?}");
}
