//! How attempts end, and what launches become by it.

use sortie::Trigger;

use super::*;

pub async fn a_value_ends_a_launch<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let claim = claimed(&journal, intent("a", "1")).await;
    desk.clock.pass(SECOND).await;
    journal.complete(&claim, b"2").await.unwrap().unwrap();
    let told = get(&journal, claim.id).await;
    assert_eq!((told.status, told.ended), (LaunchStatus::Done, Some(desk.clock.now())));
    assert_eq!((told.attempts, told.failures, told.history.len(), told.due), (1, 0, 0, None));
    assert_eq!(journal.output(claim.id).await.unwrap(), Some(b"2".to_vec()));
    desk.clock.pass(3600 * SECOND).await;
    assert_eq!(claims(&journal, 9).await, []);
}

pub async fn outputs_of_any_length_come_back<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    for length in [0, 1, 1023, 1024, 1025, 3999, 4000, 4001, 256_000, 1 << 20] {
        let claim = claimed(&journal, intent("a", large(length / 2))).await;
        journal.complete(&claim, &large(length)).await.unwrap().unwrap();
        assert!(journal.output(claim.id).await.unwrap() == Some(large(length)), "{length}");
        assert_eq!(journal.input(claim.id).await.unwrap(), None);
    }
}

pub async fn failures_are_counted_until_the_launch_is_dead<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let id = record(&journal, intent("a", "1")).await;
    let ends = [EndedBy::Error, EndedBy::Panic, EndedBy::Timeout];
    for (failures, by) in ends.into_iter().enumerate() {
        let claim = claim(&journal).await;
        let code = Some(format!("code {failures}"));
        journal.fail(&claim, FailedAttempt { code, ..failed(by) }).await.unwrap().unwrap();
        let told = get(&journal, id).await;
        assert_eq!(told.failures as usize, failures + 1);
        if failures == 2 {
            break;
        }
        assert_eq!((told.status, told.due), (LaunchStatus::Pending, Some(desk.clock.now() + SECOND)));
        desk.clock.pass(SECOND - MS).await;
        let waits = journal.claim(&wants(&both()), 9).await.unwrap();
        assert_eq!((waits.claims.len(), waits.next_due), (0, Some(MS)));
        desk.clock.pass(MS).await;
    }
    let told = get(&journal, id).await;
    assert_eq!((told.status, told.ended), (LaunchStatus::Dead, Some(desk.clock.now())));
    assert_eq!(told.history.iter().map(|end| end.by).collect::<Vec<_>>(), ends);
    let last = &told.history[2];
    assert_eq!((last.attempt, last.at), (3, desk.clock.now()));
    assert_eq!((last.message.as_str(), last.code.as_deref()), ("why", Some("code 2")));
    // It is kept with its input, and does not run.
    assert_eq!(journal.input(id).await.unwrap(), Some(b"1".to_vec()));
    desk.clock.pass(3600 * SECOND).await;
    assert_eq!(claims(&journal, 9).await, []);
    // After an error that is fatal there is no other attempt.
    let claim = claimed(&journal, intent("a", "2")).await;
    journal.fail(&claim, failed(EndedBy::Fatal)).await.unwrap().unwrap();
    assert_eq!(status(&journal, claim.id).await, LaunchStatus::Dead);
}

pub async fn only_causes_of_the_policy_are_worth_another_attempt<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let ends = [
        (EndedBy::Error, Trigger::Error),
        (EndedBy::Panic, Trigger::Panic),
        (EndedBy::Timeout, Trigger::Timeout),
    ];
    for (by, end) in ends {
        for (_, trigger) in ends {
            let restart = Restart::attempts(3).backoff(Backoff::none()).only([trigger]);
            let claim = claimed(&journal, on(Terms { restart, ..terms() }, intent("a", "1"))).await;
            journal.fail(&claim, failed(by)).await.unwrap().unwrap();
            let expected = if end == trigger { LaunchStatus::Pending } else { LaunchStatus::Dead };
            assert_eq!(status(&journal, claim.id).await, expected, "{by:?} {trigger:?}");
            let _ = journal.cancel(claim.id).await.unwrap();
        }
    }
}

