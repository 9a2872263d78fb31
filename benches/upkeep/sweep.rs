//! Many launches are kept no longer, all at once, while somebody launches at a steady rate.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sortie::{AgentRef, SledJournal, System, Ticket, TicketError, agent_fn};
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::Clock;
use crate::measure::{Figures, Latencies, Place};

/// How long the launches are kept that will be removed.
const KEPT: Duration = Duration::from_secs(1);
/// How many are recorded at once, before anything is measured.
const AT_ONCE: usize = 1_000;
/// The bytes of an input.
const INPUT: usize = 200;
/// One launch is begun each time, whether or not the one before it has been answered.
const EVERY: Duration = Duration::from_millis(1);
/// How long is measured at least, and without a sweep.
const SPAN: Duration = Duration::from_secs(5);
/// What a launch may take meanwhile, at the 99th percentile, in milliseconds.
const MOST_P99: f64 = 5.0;
/// How long the removal may take: beyond that it does not take place.
const PATIENCE: Duration = Duration::from_secs(120);

type Length = AgentRef<String, usize>;

fn input() -> String {
    "x".repeat(INPUT)
}

/// Records launches, runs them, and gives the ticket of the last.
async fn fill(system: &System, agent: &Length, count: usize) -> Result<Ticket<usize>, Box<dyn Error>> {
    let mut last = None;
    for begun in (0..count).step_by(AT_ONCE) {
        let launches =
            (begun..count.min(begun + AT_ONCE)).map(|_| system.launch(agent, input()).retain(KEPT));
        for ticket in system.launch_many(launches).await {
            let ticket = ticket?;
            ticket.result().await??;
            last = Some(ticket);
        }
    }
    last.ok_or_else(|| "there must be a launch to be removed".into())
}

/// Launches at the rate for as long as `goes_on`, looked at every tenth of a second, and at least for the span.
#[expect(clippy::disallowed_methods, reason = "callers of a service are tasks of its runtime")]
async fn call(
    system: &Arc<System>,
    agent: &Length,
    goes_on: impl AsyncFn() -> Result<bool, Box<dyn Error>>,
) -> Result<(usize, Figures), Box<dyn Error>> {
    let (mut ticks, began) = (interval(EVERY), Instant::now());
    // Ticks that were missed come at once: callers do not wait for each other.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut callers = Vec::new();
    loop {
        let due = ticks.tick().await.into_std();
        if callers.len() % 100 == 0 && began.elapsed() >= SPAN && !goes_on().await? {
            break;
        }
        let (system, agent) = (Arc::clone(system), agent.clone());
        callers.push(tokio::spawn(async move {
            let launched = system.launch(&agent, input()).await;
            launched.map(|_| due.elapsed())
        }));
    }
    let mut latencies = Latencies::default();
    for caller in callers {
        latencies.add(caller.await??);
    }
    Ok((latencies.count(), latencies.figures()))
}

pub async fn run(expired: usize) -> Result<bool, Box<dyn Error>> {
    let (place, clock) = (Place::new()?, Clock::default());
    let mut builder = System::builder().journal(SledJournal::open(place.path())?);
    let agent = builder.register(agent_fn(|text: String, _| async move { Ok(text.len()) }).named("length"));
    builder.wall_clock(clock.wall());
    let system = Arc::new(builder.start().await?);
    println!("sweep: {expired} launches, inputs of {INPUT} B; a launch every {EVERY:?} meanwhile");
    let last = fill(&system, &agent, expired).await?;
    println!("filled, {:.1} MiB", place.mib());

    let never = async || Ok(false);
    let (calls, before) = call(&system, &agent, never).await?;
    println!("before  {calls:6} launches  {before}");

    let began = Instant::now();
    clock.forward(2 * u64::try_from(KEPT.as_millis())?);
    let removed = std::cell::Cell::new(None);
    let is_there = async || match last.status().await {
        Ok(_) if began.elapsed() < PATIENCE => Ok(true),
        Err(TicketError::Unknown(_)) => {
            removed.set(Some(began.elapsed()));
            Ok(false)
        }
        Ok(_) => Ok(false),
        Err(error) => Err(error.into()),
    };
    let (calls, during) = call(&system, &agent, is_there).await?;
    println!("during  {calls:6} launches  {during}");
    let removed = removed.get();
    let took =
        removed.map_or_else(|| "never".to_owned(), |took| format!("within {:.1} s", took.as_secs_f64()));
    println!("all removed {took}, {:.1} MiB", place.mib());

    let (calls, after) = call(&system, &agent, never).await?;
    println!("after   {calls:6} launches  {after}");
    system.shutdown(Duration::ZERO).await?;
    let right = removed.is_some() && during.p99 <= MOST_P99;
    println!(
        "upkeep sweep: expired={expired} p99_ms before={:.2} during={:.2} after={:.2} right={right}",
        before.p99, during.p99, after.p99
    );
    Ok(right)
}
