//! How launches are recorded.

use super::*;

pub async fn answers_are_in_the_order_of_the_intents<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let known = record(&journal, keyed("known", intent("a", "1"))).await;
    let given = answers(
        &journal,
        [
            intent("a", large(5000)),
            keyed("known", intent("a", "1")),
            intent("b", "3"),
            keyed("known", intent("a", large(6000))),
            intent("a", "4"),
        ],
    )
    .await;
    let [first, second, third, fourth, fifth] = given[..] else { panic!("{given:?}") };
    assert_eq!((second, fourth), (Appended::Known(known), Appended::Conflict(known)));
    for (answer, input) in [(first, large(5000)), (third, b"3".to_vec()), (fifth, b"4".to_vec())] {
        let Appended::New(id) = answer else { panic!("{given:?}") };
        assert_eq!(journal.input(id).await.unwrap(), Some(input));
    }
    // They are recorded in that order as well.
    let ids: Vec<_> =
        [first, third, fifth].map(|answer| matches!(answer, Appended::New(_)).then_some(answer)).into();
    let recorded = journal.scan(&Default::default(), Some(known), 9).await.unwrap();
    let recorded: Vec<_> = recorded.iter().map(|record| Some(Appended::New(record.id))).collect();
    assert_eq!(recorded, ids);
    assert_eq!(answers(&journal, []).await, []);
}

pub async fn the_first_of_a_batch_under_a_key_is_the_one_that_is_recorded<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    for (key, first, second) in [
        ("short", b"1".to_vec(), b"2".to_vec()),
        ("long", large(5000), b"2".to_vec()),
        ("late", b"1".to_vec(), large(5000)),
    ] {
        let batch = [
            keyed(key, intent("a", first.clone())),
            keyed(key, intent("a", first.clone())),
            keyed(key, intent("a", second)),
        ];
        let given = answers(&journal, batch).await;
        let [Appended::New(id), Appended::Known(same), Appended::Conflict(other)] = given[..] else {
            panic!("{key}: {given:?}")
        };
        assert_eq!((same, other), (id, id), "{key}");
        assert_eq!(journal.input(id).await.unwrap(), Some(first), "{key}");
    }
}

pub async fn a_key_stands_for_one_launch_of_its_agent<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let id = record(&journal, keyed("key", intent("a", "1"))).await;
    let again = [
        keyed("key", intent("a", "1")),
        keyed("key", intent("a", "2")),
        keyed("key", on(Terms { priority: 7, ..terms() }, intent("a", "1"))),
    ];
    let there = [Appended::Known(id), Appended::Conflict(id), Appended::Known(id)];
    assert_eq!(answers(&journal, again.clone()).await, there);
    assert_eq!(get(&journal, id).await.terms, terms());
    // Other agents have keys of their own, and launches without one have nothing in common.
    record(&journal, keyed("key", intent("b", "1"))).await;
    record(&journal, intent("a", "1")).await;
    record(&journal, intent("a", "1")).await;
    // A key outlives the launch's end.
    let claim = claims(&journal, 1).await.remove(0);
    let claim = if claim.id == id { claim } else { claims(&journal, 1).await.remove(0) };
    assert_eq!((claim.id, claim.key.as_deref()), (id, Some("key")));
    journal.complete(&claim, b"2").await.unwrap().unwrap();
    assert_eq!(answers(&journal, again).await, there);
    assert_eq!(status(&journal, id).await, LaunchStatus::Done);
}

pub async fn launches_beyond_the_bound_are_refused_each_for_itself<B: Bench>(desk: Desk<B>) {
    let journal = desk.open_with(|scope| scope.most_pending = 2).await;
    let first = record(&journal, keyed("first", intent("a", "1"))).await;
    let given = answers(
        &journal,
        [
            intent("a", "2"),
            intent("a", "3"),
            keyed("first", intent("a", "1")),
            keyed("first", intent("a", "4")),
        ],
    )
    .await;
    let [Appended::New(_), Appended::Full, Appended::Known(known), Appended::Conflict(other)] = given[..]
    else {
        panic!("{given:?}")
    };
    assert_eq!((known, other), (first, first));
    assert_eq!(answers(&journal, [intent("a", large(5000))]).await, [Appended::Full]);
    assert_eq!(journal.scan(&Default::default(), None, 9).await.unwrap().len(), 2);
    // One that runs has not ended; one that was cancelled has.
    let claim = claims(&journal, 1).await.remove(0);
    assert_eq!(answers(&journal, [intent("b", "5")]).await, [Appended::Full]);
    journal.complete(&claim, b"").await.unwrap().unwrap();
    let last = record(&journal, intent("b", "5")).await;
    assert_eq!(answers(&journal, [intent("b", "6")]).await, [Appended::Full]);
    journal.cancel(last).await.unwrap().unwrap();
    record(&journal, intent("b", "6")).await;
}

pub async fn inputs_of_any_length_come_back<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    for length in [0, 1, 1023, 1024, 1025, 3999, 4000, 4001, 256_000, 1 << 20] {
        let id = record(&journal, intent("a", large(length))).await;
        assert!(journal.input(id).await.unwrap() == Some(large(length)), "{length}");
        assert!(claim(&journal).await.input == large(length), "{length}");
    }
}

