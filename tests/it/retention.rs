//! How long launches are kept that are over, and that nothing is left of them then. The clock that is stored goes with
//! tokio's, which is paused, unless a test lets it jump.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::poll_immediate;
use sortie::journal::{
    Appended, Claim, Delivery, Due, FailedAttempt, Intent, Journal, Refused, Scope, Swept, Terms,
};
use sortie::probe::StoreProbe;
use sortie::{
    AgentRef, EndedBy, LaunchFilter, LaunchId, LaunchStatus, MemoryJournal, SledJournal, System, Ticket,
    TicketError, WallClock, agent_fn,
};
use tokio::time::{Instant, advance, sleep};

use crate::directory::Directory;
use crate::support::{MS, SECOND, wants};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// A wall clock that can be set.
#[derive(Clone)]
struct Clock {
    began: Instant,
    /// In seconds.
    set_by: Arc<AtomicI64>,
    readings: Arc<AtomicU64>,
}

impl Clock {
    fn new() -> Self {
        Self { began: Instant::now(), set_by: Arc::default(), readings: Arc::default() }
    }

    /// Sets it forward by so many hours, or back.
    fn jump(&self, hours: f64) {
        self.set_by.fetch_add((hours * 3600.0) as i64, Ordering::SeqCst);
    }

    fn now(&self) -> SystemTime {
        let seconds = 1_700_000_000 + self.set_by.load(Ordering::SeqCst);
        UNIX_EPOCH + Duration::from_secs(seconds as u64) + self.began.elapsed()
    }

    fn wall(&self) -> WallClock {
        let clock = self.clone();
        WallClock::new(move || {
            clock.readings.fetch_add(1, Ordering::SeqCst);
            clock.now()
        })
    }
}

/// A system with one agent, which gives back what it gets, or fails for `fail`.
async fn start(journal: impl Journal, clock: &Clock) -> (System, AgentRef<String, String>) {
    let agent = agent_fn(|text: String, _| async move {
        if text == "fail" { Err(sortie::AgentError::fatal("as it was told")) } else { Ok(text) }
    });
    let mut builder = System::builder().journal(journal);
    let agent = builder.register(AgentRef::new(agent.named("echo")));
    builder.wall_clock(clock.wall());
    (builder.start().await.unwrap(), agent)
}

fn sled(directory: &Directory) -> SledJournal {
    SledJournal::open(directory.journal()).unwrap()
}

