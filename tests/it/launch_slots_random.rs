//! Parents that wait for their children in random ways, with random limits, timeouts and cancellations: every launch
//! ends, and no limit is ever exceeded, as measured inside the agents.
//!
//! The seeds are fixed. `SORTIE_SLOTS_ROUNDS` and `SORTIE_SLOTS_SEED` make it more rounds and others; 10,000 rounds in
//! a release build are the long form.

use std::env;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{join_all, select, select_all};
use futures::stream::{FuturesUnordered, StreamExt};
use sortie::{
    AgentContext, AgentError, AgentRef, Backoff, MemoryJournal, Restart, System, Ticket, agent_fn, blocking,
};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use crate::support::{Gauge, MS, SECOND, eventually, threads};

const PARENTS: u64 = 64;
const CHILDREN: u64 = 8;

/// Numbers that look random: splitmix64.
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Up to so many milliseconds, and at least one.
    fn time(&mut self, most: u64) -> Duration {
        Duration::from_millis(1 + self.below(most))
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

/// What is measured: attempts that have no wait outstanding, in all and of each kind of agent.
#[derive(Clone, Default)]
struct Gauges {
    all: Gauge,
    parents: Gauge,
    children: Gauge,
    /// Polls of different attempts that are in progress at once.
    polls: Gauge,
}

/// A future of an attempt, whose polls are counted.
struct Metered<F>(Gauge, Pin<Box<F>>);

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _poll = self.0.enter();
        self.1.as_mut().poll(cx)
    }
}

/// Code of a parent that waits for no launch, and takes a moment.
async fn compute(gauges: &Gauges, time: Duration) {
    let _bodies = (gauges.all.enter(), gauges.parents.enter());
    sleep(time).await;
}

async fn value(ticket: &Ticket<u64>) -> Result<u64, AgentError> {
    Ok(ticket.result().await??)
}

/// An agent that waits for a launch.
fn waiter() -> AgentRef<Ticket<u64>, u64> {
    AgentRef::new(agent_fn(|ticket: Ticket<u64>, _| async move { value(&ticket).await }))
}

/// Waits for these launches in one way or another, to the end or not. Nothing of it is left afterwards.
async fn wait(gauges: &Gauges, cx: &AgentContext, tickets: &[Ticket<u64>], dice: &mut Dice) {
    let limit = dice.time(30);
    match dice.below(17) {
        0 => {
            for ticket in tickets {
                let _ = value(ticket).await;
                compute(gauges, MS).await;
            }
        }
        1 => drop(join_all(tickets.iter().map(value)).await),
        2 => drop(select_all(tickets.iter().map(|ticket| Box::pin(value(ticket)))).await.0),
        3 => {
            // The losers are kept, and waited for afterwards.
            let mut open: Vec<_> = tickets.iter().map(|ticket| Box::pin(value(ticket))).collect();
            while !open.is_empty() {
                open = select_all(open).await.2;
            }
        }
        4 => {
            let mut open: FuturesUnordered<_> = tickets.iter().map(value).collect();
            for _ in 0..=dice.below(tickets.len() as u64) {
                open.next().await;
            }
        }
        5 => drop(
            cx.foreach(tickets.to_vec(), &waiter()).concurrency(1 + dice.below(8) as usize).settled().await,
        ),
        6 => drop(sortie::foreach(tickets.to_vec(), &waiter()).any().await),
        7 => drop(cx.foreach(tickets.to_vec(), &waiter()).deadline(limit).settled().await),
        8 => drop(cx.foreach(tickets.to_vec(), &waiter()).timeout(limit).all().await),
        9 => {
            let mut completed = sortie::foreach(tickets.to_vec(), &waiter()).stream();
            for _ in 0..dice.below(tickets.len() as u64) {
                completed.next().await;
            }
        }
        10 => {
            for ticket in tickets {
                let _ = cx.ask(&waiter(), ticket.clone()).await;
            }
        }
        11 => {
            for ticket in tickets {
                let _ = ticket.result_within(dice.time(10)).await;
                compute(gauges, MS).await;
            }
        }
        12 => drop(timeout(limit, join_all(tickets.iter().map(Ticket::result))).await),
        13 => drop(select(Box::pin(join_all(tickets.iter().map(value))), Box::pin(sleep(limit))).await),
        14 => {
            let tasks =
                tickets.iter().cloned().map(|ticket| tokio::spawn(async move { value(&ticket).await }));
            drop(join_all(tasks.collect::<Vec<_>>()).await);
        }
        15 => {
            // Some of the tasks are given up.
            let tasks =
                tickets.iter().cloned().map(|ticket| tokio::spawn(async move { value(&ticket).await }));
            let tasks: Vec<_> = tasks.collect();
            sleep(limit).await;
            tasks.iter().for_each(tokio::task::JoinHandle::abort);
            drop(join_all(tasks).await);
        }
        _ => {
            let ticket = tickets[0].clone();
            let task = tokio::spawn(async move { ticket.result_within(limit).await.map(drop) });
            let _ = task.await;
        }
    }
}

