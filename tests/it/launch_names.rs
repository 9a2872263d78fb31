//! Names of launches: a label is that of one launch of an attempt, and no caller's key is one that is derived.

use std::sync::{Arc, Mutex};

use sortie::{
    AgentContext, AgentError, AgentRef, LaunchError, LaunchErrorKind, LaunchFilter, LaunchId, LaunchRecord,
    MemoryJournal, Restart, SledJournal, System, Ticket, Verdict, agent_fn,
};

use crate::directory::Directory;
use crate::support::SECOND;

fn echo(name: &'static str) -> AgentRef<u32, u32> {
    AgentRef::new(agent_fn(|n: u32, _| async move { Ok(n) }).named(name))
}

type Launched = Vec<Result<Ticket<u32>, LaunchError>>;

/// What an attempt of a launch gets that calls `launches` with its context, in each of its three attempts.
async fn attempts<F: Future<Output = Launched> + Send + 'static>(
    launches: impl Fn(AgentContext, [AgentRef<u32, u32>; 2]) -> F + Send + Sync + 'static,
) -> (System, Vec<Launched>) {
    let mut builder = System::builder().journal(MemoryJournal::new());
    let agents = [builder.register(echo("one")), builder.register(echo("two"))];
    let (launches, seen) = (Arc::new(launches), Arc::new(Mutex::new(Vec::new())));
    let noted = Arc::clone(&seen);
    let parent = agent_fn(move |(): (), cx: AgentContext| {
        let (launches, agents, noted) = (Arc::clone(&launches), agents.clone(), Arc::clone(&noted));
        async move {
            let launched = launches(cx.clone(), agents).await;
            noted.lock().unwrap().push(launched);
            if cx.attempt() < 3 { Err("again".into()) } else { Ok(()) }
        }
    });
    let parent = builder.register(AgentRef::new(parent.named("parent")).restart(Restart::attempts(3)));
    let system = builder.start().await.unwrap();
    system.launch(&parent, ()).await.unwrap().result().await.unwrap().unwrap();
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    (system, seen)
}

fn is_conflict(launched: &Result<Ticket<u32>, LaunchError>, label: &str) -> bool {
    let kind = launched.as_ref().err().map(LaunchError::kind);
    matches!(kind, Some(LaunchErrorKind::LabelConflict { label: l }) if l == label)
}

#[tokio::test(start_paused = true)]
async fn a_label_names_one_launch_of_an_attempt() {
    let (system, seen) = attempts(|cx, [one, two]| async move {
        vec![
            cx.launch(&one, 1).label("mail").await,
            cx.launch(&one, 2).label("mail").await,
            cx.launch(&one, 1).label("mail").await,
            cx.launch(&two, 2).label("mail").await,
            cx.launch(&one, 2).label("Mail").await,
        ]
    })
    .await;
    assert_eq!(seen.len(), 3);
    for (n, launched) in seen.iter().enumerate() {
        let [first, second, again, other_agent, other_label] = &launched[..] else { panic!("{launched:?}") };
        assert!(is_conflict(second, "mail"), "{second:?}");
        assert!(second.as_ref().unwrap_err().to_string().contains("`mail`"));
        let first = first.as_ref().unwrap();
        assert_eq!((first.is_known(), first.input_differs()), (n > 0, false));
        assert_eq!(first.id(), again.as_ref().unwrap().id());
        assert!(other_agent.is_ok() && other_label.is_ok());
        assert_eq!(first.id(), seen[0][0].as_ref().unwrap().id());
    }
    assert_eq!(system.launches(LaunchFilter::all()).count().await.unwrap(), 1 + 3);
}

#[tokio::test(start_paused = true)]
async fn a_label_names_one_launch_of_those_that_are_made_together_or_side_by_side() {
    let (_system, seen) = attempts(|cx, [one, _]| async move {
        let clone = cx.clone();
        let side_by_side = [cx.launch(&one, 1).label("a"), clone.launch(&one, 2).label("a")];
        let mut launched = futures::future::join_all(side_by_side.map(IntoFuture::into_future)).await;
        let together = [3, 4, 3].map(|n| cx.launch(&one, n).label("b"));
        launched.extend(sortie_many(&cx, together).await);
        let task = tokio::spawn({
            let (cx, one) = (cx.clone(), one.clone());
            async move { cx.launch(&one, 5).label("a").await }
        });
        launched.push(task.await.unwrap());
        launched
    })
    .await;
    for launched in seen {
        assert!(launched[0].is_ok() && is_conflict(&launched[1], "a"), "{launched:?}");
        assert!(launched[2].is_ok() && is_conflict(&launched[3], "b"), "{launched:?}");
        assert_eq!(launched[2].as_ref().unwrap().id(), launched[4].as_ref().unwrap().id());
        assert!(is_conflict(&launched[5], "a"), "{launched:?}");
    }
}