async fn is_kept(ticket: &Ticket<String>) -> bool {
    match ticket.status().await {
        Ok(_) => {
            ticket.result().await.unwrap().unwrap();
            true
        }
        Err(TicketError::Unknown(id)) => {
            assert_eq!(id, ticket.id());
            false
        }
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn s18_a_launch_is_kept_for_as_long_as_was_asked_and_unknown_afterwards() {
    let (system, agent) = start(MemoryJournal::new(), &Clock::new()).await;
    let ticket = system.launch(&agent, "a".into()).key("k").retain(HOUR).await.unwrap();
    assert_eq!(ticket.result().await.unwrap().unwrap(), "a");
    sleep(HOUR - SECOND).await;
    // Another retention under the same key is not its.
    let again = system.launch(&agent, "a".into()).key("k").retain(9 * HOUR).await.unwrap();
    assert_eq!((again.id(), again.is_known()), (ticket.id(), true));
    assert!(is_kept(&ticket).await);

    sleep(SECOND + MINUTE).await;
    let unknown = |error: TicketError| matches!(error, TicketError::Unknown(id) if id == ticket.id());
    assert!(unknown(ticket.result().await.unwrap_err()));
    assert!(unknown(ticket.try_result().await.unwrap_err()));
    assert!(unknown(ticket.status().await.unwrap_err()));
    assert!(unknown(ticket.record().await.unwrap_err()));
    assert!(unknown(ticket.cancel().await.unwrap_err()));
    assert!(unknown(ticket.requeue().await.unwrap_err()));
    assert!(unknown(system.ticket::<String>(ticket.id()).unwrap().result().await.unwrap_err()));
    // The key is free, also for another input.
    let next = system.launch(&agent, "b".into()).key("k").await.unwrap();
    assert!(!next.is_known() && next.id() > ticket.id());
    assert_eq!(next.result().await.unwrap().unwrap(), "b");
}

#[tokio::test(start_paused = true)]
async fn unless_asked_otherwise_it_is_a_day_and_longest_for_ever() {
    let (system, agent) = start(MemoryJournal::new(), &Clock::new()).await;
    let day = system.launch(&agent, "a".into()).await.unwrap();
    let ever = system.launch(&agent, "a".into()).retain(Duration::MAX).await.unwrap();
    let at_once = system.launch(&agent, "a".into()).retain(Duration::ZERO).await.unwrap();
    sleep(2 * MINUTE).await;
    assert!(is_kept(&day).await && is_kept(&ever).await && !is_kept(&at_once).await);
    sleep(24 * HOUR - 3 * MINUTE).await;
    assert!(is_kept(&day).await);
    sleep(3 * MINUTE).await;
    assert!(!is_kept(&day).await && is_kept(&ever).await);
}

#[tokio::test(start_paused = true)]
async fn dead_launches_go_after_the_time_that_the_operator_has_set_and_are_counted_until_then() {
    let clock = Clock::new();
    let fails =
        agent_fn(|_: String, _| async move { Err::<(), _>(sortie::AgentError::fatal("as it was told")) });
    let mut builder = System::builder().journal(MemoryJournal::new());
    let agent = builder.register(AgentRef::new(fails.named("fails")));
    builder.wall_clock(clock.wall()).retain_dead(24 * HOUR);
    let system = builder.start().await.unwrap();
    let dead = || system.status().launches.unwrap().dead;
    let mut tickets = Vec::new();
    for number in 0..300 {
        tickets.push(system.launch(&agent, "x".repeat(20 * number)).key(number).await.unwrap());
    }
    for ticket in &tickets {
        ticket.result().await.unwrap().unwrap_err();
    }
    assert_eq!(dead(), 300);
    assert!(system.status().to_string().contains("dead=300"), "{}", system.status());
    sleep(23 * HOUR).await;
    assert_eq!(dead(), 300);
    assert!(tickets[0].discard().await.unwrap());
    assert_eq!(dead(), 299);
    // One that is dead again is kept from then on.
    assert!(tickets[1].requeue().await.unwrap());
    tickets[1].result().await.unwrap().unwrap_err();
    sleep(HOUR + 2 * MINUTE).await;
    assert_eq!(dead(), 1);
    assert_eq!(tickets[1].status().await.unwrap(), LaunchStatus::Dead);
    assert!(matches!(tickets[2].status().await, Err(TicketError::Unknown(_))));
    assert!(!system.launch(&agent, "another".into()).key(2).await.unwrap().is_known());
    sleep(24 * HOUR + 2 * MINUTE).await;
    assert_eq!(dead(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dead_launch_does_not_go_by_itself() {
    let (system, agent) = start(MemoryJournal::new(), &Clock::new()).await;
    let dead = system.launch(&agent, "fail".into()).key("dead").retain(SECOND).await.unwrap();
    dead.result().await.unwrap().unwrap_err();
    sleep(24 * HOUR).await;
    assert_eq!(dead.status().await.unwrap(), LaunchStatus::Dead);
    assert!(system.launch(&agent, "fail".into()).key("dead").await.unwrap().is_known());
    assert!(dead.requeue().await.unwrap());
    dead.result().await.unwrap().unwrap_err();
    sleep(24 * HOUR).await;
    assert_eq!(dead.status().await.unwrap(), LaunchStatus::Dead);
}

#[tokio::test(start_paused = true)]
async fn an_idle_system_looks_once_a_minute() {
    let clock = Clock::new();
    let (_system, _agent) = start(MemoryJournal::new(), &clock).await;
    sleep(10 * MINUTE).await;
    let before = clock.readings.load(Ordering::SeqCst);
    sleep(HOUR).await;
    let sweeps = (clock.readings.load(Ordering::SeqCst) - before) / 2;
    assert!((55..=60).contains(&sweeps), "{sweeps}");
}

#[tokio::test(start_paused = true)]
async fn launches_that_are_not_kept_do_not_pile_up_while_others_come() {
    let (system, agent) = start(MemoryJournal::new(), &Clock::new()).await;
    // Meanwhile a sweep has found nothing, and nothing that will go soon.
    sleep(5 * SECOND).await;
    for n in 0..300 {
        let ticket = system.launch(&agent, n.to_string()).retain(Duration::ZERO).await.unwrap();
        ticket.result().await.unwrap().unwrap();
        let there = system.launches(LaunchFilter::all()).count().await.unwrap();
        assert!(there <= 20, "{there} are there after {n}");
        sleep(100 * MS).await;
    }
}

/// A journal in memory that has begun its life.
async fn journal(clock: &Clock) -> MemoryJournal {
    let journal = MemoryJournal::new();
    let mut scope = Scope::new(["agent".to_owned()]);
    scope.clock = clock.wall();
    journal.start(scope).await.unwrap();
    journal
}

fn intent(key: &str, terms: Terms) -> Intent {
    let (agent, key) = ("agent".to_owned(), Some(key.to_owned()));
    Intent { agent, key, input: b"1".to_vec(), digest: 1, due: Due::Now, terms }
}

async fn append(journal: &MemoryJournal, key: &str, terms: Terms) -> LaunchId {
    match journal.append(vec![intent(key, terms)]).await.unwrap()[..] {
        [Appended::New(id)] => id,
        ref other => panic!("{other:?}"),
    }
}

/// Records a launch and begins its attempt.
async fn claim(journal: &MemoryJournal, key: &str, terms: Terms) -> Claim {
    let id = append(journal, key, terms).await;
    let claim = journal.claim(&wants(&["agent".to_owned()]), 1).await.unwrap().claims.remove(0);
    assert_eq!(claim.id, id);
    claim
}

fn failed(by: EndedBy) -> FailedAttempt {
    FailedAttempt { by, message: String::new(), code: None, floor: Duration::ZERO, roll: 0.0 }
}

fn kept_for(retention: Duration) -> Terms {
    Terms { retention, ..Terms::default() }
}

#[tokio::test(start_paused = true)]
async fn nothing_expires_but_what_is_done_or_cancelled() {
    let journal = journal(&Clock::new()).await;
    let at_once = kept_for(Duration::ZERO);
    let dead = claim(&journal, "dead", at_once.clone()).await;
    journal.fail(&dead, failed(EndedBy::Fatal)).await.unwrap().unwrap();
    let once = Terms { delivery: Delivery::AtMostOnce, ..at_once.clone() };
    let ambiguous = claim(&journal, "ambiguous", once).await;
    journal.fail(&ambiguous, failed(EndedBy::Panic)).await.unwrap().unwrap();
    let parked = claim(&journal, "parked", at_once.clone()).await;
    journal.park(&parked).await.unwrap().unwrap();
    let done = claim(&journal, "done", at_once.clone()).await;
    journal.complete(&done, b"2").await.unwrap().unwrap();
    claim(&journal, "running", at_once.clone()).await;
    let cancelled = append(&journal, "cancelled", at_once.clone()).await;
    journal.cancel(cancelled).await.unwrap().unwrap();
    append(&journal, "pending", at_once).await;

    advance(30 * 24 * HOUR).await;
    assert_eq!(journal.sweep(100).await.unwrap(), Swept { removed: 2, next: None, suspended: false });
    let left = journal.scan(&LaunchFilter::all(), None, 100).await.unwrap();
    let left: Vec<_> = left.into_iter().map(|record| record.status).collect();
    use LaunchStatus::{Ambiguous, Dead, Parked, Pending, Running};
    assert_eq!(left, [Dead, Ambiguous, Parked, Running, Pending]);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_removes_at_most_as_many_as_it_may_and_says_when_there_is_more() {
    let journal = journal(&Clock::new()).await;
    for n in 0..10 {
        let claim = claim(&journal, &n.to_string(), kept_for(n * MINUTE)).await;
        journal.complete(&claim, b"2").await.unwrap().unwrap();
    }
    let swept = |removed, next| Swept { removed, next, suspended: false };
    assert_eq!(journal.sweep(0).await.unwrap(), swept(0, Some(MS)));
    advance(4 * MINUTE + MS).await;
    assert_eq!(journal.sweep(3).await.unwrap(), swept(3, Some(Duration::ZERO)));
    assert_eq!(journal.sweep(3).await.unwrap(), swept(2, Some(MINUTE)));
    assert_eq!(journal.sweep(3).await.unwrap(), swept(0, Some(MINUTE)));
    let left = journal.scan(&LaunchFilter::all(), None, 100).await.unwrap();
    assert_eq!(left.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_removes_more_than_was_recorded_meanwhile() {
    let journal = journal(&Clock::new()).await;
    for n in 0..300 {
        let claim = claim(&journal, &n.to_string(), kept_for(Duration::ZERO)).await;
        journal.complete(&claim, b"").await.unwrap().unwrap();
    }
    advance(MS).await;
    let sweep = async || journal.sweep(usize::MAX).await.unwrap().removed;
    assert_eq!([sweep().await, sweep().await, sweep().await], [256, 32, 12]);
    for n in 0..80 {
        let claim = claim(&journal, &n.to_string(), kept_for(Duration::ZERO)).await;
        journal.complete(&claim, b"").await.unwrap().unwrap();
    }
    advance(MS).await;
    assert_eq!(sweep().await, 80);
}

#[tokio::test(start_paused = true)]
async fn a_long_launch_goes_little_by_little_however_much_was_recorded() {
    let journal = journal(&Clock::new()).await;
    let long = claim(&journal, "long", kept_for(Duration::ZERO)).await;
    journal.complete(&long, &[7; 2 << 20]).await.unwrap().unwrap();
    for n in 0..1000 {
        append(&journal, &n.to_string(), kept_for(HOUR)).await;
    }
    advance(MS).await;
    let mut sweeps = 1;
    while journal.sweep(usize::MAX).await.unwrap().removed == 0 {
        sweeps += 1;
        assert!(sweeps < 100, "it is never gone");
    }
    assert_eq!(sweeps, 10, "525 pieces and two writes of a head, of which 256 at once and then 32");
}

#[tokio::test(start_paused = true)]
async fn a_launch_that_is_half_removed_is_gone() {
    let journal = journal(&Clock::new()).await;
    let first = claim(&journal, "k", kept_for(Duration::ZERO)).await;
    journal.complete(&first, &[7; 1 << 20]).await.unwrap().unwrap();
    advance(MS).await;
    // It is read while it is removed: whoever comes too late is told so, not that it is damaged. (The thread of the journal
    // may have been quick enough for all of it.)
    let mut reads = journal.output(first.id);
    assert!(poll_immediate(&mut reads).await.is_none());
    assert_eq!(journal.sweep(1).await.unwrap().removed, 0);
    assert!(reads.await.unwrap().is_none_or(|output| output == [7; 1 << 20]));

    assert_eq!(journal.get(first.id).await.unwrap(), None);
    assert_eq!(journal.by_key("agent", "k").await.unwrap(), None);
    assert_eq!(journal.ended(first.id).await.unwrap(), None);
    assert_eq!(journal.output(first.id).await.unwrap(), None);
    assert_eq!(journal.cancel(first.id).await.unwrap(), Err(Refused::Unknown));
    assert_eq!(journal.requeue(first.id).await.unwrap(), Err(Refused::Unknown));
    assert_eq!(journal.scan(&LaunchFilter::all(), None, 9).await.unwrap(), []);

    // The next one under the key has nothing to do with it, and outlives it.
    let second = claim(&journal, "k", kept_for(HOUR)).await;
    assert_ne!(second.id, first.id);
    journal.complete(&second, &[8; 1 << 20]).await.unwrap().unwrap();
    let mut sweeps = 0;
    while journal.sweep(9).await.unwrap().removed == 0 {
        sweeps += 1;
    }
    assert_eq!(sweeps, 7, "263 pieces and two writes of a head, of which 32 at a time");
    assert_eq!(journal.by_key("agent", "k").await.unwrap().unwrap().id, second.id);
    assert!(journal.output(second.id).await.unwrap().unwrap() == vec![8; 1 << 20]);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_large_launch_is_left_in_the_store() {
    let directory = Directory::new();
    let (system, agent) = start(sled(&directory), &Clock::new()).await;
    let mut tickets = Vec::new();
    for size in [0, 2000, 100_000, 252_000, 256_000, 1 << 20] {
        let launch = system.launch(&agent, "x".repeat(size)).retain(HOUR);
        tickets.push(launch.await.unwrap());
    }
    for ticket in &tickets {
        ticket.result().await.unwrap().unwrap();
    }
    let kept = system.launch(&agent, "kept".repeat(1000)).retain(9 * HOUR).await.unwrap();
    kept.result().await.unwrap().unwrap();
    sleep(HOUR + 2 * MINUTE).await;
    for ticket in &tickets {
        assert!(!is_kept(ticket).await);
    }
    system.shutdown(SECOND).await.unwrap();

    let store = StoreProbe::sled(&directory.journal()).unwrap();
    let count = |prefix: &[u8]| store.scan(prefix).unwrap().len();
    assert_eq!([count(b"h"), count(b"i"), count(b"o"), count(b"s")], [1, 0, 2, 0]);
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_and_how_long_survives_a_restart() {
    let directory = Directory::new();
    let clock = Clock::new();
    let (system, agent) = start(sled(&directory), &clock).await;
    let ticket = system.launch(&agent, "a".into()).key("k").retain(HOUR).await.unwrap();
    ticket.result().await.unwrap().unwrap();
    system.shutdown(SECOND).await.unwrap();
    sleep(HOUR / 2).await;
    let (system, agent) = start(sled(&directory), &clock).await;
    sleep(HOUR / 2 - SECOND).await;
    let ticket = system.launch(&agent, "a".into()).key("k").await.unwrap();
    assert!(ticket.is_known() && is_kept(&ticket).await);
    sleep(SECOND + MINUTE).await;
    assert!(!is_kept(&ticket).await);
    let next = system.launch(&agent, "a".into()).key("k").retain(HOUR).await.unwrap();
    assert!(!next.is_known());
    next.result().await.unwrap().unwrap();
    system.shutdown(SECOND).await.unwrap();

    // What expired while nothing ran goes soon after the start.
    sleep(48 * HOUR).await;
    let (system, _agent) = start(sled(&directory), &clock).await;
    let next = system.ticket::<String>(next.id()).unwrap();
    assert!(is_kept(&next).await);
    sleep(2 * SECOND).await;
    assert!(!is_kept(&next).await);
    system.shutdown(SECOND).await.unwrap();
    let store = StoreProbe::sled(&directory.journal()).unwrap();
    assert_eq!(store.scan(b"h").unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_by_more_than_an_hour_is_not_believed() {
    for hours in [1.1, -1.1, 24.0 * 365.0, -24.0 * 365.0] {
        let directory = Directory::new();
        let clock = Clock::new();
        let (system, agent) = start(sled(&directory), &clock).await;
        let ticket = system.launch(&agent, "a".into()).retain(HOUR).await.unwrap();
        ticket.result().await.unwrap().unwrap();
        sleep(5 * MINUTE).await;
        clock.jump(hours);
        sleep(30 * MINUTE).await;
        // Also what ends after the jump, and is not to be kept at all.
        let later = system.launch(&agent, "a".into()).retain(Duration::ZERO).await.unwrap();
        sleep(30 * MINUTE).await;
        assert!(is_kept(&ticket).await && is_kept(&later).await, "{hours}");

        // It comes back, and so do the sweeps.
        clock.jump(-hours);
        sleep(2 * MINUTE).await;
        assert!(!is_kept(&ticket).await, "{hours}");
        assert_eq!(is_kept(&later).await, hours > 0.0, "by the clock, this one has ended later");

        // Or it is the right one now: that of the next start is.
        clock.jump(hours);
        sleep(2 * MINUTE).await;
        let ticket = system.launch(&agent, "a".into()).retain(Duration::ZERO).await.unwrap();
        sleep(2 * MINUTE).await;
        assert!(is_kept(&ticket).await, "{hours}");
        system.shutdown(SECOND).await.unwrap();
        let (system, _agent) = start(sled(&directory), &clock).await;
        let ticket = system.ticket::<String>(ticket.id()).unwrap();
        sleep(2 * MINUTE).await;
        assert!(!is_kept(&ticket).await, "{hours}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_by_less_is_believed() {
    let clock = Clock::new();
    let journal = journal(&clock).await;
    let first = claim(&journal, "first", kept_for(HOUR)).await;
    journal.complete(&first, b"2").await.unwrap().unwrap();
    for _ in 0..10 {
        clock.jump(0.9);
        assert!(!journal.sweep(1).await.unwrap().suspended);
        clock.jump(-0.9);
        assert!(!journal.sweep(1).await.unwrap().suspended);
    }
    clock.jump(0.9);
    assert_eq!(journal.sweep(1).await.unwrap().removed, 0);
    clock.jump(0.9);
    assert_eq!(journal.sweep(1).await.unwrap().removed, 1);
    // From where it was last believed, in both directions.
    clock.jump(1.1);
    assert_eq!(journal.sweep(1).await.unwrap(), Swept { suspended: true, ..Swept::default() });
    advance(9 * HOUR).await;
    assert!(journal.sweep(1).await.unwrap().suspended);
    clock.jump(-2.0);
    assert!(!journal.sweep(1).await.unwrap().suspended);
    clock.jump(-1.1);
    assert!(journal.sweep(1).await.unwrap().suspended);
}

#[tokio::test(start_paused = true)]
async fn the_store_does_not_grow_with_the_launches_that_were() {
    const AT_ONCE: usize = 20;
    let directory = Directory::new();
    let clock = Clock::new();
    let (system, agent) = start(sled(&directory), &clock).await;
    for round in 0..50 {
        for n in 0..AT_ONCE {
            // The keys are used again and again.
            let text = format!("{round} {n} {}", "x".repeat(100 * n));
            let ticket = system.launch(&agent, text.clone()).key(n).retain(10 * SECOND).await.unwrap();
            assert!(!ticket.is_known());
            assert_eq!(ticket.result().await.unwrap().unwrap(), text);
        }
        sleep(MINUTE + 15 * SECOND).await;
        if round % 10 == 9 {
            let journal = directory.path().join("copy");
            crate::directory::copy(&directory.journal(), &journal);
            let store = StoreProbe::sled(&journal).unwrap();
            let records = store.scan(b"").unwrap().len();
            assert!(records < 10, "{records} records after {round} rounds");
            drop(store);
            std::fs::remove_dir_all(journal).unwrap();
        }
    }
    system.shutdown(SECOND).await.unwrap();
}
