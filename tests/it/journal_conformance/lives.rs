//! How a journal begins and ends, and what the next life makes of what the last one left.

use futures::StreamExt;
use tokio::time::timeout;

use super::*;

/// What every method says before the start and after the end.
async fn is_closed(journal: &impl Journal, claim: &Claim) {
    let kinds = [
        journal.append(vec![intent("a", "1")]).await.map(drop),
        journal.append(vec![intent("a", large(5000))]).await.map(drop),
        journal.claim(&wants(&both()), 1).await.map(drop),
        journal.claim(&[], 0).await.map(drop),
        journal.complete(claim, b"").await.map(drop),
        journal.complete(claim, &large(5000)).await.map(drop),
        journal.fail(claim, failed(EndedBy::Error)).await.map(drop),
        journal.release(claim, true).await.map(drop),
        journal.release_all(&both(), &[]).await.map(drop),
        journal.park(claim).await.map(drop),
        journal.suspend_suspect(claim).await.map(drop),
        journal.resume_suspect(claim).await.map(drop),
        journal.cancel(claim.id).await.map(drop),
        journal.requeue(claim.id).await.map(drop),
        journal.get(claim.id).await.map(drop),
        journal.by_key("a", "key").await.map(drop),
        journal.scan(&Default::default(), None, 9).await.map(drop),
        journal.input(claim.id).await.map(drop),
        journal.output(claim.id).await.map(drop),
        journal.ended(claim.id).await.map(drop),
    ];
    for (position, answer) in kinds.into_iter().enumerate() {
        assert_eq!(answer.map_err(|error| error.kind()), Err(JournalErrorKind::Closed), "{position}");
    }
}

/// A claim that no journal has made.
fn made_up() -> Claim {
    Claim {
        id: nobody(),
        attempt: 1,
        epoch: 1,
        agent: "a".to_owned(),
        key: None,
        input: Vec::new(),
        terms: terms(),
        suspect: false,
    }
}

pub async fn before_its_start_a_journal_is_closed<B: Bench>(desk: Desk<B>) {
    let journal = desk.bench.journal();
    is_closed(&journal, &made_up()).await;
    // One that was never started ends as well.
    end(journal).await;
    let journal = desk.bench.journal();
    journal.close();
    journal.closed().await.unwrap();
    assert!(journal.start(Scope::new(both())).await.is_err());
    is_closed(&journal, &made_up()).await;
}

pub async fn after_its_end_a_journal_is_closed<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let claim = claimed(&journal, keyed("key", intent("a", "1"))).await;
    // What waits is answered.
    let append = journal.append(vec![intent("a", "2"); 100]);
    let closing = async {
        tokio::task::yield_now().await;
        journal.close();
        journal.close();
    };
    let (appended, ()) = futures::join!(append, closing);
    match appended {
        Ok(appended) => assert_eq!(appended.len(), 100),
        Err(error) => assert_eq!(error.kind(), JournalErrorKind::Closed),
    }
    is_closed(&journal, &claim).await;
    journal.closed().await.unwrap();
    journal.closed().await.unwrap();
    is_closed(&journal, &claim).await;
    assert!(journal.capabilities().longest_payload >= 1 << 20);
}

pub async fn a_journal_starts_once<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let id = record(&journal, intent("a", "1")).await;
    let again = async || journal.start(Scope::new(both())).await.unwrap_err().kind();
    assert_eq!(again().await, JournalErrorKind::InUse);
    assert_eq!(status(&journal, id).await, LaunchStatus::Pending);
    journal.close();
    assert_eq!(again().await, JournalErrorKind::InUse);
    journal.closed().await.unwrap();
    assert_eq!(again().await, JournalErrorKind::InUse);
}

pub async fn what_waits_for_a_launch_ends_with_the_journal<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let id = record(&journal, intent("a", "1")).await;
    let closing = async {
        tokio::time::sleep(SECOND).await;
        journal.close();
    };
    let both = async { futures::join!(journal.ended(id), closing) };
    let (ended, ()) = timeout(60 * SECOND, both).await.unwrap();
    assert_eq!(ended.unwrap_err().kind(), JournalErrorKind::Closed);
}

