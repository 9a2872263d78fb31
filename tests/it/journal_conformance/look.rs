//! What is told of launches, and who is told of their ends.

use futures::FutureExt;
use futures::future::join_all;
use sortie::LaunchFilter;
use tokio::time::timeout;

use super::*;

pub async fn a_launch_is_found_by_id_and_by_key<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    assert_eq!(journal.get(nobody()).await.unwrap(), None);
    assert_eq!(journal.by_key("a", "key").await.unwrap(), None);
    let named = record(&journal, keyed("key", intent("a", "1"))).await;
    let empty = record(&journal, keyed("", intent("a", "1"))).await;
    let unnamed = record(&journal, intent("a", "1")).await;
    for (id, key) in [(named, Some("key")), (empty, Some("")), (unnamed, None)] {
        let told = get(&journal, id).await;
        assert_eq!((told.id, told.key.as_deref()), (id, key));
    }
    for (agent, key, id) in [
        ("a", "key", Some(named)),
        ("a", "", Some(empty)),
        ("b", "key", None),
        ("c", "key", None),
        ("a", "ke", None),
    ] {
        let told = journal.by_key(agent, key).await.unwrap();
        assert_eq!(told.as_ref().map(|told| told.id), id, "{agent} {key}");
        if let Some(told) = told {
            assert_eq!(told, get(&journal, told.id).await);
        }
    }
}

pub async fn long_messages_are_cut_where_a_character_ends<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let claim = claimed(&journal, intent("a", "1")).await;
    let (message, code) = (format!("m{}", "ä".repeat(2000)), Some("ö".repeat(51)));
    let failed = FailedAttempt { message, code, ..failed(EndedBy::Error) };
    journal.fail(&claim, failed).await.unwrap().unwrap();
    let end = get(&journal, claim.id).await.history.remove(0);
    assert_eq!(end.message, format!("m{}", "ä".repeat(499)));
    assert_eq!(end.code, Some("ö".repeat(50)));
}

pub async fn a_page_is_what_is_meant_beyond_a_launch<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    assert_eq!(journal.scan(&LaunchFilter::all(), None, 9).await.unwrap(), []);
    let batch: Vec<_> = (0..2500u32)
        .map(|number| intent(if number % 5 == 0 { "b" } else { "a" }, number.to_be_bytes()))
        .collect();
    let answers = answers(&journal, batch).await;
    let new = |answer: Appended| if let Appended::New(id) = answer { id } else { panic!("{answer:?}") };
    let ids: Vec<_> = answers.into_iter().map(new).collect();
    assert!(ids.is_sorted());
    for id in &ids[..20] {
        journal.cancel(*id).await.unwrap().unwrap();
    }
    let all = 0..2500;
    let b = |at: &usize| at % 5 == 0;
    for (filter, meant) in [
        (LaunchFilter::all(), all.clone().collect::<Vec<_>>()),
        (LaunchFilter::all().agent("b"), all.clone().filter(b).collect()),
        (LaunchFilter::all().agent("c"), vec![]),
        (LaunchFilter::all().status(LaunchStatus::Cancelled), (0..20).collect()),
        (LaunchFilter::all().status(LaunchStatus::Dead), vec![]),
        (LaunchFilter::all().agent("b").status(LaunchStatus::Pending), (20..2500).filter(b).collect()),
    ] {
        let meant: Vec<_> = meant.into_iter().map(|at| ids[at]).collect();
        for size in [1, 7, 1024, 2499, 2500, usize::MAX] {
            // One launch per page takes long, and shows after a few what it shows after all.
            let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
            while pages < 20 {
                let page = journal.scan(&filter, after, size).await.unwrap();
                assert!(page.len() <= size);
                found.extend(page.iter().map(|told| told.id));
                if page.len() < size {
                    assert_eq!(found.len(), meant.len(), "{filter:?} {size}");
                    break;
                }
                (after, pages) = (found.last().copied(), pages + 1);
            }
            assert!(found == meant[..found.len()], "{filter:?} {size}");
        }
        assert_eq!(journal.scan(&filter, None, 0).await.unwrap(), []);
    }
    let one = journal.scan(&LaunchFilter::all(), Some(ids[99]), 1).await.unwrap();
    assert_eq!(one, [get(&journal, ids[100]).await]);
}

