//! What can be said of a launch: when it starts, what goes first, how often and how long it is tried.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use sortie::{
    AgentError, AgentRef, Backoff, Builder, Cause, LaunchErrorKind, LaunchStatus, MemoryJournal, Payload,
    Restart, SledJournal, System, Ticket, WallClock, agent_fn,
};
use tokio::time::{Instant, sleep};

use crate::directory::Directory;
use crate::support::{MS, SECOND, eventually};

const HOUR: i64 = 3_600;

/// A wall clock that goes with tokio's, and can be set.
#[derive(Clone)]
struct Clock {
    began: Instant,
    set: Arc<AtomicI64>,
    reads: Arc<AtomicUsize>,
}

impl Clock {
    fn new() -> Self {
        Self { began: Instant::now(), set: Arc::default(), reads: Arc::default() }
    }

    /// Sets the clock forward or back.
    fn step(&self, seconds: i64) {
        self.set.fetch_add(seconds, Ordering::SeqCst);
    }

    fn now(&self) -> SystemTime {
        let set = self.set.load(Ordering::SeqCst);
        let day = SystemTime::UNIX_EPOCH + Duration::from_secs(20_000 * 86_400) + self.began.elapsed();
        let span = Duration::from_secs(set.unsigned_abs());
        if set < 0 { day - span } else { day + span }
    }

    fn wall(&self) -> WallClock {
        let clock = self.clone();
        WallClock::new(move || {
            clock.reads.fetch_add(1, Ordering::SeqCst);
            clock.now()
        })
    }
}

/// Gives the moment at which it was run.
fn stamp(builder: &mut Builder, began: Instant) -> AgentRef<(), Duration> {
    builder.register(agent_fn(move |(): (), _| async move { Ok(began.elapsed()) }).named("stamp"))
}

async fn on_disk(directory: &Directory, clock: &Clock) -> (System, AgentRef<(), Duration>) {
    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    builder.wall_clock(clock.wall());
    let agent = stamp(&mut builder, clock.began);
    (builder.start().await.unwrap(), agent)
}

async fn in_memory(clock: &Clock) -> (System, AgentRef<(), Duration>) {
    let mut builder = System::builder().journal(MemoryJournal::new());
    builder.wall_clock(clock.wall());
    let agent = stamp(&mut builder, clock.began);
    (builder.start().await.unwrap(), agent)
}

async fn result<O: Payload>(ticket: &Ticket<O>) -> O {
    ticket.result().await.unwrap().unwrap()
}

#[track_caller]
fn about(found: Duration, seconds: u64) {
    let expected = Duration::from_secs(seconds);
    assert!((expected..expected + 100 * MS).contains(&found), "{found:?} is not about {expected:?}");
}

#[tokio::test(start_paused = true)]
async fn a_delayed_launch_starts_when_its_delay_is_over() {
    let clock = Clock::new();
    let (system, agent) = in_memory(&clock).await;
    let due = clock.now() + 60 * SECOND;
    let ticket = system.launch(&agent, ()).delay(60 * SECOND).await.unwrap();
    let none = system.launch(&agent, ()).delay(Duration::ZERO).await.unwrap();
    about(result(&none).await, 0);
    let record = ticket.record().await.unwrap();
    assert_eq!(record.status, LaunchStatus::Pending);
    assert_eq!(record.due.unwrap(), due);
    about(result(&ticket).await, 60);
}