pub async fn a_life_raises_the_epoch_and_refuses_the_claims_of_the_last<B: Bench>(desk: Desk<B>) {
    let mut journal = desk.open().await;
    record(&journal, intent("a", "1")).await;
    let mut epochs = Vec::new();
    for attempt in 1..4 {
        let claim = claim(&journal).await;
        assert_eq!(claim.attempt, attempt);
        epochs.push(claim.epoch);
        let Some(next) = desk.reopen(journal).await else { return };
        journal = next;
        for claim in [claim.clone(), Claim { epoch: claim.epoch + 1, ..claim.clone() }] {
            assert_eq!(journal.complete(&claim, b"late").await.unwrap(), Err(Refused::Stale));
            assert_eq!(journal.complete(&claim, &large(5000)).await.unwrap(), Err(Refused::Stale));
            assert_eq!(journal.release(&claim, false).await.unwrap(), Err(Refused::Stale));
        }
    }
    assert!(epochs.is_sorted_by(|one, next| one < next), "{epochs:?}");
}

pub async fn what_ran_when_a_life_ended_has_crashed<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let ran = claimed(&journal, intent("a", large(5000))).await;
    let once = claimed(&journal, at_most_once(intent("a", "2"))).await;
    let back = claimed(&journal, intent("a", "3")).await;
    journal.release(&back, true).await.unwrap().unwrap();
    desk.clock.forward(SECOND);
    let Some(journal) = desk.reopen(journal).await else { return };
    let told = get(&journal, ran.id).await;
    assert_eq!((told.status, told.suspect, told.due), (LaunchStatus::Pending, true, None));
    assert_eq!((told.attempts, told.failures, told.crashes), (1, 0, 0));
    let end = &told.history[0];
    assert_eq!((end.attempt, end.at, end.by), (1, desk.clock.now(), EndedBy::Crash));
    let told = get(&journal, once.id).await;
    assert_eq!((told.status, told.ended), (LaunchStatus::Ambiguous, Some(desk.clock.now())));
    let told = get(&journal, back.id).await;
    assert_eq!((told.status, told.suspect, told.history.len()), (LaunchStatus::Pending, false, 0));
    // At once.
    let mut again = claims(&journal, 9).await;
    again.sort_by_key(|claim| claim.id);
    assert_eq!(
        again.iter().map(|claim| (claim.id, claim.attempt)).collect::<Vec<_>>(),
        [(ran.id, 2), (back.id, 2)]
    );
    assert!(again[0].input == large(5000));
}

pub async fn a_launch_that_was_cancelled_while_it_ran_does_not_run_again<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let plain = claimed(&journal, intent("a", large(5000))).await;
    let once = claimed(&journal, at_most_once(intent("a", "1"))).await;
    for claim in [&plain, &once] {
        journal.cancel(claim.id).await.unwrap().unwrap();
    }
    let Some(journal) = desk.reopen(journal).await else { return };
    for claim in [&plain, &once] {
        assert_eq!(status(&journal, claim.id).await, LaunchStatus::Cancelled);
        assert_eq!(journal.input(claim.id).await.unwrap(), None);
        assert_eq!(journal.complete(claim, b"").await.unwrap(), Err(Refused::Ended));
    }
    assert_eq!(claims(&journal, 9).await, []);
}

pub async fn suspects_run_one_at_a_time_beside_the_others<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let mut suspects = Vec::new();
    for agent in ["a", "b", "a"] {
        suspects.push(claimed(&journal, intent(agent, "1")).await.id);
    }
    let mut innocent = Vec::new();
    for _ in 0..2 {
        innocent.push(record(&journal, intent("b", "2")).await);
    }
    let Some(journal) = desk.reopen(journal).await else { return };
    let ids = |claims: &[Claim]| claims.iter().map(|claim| claim.id).collect::<Vec<_>>();
    let suspected = |claims: &[Claim]| {
        claims.iter().filter(|claim| suspects.contains(&claim.id)).cloned().collect::<Vec<_>>()
    };
    let first = claims(&journal, 9).await;
    let mut runs = suspected(&first);
    assert_eq!((first.len(), runs.len()), (3, 1));
    assert!(innocent.iter().all(|id| ids(&first).contains(id)));
    assert_eq!(claims(&journal, 9).await, []);
    let mut changes = journal.changes();
    let mut order = Vec::new();
    for turn in 0..3 {
        let claim = runs.remove(0);
        order.push(claim.id);
        // However the one ends, it makes way for the next, and that is told.
        let told = async { timeout(60 * SECOND, changes.next()).await.unwrap() };
        let ending = async {
            match turn {
                0 => journal.complete(&claim, b"").await,
                1 => journal.fail(&claim, failed(EndedBy::Fatal)).await,
                _ => return,
            }
            .unwrap()
            .unwrap();
        };
        if turn == 2 {
            break;
        }
        assert_eq!(futures::join!(told, ending).0, Some(()));
        runs = claims(&journal, 9).await;
        assert_eq!((runs.len(), suspected(&runs).len()), (1, 1), "{turn}");
    }
    order.sort();
    assert_eq!(order, suspects);
}

