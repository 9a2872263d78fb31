//! Code that outlives the supervisor of its launch holds up that launch, and nothing else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use sortie::{
    AgentContext, AgentRef, Builder, LaunchStatus, MemoryJournal, Restart, System, Ticket, agent_fn, blocking,
};
use tokio::time::sleep;

use crate::support::{Gauge, MS, SECOND, eventually, threads};

/// What the bodies wait for that are to be held.
#[derive(Clone, Default)]
struct Door(Arc<(Mutex<bool>, Condvar)>);

impl Door {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let mut open = self.0.0.lock().unwrap();
        while !*open {
            open = self.0.1.wait(open).unwrap();
        }
    }
}

/// Opens the door at the end, also if the test has failed: a runtime waits for its blocking threads.
struct OpenAtEnd(Door);

impl Drop for OpenAtEnd {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Holds a blocking thread in its first attempt, until the door is open. Gives the number of the attempt.
fn holds(door: &Door, bodies: &Gauge) -> AgentRef<u32, u32> {
    let (door, bodies) = (door.clone(), bodies.clone());
    let agent = blocking(move |_: u32, cx: AgentContext| {
        let _body = bodies.enter();
        if cx.attempt() == 1 {
            door.pass();
        }
        Ok(cx.attempt())
    });
    AgentRef::new(agent.named("holds"))
}

/// Takes its time in the first attempt, and gives the number of the attempt.
fn yields(bodies: &Gauge) -> AgentRef<u32, u32> {
    let bodies = bodies.clone();
    let agent = agent_fn(move |_: u32, cx: AgentContext| {
        let body = bodies.enter();
        async move {
            let _body = body;
            sleep(if cx.attempt() == 1 { 3600 * SECOND } else { MS }).await;
            Ok(cx.attempt())
        }
    });
    AgentRef::new(agent.named("yields"))
}

fn builder() -> Builder {
    System::builder().journal(MemoryJournal::new())
}

async fn result(ticket: &Ticket<u32>) -> u32 {
    ticket.result_within(30 * SECOND).await.unwrap().unwrap()
}

async fn restarted(system: &System, times: u32) {
    assert!(system.break_supervisor("main"));
    eventually("a restart", || system.status().supervisors[0].restarts == times).await;
}

#[test]
fn only_the_launch_waits_whose_own_code_still_runs() {
    for count in [1, 2] {
        let runtime = threads(count);
        let door = Door::default();
        let _open = OpenAtEnd(door.clone());
        let (held, others) = (Gauge::default(), Gauge::default());
        runtime.block_on(async {
            let mut builder = builder();
            let (holds, yields) = (builder.register(holds(&door, &held)), builder.register(yields(&others)));
            let system = builder.start().await.unwrap();
            let stays = system.launch(&holds, 0).await.unwrap();
            let goes_on =
                [system.launch(&yields, 1).await.unwrap(), system.launch(&yields, 2).await.unwrap()];
            eventually("bodies", || held.running() == 1 && others.running() == 2).await;
            // More than once, because the next life has to know of it, too.
            restarted(&system, 1).await;
            for ticket in &goes_on {
                assert_eq!(result(ticket).await, 2);
            }
            let new = system.launch(&yields, 3).await.unwrap();
            eventually("a body", || others.begun() == 5).await;
            restarted(&system, 2).await;
            assert_eq!(result(&new).await, 2);
            assert_eq!((held.begun(), held.running()), (1, 1));
            assert_eq!(stays.status().await.unwrap(), LaunchStatus::Running);
            door.open();
            assert_eq!(result(&stays).await, 2);
            assert_eq!((held.begun(), held.peak()), (2, 1));
            system.shutdown(SECOND).await.unwrap();
        });
    }
}

#[test]
fn what_still_runs_keeps_its_slot() {
    let runtime = threads(2);
    let (door, bodies) = (Door::default(), Gauge::default());
    let _open = OpenAtEnd(door.clone());
    runtime.block_on(async {
        let mut builder = builder();
        builder.launch_concurrency(1);
        let (holds, yields) = (builder.register(holds(&door, &bodies)), builder.register(yields(&bodies)));
        let system = builder.start().await.unwrap();
        let stays = system.launch(&holds, 0).await.unwrap();
        eventually("a body", || bodies.running() == 1).await;
        let waits = system.launch(&yields, 1).await.unwrap();
        restarted(&system, 1).await;
        sleep(300 * MS).await;
        assert_eq!(bodies.begun(), 1, "the only slot is taken");
        assert!(waits.cancel().await.unwrap());
        door.open();
        assert_eq!(result(&stays).await, 2);
        assert_eq!(bodies.peak(), 1);
        system.shutdown(SECOND).await.unwrap();
    });
}

#[test]
fn a_launch_that_runs_at_most_once_is_ambiguous_when_its_code_has_ended() {
    let runtime = threads(2);
    let (door, bodies) = (Door::default(), Gauge::default());
    let _open = OpenAtEnd(door.clone());
    runtime.block_on(async {
        let mut builder = builder();
        let holds = builder.register(holds(&door, &bodies).at_most_once());
        let system = builder.start().await.unwrap();
        let stays = system.launch(&holds, 0).await.unwrap();
        eventually("a body", || bodies.running() == 1).await;
        restarted(&system, 1).await;
        sleep(300 * MS).await;
        assert_eq!(stays.status().await.unwrap(), LaunchStatus::Running);
        door.open();
        assert!(stays.result_within(30 * SECOND).await.unwrap().is_err());
        assert_eq!(stays.status().await.unwrap(), LaunchStatus::Ambiguous);
        assert_eq!(bodies.begun(), 1);
        system.shutdown(SECOND).await.unwrap();
    });
}

/// The system ends as before where such code still runs, and the launch is handed back.
#[test]
fn a_shutdown_does_not_wait_for_it() {
    let runtime = threads(2);
    let (door, bodies) = (Door::default(), Gauge::default());
    let _open = OpenAtEnd(door.clone());
    runtime.block_on(async {
        let mut builder = builder();
        let holds = builder.register(holds(&door, &bodies));
        let system = builder.start().await.unwrap();
        let _stays = system.launch(&holds, 0).await.unwrap();
        eventually("a body", || bodies.running() == 1).await;
        restarted(&system, 1).await;
        sleep(200 * MS).await;
        let start = std::time::Instant::now();
        assert_eq!(system.shutdown(Duration::ZERO).await.unwrap().handed_back, 1);
        assert!(start.elapsed() < 5 * SECOND);
    });
}

/// Supervisors die at random moments while bodies are held for random times: no launch is lost, and none runs beside itself.
#[test]
fn no_launch_runs_beside_itself_however_often_its_supervisor_dies() {
    let runtime = threads(2);
    let mut random = fastrand::Rng::with_seed(12);
    for _ in 0..5 {
        let running: Arc<Vec<AtomicBool>> = Arc::new((0..24).map(|_| AtomicBool::new(false)).collect());
        let theirs = Arc::clone(&running);
        let agent = blocking(move |n: u32, cx: AgentContext| {
            let mine = &theirs[n as usize];
            assert!(!mine.swap(true, Ordering::SeqCst), "{n} runs beside itself");
            std::thread::sleep(Duration::from_millis(u64::from(n * 13 % 160)));
            mine.store(false, Ordering::SeqCst);
            Ok(cx.attempt())
        });
        let pauses: Vec<_> = (0..3).map(|_| Duration::from_millis(random.u64(1..60))).collect();
        runtime.block_on(async {
            let mut builder = builder();
            builder.launch_concurrency(8);
            let agent = AgentRef::new(agent.named("sleeps")).restart(Restart::attempts(1));
            let agent = builder.register(agent);
            let system = builder.start().await.unwrap();
            let many = system.launch_many((0..24).map(|n| system.launch(&agent, n))).await;
            for (death, pause) in pauses.into_iter().enumerate() {
                sleep(pause).await;
                restarted(&system, 1 + death as u32).await;
            }
            for ticket in many {
                result(&ticket.unwrap()).await;
            }
            system.shutdown(SECOND).await.unwrap();
        });
    }
}