pub async fn inputs_go_and_outputs_come_with_the_end<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    assert_eq!(journal.input(nobody()).await.unwrap(), None);
    assert_eq!(journal.output(nobody()).await.unwrap(), None);
    for input in [b"1".to_vec(), large(9000), Vec::new()] {
        let id = record(&journal, intent("a", input.clone())).await;
        let payloads = async || (journal.input(id).await.unwrap(), journal.output(id).await.unwrap());
        assert_eq!(payloads().await, (Some(input.clone()), None));
        let first = claim(&journal).await;
        assert_eq!(payloads().await, (Some(input.clone()), None));
        journal.fail(&first, failed(EndedBy::Fatal)).await.unwrap().unwrap();
        assert_eq!(payloads().await, (Some(input.clone()), None));
        journal.requeue(id).await.unwrap().unwrap();
        let claim = claim(&journal).await;
        journal.complete(&claim, b"").await.unwrap().unwrap();
        assert_eq!(payloads().await, (None, Some(Vec::new())));
    }
}

pub async fn everybody_who_waits_hears_of_the_end<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    assert_eq!(journal.ended(nobody()).await.unwrap(), None);
    let id = record(&journal, intent("a", "1")).await;
    let waiting = join_all((0..100).map(|_| journal.ended(id)));
    let ending = async {
        tokio::time::sleep(SECOND).await;
        let first = claim(&journal).await;
        journal.fail(&first, failed(EndedBy::Error)).await.unwrap().unwrap();
        tokio::time::sleep(SECOND).await;
        let claim = claim(&journal).await;
        journal.complete(&claim, b"2").await.unwrap().unwrap();
    };
    let (told, ()) = timeout(60 * SECOND, async { futures::join!(waiting, ending) }).await.unwrap();
    let expected = get(&journal, id).await;
    assert_eq!(expected.status, LaunchStatus::Done);
    for told in told {
        assert_eq!(told.unwrap().as_ref(), Some(&expected));
    }
    assert_eq!(journal.ended(id).await.unwrap(), Some(expected));
}

pub async fn who_stops_waiting_does_not_disturb_the_others<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let id = record(&journal, intent("a", "1")).await;
    let mut waiting: Vec<_> = (0..100).map(|_| journal.ended(id)).collect();
    for wait in &mut waiting {
        assert!(timeout(MS, wait).await.is_err());
    }
    let mut number = 0;
    waiting.retain(|_| {
        number += 1;
        number % 3 == 0
    });
    assert!(timeout(SECOND, &mut waiting[7]).await.is_err());
    journal.cancel(id).await.unwrap().unwrap();
    for told in timeout(SECOND, join_all(waiting)).await.unwrap() {
        assert_eq!(told.unwrap().unwrap().status, LaunchStatus::Cancelled);
    }
}

pub async fn an_end_that_was_taken_back_wakes_nobody_for_ever<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let claim = claimed(&journal, intent("a", "1")).await;
    // It waits, and is not polled any more, as an arm of a `select` whose turn does not come.
    let mut sleeps = journal.ended(claim.id);
    assert!(timeout(MS, &mut sleeps).await.is_err());
    journal.fail(&claim, failed(EndedBy::Fatal)).await.unwrap().unwrap();
    journal.requeue(claim.id).await.unwrap().unwrap();
    // Another one waits for the next end. It looks once, and then has nothing to do.
    let mut waits = journal.ended(claim.id);
    let mut polls = 0;
    let counted = std::future::poll_fn(|context| {
        polls += 1;
        if polls > 50 { std::task::Poll::Ready(None) } else { waits.poll_unpin(context).map(Some) }
    });
    assert!(timeout(SECOND, counted).await.is_err(), "it has looked again and again");
    let claim = super::claim(&journal).await;
    journal.complete(&claim, b"").await.unwrap().unwrap();
    for wait in [waits, sleeps] {
        let told = timeout(SECOND, wait).await.unwrap().unwrap().unwrap();
        assert_eq!(told.status, LaunchStatus::Done);
    }
}