pub async fn a_suspect_that_crashes_too_often_is_dead<B: Bench>(desk: Desk<B>) {
    for max_crashes in 1..4 {
        let mut journal = desk.open().await;
        let id = record(&journal, on(Terms { max_crashes, ..terms() }, intent("a", "1"))).await;
        let beside = record(&journal, on(Terms { max_crashes: 1, ..terms() }, intent("a", "2"))).await;
        // The first crash makes it a suspect, and is not counted: it may have been the other's.
        for crashes in 0..=max_crashes {
            let told = get(&journal, id).await;
            assert_eq!((told.status, told.crashes), (LaunchStatus::Pending, crashes.saturating_sub(1)));
            let begun = claims(&journal, 9).await;
            assert!(begun.iter().any(|claim| claim.id == id));
            for other in begun.iter().filter(|claim| claim.id == beside && crashes > 0) {
                journal.complete(other, b"").await.unwrap().unwrap();
            }
            let Some(next) = desk.reopen(journal).await else { return };
            journal = next;
        }
        let told = get(&journal, id).await;
        assert_eq!((told.status, told.crashes), (LaunchStatus::Dead, max_crashes));
        assert_eq!(told.history.len(), max_crashes as usize + 1);
        assert_eq!(journal.input(id).await.unwrap(), Some(b"1".to_vec()));
        assert_ne!(status(&journal, beside).await, LaunchStatus::Dead);
        journal.requeue(id).await.unwrap().unwrap();
        let told = get(&journal, id).await;
        assert_eq!((told.status, told.crashes, told.suspect), (LaunchStatus::Pending, 0, false));
        for id in [id, beside] {
            let _ = journal.cancel(id).await.unwrap();
        }
        end(journal).await;
    }
}

pub async fn an_attempt_that_ends_by_itself_clears_of_suspicion<B: Bench>(desk: Desk<B>) {
    let mut journal = desk.open().await;
    let id = record(&journal, on(Terms { max_crashes: 1, ..terms() }, intent("a", "1"))).await;
    for failures in 1..3 {
        claim(&journal).await;
        let Some(next) = desk.reopen(journal).await else { return };
        journal = next;
        let claim = claim(&journal).await;
        assert!(get(&journal, id).await.suspect);
        journal.fail(&claim, failed(EndedBy::Error)).await.unwrap().unwrap();
        let told = get(&journal, id).await;
        assert_eq!((told.status, told.suspect, told.failures), (LaunchStatus::Pending, false, failures));
        desk.clock.pass(SECOND).await;
    }
    claim(&journal).await;
    let Some(journal) = desk.reopen(journal).await else { return };
    // One that is given back has not ended by itself.
    let claim = claim(&journal).await;
    journal.release(&claim, true).await.unwrap().unwrap();
    assert!(get(&journal, id).await.suspect);
}

pub async fn what_was_recorded_is_there_in_the_next_life<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let done = claimed(&journal, keyed("done", intent("a", "1"))).await;
    journal.complete(&done, &large(9000)).await.unwrap().unwrap();
    let dead = claimed(&journal, keyed("dead", intent("a", large(7000)))).await;
    journal.fail(&dead, failed(EndedBy::Fatal)).await.unwrap().unwrap();
    let cancelled = record(&journal, keyed("cancelled", intent("b", "3"))).await;
    journal.cancel(cancelled).await.unwrap().unwrap();
    let waits = record(&journal, keyed("waits", intent("b", large(8000)))).await;
    let before = journal.scan(&Default::default(), None, 9).await.unwrap();
    assert_eq!(before.len(), 4);
    let Some(journal) = desk.reopen(journal).await else { return };
    assert_eq!(journal.scan(&Default::default(), None, 9).await.unwrap(), before);
    assert!(journal.output(done.id).await.unwrap() == Some(large(9000)));
    assert!(journal.input(dead.id).await.unwrap() == Some(large(7000)));
    for (agent, key, id, input) in [
        ("a", "done", done.id, b"1".to_vec()),
        ("a", "dead", dead.id, large(7000)),
        ("b", "cancelled", cancelled, b"3".to_vec()),
        ("b", "waits", waits, large(8000)),
    ] {
        let again = [keyed(key, intent(agent, input)), keyed(key, intent(agent, "other"))];
        assert_eq!(answers(&journal, again).await, [Appended::Known(id), Appended::Conflict(id)]);
        assert_eq!(journal.by_key(agent, key).await.unwrap().unwrap().id, id);
    }
    assert_eq!(journal.ended(done.id).await.unwrap().unwrap().status, LaunchStatus::Done);
    let claim = claim(&journal).await;
    assert!(claim.id == waits && claim.input == large(8000));
    // New ones come after the old, also if the clock went back.
    desk.clock.back(3600 * SECOND);
    assert!(record(&journal, intent("a", "1")).await > waits);
}

