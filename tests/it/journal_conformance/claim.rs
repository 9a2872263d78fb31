//! Which launches are claimed, and who is told that there are some.

use futures::{FutureExt, StreamExt};

use super::*;

pub async fn a_claim_says_what_is_to_be_done<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let terms = Terms { priority: 3, timeout: Some(SECOND), ..terms() };
    let id = record(&journal, on(terms.clone(), keyed("key", intent("a", "1")))).await;
    let Claim { epoch, .. } = claim(&journal).await;
    assert!(epoch > 0);
    let told = get(&journal, id).await;
    assert_eq!((told.status, told.attempts, told.failures), (LaunchStatus::Running, 1, 0));
    let first = Claim {
        suspect: false,
        id,
        attempt: 1,
        epoch,
        agent: "a".to_owned(),
        key: Some("key".to_owned()),
        input: b"1".to_vec(),
        terms,
    };
    journal.release(&first, true).await.unwrap().unwrap();
    assert_eq!(claim(&journal).await, Claim { attempt: 2, ..first });
    assert_eq!(get(&journal, id).await.attempts, 2);
}

pub async fn nothing_is_claimed_twice<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let mut ids: Vec<_> = Vec::new();
    for number in 0..40u8 {
        ids.push(record(&journal, intent(if number % 2 == 0 { "a" } else { "b" }, [number])).await);
    }
    let all = futures::future::join_all((0..8).map(|_| claims(&journal, 7))).await;
    let mut claimed: Vec<_> = all.iter().flatten().map(|claim| claim.id).collect();
    claimed.sort();
    assert_eq!(claimed, ids);
    assert_eq!(claims(&journal, 9).await, []);
}

pub async fn at_most_so_many_are_claimed<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    answers(&journal, (0..5u8).map(|number| intent("a", [number])).collect::<Vec<_>>()).await;
    for (max, there) in [(0, 0), (2, 2), (0, 0), (2, 2), (usize::MAX, 1), (2, 0)] {
        assert_eq!(claims(&journal, max).await.len(), there);
    }
}

pub async fn only_launches_of_these_agents_are_claimed<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let (a, b) = (record(&journal, intent("a", "1")).await, record(&journal, intent("b", "1")).await);
    assert_eq!(journal.claim(&[], 9).await.unwrap().claims, []);
    assert_eq!(journal.claim(&wants(&["c".to_owned()]), 9).await.unwrap().claims, []);
    assert_eq!(journal.claim(&wants(&both()[1..]), 9).await.unwrap().claims[0].id, b);
    assert_eq!(journal.claim(&wants(&both()[1..]), 9).await.unwrap().claims, []);
    assert_eq!(status(&journal, a).await, LaunchStatus::Pending);
    assert_eq!(claim(&journal).await.id, a);
}

pub async fn agents_take_turns<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    for agent in ["a", "b"] {
        // Many launches of one agent, however urgent, do not keep those of another waiting.
        let terms = Terms { priority: if agent == "a" { 9 } else { 0 }, ..terms() };
        answers(&journal, vec![on(terms, intent(agent, "1")); 20]).await;
    }
    let of = |claims: &[Claim], agent: &str| claims.iter().filter(|claim| claim.agent == agent).count();
    let together = claims(&journal, 6).await;
    assert_eq!((of(&together, "a"), of(&together, "b")), (3, 3));
    let mut alone = Vec::new();
    for _ in 0..6 {
        alone.extend(claims(&journal, 1).await);
    }
    assert_eq!((of(&alone, "a"), of(&alone, "b")), (3, 3));
    // One that has nothing to do gives its turn to the other.
    journal.claim(&wants(&both()[..1]), 99).await.unwrap();
    assert_eq!(claims(&journal, 9).await.len(), 9);
}

pub async fn within_an_agent_it_is_priority_then_due_time_then_age<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let first = |priority| on(Terms { priority, ..terms() }, intent("a", "1"));
    let mut ids = Vec::new();
    for intent in [
        due(Due::After(3 * SECOND), first(0)),
        due(Due::After(2 * SECOND), first(0)),
        first(-1),
        due(Due::After(2 * SECOND), first(0)),
        first(1),
        first(0),
    ] {
        ids.push(record(&journal, intent).await);
    }
    desk.clock.pass(5 * SECOND).await;
    let order: Vec<_> = claims(&journal, 9).await.iter().map(|claim| claim.id).collect();
    assert_eq!(order, [4, 5, 1, 3, 0, 2].map(|at| ids[at]));
}

