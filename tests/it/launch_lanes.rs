//! Lanes: launches that run one at a time, in the order in which they were recorded.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sortie::probe::Trap;
use sortie::{
    AgentContext, AgentError, AgentRef, Backoff, Builder, LaunchStatus, MemoryJournal, Restart, SledJournal,
    System, Ticket, agent_fn,
};
use tokio::time::{Instant, sleep};

use crate::directory::Directory;
use crate::support::{MS, SECOND, eventually};

/// What was run, and when it began.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(&'static str, Instant)>>>);

impl Log {
    fn names(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().iter().map(|(name, _)| *name).collect()
    }

    /// How long after one body the next began.
    fn waits(&self) -> Vec<Duration> {
        let log = self.0.lock().unwrap();
        log.windows(2).map(|two| two[1].1 - two[0].1).collect()
    }

    /// An agent that notes its input, takes a second, and then does what the input says.
    fn agent(&self, name: &'static str) -> AgentRef<String, ()> {
        let log = self.clone();
        let agent = agent_fn(move |text: String, cx: AgentContext| {
            let log = log.clone();
            async move {
                let text: &'static str = Box::leak(text.into_boxed_str());
                log.0.lock().unwrap().push((text, Instant::now()));
                sleep(SECOND).await;
                match text {
                    "fails twice" if cx.attempt() <= 2 => Err("not yet".into()),
                    "dies" if cx.attempt() == 1 => Err(AgentError::fatal("no")),
                    "panics" if cx.attempt() == 1 => panic!("oops"),
                    _ => Ok(()),
                }
            }
        });
        AgentRef::new(agent.named(name))
    }
}

struct Lane {
    log: Log,
    system: System,
    agent: AgentRef<String, ()>,
}

impl Lane {
    async fn new() -> Self {
        Self::on(System::builder().journal(MemoryJournal::new()), Log::default()).await
    }

    async fn on(mut builder: Builder, log: Log) -> Self {
        let agent = builder.register(log.agent("work"));
        Self { system: builder.start().await.unwrap(), agent, log }
    }

    fn launch(&self, text: &str) -> sortie::Launch<()> {
        self.system.launch(&self.agent, text.to_owned()).lane("lane")
    }
}

fn on_disk(directory: &Directory) -> Builder {
    System::builder().journal(SledJournal::open(directory.journal()).unwrap())
}