pub async fn a_wait_goes_on_in_the_next_life<B: Bench>(desk: Desk<B>) {
    // How long it has waited before, how the clock was set between the lives, and how long it waits afterwards.
    for (before, forward, back, left) in
        [(3, 0, 0, 7), (0, 4, 0, 6), (3, 60, 0, 0), (3, 0, 3600, 10), (3, 0, 1, 8)]
    {
        let journal = desk.open().await;
        let id = record(&journal, due(Due::After(10 * SECOND), intent("a", "1"))).await;
        let told = get(&journal, id).await.due;
        desk.clock.pass(before * SECOND).await;
        desk.clock.forward(forward * SECOND);
        desk.clock.back(back * SECOND);
        let Some(journal) = desk.reopen(journal).await else { return };
        assert_eq!(get(&journal, id).await.due, told);
        if left > 0 {
            assert_eq!(claims(&journal, 9).await, []);
            tokio::time::advance(left * SECOND - MS).await;
            assert_eq!(claims(&journal, 9).await, [], "{before} {forward} {back}");
            tokio::time::advance(MS).await;
        }
        assert_eq!(claim(&journal).await.id, id, "{before} {forward} {back}");
        journal.cancel(id).await.unwrap().unwrap();
        end(journal).await;
    }
}

pub async fn what_this_process_cannot_run_waits_for_one_that_can<B: Bench>(desk: Desk<B>) {
    let journal = desk.open_with(|scope| scope.agents.retain(|name| name == "a")).await;
    let id = record(&journal, intent("b", "1")).await;
    assert_eq!(status(&journal, id).await, LaunchStatus::Parked);
    let parked = sortie::LaunchFilter::all().status(LaunchStatus::Parked);
    assert_eq!(journal.scan(&parked, None, 9).await.unwrap().len(), 1);
    assert_eq!(journal.claim(&wants(&both()[..1]), 9).await.unwrap().claims, []);
    let Some(journal) = desk.reopen(journal).await else { return };
    assert_eq!(status(&journal, id).await, LaunchStatus::Pending);
    assert_eq!(claim(&journal).await.id, id);
}

pub async fn half_a_large_input_is_no_launch<B: Bench>(desk: Desk<B>) {
    let mut journal = desk.open().await;
    for polls in 1..6 {
        let mut append = journal.append(vec![keyed("key", intent("a", large(1 << 20)))]);
        for _ in 0..polls {
            let _ = timeout(Duration::ZERO, &mut append).await;
        }
        drop(append);
        let there = journal.scan(&Default::default(), None, 9).await.unwrap();
        assert_eq!(there, []);
        let Some(next) = desk.reopen(journal).await else { return };
        journal = next;
        assert_eq!(journal.scan(&Default::default(), None, 9).await.unwrap(), []);
    }
    let id = record(&journal, keyed("key", intent("a", large(1 << 20)))).await;
    assert!(journal.input(id).await.unwrap() == Some(large(1 << 20)));
}

/// Launches that ran together when the last life ended; `None` if nothing survives a life of this journal.
async fn suspects<B: Bench>(
    desk: &Desk<B>,
    agents: &[&str],
    terms: Terms,
) -> Option<(B::Journal, Vec<LaunchId>)> {
    let journal = desk.open().await;
    let mut ids = Vec::new();
    for agent in agents {
        ids.push(claimed(&journal, on(terms.clone(), intent(agent, "1"))).await.id);
    }
    Some((desk.reopen(journal).await?, ids))
}

