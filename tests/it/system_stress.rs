//! Many systems at once on real threads: runs and residents of all kinds, deaths everywhere, and for each system an end at
//! a moment of its own.

use std::time::Duration;

use futures::future::{join_all, poll_immediate};
use sortie::actor;
use sortie::{AgentContext, AgentRef, Backoff, Cause, Intensity, Outcome, Phase, Restart, System, agent_fn};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::actors::{Adder, words};
use crate::support::{Gauge, MS, SECOND, eventually, leaves_no_task, threads};

/// Longer than anything here takes, on a machine that is busy with other things.
const LIMIT: Duration = Duration::from_secs(30);

/// How a system ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Shutdown,
    /// Several at once, of different graces.
    Shutdowns,
    /// One that nobody waits for.
    Abandoned,
    /// All handles are dropped, and with them the runs under way.
    Dropped,
    /// The root is killed by somebody who has its cell.
    Killed,
    /// An actor under the root is killed, whichever it is; then the system is shut down.
    Maimed,
}

const ENDS: [End; 6] =
    [End::Shutdown, End::Shutdowns, End::Abandoned, End::Dropped, End::Killed, End::Maimed];

/// What a system is used for, and what counts who is alive in it.
#[derive(Clone)]
struct Uses {
    system: System,
    adder: AgentRef<&'static str, u64>,
    gauge: Gauge,
}

impl Uses {
    async fn start(adders: &Adder, gauge: &Gauge, instances: usize) -> Self {
        let mut builder = System::builder();
        builder.intensity(Intensity::new(1000, SECOND));
        let (one, two) = (adders.clone(), adders.clone());
        let sums = builder.supervisor("sums").intensity(Intensity::new(3, SECOND));
        let adder =
            sums.resident(actor::resident("adder", move || (one.clone(), 0), words).instances(instances));
        builder.supervisor("more").resident(actor::resident("idle", move || (two.clone(), 0), words));
        Self { system: builder.start().await.unwrap(), adder, gauge: gauge.clone() }
    }

    /// Fans out in one way after the other until the system does not want it any more.
    async fn go_on(self, mut turn: usize) {
        let waits = self.waits();
        let nested = {
            let waits = waits.clone();
            AgentRef::new(agent_fn(move |width: usize, cx: AgentContext| {
                let waits = waits.clone();
                async move { Ok(cx.foreach(vec![MS; width], &waits).all().await?.len()) }
            }))
        };
        let guests = Adder::default();
        let guest = {
            let guests = guests.clone();
            AgentRef::new(actor::spawned("guest", move || (guests.clone(), 0), words))
        };
        let system = &self.system;
        let restart = Restart::attempts(4).backoff(Backoff::none());
        loop {
            turn += 1;
            let goes_on = match turn % 5 {
                0 => count(system.foreach([MS; 7], &waits).concurrency(3).settled().await, 7),
                1 => count(system.foreach([3, 4], &nested).settled().await, 2),
                2 => {
                    let run = system.foreach(["1", "2", "stop", "3"], &self.adder).restart(restart.clone());
                    count(run.settled().await, 4)
                }
                3 => count(system.foreach(["1", "2", "fail", "3"], &guest).concurrency(2).settled().await, 4),
                // Not a run of the system: the resident ends it.
                _ => {
                    let _ = sortie::ask(&self.adder, "1").await;
                    count(vec![system.ask(&waits, MS).await], 1)
                }
            };
            if !goes_on {
                break;
            }
        }
        eventually("no guest", || guests.living.running() == 0).await;
    }

    fn waits(&self) -> AgentRef<Duration, ()> {
        let gauge = self.gauge.clone();
        AgentRef::new(agent_fn(move |time: Duration, _| {
            let gauge = gauge.clone();
            async move {
                let _body = gauge.enter();
                sleep(time).await;
                Ok(())
            }
        }))
    }
}