/// What a round is played with.
struct Limits {
    slots: usize,
    parents: usize,
    children: usize,
}

fn register(builder: &mut sortie::Builder, gauges: &Gauges, limits: &Limits) -> AgentRef<u64, u64> {
    let child = {
        let gauges = gauges.clone();
        let agent = agent_fn(move |seed: u64, _| {
            let gauges = gauges.clone();
            let poll = gauges.polls.clone();
            let run = async move {
                let _bodies = (gauges.all.enter(), gauges.children.enter());
                let mut dice = Dice(seed);
                sleep(dice.time(8)).await;
                match dice.below(8) {
                    0 => Err("not this time".into()),
                    1 => Err(AgentError::fatal("never")),
                    _ => Ok(seed),
                }
            };
            Metered(poll, Box::pin(run))
        });
        AgentRef::new(agent.named("child")).restart(Restart::attempts(2).backoff(Backoff::fixed(5 * MS)))
    };
    let child = builder.register(child);
    let parent = {
        let (child, gauges) = (child.clone(), gauges.clone());
        let agent = agent_fn(move |seed: u64, cx: AgentContext| {
            let (child, gauges) = (child.clone(), gauges.clone());
            let poll = gauges.polls.clone();
            let run = async move {
                let mut dice = Dice(seed);
                compute(&gauges, dice.time(3)).await;
                let mut tickets = Vec::new();
                for n in 0..CHILDREN {
                    let launch = cx.launch(&child, dice.next()).label(n);
                    let launch = if dice.below(4) == 0 { launch.delay(dice.time(20)) } else { launch };
                    tickets.push(launch.await?);
                }
                // Other ways in another attempt.
                let mut dice = Dice(seed ^ u64::from(cx.attempt()));
                while !tickets.is_empty() {
                    let some = 1 + dice.below(tickets.len() as u64) as usize;
                    let some: Vec<_> = tickets.drain(..some).collect();
                    if dice.below(10) == 0 {
                        some[0].cancel().await?;
                    }
                    wait(&gauges, &cx, &some, &mut dice).await;
                    compute(&gauges, dice.time(3)).await;
                }
                if dice.below(8) == 0 { Err("once more".into()) } else { Ok(seed) }
            };
            Metered(poll, Box::pin(run))
        });
        AgentRef::new(agent.named("parent")).restart(Restart::attempts(3).backoff(Backoff::fixed(5 * MS)))
    };
    let parent = builder.register(parent);
    builder.launch_concurrency(limits.slots);
    builder.launch_concurrency_of(&parent, limits.parents).launch_concurrency_of(&child, limits.children);
    parent
}

fn limits(slots: usize, dice: &mut Dice) -> Limits {
    let mut one = || [usize::MAX, usize::MAX, 64, 3, 2, 1][dice.below(6) as usize];
    Limits { slots, parents: one(), children: one() }
}

/// One round: every launch ends, and then every slot is free.
async fn round(slots: usize, parents: u64, seed: u64) {
    let mut dice = Dice(seed);
    let (gauges, limits) = (Gauges::default(), limits(slots, &mut dice));
    let mut builder = System::builder().journal(MemoryJournal::new());
    let parent = register(&mut builder, &gauges, &limits);
    let system = builder.start().await.unwrap();
    let launches = (0..parents).map(|_| {
        let launch = system.launch(&parent, dice.next());
        if dice.below(4) == 0 { launch.timeout(dice.time(300)) } else { launch }
    });
    let tickets: Vec<_> = launches.collect();
    let tickets = system.launch_many(tickets).await;
    let tickets: Vec<_> = tickets.into_iter().map(Result::unwrap).collect();
    let cancels = async {
        for ticket in &tickets {
            if dice.below(20) == 0 {
                sleep(dice.time(20)).await;
                ticket.cancel().await.unwrap();
            }
        }
    };
    let ends = async {
        for ticket in &tickets {
            let ended = timeout(20_000 * SECOND, ticket.result()).await;
            drop(
                ended
                    .unwrap_or_else(|_| panic!("seed {seed}: it waits for ever\n{}", system.status()))
                    .unwrap(),
            );
        }
    };
    futures::join!(cancels, ends);
    let Limits { slots, parents, children } = limits;
    for (what, peak, limit) in [
        ("slots", gauges.all.peak(), slots),
        ("parents", gauges.parents.peak(), slots.min(parents)),
        ("children", gauges.children.peak(), slots.min(children)),
        ("polls", gauges.polls.peak(), slots),
    ] {
        assert!(peak <= limit, "seed {seed}: {what}: {peak} of {limit}");
    }
    // Children whose results are not waited for any more end as well.
    let launches = || system.status().supervisor("main").unwrap().launches.clone().unwrap();
    eventually("no slot is held", || launches().slots.held == 0).await;
    let shutdown = system.shutdown(SECOND).await.unwrap();
    assert_eq!(shutdown.not_stopped, 0, "seed {seed}");
    let all = std::iter::once(launches().slots).chain(launches().agents.into_iter().map(|(_, slots)| slots));
    for slots in all {
        assert_eq!((slots.held, slots.waiting, slots.returning), (0, 0, 0), "seed {seed}");
    }
}