pub async fn an_attempt_may_ask_for_a_longer_wait<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let backoff = Backoff::exponential(8 * SECOND);
    let terms = Terms { restart: Restart::attempts(9).backoff(backoff), ..terms() };
    let mut claim = claimed(&journal, on(terms, intent("a", "1"))).await;
    for (floor, roll, wait) in
        [(0, 0.0, 8), (0, 1.0, 8), (20, 1.0, 20), (0, 0.5, 45 / 2), (1, 0.0, 30), (100, 0.0, 100)]
    {
        let failed = FailedAttempt { floor: floor * SECOND, roll, ..failed(EndedBy::Error) };
        journal.fail(&claim, failed).await.unwrap().unwrap();
        let due = get(&journal, claim.id).await.due.unwrap();
        let waits = due.duration_since(desk.clock.now()).unwrap();
        assert!((wait * SECOND..(wait + 1) * SECOND).contains(&waits), "{waits:?} {wait}");
        desk.clock.pass(waits).await;
        claim = super::claim(&journal).await;
    }
}

pub async fn at_most_once_the_first_attempt_decides<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    for (by, expected) in [
        (EndedBy::Error, LaunchStatus::Dead),
        (EndedBy::Fatal, LaunchStatus::Dead),
        (EndedBy::Panic, LaunchStatus::Ambiguous),
        (EndedBy::Timeout, LaunchStatus::Ambiguous),
    ] {
        let claim = claimed(&journal, at_most_once(intent("a", "1"))).await;
        journal.fail(&claim, failed(by)).await.unwrap().unwrap();
        assert_eq!(status(&journal, claim.id).await, expected, "{by:?}");
        assert_eq!(journal.input(claim.id).await.unwrap(), Some(b"1".to_vec()));
    }
    for (begun, expected) in [(false, LaunchStatus::Pending), (true, LaunchStatus::Ambiguous)] {
        let claim = claimed(&journal, at_most_once(intent("a", "1"))).await;
        journal.release(&claim, begun).await.unwrap().unwrap();
        assert_eq!(status(&journal, claim.id).await, expected, "{begun}");
        let _ = journal.cancel(claim.id).await.unwrap();
    }
    let claim = claimed(&journal, at_most_once(intent("a", "1"))).await;
    journal.complete(&claim, b"2").await.unwrap().unwrap();
    assert_eq!(status(&journal, claim.id).await, LaunchStatus::Done);
}

pub async fn an_attempt_that_is_given_back_counts_for_nothing<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let terms = Terms { restart: Restart::attempts(1), ..terms() };
    let id = record(&journal, on(terms, intent("a", large(5000)))).await;
    for attempt in 1..10 {
        let claim = claim(&journal).await;
        assert!(claim.attempt == attempt && claim.input == large(5000));
        journal.release(&claim, attempt % 2 == 0).await.unwrap().unwrap();
    }
    let told = get(&journal, id).await;
    assert_eq!((told.status, told.attempts, told.failures), (LaunchStatus::Pending, 9, 0));
    assert_eq!((told.crashes, told.suspect, told.history.len()), (0, false, 0));
}

pub async fn every_attempt_of_an_agent_is_given_back<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let plain = claimed(&journal, intent("a", "1")).await;
    let once = claimed(&journal, at_most_once(intent("a", "2"))).await;
    let not_begun = claimed(&journal, at_most_once(intent("a", "2"))).await;
    let unwanted = claimed(&journal, intent("a", "3")).await;
    journal.cancel(unwanted.id).await.unwrap().unwrap();
    let done = claimed(&journal, intent("a", "4")).await;
    journal.complete(&done, b"").await.unwrap().unwrap();
    let other = claimed(&journal, intent("b", "5")).await;
    let waits = record(&journal, intent("a", "6")).await;
    let begun = [plain.id, once.id, unwanted.id];
    // What still runs is left out, by a journal that can do so.
    let but_other = journal.release_all_but(&both()[1..], &[], &[other.id]).await.unwrap();
    assert!(matches!(but_other, None | Some(0)), "{but_other:?}");
    assert_eq!(journal.release_all(&[], &begun).await.unwrap(), 0);
    assert_eq!(journal.release_all(&both()[..1], &begun).await.unwrap(), 2);
    assert_eq!(journal.release_all(&both()[..1], &begun).await.unwrap(), 0);
    for (id, expected) in [
        (plain.id, LaunchStatus::Pending),
        (not_begun.id, LaunchStatus::Pending),
        (once.id, LaunchStatus::Ambiguous),
        (unwanted.id, LaunchStatus::Cancelled),
        (done.id, LaunchStatus::Done),
        (other.id, LaunchStatus::Running),
        (waits, LaunchStatus::Pending),
    ] {
        assert_eq!(status(&journal, id).await, expected);
    }
    assert_eq!(journal.complete(&plain, b"").await.unwrap(), Err(Refused::Stale));
    journal.complete(&other, b"").await.unwrap().unwrap();
    let again: Vec<_> = claims(&journal, 9).await.iter().map(|claim| (claim.id, claim.attempt)).collect();
    assert_eq!(again, [(plain.id, 2), (not_begun.id, 2), (waits, 1)]);
}