/// Checks that there is an outcome for each branch. Says whether the system goes on.
fn count<T>(outcomes: Vec<Outcome<T>>, branches: usize) -> bool {
    assert_eq!(outcomes.len(), branches);
    !outcomes.iter().any(|outcome| {
        outcome.as_ref().is_err_and(|failure| matches!(failure.cause(), Cause::ShutDown { .. }))
    })
}

/// Starts a system, uses it from several tasks, kills in it what can be killed, and ends it.
async fn live(seed: u64, end: End) {
    let mut random = fastrand::Rng::with_seed(seed);
    let (adders, gauge) = (Adder::default(), Gauge::default());
    let uses = Uses::start(&adders, &gauge, random.usize(1..4)).await;
    let users: Vec<_> = (0..4).map(|turn| tokio::spawn(uses.clone().go_on(turn))).collect();
    if random.bool() {
        uses.system.break_supervisor(if random.bool() { "sums" } else { "more" });
    }
    sleep(random.u32(0..12) * MS).await;

    let (system, graces) = (uses.system.clone(), [(); 3].map(|()| random.u32(0..10) * MS));
    drop(uses);
    match end {
        End::Shutdown => {
            system.shutdown(graces[0]).await.unwrap();
            assert_eq!(gauge.running(), 0);
        }
        End::Maimed => {
            let below = actor::root(&system).unwrap().get_children();
            random.choice(below).inspect(|actor| actor.kill());
            system.shutdown(graces[0]).await.unwrap();
        }
        End::Shutdowns => {
            let lefts = join_all(graces.map(|grace| system.shutdown(grace))).await;
            let lefts: Vec<_> = lefts.into_iter().map(Result::unwrap).collect();
            assert_eq!(lefts, [lefts[0]; 3]);
            assert_eq!(gauge.running(), 0);
        }
        End::Abandoned => {
            assert!(poll_immediate(Box::pin(system.shutdown(graces[0]))).await.is_none());
            system.wait().await.unwrap();
            assert_eq!(gauge.running(), 0);
        }
        End::Dropped => {
            users.iter().for_each(JoinHandle::abort);
            drop(system);
            for user in users {
                assert!(user.await.is_err_and(|error| error.is_cancelled()));
            }
            eventually("nobody", || gauge.running() + adders.living.running() == 0).await;
            return;
        }
        End::Killed => {
            actor::root(&system).unwrap().kill();
            assert!(!system.wait().await.unwrap_err().is_escalated());
        }
    }
    assert_eq!(system.status().phase, Phase::Ended);
    for user in users {
        user.await.unwrap();
    }
    // Whoever kills the root has to wait until those below are dead as well.
    if !matches!(end, End::Killed) {
        assert_eq!(system.status().runs, 0);
    }
    // With so many of them on two threads, what was killed may take more than a moment until it is gone.
    let left = || (system.status().runs, system.status().not_stopped);
    eventually("nothing left", || left() == (0, 0)).await;
    eventually("nobody", || gauge.running() + adders.living.running() == 0).await;
}

#[test]
fn however_many_systems_end_however_nothing_of_them_is_left() {
    threads(2).block_on(leaves_no_task(async {
        let lives = (0..240).map(|number| {
            let end = ENDS[number % ENDS.len()];
            let life = tokio::spawn(timeout(LIMIT, live(number as u64, end)));
            async move {
                life.await
                    .unwrap_or_else(|error| panic!("{number}, {end:?}: {error}"))
                    .map_err(|_| (number, end))
            }
        });
        let late: Vec<_> = join_all(lives).await.into_iter().filter_map(Result::err).collect();
        assert!(late.is_empty(), "they do not come to an end: {late:?}");
    }));
}

#[test]
fn a_run_that_was_waited_for_is_not_counted_any_more() {
    threads(2).block_on(async {
        let system = System::builder().start().await.unwrap();
        let agent = AgentRef::new(agent_fn(|n: u32, _| async move { Ok(n) }));
        for n in 0..2000 {
            system.ask(&agent, n).await.unwrap();
            assert_eq!(system.status().runs, 0, "after run {n}");
        }
        system.shutdown(SECOND).await.unwrap();
    });
}