#[tokio::test(start_paused = true)]
async fn a_delay_does_not_depend_on_the_wall_clock_once_it_has_begun() {
    for step in [-24 * HOUR, -30, 30, 24 * HOUR] {
        let clock = Clock::new();
        let (system, agent) = in_memory(&clock).await;
        let ticket = system.launch(&agent, ()).delay(60 * SECOND).await.unwrap();
        sleep(10 * SECOND).await;
        clock.step(step);
        about(result(&ticket).await, 60);
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_survives_a_restart_and_a_clock_that_was_set() {
    // How the clock was set while nothing ran, and when the launch of 60 s starts, of which 20 s were over.
    for (step, starts) in [(0, 60), (30, 30), (24 * HOUR, 20), (-10, 70), (-24 * HOUR, 80)] {
        let (directory, clock) = (Directory::new(), Clock::new());
        let (system, agent) = on_disk(&directory, &clock).await;
        let id = system.launch(&agent, ()).delay(60 * SECOND).await.unwrap().id();
        sleep(20 * SECOND - clock.began.elapsed()).await;
        system.shutdown(SECOND).await.unwrap();
        clock.step(step);
        let (system, _) = on_disk(&directory, &clock).await;
        about(result(&system.ticket::<Duration>(id).unwrap()).await, starts);
        system.shutdown(SECOND).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_launch_at_a_time_starts_then_whatever_the_clock_does_meanwhile() {
    // How the clock is set after 10 s, and when the launch starts: after a step forward within 2 s.
    for (step, starts) in [(0, 60..60), (30, 30..32), (24 * HOUR, 10..12), (-30, 90..92)] {
        let clock = Clock::new();
        let (system, agent) = in_memory(&clock).await;
        let time = clock.now() + 60 * SECOND;
        let ticket = system.launch(&agent, ()).at(time).await.unwrap();
        assert_eq!(ticket.record().await.unwrap().due.unwrap(), time);
        sleep(10 * SECOND).await;
        clock.step(step);
        let started = result(&ticket).await;
        let range = Duration::from_secs(starts.start)..=Duration::from_secs(starts.end) + 100 * MS;
        assert!(range.contains(&started), "{step}: {started:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_launch_at_a_time_survives_a_restart_and_looks_at_the_clock_again() {
    for (step, starts) in [(0, 60), (30, 30), (24 * HOUR, 20), (-30, 90), (-HOUR, 3660)] {
        let (directory, clock) = (Directory::new(), Clock::new());
        let (system, agent) = on_disk(&directory, &clock).await;
        let id = system.launch(&agent, ()).at(clock.now() + 60 * SECOND).await.unwrap().id();
        sleep(20 * SECOND - clock.began.elapsed()).await;
        system.shutdown(SECOND).await.unwrap();
        clock.step(step);
        let (system, _) = on_disk(&directory, &clock).await;
        about(result(&system.ticket::<Duration>(id).unwrap()).await, starts);
        system.shutdown(SECOND).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_that_is_over_is_now_and_the_last_word_counts() {
    let clock = Clock::new();
    let (system, agent) = in_memory(&clock).await;
    let over = system.launch(&agent, ()).at(clock.now() - 60 * SECOND).await.unwrap();
    about(result(&over).await, 0);
    let delayed = system.launch(&agent, ()).at(clock.now()).delay(5 * SECOND).await.unwrap();
    about(result(&delayed).await, 5);
    let at = system.launch(&agent, ()).delay(SECOND).at(clock.now() + 5 * SECOND).await.unwrap();
    about(result(&at).await, 10);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_time_looks_at_the_clock_now_and_then() {
    let clock = Clock::new();
    let (system, agent) = in_memory(&clock).await;
    let ticket = system.launch(&agent, ()).at(clock.now() + 1_000 * SECOND).await.unwrap();
    sleep(SECOND).await;
    let before = clock.reads.load(Ordering::SeqCst);
    sleep(100 * SECOND).await;
    let reads = clock.reads.load(Ordering::SeqCst) - before;
    assert!((20..=60).contains(&reads), "{reads}");
    assert!(ticket.cancel().await.unwrap());
    // Who looks next finds nobody.
    sleep(3 * SECOND).await;
    let before = clock.reads.load(Ordering::SeqCst);
    sleep(100 * SECOND).await;
    // The clock is looked at for other reasons as well, such as the removal of what has expired.
    let reads = clock.reads.load(Ordering::SeqCst) - before;
    assert!(reads < 10, "nobody waits: {reads}");
}

#[tokio::test(start_paused = true)]
async fn a_launch_that_is_cancelled_or_full_of_waits_is_pending_until_then() {
    let mut builder = System::builder().journal(MemoryJournal::new());
    builder.most_pending(3);
    let agent = stamp(&mut builder, Instant::now());
    let system = builder.start().await.unwrap();
    let delayed = system.launch(&agent, ()).delay(60 * SECOND).lane("one").await.unwrap();
    let behind = system.launch(&agent, ()).lane("one").await.unwrap();
    let at = system.launch(&agent, ()).at(SystemTime::now() + 60 * SECOND).await.unwrap();
    let error = system.launch(&agent, ()).await.unwrap_err();
    assert!(matches!(error.kind(), LaunchErrorKind::Full), "{error}");
    assert!(
        error.to_string().contains("agent `stamp`") && error.to_string().contains("try again"),
        "{error}"
    );
    // Each of them makes room when it ends, and the one behind is run because of that.
    assert!(delayed.cancel().await.unwrap());
    about(result(&behind).await, 0);
    system.launch(&agent, ()).delay(60 * SECOND).await.unwrap();
    system.launch(&agent, ()).delay(60 * SECOND).await.unwrap();
    assert!(system.launch(&agent, ()).await.is_err());
    assert!(at.cancel().await.unwrap());
    about(result(&system.launch(&agent, ()).await.unwrap()).await, 0);
}

#[tokio::test(start_paused = true)]
async fn the_highest_priority_starts_first() {
    let mut builder = System::builder().journal(MemoryJournal::new());
    builder.launch_concurrency(1);
    let order = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&order);
    let agent = agent_fn(move |n: u32, _| {
        log.lock().unwrap().push(n);
        async move {
            sleep(SECOND).await;
            Ok(n)
        }
    });
    let agent = builder.register(agent.named("work"));
    let system = builder.start().await.unwrap();
    system.launch(&agent, 0).await.unwrap();
    eventually("the first", || !order.lock().unwrap().is_empty()).await;
    let mut tickets = Vec::new();
    for (n, priority) in [(1, 0), (2, 5), (3, -1), (4, 5), (5, i32::MAX), (6, i32::MIN)] {
        tickets.push(system.launch(&agent, n).priority(priority).await.unwrap());
    }
    for ticket in &tickets {
        result(ticket).await;
    }
    assert_eq!(*order.lock().unwrap(), [0, 5, 2, 4, 1, 3, 6]);
    assert_eq!(tickets[1].record().await.unwrap().terms.priority, 5);
}

#[tokio::test(start_paused = true)]
async fn a_launch_says_how_often_and_how_long_it_is_tried() {
    let mut builder = System::builder().journal(MemoryJournal::new());
    let agent = agent_fn(|time: Duration, _| async move {
        sleep(time).await;
        Err::<(), _>(AgentError::retry("no"))
    });
    let agent = AgentRef::new(agent.named("slow")).timeout(SECOND);
    let agent = builder.register(agent.restart(Restart::attempts(2).backoff(Backoff::none())));
    let system = builder.start().await.unwrap();
    let failure = async |launch: sortie::Launch<()>| {
        let began = Instant::now();
        let failure = launch.await.unwrap().result().await.unwrap().unwrap_err();
        (failure.attempts(), began.elapsed(), matches!(failure.cause(), Cause::TimedOut { .. }))
    };
    let (attempts, time, timed_out) = failure(system.launch(&agent, 5 * SECOND)).await;
    about(time, 2);
    assert_eq!((attempts, timed_out), (2, true));
    let (attempts, time, timed_out) = failure(system.launch(&agent, 5 * SECOND).timeout(3 * SECOND)).await;
    about(time, 6);
    assert_eq!((attempts, timed_out), (2, true));
    let (attempts, time, timed_out) = failure(system.launch(&agent, 5 * SECOND).timeout(10 * SECOND)).await;
    about(time, 10);
    assert_eq!((attempts, timed_out), (2, false));
    let restart = Restart::attempts(4).backoff(Backoff::fixed(SECOND));
    let (attempts, time, _) = failure(system.launch(&agent, Duration::ZERO).restart(restart)).await;
    about(time, 3);
    assert_eq!(attempts, 4);
    let (attempts, ..) = failure(system.launch(&agent, Duration::ZERO).restart(Restart::attempts(1))).await;
    assert_eq!(attempts, 1);
}

#[tokio::test(start_paused = true)]
async fn s26_a_limit_of_a_second_and_three_attempts_take_three_seconds_and_say_so() {
    let mut builder = System::builder().journal(MemoryJournal::new());
    let hang = agent_fn(|(): (), _| std::future::pending::<Result<(), AgentError>>()).named("hang");
    let hang = builder.register(hang);
    let system = builder.start().await.unwrap();
    let began = Instant::now();
    let restart = Restart::attempts(3).backoff(Backoff::none());
    let ticket = system.launch(&hang, ()).timeout(SECOND).restart(restart).await.unwrap();
    let failure = ticket.result().await.unwrap().unwrap_err();
    about(began.elapsed(), 3);
    assert_eq!(failure.attempts(), 3);
    assert!(failure.cause().to_string().contains("1s"), "{failure:#}");
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "a timeout must be longer than zero")]
async fn a_timeout_of_zero_panics_where_it_is_set() {
    let (system, agent) = in_memory(&Clock::new()).await;
    let _ = system.launch(&agent, ()).timeout(Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_name_of_a_lane_has_its_limits() {
    let (system, agent) = in_memory(&Clock::new()).await;
    let error = system.launch(&agent, ()).lane("").await.unwrap_err();
    assert!(matches!(error.kind(), LaunchErrorKind::BadLane { bytes: 0, limit: 256 }), "{error}");
    let error = system.launch(&agent, ()).lane("x".repeat(257)).await.unwrap_err();
    assert!(matches!(error.kind(), LaunchErrorKind::BadLane { bytes: 257, limit: 256 }), "{error}");
    let longest = system.launch(&agent, ()).lane("x".repeat(256)).await.unwrap();
    result(&longest).await;
    assert_eq!(longest.record().await.unwrap().terms.lane.unwrap().len(), 256);
}
