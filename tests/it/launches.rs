//! Launches: recorded, run, retried, and read, within one process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::{join_all, poll_immediate};
use sortie::{
    AgentContext, AgentError, AgentRef, Backoff, Builder, Cause, LaunchErrorKind, LaunchStatus,
    MemoryJournal, Restart, System, Ticket, TicketError, agent_fn,
};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{Gauge, MS, SECOND, eventually, leaves_no_task};

fn builder() -> Builder {
    System::builder().journal(MemoryJournal::new())
}

/// An agent that takes as long as its input says.
fn sleeper(gauge: &Gauge) -> AgentRef<Duration, Duration> {
    let gauge = gauge.clone();
    let agent = agent_fn(move |time: Duration, _| {
        let gauge = gauge.clone();
        async move {
            let _body = gauge.enter();
            sleep(time).await;
            Ok(time)
        }
    });
    AgentRef::new(agent.named("sleeper"))
}

async fn result<O: sortie::Payload>(ticket: &Ticket<O>) -> O {
    ticket.result().await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn s10_a_launch_returns_its_ticket_at_once_and_the_result_is_readable_later() {
    let mut builder = builder();
    let notify = agent_fn(|(to, text): (String, String), _| async move {
        sleep(SECOND).await;
        if to.starts_with("user") {
            Err(AgentError::fatal("no such mailbox"))
        } else {
            Ok(format!("{to}: {text}"))
        }
    });
    let notify = builder.register(notify.named("notify"));
    let system = builder.start().await.unwrap();
    let start = Instant::now();
    let mut tickets = Vec::new();
    for to in ["admin@example.com", "user@example.com", "system@example.com"] {
        let mail = (to.to_owned(), "System maintenance scheduled".to_owned());
        tickets.push(system.launch(&notify, mail).await.unwrap());
    }
    assert!(start.elapsed() < 10 * MS, "{:?}", start.elapsed());
    assert!(tickets.iter().all(|ticket| !ticket.is_known()));
    assert!(tickets[0].try_result().await.unwrap().is_none());

    assert_eq!(result(&tickets[0]).await, "admin@example.com: System maintenance scheduled");
    assert!((SECOND..SECOND + 20 * MS).contains(&start.elapsed()), "{:?}", start.elapsed());
    // By id, for who has kept only that.
    let id = tickets[2].id().to_string().parse().unwrap();
    let by_id = system.ticket::<String>(id).unwrap();
    assert_eq!(result(&by_id).await, "system@example.com: System maintenance scheduled");
    assert_eq!(by_id.status().await.unwrap(), LaunchStatus::Done);

    let failure = tickets[1].result().await.unwrap().unwrap_err();
    assert_eq!((failure.agent(), failure.attempts()), ("notify", 1));
    assert!(format!("{failure:#}").ends_with("no such mailbox"), "{failure:#}");
    assert_eq!(tickets[1].status().await.unwrap(), LaunchStatus::Dead);
}

#[tokio::test(start_paused = true)]
async fn s15_a_launch_that_is_done_is_not_run_again_under_its_key() {
    let mut builder = builder();
    let gauge = Gauge::default();
    let agent = builder.register(sleeper(&gauge));
    let system = builder.start().await.unwrap();
    let first = system.launch(&agent, SECOND).key("one").await.unwrap();
    assert_eq!(result(&first).await, SECOND);
    let again = system.launch(&agent, SECOND).key("one").await.unwrap();
    assert_eq!((again.id(), again.is_known()), (first.id(), true));
    assert_eq!(again.try_result().await.unwrap().unwrap().unwrap(), SECOND);
    sleep(10 * SECOND).await;
    assert_eq!(gauge.begun(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_names_one_launch_of_one_agent() {
    let mut builder = builder();
    let agent = builder.register(sleeper(&Gauge::default()));
    let other = builder.register(agent_fn(|n: u32, _| async move { Ok(n) }).named("other"));
    let system = builder.start().await.unwrap();
    let first = system.launch(&agent, SECOND).key("k").await.unwrap();
    let error = system.launch(&agent, 2 * SECOND).key("k").await.unwrap_err();
    assert!(matches!(error.kind(), LaunchErrorKind::KeyConflict(id) if *id == first.id()), "{error}");
    let others = system.launch(&other, 1).key("k").await.unwrap();
    assert!(!others.is_known() && others.id() != first.id());
    // Without a key, each is another one.
    let one = system.launch(&other, 1).await.unwrap();
    let two = system.launch(&other, 1).await.unwrap();
    assert!(one.id() < two.id());
    // Many at once under one key are one.
    let many = join_all((0..50).map(|_| system.launch(&agent, SECOND).key("many").into_future())).await;
    let ids: Vec<_> = many.iter().map(|ticket| ticket.as_ref().unwrap().id()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(many.iter().filter(|ticket| !ticket.as_ref().unwrap().is_known()).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_order_of_the_keys_in_an_input_does_not_matter() {
    let mut builder = builder();
    let agent = agent_fn(|map: std::collections::HashMap<String, u32>, _| async move { Ok(map.len()) });
    let agent = builder.register(agent.named("count"));
    let system = builder.start().await.unwrap();
    let input = || (0..20).map(|n| (n.to_string(), n)).collect();
    let first = system.launch(&agent, input()).key("k").await.unwrap();
    for _ in 0..10 {
        assert_eq!(system.launch(&agent, input()).key("k").await.unwrap().id(), first.id());
    }
    assert_eq!(result(&first).await, 20);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_launch_is_said() {
    let agent = agent_fn(|text: String, _| async move { Ok(text) }).named("echo");
    let mut without = System::builder();
    let echo = without.register(agent);
    let without = without.start().await.unwrap();
    let error = without.launch(&echo, String::new()).await.unwrap_err();
    assert!(matches!(error.kind(), LaunchErrorKind::NoJournal), "{error}");
    assert!(without.ticket::<()>("01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap()).is_none());

    let mut builder = builder();
    let echo = builder.register(echo);
    let system = builder.start().await.unwrap();
    let unknown = AgentRef::new(agent_fn(|n: u32, _| async move { Ok(n) }).named("unknown"));
    let error = system.launch(&unknown, 1).await.unwrap_err();
    assert!(matches!(error.kind(), LaunchErrorKind::UnknownAgent), "{error}");
    assert_eq!(error.agent(), "unknown");

    let error = system.launch(&echo, String::new()).key("").await.unwrap_err();
    assert!(matches!(error.kind(), LaunchErrorKind::BadKey { bytes: 0, limit: 512 }), "{error}");
    let error = system.launch(&echo, String::new()).key("k".repeat(513)).await.unwrap_err();
    assert!(matches!(error.kind(), LaunchErrorKind::BadKey { bytes: 513, .. }), "{error}");
    let longest = system.launch(&echo, "x".into()).key("k".repeat(512)).await.unwrap();
    assert_eq!(result(&longest).await, "x");

    let limit = 16 << 20;
    let error = system.launch(&echo, "x".repeat(limit)).await.unwrap_err();
    let (bytes, most) = (limit + 2, limit);
    assert!(
        matches!(error.kind(), LaunchErrorKind::TooLarge { bytes: b, limit: l } if (*b, *l) == (bytes, most)),
        "{error}"
    );

    let nobody = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    let error = system.ticket::<String>(nobody).unwrap().result().await.unwrap_err();
    assert!(matches!(error, TicketError::Unknown(id) if id == nobody), "{error}");
    let other_type = system.ticket::<u32>(longest.id()).unwrap();
    assert!(matches!(other_type.result().await.unwrap_err(), TicketError::BadOutput { .. }));

    system.shutdown(SECOND).await.unwrap();
    let error = system.launch(&echo, String::new()).await.unwrap_err();
    assert!(matches!(error.kind(), LaunchErrorKind::ShuttingDown), "{error}");
    assert!(matches!(longest.status().await.unwrap_err(), TicketError::Journal(_)));
}

#[tokio::test(start_paused = true)]
async fn no_more_launches_are_pending_than_may_be() {
    let mut builder = builder();
    builder.most_pending(3);
    let agent = builder.register(sleeper(&Gauge::default()));
    let system = builder.start().await.unwrap();
    for _ in 0..3 {
        system.launch(&agent, SECOND).await.unwrap();
    }
    let error = system.launch(&agent, SECOND).await.unwrap_err();
    assert!(matches!(error.kind(), LaunchErrorKind::Full), "{error}");
    sleep(SECOND + 50 * MS).await;
    system.launch(&agent, SECOND).await.unwrap();
}

/// An agent that does what its input says, attempt by attempt, and notes when each began.
fn scripted(began: Arc<std::sync::Mutex<Vec<(u32, Instant)>>>) -> AgentRef<Vec<String>, u32> {
    let agent = agent_fn(move |script: Vec<String>, cx: AgentContext| {
        began.lock().unwrap().push((cx.attempt(), Instant::now()));
        let step = script.get(cx.attempt() as usize - 1).cloned().unwrap_or_default();
        async move {
            match step.as_str() {
                "error" => Err("not yet".into()),
                "fatal" => Err(AgentError::fatal("never").with_code("gone")),
                "later" => Err(AgentError::retry_after(300 * MS, "later")),
                "panic" => panic!("oops"),
                "hang" => std::future::pending().await,
                _ => Ok(cx.attempt()),
            }
        }
    });
    AgentRef::new(agent.named("scripted"))
}

fn script<const N: usize>(steps: [&str; N]) -> Vec<String> {
    steps.map(str::to_owned).to_vec()
}

#[tokio::test(start_paused = true)]
async fn s19_a_launch_is_tried_again_as_its_agent_says() {
    let began = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut builder = builder();
    let policy = Restart::attempts(3).backoff(Backoff::fixed(100 * MS));
    let agent = builder.register(scripted(Arc::clone(&began)).restart(policy).timeout(SECOND));
    let system = builder.start().await.unwrap();
    let launch = async |steps: Vec<String>| {
        began.lock().unwrap().clear();
        let ticket = system.launch(&agent, steps).await.unwrap();
        let outcome = ticket.result().await.unwrap();
        let began = began.lock().unwrap().clone();
        assert!(began.iter().map(|(number, _)| *number).eq(1..=began.len() as u32), "{began:?}");
        let waits: Vec<_> = began.windows(2).map(|two| two[1].1 - two[0].1).collect();
        (outcome, waits)
    };
    let (outcome, waits) = launch(script(["error", "error"])).await;
    assert_eq!(outcome.unwrap(), 3);
    assert!(waits.len() == 2 && waits.iter().all(|wait| (100 * MS..120 * MS).contains(wait)), "{waits:?}");

    let (outcome, waits) = launch(script(["fatal"])).await;
    let failure = outcome.unwrap_err();
    assert_eq!((failure.attempts(), waits.len()), (1, 0));
    let Cause::Failed(error) = failure.cause() else { panic!("{failure:?}") };
    assert_eq!((error.code(), error.to_string().as_str()), (Some("gone"), "never"));

    let (outcome, waits) = launch(script(["later"])).await;
    assert_eq!(outcome.unwrap(), 2);
    assert!((300 * MS..320 * MS).contains(&waits[0]), "{waits:?}");

    let (outcome, waits) = launch(script(["panic", "hang", "panic"])).await;
    let failure = outcome.unwrap_err();
    assert!(matches!(failure.cause(), Cause::Panicked(text) if text == "oops"), "{failure:?}");
    assert_eq!((failure.attempts(), waits.len()), (3, 2));
    assert!(waits[1] >= SECOND + 100 * MS, "{waits:?}");

    let (outcome, _) = launch(script(["hang", "hang", "hang"])).await;
    let failure = outcome.unwrap_err();
    assert!(matches!(failure.cause(), Cause::TimedOut { limit: SECOND, stopped: true, .. }), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn a_launch_has_five_attempts_unless_its_agent_says_otherwise() {
    let began = Arc::default();
    let mut builder = builder();
    let agent = builder.register(scripted(Arc::clone(&began)));
    let system = builder.start().await.unwrap();
    let ticket = system.launch(&agent, script(["error"; 10])).await.unwrap();
    assert_eq!(ticket.result().await.unwrap().unwrap_err().attempts(), 5);
    assert_eq!(began.lock().unwrap().len(), 5);

    // A dead one gets a new series, under its id.
    assert!(ticket.requeue().await.unwrap());
    assert_eq!(ticket.result().await.unwrap().unwrap_err().attempts(), 10);
    assert!(ticket.requeue().await.unwrap());
    assert_eq!(result(&ticket).await, 11);
    assert!(!ticket.requeue().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn s18_a_hundred_readers_wait_and_wake() {
    let mut builder = builder();
    let agent = builder.register(sleeper(&Gauge::default()));
    let system = builder.start().await.unwrap();
    let ticket = system.launch(&agent, SECOND).await.unwrap();
    assert!(timeout(100 * MS, ticket.result()).await.is_err());
    let start = Instant::now();
    let readers = (0..100).map(|_| {
        let ticket = ticket.clone();
        tokio::spawn(async move { result(&ticket).await })
    });
    for read in join_all(readers.collect::<Vec<_>>()).await {
        assert_eq!(read.unwrap(), SECOND);
    }
    assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn s24_no_more_launches_run_at_once_than_may_and_a_retry_holds_no_slot() {
    let mut builder = builder();
    builder.launch_concurrency(2);
    let gauge = Gauge::default();
    let agent = builder.register(sleeper(&gauge));
    let waiting = scripted(Arc::default()).restart(Restart::attempts(2).backoff(Backoff::fixed(60 * SECOND)));
    let waiting = builder.register(waiting);
    let system = builder.start().await.unwrap();
    let backoff = system.launch(&waiting, script(["error"])).await.unwrap();
    eventually("the first attempt", || system.status().runs == 0).await;
    sleep(MS).await;
    let start = Instant::now();
    let tickets = join_all((0..5).map(|_| system.launch(&agent, 100 * MS).into_future())).await;
    for ticket in tickets {
        result(&ticket.unwrap()).await;
    }
    assert_eq!(gauge.peak(), 2);
    assert!((300 * MS..350 * MS).contains(&start.elapsed()), "{:?}", start.elapsed());
    assert_eq!(backoff.status().await.unwrap(), LaunchStatus::Pending);
    assert_eq!(result(&backoff).await, 2);
}

#[tokio::test(start_paused = true)]
async fn agents_take_turns() {
    let mut builder = builder();
    builder.launch_concurrency(1);
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let agent = |name: &'static str| {
        let order = Arc::clone(&order);
        let agent = agent_fn(move |n: u32, _| {
            order.lock().unwrap().push((name, n));
            async move {
                sleep(MS).await;
                Ok(n)
            }
        });
        AgentRef::new(agent.named(name))
    };
    let (many, few) = (builder.register(agent("many")), builder.register(agent("few")));
    let system = builder.start().await.unwrap();
    let mut tickets = Vec::new();
    for n in 0..20 {
        tickets.push(system.launch(&many, n).await.unwrap());
    }
    let last = system.launch(&few, 0).await.unwrap();
    result(&last).await;
    let before = order.lock().unwrap().len();
    assert!(before < 20, "{before} of the other agent came first");
    for ticket in &tickets {
        result(ticket).await;
    }
    let order = order.lock().unwrap();
    assert!(order.iter().filter(|(name, _)| *name == "many").map(|(_, n)| *n).eq(0..20), "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn a_launch_is_recorded_or_not_if_its_future_is_dropped() {
    let mut builder = builder();
    let gauge = Gauge::default();
    let agent = builder.register(sleeper(&gauge));
    let system = builder.start().await.unwrap();
    // Not polled, nothing happens.
    drop(system.launch(&agent, MS));
    for key in 0..20 {
        let mut launch = system.launch(&agent, MS).key(key).into_future();
        drop(poll_immediate(&mut launch).await);
        drop(launch);
        let ticket = system.launch(&agent, MS).key(key).await.unwrap();
        result(&ticket).await;
    }
    sleep(SECOND).await;
    assert_eq!(gauge.begun(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_launch_is_not_run_and_a_running_one_not_again() {
    let began = Arc::default();
    let mut builder = builder();
    builder.launch_concurrency(1);
    let gauge = Gauge::default();
    let busy = builder.register(sleeper(&gauge));
    let agent = scripted(Arc::clone(&began)).restart(Restart::attempts(5).backoff(Backoff::none()));
    let agent = builder.register(agent.timeout(SECOND));
    let system = builder.start().await.unwrap();

    let running = system.launch(&busy, SECOND).await.unwrap();
    eventually("a body", || gauge.running() == 1).await;
    let waits = system.launch(&agent, script([])).await.unwrap();
    assert!(waits.cancel().await.unwrap());
    assert!(!waits.cancel().await.unwrap());
    assert_eq!(waits.status().await.unwrap(), LaunchStatus::Cancelled);
    let failure = waits.result().await.unwrap().unwrap_err();
    assert!(matches!(failure.cause(), Cause::Cancelled { .. }), "{failure:?}");
    assert_eq!(failure.attempts(), 0);

    // What comes out of an attempt that runs counts.
    assert!(running.cancel().await.unwrap());
    assert_eq!(result(&running).await, SECOND);
    // And otherwise there is no other one.
    let hangs = system.launch(&agent, script(["hang"])).await.unwrap();
    eventually("a body", || began.lock().unwrap().len() == 1).await;
    assert!(hangs.cancel().await.unwrap());
    let failure = hangs.result().await.unwrap().unwrap_err();
    assert!(matches!(failure.cause(), Cause::Cancelled { .. }), "{failure:?}");
    assert_eq!(began.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_agent_knows_its_launch() {
    let mut builder = builder();
    let agent = agent_fn(|(): (), cx: AgentContext| async move {
        Ok((cx.launch_id().map(|id| id.to_string()), cx.attempt()))
    });
    let agent = builder.register(agent.named("who"));
    let system = builder.start().await.unwrap();
    for _ in 0..3 {
        let ticket = system.launch(&agent, ()).await.unwrap();
        assert_eq!(result(&ticket).await, (Some(ticket.id().to_string()), 1));
    }
    assert_eq!(system.ask(&agent, ()).await.unwrap(), (None, 1));
}

#[tokio::test(start_paused = true)]
async fn a_launch_can_fan_out_and_is_no_run_of_a_caller() {
    let mut builder = builder();
    let inner = sleeper(&Gauge::default());
    let outer = agent_fn(move |n: u32, cx: AgentContext| {
        let inner = inner.clone();
        async move { Ok(cx.foreach((0..n).map(|_| SECOND), &inner).all().await?.len()) }
    });
    let outer = builder.register(outer.named("outer"));
    let system = builder.start().await.unwrap();
    assert_eq!(system.status().runs, 0);
    let ticket = system.launch(&outer, 3).await.unwrap();
    eventually("the nested run", || system.status().runs == 1).await;
    // What runs may end within the grace.
    let left = system.shutdown(5 * SECOND).await.unwrap();
    assert_eq!((left.cut_short, left.not_stopped, left.handed_back), (0, 0, 0));
    assert!(matches!(ticket.status().await.unwrap_err(), TicketError::Journal(_)));
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_waits_for_the_journal() {
    let mut builder = builder();
    let agent = builder.register(agent_fn(|n: u32, _| async move { Ok(n) }).named("echo"));
    let system = builder.start().await.unwrap();
    let start = Instant::now();
    // A timer far away would fire at once if the clock took a wait for the journal for idleness.
    for n in 0..200 {
        let launch = async { result(&system.launch(&agent, n).await.unwrap()).await };
        assert_eq!(timeout(60 * SECOND, launch).await.expect("no timer fires falsely"), n);
    }
    assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_system_with_a_journal_that_is_dropped_leaves_nothing() {
    let gauge = Gauge::default();
    leaves_no_task(async {
        let mut builder = builder();
        let agent = builder.register(sleeper(&gauge));
        let system = builder.start().await.unwrap();
        let ticket = system.launch(&agent, 60 * SECOND).await.unwrap();
        eventually("a body", || gauge.running() == 1).await;
        drop(system);
        // Who waits learns that nobody will tell.
        assert!(matches!(ticket.result().await.unwrap_err(), TicketError::Journal(_)));
    })
    .await;
    assert_eq!(gauge.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn s32_a_supervisor_that_dies_makes_its_launches_run_again() {
    let mut builder = builder();
    let (gauge, calls) = (Gauge::default(), Arc::new(AtomicUsize::new(0)));
    let (body, called) = (gauge.clone(), Arc::clone(&calls));
    let agent = agent_fn(move |time: Duration, cx: AgentContext| {
        let body = body.clone();
        called.fetch_add(1, Ordering::SeqCst);
        async move {
            let _body = body.enter();
            sleep(time).await;
            Ok(cx.attempt())
        }
    });
    let agent = builder.register(agent.named("work"));
    let system = builder.start().await.unwrap();
    let tickets = join_all((0..10).map(|_| system.launch(&agent, SECOND).into_future())).await;
    eventually("bodies", || gauge.running() == 10).await;
    assert!(system.break_supervisor("main"));
    eventually("a restart", || system.status().supervisors[0].restarts == 1).await;
    for ticket in tickets {
        assert_eq!(result(&ticket.unwrap()).await, 2);
    }
    assert_eq!((gauge.peak(), calls.load(Ordering::SeqCst)), (10, 20));
    // The handle still works.
    let ticket = system.launch(&agent, MS).await.unwrap();
    assert_eq!(result(&ticket).await, 1);
}

#[tokio::test(start_paused = true)]
async fn names_of_agents_are_bounded() {
    let mut builder = builder();
    builder.register(agent_fn(|n: u32, _| async move { Ok(n) }).named("n".repeat(257)));
    let error = builder.start().await.unwrap_err();
    assert!(error.to_string().contains("longer than 256 bytes"), "{error}");
    assert!(error.journal().is_none());
}

#[tokio::test(start_paused = true)]
async fn many_launches_are_recorded_each_for_itself_and_answered_in_order() {
    let mut builder = builder();
    builder.most_pending(2_600);
    let gauge = Gauge::default();
    let agent = builder.register(sleeper(&gauge));
    let system = builder.start().await.unwrap();
    let other = { System::builder().journal(MemoryJournal::new()).start().await.unwrap() };
    let first = system.launch(&agent, SECOND).key(7).await.unwrap();

    let launches = (0..2_500).map(|n: u32| match n {
        8 => system.launch(&agent, 2 * SECOND).key(7),
        9 => system.launch(&agent, SECOND).key(""),
        // Recorded in no journal, and it does not hold the others up.
        10 => other.launch(&agent, SECOND),
        n => system.launch(&agent, SECOND).key(n),
    });
    let tickets = system.launch_many(launches).await;
    assert_eq!(tickets.len(), 2_500);
    let known: Vec<_> = (0..2_500).filter(|n| tickets[*n].as_ref().is_ok_and(Ticket::is_known)).collect();
    assert_eq!(known, [7]);
    assert_eq!(tickets[7].as_ref().unwrap().id(), first.id());
    let kind = |n: usize| tickets[n].as_ref().unwrap_err().kind();
    assert!(matches!(kind(8), LaunchErrorKind::KeyConflict(id) if *id == first.id()));
    assert!(matches!(kind(9), LaunchErrorKind::BadKey { bytes: 0, .. }));
    assert!(matches!(kind(10), LaunchErrorKind::UnknownAgent));
    assert_eq!(tickets.iter().filter(|ticket| ticket.is_ok()).count(), 2_497);
    assert_eq!(result(tickets[2_499].as_ref().unwrap()).await, SECOND);
    let again = system.launch(&agent, SECOND).key(2_499).await.unwrap();
    assert_eq!(again.id(), tickets[2_499].as_ref().unwrap().id());

    let more = system.launch_many((0..2_700).map(|_| system.launch(&agent, SECOND))).await;
    let full = more.iter().filter(|ticket| ticket.is_err()).count();
    assert!((100..2_700).contains(&full), "{full}");
    assert!(system.launch_many(Vec::<sortie::Launch<Duration>>::new()).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn payloads_are_as_long_as_the_journal_allows_and_no_longer() {
    let mut builder = System::builder().journal(MemoryJournal::new().longest_payload(100));
    let agent = agent_fn(|length: usize, _| async move { Ok("x".repeat(length)) });
    let agent = builder.register(agent.named("repeat"));
    let echo = builder.register(agent_fn(|text: String, _| async move { Ok(text.len()) }).named("echo"));
    let system = builder.start().await.unwrap();
    // Two of the bytes are quotation marks.
    assert_eq!(result(&system.launch(&echo, "x".repeat(98)).await.unwrap()).await, 98);
    let error = system.launch(&echo, "x".repeat(99)).await.unwrap_err();
    assert!(matches!(error.kind(), LaunchErrorKind::TooLarge { bytes: 101, limit: 100 }));
    assert_eq!(result(&system.launch(&agent, 98).await.unwrap()).await.len(), 98);
    let failure = system.launch(&agent, 99).await.unwrap().result().await.unwrap().unwrap_err();
    assert_eq!((failure.attempts(), failure.code()), (1, "bad_output"));
    assert!(format!("{failure:#}").ends_with("is 101 bytes long, where 100 are allowed"), "{failure:#}");
}