/// The same as one after the other: an attempt has no handle of its system.
async fn sortie_many(_: &AgentContext, launches: impl IntoIterator<Item = sortie::Launch<u32>>) -> Launched {
    let mut launched = Vec::new();
    for launch in launches {
        launched.push(launch.await);
    }
    launched
}

#[tokio::test(start_paused = true)]
async fn a_label_names_one_launch_of_those_that_are_recorded_by_one_commit() {
    let system = Arc::new(Mutex::new(None::<System>));
    let mut builder = System::builder().journal(MemoryJournal::new());
    let one = builder.register(echo("one"));
    let (of_parent, leaf) = (Arc::clone(&system), one.clone());
    let parent = agent_fn(move |(): (), cx: AgentContext| {
        let (system, leaf) = (of_parent.lock().unwrap().clone().unwrap(), leaf.clone());
        async move {
            let launches = [1, 2, 1].map(|n| cx.launch(&leaf, n).label("a"));
            let launched = system.launch_many(launches).await;
            assert!(is_conflict(&launched[1], "a"), "{launched:?}");
            Ok(launched[0].as_ref().unwrap().id() == launched[2].as_ref().unwrap().id())
        }
    });
    let parent = builder.register(parent.named("parent"));
    *system.lock().unwrap() = Some(builder.start().await.unwrap());
    let handle = system.lock().unwrap().clone().unwrap();
    assert!(handle.launch(&parent, ()).await.unwrap().result().await.unwrap().unwrap());
    system.lock().unwrap().take();
}

