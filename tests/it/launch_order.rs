//! Which launches run, how many at once, and in which order: fair to agents, and nobody waits for ever.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use sortie::journal::{Due, Intent, Journal, Scope, Terms, Want};
use sortie::{AgentRef, Builder, MemoryJournal, SledJournal, System, agent_fn};
use tokio::time::{Instant, sleep};

use crate::directory::Directory;
use crate::support::{Gauge, MS, SECOND, eventually};

/// A launch that takes long.
const BLOCKER: u32 = u32::MAX;

/// What was run, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(&'static str, u32)>>>);

impl Log {
    /// An agent whose launches take 10 ms each, but for a blocker.
    fn agent(&self, builder: &mut Builder, name: &'static str) -> AgentRef<u32, ()> {
        let log = self.clone();
        let agent = agent_fn(move |n: u32, _| {
            let log = log.clone();
            async move {
                log.0.lock().unwrap().push((name, n));
                sleep(if n == BLOCKER { 100 * SECOND } else { 10 * MS }).await;
                Ok(())
            }
        });
        builder.register(agent.named(name))
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn agents(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().iter().map(|(name, _)| *name).collect()
    }

    fn numbers(&self) -> Vec<u32> {
        self.0.lock().unwrap().iter().map(|(_, n)| *n).collect()
    }
}

fn builder() -> Builder {
    System::builder().journal(MemoryJournal::new())
}

/// A system in which one launch runs at a time, and one of each of these agents.
async fn one_at_a_time<const N: usize>(names: [&'static str; N]) -> (Log, System, [AgentRef<u32, ()>; N]) {
    let (log, mut builder) = (Log::default(), builder());
    builder.launch_concurrency(1);
    let agents = names.map(|name| log.agent(&mut builder, name));
    (log, builder.start().await.unwrap(), agents)
}

/// An agent that takes a second.
fn slow(builder: &mut Builder, name: &str, gauge: &Gauge) -> AgentRef<u32, u32> {
    let gauge = gauge.clone();
    let agent = agent_fn(move |n: u32, _| {
        let gauge = gauge.clone();
        async move {
            let _body = gauge.enter();
            sleep(SECOND).await;
            Ok(n)
        }
    });
    builder.register(agent.named(name))
}

#[tokio::test(start_paused = true)]
async fn every_eighth_start_is_that_of_the_oldest() {
    let (log, system, [agent]) = one_at_a_time(["work"]).await;
    system.launch(&agent, 0).await.unwrap();
    eventually("the first", || log.len() == 1).await;
    let low = system.launch(&agent, 1_000).priority(-1).await.unwrap();
    let others = (1..=30).map(|n| system.launch(&agent, n).priority(n as i32 % 3).into_future());
    join_all(others).await;
    low.result().await.unwrap().unwrap();
    // The first start and six of the highest priority come before it.
    let numbers = log.numbers();
    assert!(numbers.len() >= 8, "{numbers:?}");
    assert!(numbers[1..7].iter().all(|n| n % 3 == 2), "{numbers:?}");
    assert_eq!(numbers[7], 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_low_priority_is_not_starved_by_endless_high_ones() {
    let (log, system, [agent]) = one_at_a_time(["work"]).await;
    let flood = {
        let (system, agent) = (system.clone(), agent.clone());
        tokio::spawn(async move {
            for n in 0.. {
                // Faster than they are run.
                system.launch(&agent, n).priority(10).await.unwrap();
                sleep(3 * MS).await;
            }
        })
    };
    sleep(SECOND).await;
    let began = Instant::now();
    let low = system.launch(&agent, 0).priority(i32::MIN).await.unwrap();
    let before = log.len();
    low.result().await.unwrap().unwrap();
    // Every eighth start is that of the oldest; some 230 older ones wait before it.
    assert!(began.elapsed() < 30 * SECOND, "{:?} {}", began.elapsed(), log.len() - before);
    flood.abort();
}

#[tokio::test(start_paused = true)]
async fn within_a_priority_the_first_due_goes_first() {
    let (log, system, [agent]) = one_at_a_time(["work"]).await;
    // All of them are due when the slot is free: a delayed one counts from when it was due.
    blocker(&system, &agent).await;
    system.launch(&agent, 1).delay(90 * SECOND).await.unwrap();
    system.launch(&agent, 2).delay(50 * SECOND).await.unwrap();
    let last = system.launch(&agent, 3).delay(90 * SECOND).priority(-1).await.unwrap();
    system.launch(&agent, 4).delay(30 * SECOND).await.unwrap();
    system.launch(&agent, 5).await.unwrap();
    last.result().await.unwrap().unwrap();
    assert_eq!(log.numbers(), [BLOCKER, 5, 4, 2, 1, 3]);
}

/// Waits until the only slot is taken.
async fn blocker(system: &System, agent: &AgentRef<u32, ()>) -> sortie::Ticket<()> {
    let ticket = system.launch(agent, BLOCKER).await.unwrap();
    while ticket.status().await.unwrap() != sortie::LaunchStatus::Running {
        sleep(MS).await;
    }
    ticket
}

#[tokio::test(start_paused = true)]
async fn agents_have_turns_however_many_others_there_are_and_how_much_the_busy_ones_have() {
    let (log, system, [busy, _idle, quiet, other]) = one_at_a_time(["busy", "idle", "quiet", "other"]).await;
    for n in 0..200 {
        system.launch(&busy, n).priority(100).await.unwrap();
        if n % 2 == 0 {
            system.launch(&other, n).await.unwrap();
        }
    }
    for n in 0..20 {
        let before = log.len();
        let quick = system.launch(&quiet, n).priority(-100).await.unwrap();
        quick.result().await.unwrap().unwrap();
        // One that runs, and at most one more of each other agent.
        assert!(log.len() - before <= 4, "{}", log.len() - before);
    }
    eventually("the rest of the other", || {
        log.agents().iter().filter(|name| **name == "other").count() == 100
    })
    .await;
    // The idle one gives nobody a second turn: while both have some, they alternate.
    let agents: Vec<_> = log.agents().into_iter().filter(|name| *name != "quiet").collect();
    let longest = agents[..100].chunk_by(|one, two| one == two).map(<[_]>::len).max();
    assert!(longest <= Some(2), "{longest:?}");
    let busy = agents[..150].iter().filter(|name| **name == "busy").count();
    assert!((70..=80).contains(&busy), "{busy}");
}

#[tokio::test(start_paused = true)]
async fn no_more_launches_of_an_agent_run_at_once_than_may_and_others_do_not_wait_for_them() {
    let mut builder = builder();
    builder.launch_concurrency(4);
    let (few, many) = (Gauge::default(), Gauge::default());
    let limited = slow(&mut builder, "limited", &few);
    let free = slow(&mut builder, "free", &many);
    builder.launch_concurrency_of(&limited, 2);
    let system = builder.start().await.unwrap();
    let began = Instant::now();
    let waiting = join_all((0..8).map(|n| system.launch(&limited, n).priority(9).into_future())).await;
    let passing = join_all((0..8).map(|n| system.launch(&free, n).into_future())).await;
    for ticket in &passing {
        ticket.as_ref().unwrap().result().await.unwrap().unwrap();
    }
    // Two of the four slots are never taken by those that are limited.
    assert!(began.elapsed() < 4 * SECOND + 200 * MS, "{:?}", began.elapsed());
    for ticket in &waiting {
        ticket.as_ref().unwrap().result().await.unwrap().unwrap();
    }
    // Agents take turns, so the others may have had more than two slots at a time, and the limited ones fewer.
    assert!((4 * SECOND..8 * SECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!((few.peak(), few.begun()), (2, 8));
    assert!(many.peak() >= 2);
}

#[tokio::test(start_paused = true)]
async fn an_agent_at_its_limit_goes_on_by_itself_when_nothing_else_happens() {
    let mut builder = builder();
    let gauge = Gauge::default();
    let agent = slow(&mut builder, "one", &gauge);
    builder.launch_concurrency_of(&agent, 1);
    let system = builder.start().await.unwrap();
    let began = Instant::now();
    let tickets = join_all((0..5).map(|n| system.launch(&agent, n).into_future())).await;
    for ticket in tickets {
        ticket.unwrap().result().await.unwrap().unwrap();
    }
    assert!((5 * SECOND..5 * SECOND + 100 * MS).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!(gauge.peak(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_supervisor_has_slots_of_its_own_for_the_launches_of_its_agents() {
    let mut builder = builder();
    builder.launch_concurrency(2);
    let (main, mail, more) = (Gauge::default(), Gauge::default(), Gauge::default());
    let work = slow(&mut builder, "work", &main);
    let send = slow(&mut builder, "send", &mail);
    let fetch = slow(&mut builder, "fetch", &more);
    builder.supervisor("mail").launches_of(&send).launch_concurrency(3);
    builder.supervisor("web").launches_of(&fetch);
    let system = builder.start().await.unwrap();
    let began = Instant::now();
    let mut tickets = Vec::new();
    for n in 0..6 {
        for agent in [&work, &send, &fetch] {
            tickets.push(system.launch(agent, n).await.unwrap());
        }
    }
    for ticket in tickets {
        ticket.result().await.unwrap().unwrap();
    }
    assert!((3 * SECOND..3 * SECOND + 200 * MS).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!((main.peak(), mail.peak(), more.peak()), (2, 3, 2));
    let names: Vec<_> = system.status().supervisors.into_iter().map(|supervisor| supervisor.name).collect();
    assert_eq!(names, ["mail", "web", "main"]);
}

#[tokio::test(start_paused = true)]
async fn s32_a_supervisor_that_dies_starts_its_launches_again_and_leaves_those_of_others_alone() {
    let mut builder = builder();
    let (main, mail) = (Gauge::default(), Gauge::default());
    let work = slow(&mut builder, "work", &main);
    let send = slow(&mut builder, "send", &mail);
    builder.supervisor("mail").launches_of(&send);
    let system = builder.start().await.unwrap();
    let one = system.launch(&work, 1).await.unwrap();
    let two = system.launch(&send, 2).await.unwrap();
    eventually("both", || main.running() + mail.running() == 2).await;
    assert!(system.break_supervisor("mail"));
    assert_eq!((one.result().await.unwrap().unwrap(), two.result().await.unwrap().unwrap()), (1, 2));
    assert_eq!((one.record().await.unwrap().attempts, two.record().await.unwrap().attempts), (1, 2));
    assert_eq!((main.begun(), mail.begun(), mail.peak()), (1, 2, 1));
    let left = system.shutdown(SECOND).await.unwrap();
    assert_eq!(left.handed_back, 0);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_counts_what_all_supervisors_hand_back() {
    let mut builder = builder();
    let gauge = Gauge::default();
    let (work, send) = (slow(&mut builder, "work", &gauge), slow(&mut builder, "send", &gauge));
    builder.supervisor("mail").launches_of(&send);
    let system = builder.start().await.unwrap();
    for n in 0..3 {
        system.launch(&work, n).await.unwrap();
        system.launch(&send, n).await.unwrap();
    }
    eventually("all", || gauge.running() == 6).await;
    assert_eq!(system.shutdown(Duration::ZERO).await.unwrap().handed_back, 6);
}

#[tokio::test(start_paused = true)]
async fn s35_launches_are_run_under_the_supervisor_that_their_agent_has_now() {
    let (directory, gauge) = (Directory::new(), Gauge::default());
    let on_disk = || System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    let mut builder = on_disk();
    let work = slow(&mut builder, "work", &gauge);
    let system = builder.start().await.unwrap();
    let launches = (0..4).map(|n| system.launch(&work, n).into_future());
    let ids: Vec<_> = join_all(launches).await.into_iter().map(|ticket| ticket.unwrap().id()).collect();
    eventually("all", || gauge.running() == 4).await;
    system.shutdown(Duration::ZERO).await.unwrap();

    let (mut builder, gauge) = (on_disk(), Gauge::default());
    let work = slow(&mut builder, "work", &gauge);
    builder.supervisor("another").launches_of(&work).launch_concurrency(2);
    let system = builder.start().await.unwrap();
    for id in ids {
        system.ticket::<u32>(id).unwrap().result().await.unwrap().unwrap();
    }
    assert_eq!((gauge.begun(), gauge.peak()), (4, 2));
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_limits_and_supervisors_of_launches_is_said() {
    let mut builder = builder();
    let gauge = Gauge::default();
    let known = slow(&mut builder, "known", &gauge);
    let unknown = AgentRef::new(agent_fn(|n: u32, _| async move { Ok(n) }).named("unknown"));
    builder.supervisor("one").launches_of(&known).launches_of(&known);
    builder.supervisor("two").launches_of(&known);
    builder.launch_concurrency_of(&unknown, 1);
    let error = builder.start().await.unwrap_err();
    let problems: Vec<_> = error.problems().collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems.iter().any(|text| text.contains("`known`") && text.contains("`one` and `two`")));
    assert!(problems.iter().any(|text| text.contains("`unknown`") && text.contains("register it")));
}

/// An intent of an agent.
fn intent(agent: &str, terms: Terms) -> Intent {
    Intent { agent: agent.to_owned(), key: None, input: b"1".to_vec(), digest: 1, due: Due::Now, terms }
}

#[tokio::test(start_paused = true)]
async fn s17_four_claimers_get_two_hundred_launches_once_each() {
    let journal = Arc::new(MemoryJournal::new());
    journal.start(Scope::new(["work".to_owned()])).await.unwrap();
    journal.append((0..200).map(|_| intent("work", Terms::default())).collect()).await.unwrap();
    let claimers = (0..4).map(|_| {
        let journal = Arc::clone(&journal);
        tokio::spawn(async move {
            let mut ids = Vec::new();
            loop {
                let claimed = journal.claim(&[Want::new("work", 7)], 9).await.unwrap().claims;
                if claimed.is_empty() {
                    return ids;
                }
                assert!(claimed.len() <= 7);
                for claim in claimed {
                    ids.push(claim.id);
                    assert!(journal.complete(&claim, b"1").await.unwrap().is_ok());
                }
            }
        })
    });
    let claimed = join_all(claimers.collect::<Vec<_>>()).await;
    let mut ids: Vec<_> = claimed.into_iter().flat_map(Result::unwrap).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_journal_gives_no_more_of_an_agent_than_are_wanted_and_one_of_each_lane() {
    let journal = MemoryJournal::new();
    journal.start(Scope::new(["one", "two"].map(str::to_owned))).await.unwrap();
    let laned = |lane: &str| Terms { lane: Some(lane.to_owned()), ..Terms::default() };
    for terms in [Terms::default(), laned("a"), laned("a"), Terms::default(), laned("b")] {
        journal.append(vec![intent("one", terms.clone()), intent("two", terms)]).await.unwrap();
    }
    let claimed = async |one: usize, two: usize, max: usize| {
        let wants = [Want::new("one", one), Want::new("two", two), Want::new("nobody", 5)];
        let claims = journal.claim(&wants, max).await.unwrap().claims;
        let of = |agent: &str| claims.iter().filter(|claim| claim.agent == agent).count();
        (of("one"), of("two"))
    };
    assert_eq!(claimed(0, 0, 9).await, (0, 0));
    assert_eq!(claimed(1, 0, 9).await, (1, 0));
    assert_eq!(claimed(9, 9, 2).await, (1, 1));
    // In each lane there is a head of the one, and the others wait for it.
    assert_eq!(claimed(9, 9, 9).await, (2, 1));
    assert_eq!(claimed(9, 9, 9).await, (0, 0));
}