pub async fn what_is_parked_is_not_claimed_again_in_this_life<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let parked = claimed(&journal, keyed("key", intent("a", large(5000)))).await;
    journal.park(&parked).await.unwrap().unwrap();
    let told = get(&journal, parked.id).await;
    assert_eq!((told.status, told.failures, told.history.len()), (LaunchStatus::Parked, 0, 0));
    assert!(!told.status.is_final());
    desk.clock.pass(3600 * SECOND).await;
    assert_eq!(claims(&journal, 9).await, []);
    assert_eq!(journal.park(&parked).await.unwrap(), Err(Refused::Stale));
    assert_eq!(journal.requeue(parked.id).await.unwrap(), Err(Refused::NotEnded));
    // Whether or not its body runs at most once: it has not begun.
    let once = claimed(&journal, at_most_once(intent("a", "2"))).await;
    journal.park(&once).await.unwrap().unwrap();
    assert_eq!(status(&journal, once.id).await, LaunchStatus::Parked);
    journal.cancel(once.id).await.unwrap().unwrap();
    assert_eq!(status(&journal, once.id).await, LaunchStatus::Cancelled);
    let unwanted = claimed(&journal, intent("a", "3")).await;
    journal.cancel(unwanted.id).await.unwrap().unwrap();
    journal.park(&unwanted).await.unwrap().unwrap();
    assert_eq!(status(&journal, unwanted.id).await, LaunchStatus::Cancelled);
    let Some(journal) = desk.reopen(journal).await else { return };
    let again = claim(&journal).await;
    assert_eq!((again.id, again.attempt), (parked.id, 2));
    assert!(again.input == large(5000));
}

/// Every way to conclude an attempt, each with what it is refused for.
async fn conclusions(journal: &impl Journal, claim: &Claim) -> Vec<Refused> {
    let answers = [
        journal.complete(claim, b"other").await,
        journal.complete(claim, &large(5000)).await,
        journal.fail(claim, failed(EndedBy::Error)).await,
        journal.fail(claim, failed(EndedBy::Fatal)).await,
        journal.release(claim, true).await,
        journal.release(claim, false).await,
        journal.park(claim).await,
    ];
    let mut refused: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().unwrap_err()).collect();
    refused.dedup();
    refused
}

pub async fn an_attempt_is_concluded_once<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let first = claimed(&journal, intent("a", large(3000))).await;
    for fence in [
        Claim { attempt: 0, ..first.clone() },
        Claim { attempt: 2, ..first.clone() },
        Claim { epoch: first.epoch - 1, ..first.clone() },
        Claim { epoch: first.epoch + 1, ..first.clone() },
    ] {
        assert_eq!(conclusions(&journal, &fence).await, [Refused::Stale]);
    }
    assert_eq!(conclusions(&journal, &Claim { id: nobody(), ..first.clone() }).await, [Refused::Unknown]);
    assert_eq!(status(&journal, first.id).await, LaunchStatus::Running);
    journal.fail(&first, failed(EndedBy::Error)).await.unwrap().unwrap();
    let before = get(&journal, first.id).await;
    assert_eq!(conclusions(&journal, &first).await, [Refused::Stale]);
    assert_eq!(get(&journal, first.id).await, before);
    desk.clock.pass(SECOND).await;
    let second = claim(&journal).await;
    assert_eq!(conclusions(&journal, &first).await, [Refused::Stale]);
    journal.complete(&second, &large(2000)).await.unwrap().unwrap();
    let before = get(&journal, first.id).await;
    for claim in [&first, &second] {
        assert_eq!(conclusions(&journal, claim).await, [Refused::Ended]);
    }
    assert_eq!(get(&journal, first.id).await, before);
    assert!(journal.output(first.id).await.unwrap() == Some(large(2000)));
}

pub async fn of_two_conclusions_at_once_one_counts<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    for (one, other) in [(10, 20), (300_000, 10), (10, 300_000), (300_000, 300_000), (300_000, 600_000)] {
        let claim = claimed(&journal, intent("a", "1")).await;
        let outputs = [vec![b'1'; one], vec![b'2'; other]];
        let (first, second) =
            futures::join!(journal.complete(&claim, &outputs[0]), journal.complete(&claim, &outputs[1]));
        let counted = [first.unwrap(), second.unwrap()].map(|moved| moved.is_ok());
        let position = match counted {
            [true, false] => 0,
            [false, true] => 1,
            both => panic!("{one} {other}: {both:?}"),
        };
        assert!(
            journal.output(claim.id).await.unwrap().as_ref() == Some(&outputs[position]),
            "{one} {other}"
        );
    }
}