#[test]
fn whatever_parents_wait_with_every_launch_ends_and_no_limit_is_exceeded() {
    let (rounds, seed) = (number("SORTIE_SLOTS_ROUNDS", 4), number("SORTIE_SLOTS_SEED", 1));
    for number in 0..rounds {
        for slots in [1, 3, 64] {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_time().start_paused(true).build().unwrap();
            runtime.block_on(round(
                slots,
                PARENTS,
                seed.wrapping_mul(1_000_003) ^ (number << 8) ^ slots as u64,
            ));
        }
    }
}

#[test]
fn whatever_parents_wait_with_on_two_threads_no_more_are_polled_at_once_than_there_are_slots() {
    // The waits are real ones here.
    let (rounds, seed) = (number("SORTIE_SLOTS_ROUNDS", 2), number("SORTIE_SLOTS_SEED", 1));
    let runtime = threads(2);
    for number in 0..rounds {
        for slots in [1, 3, 64] {
            let parents = PARENTS.min(4 * slots as u64);
            let seed = seed.wrapping_mul(1_000_003) ^ (number << 8) ^ slots as u64;
            let round = runtime.spawn(round(slots, parents, seed));
            runtime.block_on(async { timeout(120 * SECOND, round).await }).expect("it hangs").unwrap();
        }
    }
}

/// A parent on a blocking thread, which waits with `block_on`, in order or with limits.
#[test]
fn blocking_parents_do_not_exceed_the_limits() {
    let (rounds, seed) = (number("SORTIE_SLOTS_ROUNDS", 4), number("SORTIE_SLOTS_SEED", 1));
    let runtime = threads(2);
    for number in 0..rounds {
        for slots in [1, 3] {
            let seed = seed.wrapping_mul(1_000_003) ^ (number << 8) ^ slots as u64;
            runtime.block_on(blocking_round(slots, seed));
        }
    }
}

async fn blocking_round(slots: usize, seed: u64) {
    let mut dice = Dice(seed);
    let gauge = Gauge::default();
    let mut builder = System::builder().journal(MemoryJournal::new());
    builder.launch_concurrency(slots);
    let child = {
        let gauge = gauge.clone();
        let agent = agent_fn(move |seed: u64, _| {
            let gauge = gauge.clone();
            async move {
                let _body = gauge.enter();
                sleep(Dice(seed).time(3)).await;
                Ok(seed)
            }
        });
        builder.register(agent.named("child"))
    };
    let parent = {
        let (child, gauge) = (child.clone(), gauge.clone());
        let agent = blocking(move |seed: u64, cx: AgentContext| {
            let (runtime, mut dice) = (Handle::current(), Dice(seed));
            let compute = || {
                let _body = gauge.enter();
                std::thread::sleep(MS / 4);
            };
            compute();
            let mut tickets = Vec::new();
            for _ in 0..3 {
                tickets.push(runtime.block_on(cx.launch(&child, dice.next()).into_future())?);
                compute();
            }
            for _ in 0..6 {
                let limit = dice.time(4);
                match dice.below(5) {
                    0 => drop(runtime.block_on(join_all(tickets.iter().map(value)))),
                    1 => drop(runtime.block_on(async { timeout(limit, value(&tickets[0])).await })),
                    2 => drop(runtime.block_on(tickets[1].result_within(limit))),
                    3 => drop(runtime.block_on(sortie::foreach(tickets.clone(), &waiter()).any())),
                    _ => drop(
                        runtime.block_on(select_all(tickets.iter().map(|ticket| Box::pin(value(ticket))))).0,
                    ),
                }
                compute();
            }
            Ok(seed)
        });
        builder.register(agent.named("parent"))
    };
    let system = builder.start().await.unwrap();
    let tickets =
        system.launch_many((0..12).map(|_| system.launch(&parent, dice.next())).collect::<Vec<_>>()).await;
    for ticket in tickets {
        let ended = timeout(60 * SECOND, ticket.unwrap().result()).await;
        ended
            .unwrap_or_else(|_| panic!("seed {seed}: it waits for ever\n{}", system.status()))
            .unwrap()
            .unwrap();
    }
    assert!(gauge.peak() <= slots, "seed {seed}: {} of {slots}", gauge.peak());
    system.shutdown(SECOND).await.unwrap();
}