pub async fn every_eighth_start_is_the_oldest<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let oldest = record(&journal, on(Terms { priority: -9, ..terms() }, intent("a", "1"))).await;
    let second = record(&journal, on(Terms { priority: -9, ..terms() }, intent("a", "1"))).await;
    answers(&journal, vec![intent("a", "1"); 20]).await;
    let mut order = Vec::new();
    for max in [3, 1, 6, 7] {
        order.extend(claims(&journal, max).await.into_iter().map(|claim| claim.id));
    }
    let at = |id| order.iter().position(|claimed| *claimed == id);
    assert_eq!((at(oldest), at(second)), (Some(7), Some(15)));
}

pub async fn inputs_are_read_with_the_claim<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let inputs = [large(1 << 20), b"short".to_vec(), large(3 << 18), large(0)];
    let mut ids = Vec::new();
    for input in &inputs {
        ids.push(record(&journal, intent("a", input.clone())).await);
    }
    let claims = claims(&journal, 9).await;
    assert_eq!(claims.iter().map(|claim| claim.id).collect::<Vec<_>>(), ids);
    assert!(claims.iter().zip(&inputs).all(|(claim, input)| claim.input == *input));
}

pub async fn the_next_due_time_is_that_of_the_wanted_agents<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let next_due = async |agents: &[String]| journal.claim(&wants(agents), 0).await.unwrap().next_due;
    let (a, both) = (&both()[..1], &both()[..]);
    assert_eq!(next_due(both).await, None);
    record(&journal, intent("b", "1")).await;
    assert_eq!(next_due(both).await, None);
    record(&journal, due(Due::After(20 * SECOND), intent("a", "1"))).await;
    assert_eq!(next_due(a).await, Some(20 * SECOND));
    let sooner = record(&journal, due(Due::After(9 * SECOND), intent("b", "1"))).await;
    desk.clock.pass(SECOND).await;
    assert_eq!(next_due(a).await, Some(19 * SECOND));
    assert_eq!(next_due(both).await, Some(8 * SECOND));
    journal.cancel(sooner).await.unwrap().unwrap();
    assert_eq!(next_due(both).await, Some(19 * SECOND));
    desk.clock.pass(19 * SECOND).await;
    assert_eq!(journal.claim(&wants(a), 9).await.unwrap().claims.len(), 1);
    assert_eq!(next_due(both).await, None);
}

pub async fn who_waits_for_a_time_wants_the_clock_to_be_looked_at<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let id = record(&journal, due(Due::At(desk.clock.now() + 3600 * SECOND), intent("a", "1"))).await;
    let next_due = journal.claim(&wants(&both()), 9).await.unwrap().next_due;
    assert!(next_due.is_some_and(|next| next <= 5 * SECOND), "{next_due:?}");
    desk.clock.forward(3600 * SECOND);
    assert_eq!(claim(&journal).await.id, id);
    // Set back, a time is not over, however long the launch has waited.
    let id = record(&journal, due(Due::At(desk.clock.now() + 10 * SECOND), intent("a", "1"))).await;
    desk.clock.back(60 * SECOND);
    desk.clock.pass(30 * SECOND).await;
    assert_eq!(claims(&journal, 9).await, []);
    desk.clock.pass(40 * SECOND).await;
    assert_eq!(claim(&journal).await.id, id);
}

pub async fn no_more_are_claimed_of_an_agent_than_are_wanted<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    for agent in ["a", "b"] {
        answers(&journal, vec![intent(agent, "1"); 9]).await;
    }
    let of = async |a: usize, b: usize, max: usize| {
        let wants = [Want::new("a", a), Want::new("b", b)];
        let claims = journal.claim(&wants, max).await.unwrap().claims;
        let a = claims.iter().filter(|claim| claim.agent == "a").count();
        (a, claims.len() - a)
    };
    assert_eq!(of(0, 0, 9).await, (0, 0));
    assert_eq!(of(1, 5, 9).await, (1, 5));
    assert_eq!(of(9, 1, 4).await, (3, 1));
    assert_eq!(of(99, 0, 99).await, (5, 0));
}