pub async fn who_is_refused_leaves_the_output_of_the_other_alone<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let stale = claimed(&journal, intent("a", "1")).await;
    let (old, new) = (vec![b'1'; 600_000], vec![b'2'; 300_000]);
    // The output of an attempt is being written when somebody gives that back, and the next one ends meanwhile.
    let second = async {
        journal.release(&stale, true).await.unwrap().unwrap();
        let claim = claim(&journal).await;
        journal.complete(&claim, &new).await.unwrap().unwrap();
    };
    let (first, ()) = futures::join!(journal.complete(&stale, &old), second);
    assert!(matches!(first.unwrap(), Err(Refused::Stale | Refused::Ended)));
    assert!(journal.output(stale.id).await.unwrap().as_ref() == Some(&new));
    // One that was not concluded in the end leaves nothing that the next one's would be mixed with.
    let stale = claimed(&journal, intent("a", "1")).await;
    let mut half = journal.complete(&stale, &old);
    for _ in 0..3 {
        let _ = tokio::time::timeout(Duration::ZERO, &mut half).await;
    }
    drop(half);
    let _ = journal.release(&stale, true).await.unwrap();
    if let [claim] = &claims(&journal, 1).await[..] {
        journal.complete(claim, &new).await.unwrap().unwrap();
        assert!(journal.output(stale.id).await.unwrap().as_ref() == Some(&new));
    }
}

pub async fn a_launch_that_waits_is_cancelled_at_once<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    assert_eq!(journal.cancel(nobody()).await.unwrap(), Err(Refused::Unknown));
    let ids = [
        record(&journal, keyed("key", intent("a", large(5000)))).await,
        record(&journal, due(Due::After(SECOND), intent("a", "2"))).await,
    ];
    for id in ids {
        journal.cancel(id).await.unwrap().unwrap();
        let told = get(&journal, id).await;
        assert_eq!((told.status, told.ended), (LaunchStatus::Cancelled, Some(desk.clock.now())));
        assert_eq!((told.due, told.unwanted), (None, false));
        assert_eq!(journal.input(id).await.unwrap(), None);
        assert_eq!(journal.cancel(id).await.unwrap(), Err(Refused::Ended));
    }
    desk.clock.pass(SECOND).await;
    assert_eq!(claims(&journal, 9).await, []);
    let known = answers(&journal, [keyed("key", intent("a", large(5000)))]).await;
    assert_eq!(known, [Appended::Known(ids[0])]);
}

pub async fn a_launch_that_runs_is_cancelled_when_its_attempt_ends<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    for (end, once) in (0..6).flat_map(|end| [(end, false), (end, true)]) {
        let launch = intent("a", large(2000));
        let claim = claimed(&journal, if once { at_most_once(launch) } else { launch }).await;
        for _ in 0..2 {
            journal.cancel(claim.id).await.unwrap().unwrap();
            let told = get(&journal, claim.id).await;
            assert_eq!((told.status, told.unwanted), (LaunchStatus::Running, true));
            assert!(journal.input(claim.id).await.unwrap() == Some(large(2000)));
        }
        let moved = match end {
            0 => journal.complete(&claim, b"2").await,
            1 => journal.fail(&claim, failed(EndedBy::Error)).await,
            2 => journal.fail(&claim, failed(EndedBy::Timeout)).await,
            3 => journal.release(&claim, true).await,
            4 => journal.release(&claim, false).await,
            _ => journal.park(&claim).await,
        };
        moved.unwrap().unwrap();
        let told = get(&journal, claim.id).await;
        // A value wins against a cancellation that came too late to stop it.
        let expected = if end == 0 { LaunchStatus::Done } else { LaunchStatus::Cancelled };
        assert_eq!((told.status, told.unwanted), (expected, false), "{end}");
        assert_eq!(journal.input(claim.id).await.unwrap(), None);
        assert_eq!(journal.output(claim.id).await.unwrap().is_some(), end == 0);
        assert_eq!(journal.cancel(claim.id).await.unwrap(), Err(Refused::Ended));
    }
    assert_eq!(claims(&journal, 9).await, []);
}