pub async fn every_end_is_told<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    for end in 0..6 {
        let launch = if end < 2 { at_most_once(intent("a", "1")) } else { intent("a", "1") };
        let claim = claimed(&journal, launch).await;
        let ending = async {
            tokio::time::sleep(SECOND).await;
            match end {
                0 => journal.fail(&claim, failed(EndedBy::Panic)).await.unwrap().unwrap(),
                1 => assert_eq!(journal.release_all(&both(), &[claim.id]).await.unwrap(), 0),
                2 => journal.fail(&claim, failed(EndedBy::Fatal)).await.unwrap().unwrap(),
                3 => {
                    journal.release(&claim, true).await.unwrap().unwrap();
                    journal.cancel(claim.id).await.unwrap().unwrap();
                }
                4 => {
                    journal.cancel(claim.id).await.unwrap().unwrap();
                    journal.release(&claim, true).await.unwrap().unwrap();
                }
                _ => journal.complete(&claim, &large(5000)).await.unwrap().unwrap(),
            }
        };
        let both = async { futures::join!(journal.ended(claim.id), ending).0 };
        let told = timeout(60 * SECOND, both).await.unwrap().unwrap().unwrap();
        let expected = match end {
            0 | 1 => LaunchStatus::Ambiguous,
            2 => LaunchStatus::Dead,
            3 | 4 => LaunchStatus::Cancelled,
            _ => LaunchStatus::Done,
        };
        assert_eq!(told.status, expected, "{end}");
    }
}

pub async fn what_is_over_goes_when_its_retention_is<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let kept = |launch: Intent| on(Terms { retention: 10 * SECOND, ..terms() }, launch);
    let done = claimed(&journal, kept(keyed("key", intent("a", "1")))).await;
    journal.complete(&done, &large(9000)).await.unwrap().unwrap();
    let cancelled = record(&journal, kept(intent("a", large(9000)))).await;
    journal.cancel(cancelled).await.unwrap().unwrap();
    let dead = claimed(&journal, kept(intent("a", "3"))).await;
    journal.fail(&dead, failed(EndedBy::Fatal)).await.unwrap().unwrap();
    let waits = record(&journal, kept(intent("a", "4"))).await;
    // Removes what there is, one at a time.
    let sweep = async || {
        let mut removed = 0;
        loop {
            let swept = journal.sweep(1).await.unwrap();
            assert!(swept.removed <= 1 && !swept.suspended);
            removed += swept.removed;
            if swept.next != Some(Duration::ZERO) {
                return (removed, swept.next);
            }
        }
    };
    desk.clock.pass(9 * SECOND).await;
    let (removed, next) = sweep().await;
    assert_eq!((removed, next.map(|next| next >= SECOND)), (0, Some(true)));
    desk.clock.pass(2 * SECOND).await;
    assert_eq!(sweep().await, (2, None));
    for id in [done.id, cancelled] {
        assert_eq!(journal.get(id).await.unwrap(), None);
        assert_eq!(journal.output(id).await.unwrap(), None);
    }
    desk.clock.pass(1800 * SECOND).await;
    assert_eq!(sweep().await, (0, None));
    assert_eq!(status(&journal, dead.id).await, LaunchStatus::Dead);
    assert_eq!(status(&journal, waits).await, LaunchStatus::Pending);
    assert_ne!(record(&journal, keyed("key", intent("a", "1"))).await, done.id);
    // A clock that jumps is not believed.
    journal.cancel(waits).await.unwrap().unwrap();
    desk.clock.forward(2 * 3600 * SECOND);
    let swept = journal.sweep(9).await.unwrap();
    assert_eq!((swept.removed, swept.suspended), (0, true));
    desk.clock.back(2 * 3600 * SECOND);
    desk.clock.pass(11 * SECOND).await;
    assert_eq!(sweep().await.0, 1);
}