pub async fn a_lane_has_one_launch_at_a_time_in_the_order_of_their_records<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let laned = |agent: &str, priority: i32| {
        on(Terms { lane: Some("lane".to_owned()), priority, ..terms() }, intent(agent, "1"))
    };
    let (one, two) = (record(&journal, laned("a", 0)).await, record(&journal, laned("b", 9)).await);
    let (three, four) = (record(&journal, laned("a", 9)).await, record(&journal, laned("b", 0)).await);
    let first = claim(&journal).await;
    assert_eq!((first.id, claims(&journal, 9).await.len()), (one, 0));
    // Its retry is before the others, and so it is after it is dead and was requeued.
    journal.fail(&first, failed(EndedBy::Error)).await.unwrap().unwrap();
    assert_eq!(claims(&journal, 9).await, []);
    desk.clock.pass(SECOND).await;
    let again = claim(&journal).await;
    journal.fail(&again, failed(EndedBy::Fatal)).await.unwrap().unwrap();
    let second = claim(&journal).await;
    assert_eq!((again.id, second.id), (one, two));
    journal.requeue(one).await.unwrap().unwrap();
    assert_eq!(claims(&journal, 9).await, []);
    journal.cancel(three).await.unwrap().unwrap();
    let Some(journal) = desk.reopen(journal).await else { return };
    for id in [one, two, four] {
        let claim = claim(&journal).await;
        assert_eq!((claim.id, claims(&journal, 9).await.len()), (id, 0));
        journal.complete(&claim, b"").await.unwrap().unwrap();
    }
    end(journal).await;
}

/// Records a launch, durably: whatever a journal tells of it is.
async fn durable(journal: &impl Journal, intent: Intent) -> LaunchId {
    let id = record(journal, intent).await;
    get(journal, id).await.id
}

pub async fn changes_tell_what_can_be_claimed<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let mut changes = journal.changes();
    let mut others = journal.changes();
    assert_eq!(changes.next().now_or_never(), None);
    let first = durable(&journal, intent("a", "1")).await;
    assert_eq!(changes.next().now_or_never(), Some(Some(())));
    assert_eq!(others.next().now_or_never(), Some(Some(())));
    assert_eq!(changes.next().now_or_never(), None);
    // Who waits is woken.
    let claim = claim(&journal).await;
    let _ = changes.next().now_or_never();
    let (told, released) = futures::join!(changes.next(), journal.release(&claim, true));
    assert_eq!((told, released.unwrap()), (Some(()), Ok(())));
    let claim = super::claim(&journal).await;
    journal.fail(&claim, failed(EndedBy::Fatal)).await.unwrap().unwrap();
    let _ = changes.next().now_or_never();
    journal.requeue(first).await.unwrap().unwrap();
    assert_eq!(changes.next().now_or_never(), Some(Some(())));
    // What does not end a wait by itself is told as well: the next time to look is another one.
    durable(&journal, due(Due::After(SECOND), intent("a", "1"))).await;
    assert_eq!(changes.next().now_or_never(), Some(Some(())));
}

pub async fn changes_tell_what_came_since_they_were_polled<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let mut changes = journal.changes();
    durable(&journal, intent("a", "1")).await;
    durable(&journal, intent("a", "1")).await;
    assert_eq!(changes.next().now_or_never(), Some(Some(())));
    let _ = changes.next().now_or_never();
    assert_eq!(claims(&journal, 9).await.len(), 2);
    durable(&journal, intent("a", large(5000))).await;
    assert_eq!(changes.next().now_or_never(), Some(Some(())));
    assert_eq!(claims(&journal, 9).await.len(), 1);
}

pub async fn changes_end_with_the_journal<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let (mut waits, mut later) = (journal.changes(), journal.changes());
    let waiting = tokio::spawn(async move { waits.next().await });
    tokio::task::yield_now().await;
    record(&journal, intent("a", "1")).await;
    assert_eq!(waiting.await.unwrap(), Some(()));
    let mut waits = journal.changes();
    let waiting = tokio::spawn(async move { waits.next().await });
    tokio::task::yield_now().await;
    journal.close();
    journal.closed().await.unwrap();
    assert_eq!(tokio::time::timeout(SECOND, waiting).await.unwrap().unwrap(), None);
    // What was not polled before may be told before the end, which is told as often as somebody asks.
    let left = async { while later.next().await.is_some() {} };
    tokio::time::timeout(SECOND, left).await.unwrap();
    assert_eq!(later.next().now_or_never(), Some(None));
    let mut fresh = journal.changes();
    assert_eq!(tokio::time::timeout(SECOND, fresh.next()).await.unwrap(), None);
}
