//! What somebody decides about launches that wait for it, and to which agent those of a renamed one belong.

use futures::future::poll_immediate;
use sortie::LaunchFilter;

use super::*;

/// A launch that is dead, and one that is ambiguous.
async fn undecided<J: Journal>(journal: &J, input: &[u8]) -> [LaunchId; 2] {
    let dead = claimed(journal, keyed("dead", intent("a", input))).await;
    journal.fail(&dead, failed(EndedBy::Fatal)).await.unwrap().unwrap();
    let ambiguous = claimed(journal, keyed("ambiguous", at_most_once(intent("a", input)))).await;
    journal.fail(&ambiguous, failed(EndedBy::Panic)).await.unwrap().unwrap();
    assert_eq!(status(journal, dead.id).await, LaunchStatus::Dead);
    assert_eq!(status(journal, ambiguous.id).await, LaunchStatus::Ambiguous);
    [dead.id, ambiguous.id]
}

pub async fn who_waits_for_a_decision_is_settled<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let ids = undecided(&journal, &large(5000)).await;
    let outputs = [b"1".to_vec(), large(1 << 20)];
    for (id, output) in ids.into_iter().zip(&outputs) {
        desk.clock.pass(SECOND).await;
        assert_eq!(journal.settle(id, output).await.unwrap(), Ok(()));
        let told = get(&journal, id).await;
        assert_eq!((told.status, told.ended), (LaunchStatus::Done, Some(desk.clock.now())));
        assert_eq!((told.attempts, told.history.len()), (1, 1));
        assert_eq!(journal.input(id).await.unwrap(), None);
        // Once.
        assert_eq!(journal.settle(id, b"2").await.unwrap(), Err(Refused::Ended));
        assert_eq!(journal.requeue(id).await.unwrap(), Err(Refused::Ended));
        assert_eq!(journal.discard(id).await.unwrap(), Err(Refused::Ended));
        assert!(journal.output(id).await.unwrap().as_ref() == Some(output));
    }
    let Some(journal) = desk.reopen(journal).await else { return };
    for (id, output) in ids.into_iter().zip(&outputs) {
        assert!(journal.output(id).await.unwrap().as_ref() == Some(output));
    }
}

pub async fn of_two_who_settle_at_once_one_counts<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let (one, other) = (vec![b'1'; 300_000], vec![b'2'; 200_000]);
    for id in undecided(&journal, b"1").await {
        let settled = tokio::join!(journal.settle(id, &one), journal.settle(id, &other));
        let expected = match (settled.0.unwrap(), settled.1.unwrap()) {
            (Ok(()), Err(Refused::Ended)) => &one,
            (Err(Refused::Ended), Ok(())) => &other,
            both => panic!("{both:?}"),
        };
        assert!(journal.output(id).await.unwrap().as_ref() == Some(expected));
    }
}

pub async fn what_is_discarded_is_unknown_and_its_key_is_free<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let ids = undecided(&journal, &large(1 << 20)).await;
    let mut others = Vec::new();
    for (id, key) in ids.into_iter().zip(["dead", "ambiguous"]) {
        assert_eq!(journal.discard(id).await.unwrap(), Ok(()));
        assert_eq!(journal.get(id).await.unwrap(), None);
        assert_eq!(journal.by_key("a", key).await.unwrap(), None);
        assert_eq!((journal.input(id).await.unwrap(), journal.output(id).await.unwrap()), (None, None));
        assert_eq!(journal.ended(id).await.unwrap(), None);
        for decision in
            [journal.discard(id), journal.requeue(id), journal.settle(id, b"1"), journal.cancel(id)]
        {
            assert_eq!(decision.await.unwrap(), Err(Refused::Unknown));
        }
        // Another input would be a conflict if the launch were there.
        let other = record(&journal, keyed(key, intent("a", "other"))).await;
        assert!(other > id);
        others.push(other);
    }
    let all = journal.scan(&LaunchFilter::all(), None, 9).await.unwrap();
    assert!(all.iter().map(|record| record.id).eq(others.iter().copied()));
    let Some(journal) = desk.reopen(journal).await else { return };
    let all = journal.scan(&LaunchFilter::all(), None, 9).await.unwrap();
    assert!(all.iter().map(|record| record.id).eq(others));
}