pub async fn what_is_dead_goes_only_if_the_life_says_so_and_then_with_all_it_had<B: Bench>(desk: Desk<B>) {
    let journal = desk.open_with(|scope| scope.retain_dead = Some(60 * SECOND)).await;
    let mut ids = Vec::new();
    for (key, length) in [("short", 10), ("few", 9000), ("many", 400_000)] {
        let dead = claimed(&journal, keyed(key, intent("a", large(length)))).await;
        journal.fail(&dead, failed(EndedBy::Fatal)).await.unwrap().unwrap();
        ids.push(dead.id);
    }
    let requeued = claimed(&journal, intent("a", "requeued")).await;
    journal.fail(&requeued, failed(EndedBy::Fatal)).await.unwrap().unwrap();
    let ambiguous = claimed(&journal, at_most_once(intent("b", "2"))).await;
    journal.fail(&ambiguous, failed(EndedBy::Panic)).await.unwrap().unwrap();
    // Removes what there is, in small steps.
    let sweep = async || {
        let mut removed = 0;
        loop {
            let swept = journal.sweep(1).await.unwrap();
            removed += swept.removed;
            if swept.next != Some(Duration::ZERO) {
                return removed;
            }
        }
    };
    desk.clock.pass(59 * SECOND).await;
    assert_eq!(sweep().await, 0);
    journal.requeue(requeued.id).await.unwrap().unwrap();
    desk.clock.pass(2 * SECOND).await;
    assert_eq!(sweep().await, 3);
    for (id, key) in ids.iter().zip(["short", "few", "many"]) {
        assert_eq!(journal.get(*id).await.unwrap(), None);
        assert_eq!(journal.input(*id).await.unwrap(), None);
        assert_eq!(journal.by_key("a", key).await.unwrap(), None);
        assert_ne!(record(&journal, keyed(key, intent("a", "another"))).await, *id);
    }
    assert_eq!(status(&journal, requeued.id).await, LaunchStatus::Pending);
    assert_eq!(status(&journal, ambiguous.id).await, LaunchStatus::Ambiguous);
    // It is a matter of the life, not of the launch.
    let dead = claims(&journal, 1).await.remove(0);
    journal.fail(&dead, failed(EndedBy::Fatal)).await.unwrap().unwrap();
    let Some(journal) = desk.reopen(journal).await else { return };
    desk.clock.pass(1800 * SECOND).await;
    assert_eq!(journal.sweep(9).await.unwrap().removed, 0);
    assert_eq!(status(&journal, dead.id).await, LaunchStatus::Dead);
    end(journal).await;
    let journal = desk.open_with(|scope| scope.retain_dead = Some(60 * SECOND)).await;
    assert_eq!(journal.sweep(9).await.unwrap().removed, 1);
    assert_eq!(journal.get(dead.id).await.unwrap(), None);
}

pub async fn it_is_counted_how_launches_stand<B: Bench>(desk: Desk<B>) {
    let journal = desk.open_with(|scope| scope.retain_dead = Some(3600 * SECOND)).await;
    // Of the last commit: to look makes one, where answers come before.
    let check = async |pending, parked, running, dead, ambiguous| {
        journal.scan(&LaunchFilter::all(), None, 1).await.unwrap();
        let Some(counts) = journal.counts() else { return };
        let found = (counts.pending, counts.parked, counts.running, counts.dead, counts.ambiguous);
        assert_eq!(found, (pending, parked, running, dead, ambiguous));
    };
    check(0, 0, 0, 0, 0).await;
    let first = record(&journal, intent("a", "1")).await;
    record(&journal, due(Due::After(3600 * SECOND), intent("a", "2"))).await;
    record(&journal, intent("unknown", "3")).await;
    check(2, 1, 0, 0, 0).await;
    let claim = claim(&journal).await;
    check(1, 1, 1, 0, 0).await;
    journal.fail(&claim, failed(EndedBy::Fatal)).await.unwrap().unwrap();
    check(1, 1, 0, 1, 0).await;
    journal.requeue(first).await.unwrap().unwrap();
    check(2, 1, 0, 0, 0).await;
    let claim = claims(&journal, 1).await.remove(0);
    journal.park(&claim).await.unwrap().unwrap();
    check(1, 2, 0, 0, 0).await;
    journal.discard(first).await.unwrap().unwrap();
    check(1, 1, 0, 0, 0).await;
    let once = claimed(&journal, at_most_once(intent("b", "4"))).await;
    journal.fail(&once, failed(EndedBy::Panic)).await.unwrap().unwrap();
    let settled = claimed(&journal, intent("b", "5")).await;
    journal.fail(&settled, failed(EndedBy::Fatal)).await.unwrap().unwrap();
    check(1, 1, 0, 1, 1).await;
    journal.settle(once.id, b"1").await.unwrap().unwrap();
    journal.settle(settled.id, b"1").await.unwrap().unwrap();
    let dead = claimed(&journal, intent("b", large(9000))).await;
    journal.fail(&dead, failed(EndedBy::Fatal)).await.unwrap().unwrap();
    check(1, 1, 0, 1, 0).await;
    let discarded = claimed(&journal, intent("b", large(400_000))).await;
    journal.fail(&discarded, failed(EndedBy::Fatal)).await.unwrap().unwrap();
    check(1, 1, 0, 2, 0).await;
    journal.discard(discarded.id).await.unwrap().unwrap();
    check(1, 1, 0, 1, 0).await;
    claimed(&journal, intent("b", "6")).await;
    check(1, 1, 1, 1, 0).await;
    let Some(journal) = desk.reopen(journal).await else { return };
    let counts = journal.counts().unwrap_or_default();
    let found = (counts.pending, counts.parked, counts.running, counts.dead, counts.ambiguous);
    assert!(journal.counts().is_none() || found == (2, 1, 0, 1, 0), "{found:?}");
}