pub async fn a_conflict_leaves_nothing_of_a_large_input<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let batch = (0..4).map(|last| {
        let mut input = large(50_000);
        input.push(last);
        journal.append(vec![keyed("key", intent("a", input))])
    });
    let given = futures::future::join_all(batch).await;
    let given: Vec<_> = given.into_iter().flat_map(Result::unwrap).collect();
    let new = |answer: &Appended| if let Appended::New(id) = *answer { Some(id) } else { None };
    let ids: Vec<_> = given.iter().filter_map(new).collect();
    assert_eq!(ids.len(), 1, "{given:?}");
    let others = given.iter().filter(|answer| **answer == Appended::Conflict(ids[0])).count();
    assert_eq!(others, 3, "{given:?}");
    let position = given.iter().position(|answer| new(answer).is_some()).unwrap();
    let input = journal.input(ids[0]).await.unwrap().unwrap();
    assert!(input.len() == 50_001 && input[50_000] == position as u8);
    assert_eq!(journal.scan(&Default::default(), None, 9).await.unwrap().len(), 1);
}

pub async fn what_was_said_when_it_was_recorded_is_told<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let terms = Terms {
        delivery: Delivery::AtMostOnce,
        restart: Restart::attempts(7)
            .backoff(Backoff::exponential(3 * SECOND).factor(1.5).max(60 * SECOND).jitter(false))
            .only([sortie::Trigger::Timeout]),
        max_crashes: 9,
        timeout: Some(1500 * MS),
        retention: 77 * SECOND,
        priority: -3,
        lane: Some("lane".to_owned()),
    };
    let id = record(&journal, on(terms.clone(), keyed("key", intent("a", "1")))).await;
    let expected = LaunchRecord {
        id,
        agent: "a".to_owned(),
        key: Some("key".to_owned()),
        status: LaunchStatus::Pending,
        recorded: desk.clock.now(),
        due: None,
        ended: None,
        attempts: 0,
        failures: 0,
        crashes: 0,
        suspect: false,
        unwanted: false,
        history: Vec::new(),
        terms: terms.clone(),
    };
    assert_eq!(get(&journal, id).await, expected);
    assert_eq!(claim(&journal).await.terms, terms);
}

pub async fn a_launch_waits_for_its_span_whatever_the_wall_clock_does<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let id = record(&journal, due(Due::After(10 * SECOND), intent("a", "1"))).await;
    let when = get(&journal, id).await.due;
    assert_eq!(when, Some(desk.clock.now() + 10 * SECOND));
    desk.clock.forward(3600 * SECOND);
    assert_eq!(claims(&journal, 9).await, []);
    desk.clock.back(2 * 3600 * SECOND);
    tokio::time::advance(10 * SECOND - MS).await;
    let waits = journal.claim(&both(), 9).await.unwrap();
    assert_eq!((waits.claims.len(), waits.next_due), (0, Some(MS)));
    tokio::time::advance(MS).await;
    assert_eq!(claim(&journal).await.id, id);
}

pub async fn a_launch_waits_for_its_time<B: Bench>(desk: Desk<B>) {
    let journal = desk.open().await;
    let time = desk.clock.now() + 10 * SECOND;
    let id = record(&journal, due(Due::At(time), intent("a", "1"))).await;
    assert_eq!(get(&journal, id).await.due, Some(time));
    desk.clock.pass(10 * SECOND - MS).await;
    assert_eq!(claims(&journal, 9).await, []);
    desk.clock.pass(MS).await;
    assert_eq!(claim(&journal).await.id, id);
    // A time that is over is no wait.
    let id = record(&journal, due(Due::At(UNIX_EPOCH), intent("a", "2"))).await;
    assert_eq!(claim(&journal).await.id, id);
}

pub async fn the_longest_names_and_the_longest_history_fit<B: Bench>(desk: Desk<B>) {
    let (agent, key) = ("n".repeat(256), "k".repeat(512));
    let agents = [agent.clone()];
    let journal = desk.open_with(|scope| scope.agents.extend(agents.clone())).await;
    let terms = Terms {
        restart: Restart::attempts(30).backoff(Backoff::none()),
        lane: Some("l".repeat(256)),
        ..terms()
    };
    let id = record(&journal, on(terms, keyed(&key, intent(&agent, large(1024))))).await;
    for attempt in 1..30 {
        let claim = journal.claim(&agents, 1).await.unwrap().claims.remove(0);
        assert_eq!(claim.attempt, attempt);
        let (message, code) = (format!("{attempt}: {}", "m".repeat(2000)), Some("c".repeat(200)));
        let failed = FailedAttempt { message, code, ..failed(EndedBy::Error) };
        journal.fail(&claim, failed).await.unwrap().unwrap();
        let history = get(&journal, id).await.history;
        assert!((1..=16).contains(&history.len()), "{}", history.len());
        assert!(history.last().unwrap().message.starts_with(&format!("{attempt}: ")));
    }
    let claim = journal.claim(&agents, 1).await.unwrap().claims.remove(0);
    journal.complete(&claim, &large(1024)).await.unwrap().unwrap();
    assert_eq!(journal.output(id).await.unwrap(), Some(large(1024)));
}