pub async fn what_waits_for_no_decision_is_neither_settled_nor_discarded<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let done = claimed(&journal, intent("a", "1")).await;
    journal.complete(&done, b"2").await.unwrap().unwrap();
    let cancelled = record(&journal, intent("a", "1")).await;
    journal.cancel(cancelled).await.unwrap().unwrap();
    let running = claimed(&journal, intent("a", "1")).await;
    let pending = record(&journal, intent("a", "1")).await;
    for (id, refused) in [
        (done.id, Refused::Ended),
        (cancelled, Refused::Ended),
        (running.id, Refused::NotEnded),
        (pending, Refused::NotEnded),
        (nobody(), Refused::Unknown),
    ] {
        assert_eq!(journal.settle(id, &large(5000)).await.unwrap(), Err(refused));
        assert_eq!(journal.discard(id).await.unwrap(), Err(refused));
    }
    // Who was refused has changed nothing.
    assert_eq!(journal.output(done.id).await.unwrap(), Some(b"2".to_vec()));
    journal.complete(&running, &large(5001)).await.unwrap().unwrap();
    assert!(journal.output(running.id).await.unwrap() == Some(large(5001)));
    assert_eq!(claim(&journal).await.id, pending);
}

pub async fn what_is_parked_is_discarded_and_who_waits_for_it_is_told<B: Bench>(desk: Desk<B>) {
    let journal = desk.open_with(|scope| scope.most_pending = 2).await;
    let unknown = record(&journal, intent("c", "1")).await;
    let unreadable = claimed(&journal, intent("a", "1")).await;
    journal.park(&unreadable).await.unwrap().unwrap();
    for id in [unknown, unreadable.id] {
        assert_eq!(status(&journal, id).await, LaunchStatus::Parked);
        assert_eq!(journal.requeue(id).await.unwrap(), Err(Refused::NotEnded));
        assert_eq!(journal.settle(id, b"1").await.unwrap(), Err(Refused::NotEnded));
        assert_eq!(answers(&journal, [intent("a", "1")]).await, [Appended::Full]);
        let mut waits = journal.ended(id);
        assert!(poll_immediate(&mut waits).await.is_none());
        assert_eq!(journal.discard(id).await.unwrap(), Ok(()));
        assert_eq!(waits.await.unwrap(), None);
        // There is room for another one.
        record(&journal, intent("c", "2")).await;
    }
    let Some(journal) = desk.reopen(journal).await else { return };
    assert_eq!(journal.get(unknown).await.unwrap(), None);
    assert_eq!(claims(&journal, 9).await, []);
}

pub async fn launches_of_a_renamed_agent_are_its_own<B: Bench>(desk: Desk<B>) {
    let renamed = |scope: &mut Scope| drop(scope.aliases.insert("old".to_owned(), "a".to_owned()));
    let journal = desk.open_with(renamed).await;
    let id = record(&journal, keyed("k", intent("old", "1"))).await;
    // Its key is one of the agent of today.
    assert_eq!(answers(&journal, [keyed("k", intent("a", "1"))]).await, [Appended::Known(id)]);
    assert_eq!(answers(&journal, [keyed("k", intent("a", "2"))]).await, [Appended::Conflict(id)]);
    for name in ["a", "old"] {
        assert_eq!(journal.by_key(name, "k").await.unwrap().unwrap().id, id);
    }
    assert_eq!(journal.by_key("b", "k").await.unwrap(), None);
    // It is told, found and claimed under the name of today.
    let told = get(&journal, id).await;
    assert_eq!((told.agent.as_str(), told.status), ("a", LaunchStatus::Pending));
    for (name, count) in [("a", 1), ("old", 0)] {
        assert_eq!(journal.scan(&LaunchFilter::all().agent(name), None, 9).await.unwrap().len(), count);
    }
    assert_eq!(claim(&journal).await.agent, "a");
    assert_eq!(journal.release_all(&["old".to_owned()], &[]).await.unwrap(), 0);
    assert_eq!(journal.release_all(&["a".to_owned()], &[]).await.unwrap(), 1);
    assert_eq!(claim(&journal).await.attempt, 2);
    // Without the alias it belongs to an agent that nobody knows.
    let Some(journal) = desk.reopen(journal).await else { return };
    let told = get(&journal, id).await;
    assert_eq!((told.agent.as_str(), told.status), ("old", LaunchStatus::Parked));
    assert_eq!(journal.by_key("a", "k").await.unwrap(), None);
}