pub async fn a_dead_launch_gets_a_new_series_of_attempts<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let mut claim = claimed(&journal, intent("a", large(5000))).await;
    for _ in 0..2 {
        journal.fail(&claim, failed(EndedBy::Fatal)).await.unwrap().unwrap();
        journal.requeue(claim.id).await.unwrap().unwrap();
        let told = get(&journal, claim.id).await;
        assert_eq!((told.status, told.failures, told.ended), (LaunchStatus::Pending, 0, None));
        let attempt = claim.attempt + 1;
        claim = super::claim(&journal).await;
        assert!(claim.attempt == attempt && claim.input == large(5000));
        // All attempts of the series are there again.
        for failures in 1..3 {
            journal.fail(&claim, failed(EndedBy::Error)).await.unwrap().unwrap();
            let told = get(&journal, claim.id).await;
            assert_eq!((told.status, told.failures), (LaunchStatus::Pending, failures));
            desk.clock.pass(SECOND).await;
            claim = super::claim(&journal).await;
        }
    }
    let once = claimed(&journal, at_most_once(intent("a", "2"))).await;
    journal.release(&once, true).await.unwrap().unwrap();
    journal.requeue(once.id).await.unwrap().unwrap();
    let again = super::claim(&journal).await;
    assert_eq!((again.id, again.attempt), (once.id, 2));
}

pub async fn what_has_a_future_is_not_requeued<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    assert_eq!(journal.requeue(nobody()).await.unwrap(), Err(Refused::Unknown));
    let id = record(&journal, intent("a", "1")).await;
    assert_eq!(journal.requeue(id).await.unwrap(), Err(Refused::NotEnded));
    let claim = claim(&journal).await;
    assert_eq!(journal.requeue(id).await.unwrap(), Err(Refused::NotEnded));
    journal.complete(&claim, b"").await.unwrap().unwrap();
    // What is done or cancelled has no input any more.
    assert_eq!(journal.requeue(id).await.unwrap(), Err(Refused::Ended));
    let id = record(&journal, intent("a", "1")).await;
    journal.cancel(id).await.unwrap().unwrap();
    assert_eq!(journal.requeue(id).await.unwrap(), Err(Refused::Ended));
}

pub async fn what_awaits_a_decision_is_settled<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    assert_eq!(journal.settle(nobody(), b"").await.unwrap(), Err(Refused::Unknown));
    for output in [b"2".to_vec(), large(9000)] {
        let claim = claimed(&journal, intent("a", large(2000))).await;
        assert_eq!(journal.settle(claim.id, &output).await.unwrap(), Err(Refused::NotEnded));
        journal.fail(&claim, failed(EndedBy::Fatal)).await.unwrap().unwrap();
        journal.settle(claim.id, &output).await.unwrap().unwrap();
        let told = get(&journal, claim.id).await;
        assert_eq!((told.status, told.ended), (LaunchStatus::Done, Some(desk.clock.now())));
        assert!(journal.output(claim.id).await.unwrap() == Some(output));
        assert_eq!(journal.input(claim.id).await.unwrap(), None);
        assert_eq!(journal.settle(claim.id, b"other").await.unwrap(), Err(Refused::Ended));
        assert_eq!(journal.requeue(claim.id).await.unwrap(), Err(Refused::Ended));
    }
}

pub async fn what_awaits_a_decision_is_discarded<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    assert_eq!(journal.discard(nobody()).await.unwrap(), Err(Refused::Unknown));
    let launch = keyed("key", intent("a", large(9000)));
    for parked in [false, true] {
        let claim = claimed(&journal, launch.clone()).await;
        assert_eq!(journal.discard(claim.id).await.unwrap(), Err(Refused::NotEnded));
        let moved = match parked {
            true => journal.park(&claim).await,
            false => journal.fail(&claim, failed(EndedBy::Fatal)).await,
        };
        moved.unwrap().unwrap();
        journal.discard(claim.id).await.unwrap().unwrap();
        assert_eq!(journal.get(claim.id).await.unwrap(), None);
        assert_eq!(journal.ended(claim.id).await.unwrap(), None);
        assert_eq!(journal.input(claim.id).await.unwrap(), None);
        assert_eq!(journal.by_key("a", "key").await.unwrap(), None);
        assert_eq!(conclusions(&journal, &claim).await, [Refused::Unknown]);
        assert_eq!(journal.discard(claim.id).await.unwrap(), Err(Refused::Unknown));
    }
    let claim = claimed(&journal, launch).await;
    journal.complete(&claim, b"2").await.unwrap().unwrap();
    assert_eq!(journal.discard(claim.id).await.unwrap(), Err(Refused::Ended));
}