#[tokio::test(start_paused = true)]
async fn attempts_of_a_run_and_branches_of_one_label_do_not_share_their_labels() {
    let mut builder = System::builder().journal(MemoryJournal::new());
    let one = builder.register(echo("one"));
    let leaf = one.clone();
    let system = builder.start().await.unwrap();
    // Two branches with one label, each with its child: none is swallowed.
    let branch = AgentRef::new(agent_fn(move |n: u32, cx: AgentContext| {
        let leaf = leaf.clone();
        async move { Ok(cx.launch(&leaf, n).label("mail").await?.result().await??) }
    }));
    let branches = [branch.branch(1).label("x"), branch.branch(2).label("x"), branch.branch(3).label("y")];
    assert_eq!(system.branches(branches).all().await.unwrap(), [1, 2, 3]);
    // And so the items of one run, which may be attempts of one child.
    let items = system.foreach(0..100, &branch).concurrency(1).all().await.unwrap();
    assert_eq!(items, (0..100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_bad_label_is_told_as_one() {
    let (_system, seen) = attempts(|cx, [one, _]| async move {
        vec![
            cx.launch(&one, 1).label("").await,
            cx.launch(&one, 1).label("x".repeat(257)).await,
            cx.launch(&one, 1).label("x".repeat(256)).await,
            cx.launch(&one, 1).key("").label("x").await,
        ]
    })
    .await;
    let kind = |n: usize| seen[0][n].as_ref().map_err(LaunchError::kind);
    assert!(matches!(kind(0), Err(LaunchErrorKind::BadLabel { bytes: 0, limit: 256 })));
    assert!(matches!(kind(1), Err(LaunchErrorKind::BadLabel { bytes: 257, .. })));
    assert!(kind(2).is_ok());
    assert!(matches!(kind(3), Err(LaunchErrorKind::BadKey { bytes: 0, limit: 512 })));
    assert!(seen[0][0].as_ref().unwrap_err().to_string().contains("label is empty"));
}

/// A parent that launches a child by its position and one by a label when the gate opens, and gives what they give.
fn family(
    builder: &mut sortie::Builder,
    gate: &Arc<tokio::sync::Notify>,
) -> (AgentRef<u32, u32>, AgentRef<u32, [u32; 2]>) {
    let leaf = builder.register(echo("leaf"));
    let (child, gate) = (leaf.clone(), Arc::clone(gate));
    let parent = agent_fn(move |n: u32, cx: AgentContext| {
        let (leaf, gate) = (child.clone(), Arc::clone(&gate));
        async move {
            gate.notified().await;
            let one = cx.launch(&leaf, n).await?;
            let two = cx.launch(&leaf, n + 1).label("mail").await?;
            assert!(!one.is_known() && !two.is_known());
            Ok([one.result().await??, two.result().await??])
        }
    });
    let parent = builder.register(parent.named("parent"));
    (leaf, parent)
}

#[tokio::test(start_paused = true)]
async fn no_callers_key_is_that_of_a_child() {
    let directory = Directory::new();
    let gate = Arc::new(tokio::sync::Notify::new());
    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    let (leaf, parent) = family(&mut builder, &gate);
    let system = builder.start().await.unwrap();
    let ticket = system.launch(&parent, 10).await.unwrap();
    let hex = format!("{:032x}", ticket.id().as_u128());
    let keys = [format!("child/{hex}#0"), format!("child/{hex}/mail"), format!("~caller~child/{hex}#0")];
    let mut strangers = Vec::new();
    for key in &keys {
        strangers.push(system.launch(&leaf, 99).key(key).await.unwrap());
    }
    gate.notify_one();
    assert_eq!(ticket.result().await.unwrap().unwrap(), [10, 11]);
    for (key, stranger) in keys.iter().zip(&strangers) {
        assert_eq!(stranger.result().await.unwrap().unwrap(), 99);
        assert_eq!(stranger.record().await.unwrap().key.as_ref(), Some(key));
        let found = system.ticket_by_key(&leaf, key).await.unwrap().unwrap();
        assert_eq!(found.id(), stranger.id());
        // Also after the parent, the same launch as before.
        let again = system.launch(&leaf, 99).key(key).await.unwrap();
        assert!(again.is_known() && again.id() == stranger.id());
    }
    let page = system.launches(LaunchFilter::all().agent("leaf")).page(None, 9).await.unwrap();
    let shown = |key: &String| page.iter().filter(|record| record.key.as_ref() == Some(key)).count();
    assert_eq!(keys.iter().map(shown).collect::<Vec<_>>(), [2, 2, 1], "a child and a stranger");
    system.shutdown(SECOND).await.unwrap();

    // And what is exported can be imported.
    let (mut lines, copy) = (Vec::new(), directory.path().join("copy"));
    SledJournal::export(directory.journal(), &mut lines).unwrap();
    assert_eq!(SledJournal::import(&copy, &*lines).unwrap(), 6);
    let mut builder = System::builder().journal(SledJournal::open(&copy).unwrap());
    let (leaf, _) = family(&mut builder, &gate);
    let system = builder.start().await.unwrap();
    for (key, stranger) in keys.iter().zip(&strangers) {
        assert_eq!(system.launch(&leaf, 99).key(key).await.unwrap().id(), stranger.id());
    }
}

#[tokio::test(start_paused = true)]
async fn keys_of_callers_that_look_like_derived_ones_may_be_as_long_as_others() {
    let mut builder = System::builder().journal(MemoryJournal::new());
    let leaf = builder.register(echo("leaf"));
    let system = builder.start().await.unwrap();
    for begin in [format!("child/{:032x}/", 7), "~caller~".to_owned(), "child/".to_owned(), "~".to_owned()] {
        let key = format!("{begin}{}", "k".repeat(512 - begin.len()));
        let ticket = system.launch(&leaf, 1).key(&key).await.unwrap();
        assert_eq!(ticket.record().await.unwrap().key.unwrap(), key);
        assert_eq!(system.ticket_by_key(&leaf, &key).await.unwrap().unwrap().id(), ticket.id());
        let error = system.launch(&leaf, 1).key(format!("{key}k")).await.unwrap_err();
        assert!(matches!(error.kind(), LaunchErrorKind::BadKey { bytes: 513, limit: 512 }));
    }
}

#[tokio::test(start_paused = true)]
async fn failures_and_hooks_show_the_key_that_the_caller_has_given() {
    let key = format!("child/{:032x}#0", 7);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut builder = System::builder().journal(MemoryJournal::new());
    let fail = agent_fn(|_: u32, _| async { Err::<u32, _>(AgentError::fatal("no")) });
    let fail = builder.register(fail.named("fail"));
    let once = agent_fn(|_: u32, _| async { panic!("half way") });
    let once: AgentRef<u32, u32> = builder.register(AgentRef::new(once.named("once")).at_most_once());
    let noted = Arc::clone(&seen);
    let hook = agent_fn(move |record: LaunchRecord, _| {
        noted.lock().unwrap().push(record.key.clone());
        async { Ok(Verdict::<u32>::Leave) }
    });
    builder.when_ambiguous(&once, &AgentRef::new(hook));
    let system = builder.start().await.unwrap();
    let failure = system.launch(&fail, 1).key(&key).await.unwrap().result().await.unwrap().unwrap_err();
    assert_eq!(failure.label(), Some(&*key));
    system.launch(&once, 1).key(&key).await.unwrap().result().await.unwrap().unwrap_err();
    tokio::time::sleep(SECOND).await;
    assert_eq!(*seen.lock().unwrap(), [Some(key)]);
}

#[tokio::test(start_paused = true)]
async fn a_child_is_still_found_by_the_key_that_its_record_shows() {
    let mut builder = System::builder().journal(MemoryJournal::new());
    let gate = Arc::new(tokio::sync::Notify::new());
    let (leaf, parent) = family(&mut builder, &gate);
    let system = builder.start().await.unwrap();
    gate.notify_one();
    system.launch(&parent, 1).await.unwrap().result().await.unwrap().unwrap();
    let page = system.launches(LaunchFilter::all().agent("leaf")).page(None, 9).await.unwrap();
    let ids: Vec<LaunchId> = page.iter().map(|record| record.id).collect();
    assert_eq!(ids.len(), 2);
    for record in page {
        let found = system.ticket_by_key(&leaf, record.key.unwrap()).await.unwrap().unwrap();
        assert_eq!(found.id(), record.id);
    }
}