async fn done(ticket: &Ticket<()>) {
    ticket.result().await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn launches_of_a_lane_run_one_at_a_time_and_in_order_whatever_their_priorities() {
    let lane = Lane::new().await;
    let mut tickets = Vec::new();
    for (priority, text) in ["a", "b", "c", "d"].iter().enumerate() {
        tickets.push(lane.launch(text).priority(priority as i32).await.unwrap());
    }
    let other = lane.system.launch(&lane.agent, "other".to_owned()).lane("other lane").await.unwrap();
    let without = lane.system.launch(&lane.agent, "without".to_owned()).await.unwrap();
    let began = Instant::now();
    done(&other).await;
    done(&without).await;
    assert!(began.elapsed() < SECOND + 50 * MS, "other lanes do not wait: {:?}", began.elapsed());
    for ticket in &tickets {
        done(ticket).await;
    }
    let names: Vec<_> = lane.log.names().into_iter().filter(|name| name.len() == 1).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    assert!((4 * SECOND..5 * SECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_lane_waits_for_its_head_in_delay_and_goes_on_when_that_is_cancelled() {
    let lane = Lane::new().await;
    let head = lane.launch("head").delay(60 * SECOND).await.unwrap();
    let next = lane.launch("next").await.unwrap();
    let last = lane.launch("last").delay(120 * SECOND).await.unwrap();
    let after = lane.launch("after").await.unwrap();
    sleep(50 * SECOND).await;
    assert_eq!((lane.log.names().len(), next.status().await.unwrap()), (0, LaunchStatus::Pending));
    done(&next).await;
    assert_eq!(lane.log.names(), ["head", "next"]);
    done(&head).await;
    // A delay goes on while its launch waits for others.
    let cancelled = lane.launch("cancelled").await.unwrap();
    assert!(cancelled.cancel().await.unwrap());
    assert!(last.cancel().await.unwrap());
    done(&after).await;
    assert_eq!(lane.log.names(), ["head", "next", "after"]);
}

#[tokio::test(start_paused = true)]
async fn a_delay_goes_on_while_its_launch_waits_in_its_lane() {
    let lane = Lane::new().await;
    let began = Instant::now();
    lane.launch("head").delay(10 * SECOND).await.unwrap();
    let next = lane.launch("next").delay(5 * SECOND).await.unwrap();
    let last = lane.launch("last").delay(30 * SECOND).await.unwrap();
    done(&next).await;
    assert!(began.elapsed() < 12 * SECOND + 100 * MS, "{:?}", began.elapsed());
    done(&last).await;
    assert!((31 * SECOND..31 * SECOND + 100 * MS).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_lane_waits_while_its_head_is_tried_again() {
    let lane = Lane::new().await;
    let restart = Restart::attempts(3).backoff(Backoff::fixed(60 * SECOND));
    lane.launch("fails twice").restart(restart).await.unwrap();
    let next = lane.launch("next").await.unwrap();
    done(&next).await;
    assert_eq!(lane.log.names(), ["fails twice", "fails twice", "fails twice", "next"]);
    let waits = lane.log.waits();
    assert!(waits[0] >= 61 * SECOND && waits[1] >= 61 * SECOND && waits[2] < 2 * SECOND, "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lane_goes_on_when_its_head_is_dead_and_a_requeued_one_goes_back_to_its_place() {
    let lane = Lane::new().await;
    let dies = lane.launch("dies").await.unwrap();
    let next = lane.launch("next").await.unwrap();
    let third = lane.launch("third").await.unwrap();
    eventually("the next", || lane.log.names().len() == 2).await;
    assert_eq!(dies.status().await.unwrap(), LaunchStatus::Dead);
    // While the next runs; the third was recorded later.
    assert!(dies.requeue().await.unwrap());
    done(&third).await;
    done(&next).await;
    assert_eq!(lane.log.names(), ["dies", "next", "dies", "third"]);
    assert!(lane.log.waits().iter().all(|wait| *wait >= SECOND));
    assert_eq!(dies.status().await.unwrap(), LaunchStatus::Done);
}

#[tokio::test(start_paused = true)]
async fn a_lane_waits_for_an_ambiguous_head_until_somebody_decides() {
    let lane = Lane::new().await;
    let head = lane.launch("panics").at_most_once().await.unwrap();
    let next = lane.launch("next").await.unwrap();
    assert!(head.result().await.unwrap().is_err());
    assert_eq!(head.status().await.unwrap(), LaunchStatus::Ambiguous);
    sleep(600 * SECOND).await;
    assert_eq!(next.status().await.unwrap(), LaunchStatus::Pending);
    assert!(head.requeue().await.unwrap());
    done(&next).await;
    assert_eq!(lane.log.names(), ["panics", "panics", "next"]);
}

#[tokio::test(start_paused = true)]
async fn agents_share_a_lane_also_under_different_supervisors() {
    let mut builder = System::builder().journal(MemoryJournal::new());
    let log = Log::default();
    let (reserve, charge) = (builder.register(log.agent("reserve")), builder.register(log.agent("charge")));
    builder.supervisor("money").launches_of(&charge);
    let system = builder.start().await.unwrap();
    let mut last = None;
    for step in ["1", "2", "3", "4"] {
        for agent in [&reserve, &charge] {
            last =
                Some(system.launch(agent, format!("{step} {}", agent.name())).lane("order 7").await.unwrap());
        }
    }
    done(&last.unwrap()).await;
    let expected: Vec<_> =
        ["1", "2", "3", "4"].map(|n| [format!("{n} reserve"), format!("{n} charge")]).concat();
    assert_eq!(log.names(), expected);
    let waits = log.waits();
    assert!(waits.iter().all(|wait| (SECOND..SECOND + 50 * MS).contains(wait)), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lane_is_there_again_after_a_restart_and_waits_for_a_parked_head() {
    let directory = Directory::new();
    let lane = Lane::on(on_disk(&directory), Log::default()).await;
    let mut ids = Vec::new();
    for text in ["a", "b", "c"] {
        ids.push(lane.launch(text).await.unwrap().id());
    }
    eventually("the first", || !lane.log.names().is_empty()).await;
    assert_eq!(lane.system.shutdown(Duration::ZERO).await.unwrap().handed_back, 1);

    // A process that does not know the agent of the head, but that of one behind it.
    let mut builder = on_disk(&directory);
    let log = Log::default();
    let other = builder.register(log.agent("other"));
    let system = builder.start().await.unwrap();
    let behind = system.launch(&other, "behind".to_owned()).lane("lane").await.unwrap().id();
    sleep(600 * SECOND).await;
    assert_eq!(system.ticket::<()>(ids[0]).unwrap().status().await.unwrap(), LaunchStatus::Parked);
    assert!(log.names().is_empty());
    system.shutdown(SECOND).await.unwrap();

    let mut builder = on_disk(&directory);
    builder.register(lane.log.agent("other"));
    let lane = Lane::on(builder, lane.log).await;
    done(&lane.system.ticket::<()>(behind).unwrap()).await;
    assert_eq!(lane.log.names(), ["a", "a", "b", "c", "behind"]);
    assert!(lane.log.waits()[1..].iter().all(|wait| *wait >= SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_lane_keeps_its_order_while_the_disk_is_full() {
    let directory = Directory::new();
    let lane = Lane::on(on_disk(&directory), Log::default()).await;
    lane.launch("head").await.unwrap();
    let next = lane.launch("next").await.unwrap();
    eventually("the head", || !lane.log.names().is_empty()).await;
    let full = Trap::fail(&directory.journal(), "store.before_write", io::ErrorKind::StorageFull);
    assert!(lane.launch("refused").await.is_err());
    sleep(10 * SECOND).await;
    // The outcome of the head cannot be recorded yet.
    assert_eq!(lane.log.names(), ["head"]);
    drop(full);
    let last = lane.launch("last").await.unwrap();
    done(&last).await;
    done(&next).await;
    assert_eq!(lane.log.names(), ["head", "next", "last"]);
}

#[tokio::test(start_paused = true)]
async fn many_lanes_of_several_agents_keep_their_orders_whatever_is_said_of_their_launches() {
    const LANES: usize = 7;
    let mut random = fastrand::Rng::with_seed(7);
    let mut builder = System::builder().journal(MemoryJournal::new());
    builder.launch_concurrency(5);
    let running = Arc::new(Mutex::new([0; LANES]));
    let order = Arc::new(Mutex::new(vec![Vec::new(); LANES]));
    let agents = ["one", "two", "three"].map(|name| {
        let (running, order) = (Arc::clone(&running), Arc::clone(&order));
        let agent = agent_fn(move |(lane, n, fails): (usize, u32, u32), cx: AgentContext| {
            let (running, order) = (Arc::clone(&running), Arc::clone(&order));
            async move {
                running.lock().unwrap()[lane] += 1;
                assert_eq!(running.lock().unwrap()[lane], 1, "two of lane {lane} run at once");
                if cx.attempt() == 1 {
                    order.lock().unwrap()[lane].push(n);
                }
                sleep(MS * (n % 13)).await;
                running.lock().unwrap()[lane] -= 1;
                if cx.attempt() <= fails { Err("again".into()) } else { Ok(()) }
            }
        });
        let restart = Restart::attempts(3).backoff(Backoff::fixed(10 * MS));
        builder.register(AgentRef::new(agent.named(name)).restart(restart))
    });
    builder.launch_concurrency_of(&agents[0], 2);
    builder.supervisor("other").launches_of(&agents[2]);
    let system = builder.start().await.unwrap();
    let (mut tickets, mut launched) = (Vec::new(), vec![Vec::new(); LANES]);
    for n in 0..300 {
        let (agent, lane, fails) = (&agents[random.usize(..3)], random.usize(..LANES), random.u32(..5));
        let launch = system.launch(agent, (lane, n, fails)).lane(lane).priority(random.i32(-3..4));
        let launch = if random.bool() { launch.delay(MS * random.u32(..500)) } else { launch };
        let ticket = launch.await.unwrap();
        let cancelled = random.u8(..8) == 0 && ticket.cancel().await.unwrap();
        launched[lane].push((n, cancelled));
        tickets.push(ticket);
    }
    for ticket in &tickets {
        let _ = ticket.result().await.unwrap();
    }
    for (lane, launched) in launched.into_iter().enumerate() {
        let order = order.lock().unwrap()[lane].clone();
        assert!(order.is_sorted(), "lane {lane}: {order:?}");
        // One that was cancelled may have run.
        assert!(launched.iter().all(|(n, cancelled)| *cancelled || order.contains(n)));
    }
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_lane_whose_process_was_killed_goes_on_with_its_head() {
    use crate::doomed::{Doomed, Scene, builder, hanging};

    let test = "launch_lanes::a_lane_whose_process_was_killed_goes_on_with_its_head";
    let start = async |path: &std::path::Path| {
        let mut builder = builder(path);
        let agent = builder.register(hanging(path));
        (builder.start().await.unwrap(), agent)
    };
    let part = async |child: Doomed| {
        let (system, agent) = start(child.path()).await;
        for n in 0..5 {
            system.launch(&agent, n).key(n).lane("lane").await.unwrap();
        }
        std::future::pending::<()>().await;
    };
    let Some(scene) = Scene::on_threads(test, part) else { return };
    scene.hang();
    for kills in 1..=2 {
        let child = scene.child("");
        // The head is a suspect after the first death, and nobody overtakes it.
        while scene.begun().len() < kills {
            std::thread::yield_now();
        }
        child.kill();
    }
    scene.let_go();
    let (system, agent) = start(scene.path()).await;
    let mut launched = Vec::new();
    for n in 0..5 {
        let ticket = system.launch(&agent, n).key(n).lane("lane").await.unwrap();
        assert_eq!(ticket.result().await.unwrap().unwrap(), n);
        launched.push(ticket.id());
    }
    let [a, b, c, d, e] = launched[..] else { panic!("{launched:?}") };
    let expected = [(a, 1), (a, 2), (a, 3), (b, 1), (c, 1), (d, 1), (e, 1)];
    assert_eq!(scene.noted("begun"), expected);
}