pub async fn a_suspect_that_waits_makes_way_and_goes_on_when_no_other_runs<B: Bench>(desk: Desk<B>) {
    let Some((journal, ids)) = suspects(&desk, &["a", "b", "a"], terms()).await else { return };
    let first = claim(&journal).await;
    assert!(first.suspect && get(&journal, first.id).await.suspect);
    assert_eq!(claims(&journal, 9).await, []);
    let mut changes = journal.changes();
    let told = async { timeout(60 * SECOND, changes.next()).await.unwrap() };
    let suspending = async { journal.suspend_suspect(&first).await.unwrap().unwrap() };
    assert_eq!(futures::join!(told, suspending).0, Some(()));
    // Again, which changes nothing.
    journal.suspend_suspect(&first).await.unwrap().unwrap();
    let told = get(&journal, first.id).await;
    assert_eq!((told.status, told.suspect), (LaunchStatus::Running, false));
    let second = claim(&journal).await;
    assert!(second.suspect && second.id != first.id);
    // While the second runs, the first does not go on; when it has ended, the first comes before the third.
    assert_eq!(journal.resume_suspect(&first).await.unwrap(), Ok(false));
    assert_eq!(journal.resume_suspect(&first).await.unwrap(), Ok(false));
    let told = async {
        let mut changes = journal.changes();
        timeout(60 * SECOND, changes.next()).await.unwrap()
    };
    let ending = async { journal.complete(&second, b"").await.unwrap().unwrap() };
    assert_eq!(futures::join!(told, ending).0, Some(()));
    assert_eq!(claims(&journal, 9).await, []);
    assert_eq!(journal.resume_suspect(&first).await.unwrap(), Ok(true));
    assert_eq!(journal.resume_suspect(&first).await.unwrap(), Ok(true));
    assert!(get(&journal, first.id).await.suspect);
    assert_eq!(claims(&journal, 9).await, []);
    journal.complete(&first, b"").await.unwrap().unwrap();
    let third = claim(&journal).await;
    let mut order = [first.id, second.id, third.id];
    order.sort();
    assert_eq!(order, ids[..]);
    // What has ended is refused.
    assert_eq!(journal.suspend_suspect(&first).await.unwrap(), Err(Refused::Ended));
    assert_eq!(journal.resume_suspect(&first).await.unwrap(), Err(Refused::Ended));
}

pub async fn a_suspect_that_waits_is_not_counted_for_a_death_of_the_process<B: Bench>(desk: Desk<B>) {
    let once = Terms { max_crashes: 1, ..terms() };
    let Some((mut journal, ids)) = suspects(&desk, &["a"], once).await else { return };
    for _ in 0..3 {
        let claim = claim(&journal).await;
        assert!(claim.suspect);
        journal.suspend_suspect(&claim).await.unwrap().unwrap();
        let Some(next) = desk.reopen(journal).await else { return };
        journal = next;
        let told = get(&journal, ids[0]).await;
        assert_eq!((told.status, told.suspect, told.crashes), (LaunchStatus::Pending, true, 0));
    }
    // One that goes on again is counted.
    let claim = claim(&journal).await;
    journal.suspend_suspect(&claim).await.unwrap().unwrap();
    assert_eq!(journal.resume_suspect(&claim).await.unwrap(), Ok(true));
    let Some(journal) = desk.reopen(journal).await else { return };
    let told = get(&journal, ids[0]).await;
    assert_eq!((told.status, told.crashes), (LaunchStatus::Dead, 1));
}

pub async fn a_suspect_that_is_given_back_while_it_waits_stays_a_suspect<B: Bench>(desk: Desk<B>) {
    let Some((journal, ids)) = suspects(&desk, &["a"], terms()).await else { return };
    for way in 0..3 {
        let claim = claim(&journal).await;
        journal.suspend_suspect(&claim).await.unwrap().unwrap();
        match way {
            0 => journal.release(&claim, true).await.unwrap().unwrap(),
            1 => assert_eq!(journal.release_all(&both(), &[claim.id]).await.unwrap(), 1),
            // One that ends by itself does not.
            _ => journal.fail(&claim, failed(EndedBy::Error)).await.unwrap().unwrap(),
        }
        assert_eq!(get(&journal, ids[0]).await.suspect, way < 2);
    }
}

pub async fn who_is_no_suspect_is_neither_suspended_nor_resumed<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let plain = claimed(&journal, intent("a", "1")).await;
    assert!(!plain.suspect);
    journal.suspend_suspect(&plain).await.unwrap().unwrap();
    assert_eq!(journal.resume_suspect(&plain).await.unwrap(), Ok(true));
    assert!(!get(&journal, plain.id).await.suspect);
    let stale = Claim { attempt: 2, ..plain.clone() };
    assert_eq!(journal.suspend_suspect(&stale).await.unwrap(), Err(Refused::Stale));
    assert_eq!(journal.resume_suspect(&stale).await.unwrap(), Err(Refused::Stale));
    let unknown = Claim { id: nobody(), ..plain };
    assert_eq!(journal.suspend_suspect(&unknown).await.unwrap(), Err(Refused::Unknown));
    assert_eq!(journal.resume_suspect(&unknown).await.unwrap(), Err(Refused::Unknown));
}
