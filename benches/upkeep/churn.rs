//! Launches come and go for a while, and 10,000 of them are live at any time.

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sortie::{AgentRef, LaunchFilter, SledJournal, System, TicketError, agent_fn};

use crate::clock::Clock;
use crate::measure::{Latencies, Place, resident_mib};

/// How many launches are live, beside those that are coming and going.
const LIVE: u64 = 10_000;
/// When those run that wait for their time: not while this is measured.
const LATER: Duration = Duration::from_secs(24 * 60 * 60);
const CALLERS: usize = 64;
/// The bytes of an input.
const INPUT: usize = 200;
/// How often a line is printed, at most.
const LINE: Duration = Duration::from_secs(5);
/// How much more may be used in the last quarter than in the second.
const MOST_GROWTH: f64 = 1.5;
/// What may be used more in any case: in so many MiB, nothing grows that matters.
const FLOOR: f64 = 16.0;

type Length = AgentRef<String, usize>;

/// Which launches are live.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Live {
    /// Those that were done last: each is kept until as many have been done after it.
    Rolling,
    /// Some that wait for their time. No other is kept after it is done.
    Waiting,
}

/// What the callers have done since somebody looked.
#[derive(Default)]
struct Work {
    launched: AtomicU64,
    latencies: Mutex<Latencies>,
    ends: AtomicBool,
}

impl Work {
    fn take(&self) -> Latencies {
        std::mem::take(&mut *self.latencies.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn input() -> String {
    "x".repeat(INPUT)
}

/// Launches and waits for the result, until all is over.
async fn call(system: &System, agent: &Length, retention: Duration, work: &Work, clock: &Clock) {
    while !work.ends.load(Ordering::Relaxed) {
        let began = Instant::now();
        let Ok(ticket) = system.launch(agent, input()).retain(retention).await else { return };
        let took = began.elapsed();
        work.latencies.lock().unwrap_or_else(PoisonError::into_inner).add(took);
        // One that is not kept may be gone by now: then it was done.
        match ticket.result().await {
            Ok(Ok(_)) | Err(TicketError::Unknown(_)) => {}
            _ => return,
        }
        work.launched.fetch_add(1, Ordering::Relaxed);
        // The clock counts launches, so that as many are kept on every machine.
        clock.forward(1);
    }
}

#[expect(clippy::disallowed_methods, reason = "callers of a service are tasks of its runtime")]
pub async fn run(live: Live, span: Duration) -> Result<bool, Box<dyn Error>> {
    let (place, clock, work) = (Place::new()?, Clock::default(), Arc::<Work>::default());
    let mut builder = System::builder().journal(SledJournal::open(place.path())?);
    let agent = builder.register(agent_fn(|text: String, _| async move { Ok(text.len()) }).named("length"));
    builder.wall_clock(clock.wall());
    let system = Arc::new(builder.start().await?);
    println!("churn, {live:?}: {CALLERS} callers, inputs of {INPUT} B, {LIVE} launches are live");
    let retention = match live {
        Live::Rolling => Duration::from_millis(LIVE),
        Live::Waiting => {
            let later = (0..LIVE).map(|_| system.launch(&agent, input()).delay(LATER));
            system.launch_many(later).await.into_iter().collect::<Result<Vec<_>, _>>()?;
            Duration::ZERO
        }
    };
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (system, agent, work, clock) =
                (Arc::clone(&system), agent.clone(), Arc::clone(&work), clock.clone());
            tokio::spawn(async move { call(&system, &agent, retention, &work, &clock).await })
        })
        .collect();

    // Eight lines at least: the quarters are of lines.
    let (began, line) = (Instant::now(), LINE.min(span / 8));
    let (mut lines, mut before) = (Vec::new(), (began, 0));
    while began.elapsed() < span {
        tokio::time::sleep(line).await;
        let (now, launched) = (Instant::now(), work.launched.load(Ordering::Relaxed));
        let rate = (launched - before.1) as f64 / (now - before.0).as_secs_f64();
        before = (now, launched);
        let (latencies, used) = (work.take().figures(), [place.mib(), resident_mib()]);
        let live = system.launches(LaunchFilter::all()).count().await?;
        println!(
            "{:4.0} s  {rate:6.0} launches/s  live {live:6}  disk {:6.1} MiB  rss {:6.1} MiB  {latencies}",
            began.elapsed().as_secs_f64(),
            used[0],
            used[1]
        );
        lines.push(used);
    }
    work.ends.store(true, Ordering::Relaxed);
    let wanted = callers.len();
    let mut ended = 0;
    for caller in callers {
        ended += usize::from(caller.await.is_ok());
    }
    system.shutdown(Duration::ZERO).await?;

    let launched = work.launched.load(Ordering::Relaxed);
    let quarter = lines.len() / 4;
    let most = |lines: &[[f64; 2]], which: usize| lines.iter().map(|used| used[which]).fold(0.0, f64::max);
    let of =
        |which| [most(&lines[quarter..2 * quarter], which), most(&lines[lines.len() - quarter..], which)];
    let ([disk, disk_at_last], [rss, rss_at_last]) = (of(0), of(1));
    let flat = |then: f64, now: f64| now <= (then * MOST_GROWTH).max(FLOOR) || now.is_nan();
    let right = flat(disk, disk_at_last) && flat(rss, rss_at_last) && ended == wanted;
    println!(
        "upkeep churn: live={live:?} launched={launched} disk_mib={disk:.1}->{disk_at_last:.1} rss_mib={rss:.1}->{rss_at_last:.1} flat={right}",
    );
    Ok(right)
}
