//! 100,000 launches are kept no longer, part by part, while somebody launches at a steady rate.
//!
//! What is launched while a part is being removed is set beside what is launched between two parts. So both have the same
//! machine, whatever else that does meanwhile.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sortie::{AgentRef, SledJournal, System, Ticket, TicketError, agent_fn};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::clock::Clock;
use crate::measure::{Figures, Latencies, Place};

/// How many parts there are. Each is kept this much longer than the one before it.
const PARTS: usize = 10;
const LONGER: Duration = Duration::from_secs(10);
/// How many are recorded at once, before anything is measured.
const AT_ONCE: usize = 1_000;
/// The bytes of an input.
const INPUT: usize = 200;
/// One launch is begun each time, whether or not the one before it has been answered.
const EVERY: Duration = Duration::from_millis(1);
/// How long nothing is removed, between two parts.
const BETWEEN: Duration = Duration::from_secs(1);
/// How often is looked whether a part is being removed.
const LOOK: Duration = Duration::from_millis(5);
/// What a launch may take meanwhile, at the 99th percentile, in milliseconds.
const MOST_P99: f64 = 5.0;
/// How long the removal of a part may take: beyond that it does not take place.
const PATIENCE: Duration = Duration::from_secs(60);

type Length = AgentRef<String, usize>;

fn input() -> String {
    "x".repeat(INPUT)
}

/// The launches of one part that go first and last.
struct Part {
    first: Ticket<usize>,
    last: Ticket<usize>,
}

/// Records launches and runs them.
async fn fill(system: &System, agent: &Length, part: usize, count: usize) -> Result<Part, Box<dyn Error>> {
    let retention = LONGER * u32::try_from(part + 1)?;
    let (mut first, mut last) = (None, None);
    for begun in (0..count).step_by(AT_ONCE) {
        let some = begun..count.min(begun + AT_ONCE);
        let launches = some.map(|_| system.launch(agent, input()).retain(retention));
        for ticket in system.launch_many(launches).await {
            let ticket = ticket?;
            ticket.result().await??;
            first.get_or_insert_with(|| ticket.clone());
            last = Some(ticket);
        }
    }
    first.zip(last).map(|(first, last)| Part { first, last }).ok_or_else(|| "a part needs a launch".into())
}

/// What callers share with who looks.
#[derive(Default)]
struct Moment {
    is_sweep: AtomicBool,
    ends: AtomicBool,
}

/// Launches at the rate until the end: without, and with a removal at the beginning or at the end of the launch.
#[expect(clippy::disallowed_methods, reason = "callers of a service are tasks of its runtime")]
async fn call(system: Arc<System>, agent: Length, moment: Arc<Moment>) -> [Latencies; 2] {
    let mut ticks = interval(EVERY);
    // Ticks that were missed come at once: callers do not wait for each other.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut callers = Vec::new();
    while !moment.ends.load(Ordering::Relaxed) {
        let due = ticks.tick().await.into_std();
        let (system, agent, moment) = (Arc::clone(&system), agent.clone(), Arc::clone(&moment));
        let before = moment.is_sweep.load(Ordering::Relaxed);
        callers.push(tokio::spawn(async move {
            let launched = system.launch(&agent, input()).await;
            launched.map(|_| (before || moment.is_sweep.load(Ordering::Relaxed), due.elapsed()))
        }));
    }
    let mut latencies = [Latencies::default(), Latencies::default()];
    for caller in callers {
        // One that has failed takes for ever.
        let (during, took) = caller.await.ok().and_then(Result::ok).unwrap_or((true, Duration::MAX));
        latencies[usize::from(during)].add(took);
    }
    latencies
}

/// Waits until a launch is removed.
async fn gone(ticket: &Ticket<usize>) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        match ticket.status().await {
            Ok(_) => sleep(LOOK).await,
            Err(TicketError::Unknown(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Err("the launches are not removed".into())
}

#[expect(clippy::disallowed_methods, reason = "callers of a service are tasks of its runtime")]
pub async fn run(expired: usize) -> Result<bool, Box<dyn Error>> {
    let (place, clock) = (Place::new()?, Clock::default());
    let mut builder = System::builder().journal(SledJournal::open(place.path())?);
    let agent = builder.register(agent_fn(|text: String, _| async move { Ok(text.len()) }).named("length"));
    builder.wall_clock(clock.wall());
    let system = Arc::new(builder.start().await?);
    println!(
        "sweep: {expired} launches in {PARTS} parts, inputs of {INPUT} B; a launch every {EVERY:?} meanwhile"
    );
    let mut parts = Vec::new();
    for part in 0..PARTS {
        parts.push(fill(&system, &agent, part, expired / PARTS).await?);
    }
    println!("filled, {:.1} MiB", place.mib());

    let moment = Arc::<Moment>::default();
    let calls: JoinHandle<_> = tokio::spawn(call(Arc::clone(&system), agent, Arc::clone(&moment)));
    let mut swept = Duration::ZERO;
    for part in &parts {
        sleep(BETWEEN).await;
        // What is kept for so long is still there at its last moment.
        clock.forward(u64::try_from(LONGER.as_millis())? + 1);
        gone(&part.first).await?;
        let began = Instant::now();
        moment.is_sweep.store(true, Ordering::Relaxed);
        gone(&part.last).await?;
        moment.is_sweep.store(false, Ordering::Relaxed);
        swept += began.elapsed();
    }
    moment.ends.store(true, Ordering::Relaxed);
    let [without, with] = calls.await?;
    system.shutdown(Duration::ZERO).await?;

    println!("removed in {:.1} s, {:.1} MiB", swept.as_secs_f64(), place.mib());
    let show = |name: &str, latencies: Latencies| -> Figures {
        let (count, figures) = (latencies.count(), latencies.figures());
        println!("{name:<8} {count:6} launches  {figures}");
        figures
    };
    let (without, with) = (show("without", without), show("with", with));
    let right = with.p99 <= MOST_P99;
    if without.p99 > MOST_P99 {
        println!(
            "the machine is too busy to tell: a launch takes more than {MOST_P99} ms without a sweep, too"
        );
    }
    println!(
        "upkeep sweep: expired={expired} p99_ms without={:.2} with={:.2} right={right}",
        without.p99, with.p99
    );
    Ok(right)
}
