//! How launches are recorded: their keys, their limits, and what is wrong with one.

use std::time::Duration;

use futures::future::{join_all, poll_immediate};
use sortie::{
    AgentError, AgentRef, LaunchErrorKind, LaunchStatus, MemoryJournal, System, Ticket, TicketError, agent_fn,
};
use tokio::time::{Instant, sleep};

use super::{builder, result, sleeper};
use crate::support::{Gauge, MS, SECOND};

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
