//! Launches from within attempts: an attempt that is made again finds those of the one before.
#![cfg(unix)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use sortie::{
    AgentContext, AgentError, AgentRef, Backoff, Builder, LaunchError, LaunchErrorKind, LaunchFilter,
    LaunchId, LaunchStatus, MemoryJournal, Restart, SledJournal, System, Ticket, agent_fn,
};

use crate::directory::Directory;
use crate::support::{SECOND, threads};

/// What an attempt saw of its children: id, whether it was known, whether its input differs.
type Seen = Arc<Mutex<Vec<(LaunchId, bool, bool)>>>;

fn builder() -> Builder {
    System::builder().journal(MemoryJournal::new())
}

fn leaf(builder: &mut Builder) -> AgentRef<u32, u32> {
    builder.register(agent_fn(|n: u32, _| async move { Ok(n + 1) }).named("leaf"))
}

fn note(seen: &Seen, ticket: &Ticket<u32>) {
    seen.lock().unwrap().push((ticket.id(), ticket.is_known(), ticket.input_differs()));
}

/// Launches three children, and fails in its first attempt; what the children get is told by `input`.
fn parent(
    seen: &Seen,
    leaf: &AgentRef<u32, u32>,
    input: impl Fn(u32) -> u32 + Send + Sync + 'static,
) -> AgentRef<u32, u32> {
    let (seen, leaf, input) = (Arc::clone(seen), leaf.clone(), Arc::new(input));
    let agent = agent_fn(move |_: u32, cx: AgentContext| {
        let (seen, leaf, input) = (Arc::clone(&seen), leaf.clone(), Arc::clone(&input));
        async move {
            let n = input(cx.attempt());
            note(&seen, &cx.launch(&leaf, n).await?);
            note(&seen, &cx.launch(&leaf, n).await?);
            note(&seen, &cx.launch(&leaf, n).label("last").await?);
            if cx.attempt() == 1 { Err("again".into()) } else { Ok(n) }
        }
    });
    AgentRef::new(agent.named("parent")).restart(Restart::attempts(3).backoff(Backoff::fixed(SECOND)))
}

#[tokio::test(start_paused = true)]
async fn p14_an_attempt_that_is_made_again_launches_nothing_twice() {
    let mut builder = builder();
    let (seen, leaf) = (Seen::default(), leaf(&mut builder));
    let parent = builder.register(parent(&seen, &leaf, |_| 7));
    let system = builder.start().await.unwrap();
    assert_eq!(system.launch(&parent, 0).await.unwrap().result().await.unwrap().unwrap(), 7);

    let first = std::mem::take(&mut *seen.lock().unwrap());
    let [a, b, c, again_a, again_b, again_c] = first[..] else { panic!("{first:?}") };
    assert!([a, b, c].iter().all(|child| !child.1) && a.0 != b.0 && b.0 != c.0);
    assert_eq!([again_a, again_b, again_c], [(a.0, true, false), (b.0, true, false), (c.0, true, false)]);

    // Another launch has children of its own.
    system.launch(&parent, 0).await.unwrap().result().await.unwrap().unwrap();
    let second = std::mem::take(&mut *seen.lock().unwrap());
    assert!(second.iter().all(|child| ![a.0, b.0, c.0].contains(&child.0)));
    // And so has a run that is no launch, whose second attempt finds those of the first.
    system.ask(&parent, 0).await.unwrap();
    let third = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!((third[0].0, third[3].1), (third[3].0, true));
    assert!(third.iter().all(|child| !second.iter().any(|other| other.0 == child.0)));
    // The position has nothing to do with how many attempts there were; the label not with the position.
    let record = system.ticket::<u32>(c.0).unwrap().record().await.unwrap();
    assert!(record.key.unwrap().ends_with("/last"));
}

#[tokio::test(start_paused = true)]
async fn a_child_keeps_the_input_that_it_was_recorded_with_and_the_ticket_says_so() {
    let mut builder = builder();
    let (seen, leaf) = (Seen::default(), leaf(&mut builder));
    let parent = builder.register(parent(&seen, &leaf, |attempt| attempt));
    let system = builder.start().await.unwrap();
    assert_eq!(system.launch(&parent, 0).await.unwrap().result().await.unwrap().unwrap(), 2);
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen[3], (seen[0].0, true, true));
    assert_eq!(system.ticket::<u32>(seen[0].0).unwrap().result().await.unwrap().unwrap(), 1 + 1);
}

#[tokio::test(start_paused = true)]
async fn items_of_nested_runs_have_children_of_their_own_by_key_and_by_position() {
    let mut builder = builder();
    let leaf = leaf(&mut builder);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (item_leaf, noted) = (leaf.clone(), Arc::clone(&seen));
    let item = AgentRef::new(agent_fn(move |n: u32, cx: AgentContext| {
        let (leaf, seen) = (item_leaf.clone(), Arc::clone(&noted));
        async move {
            let ticket = cx.launch(&leaf, n).await?;
            seen.lock().unwrap().push((n, ticket.id(), ticket.is_known()));
            Ok(())
        }
    }));
    let parent = agent_fn(move |_: u32, cx: AgentContext| {
        let item = item.clone();
        async move {
            // The second time the keyed items come in another order.
            let turn = cx.attempt() as usize - 1;
            let keyed = [[1_u32, 2, 3], [3, 1, 2]][turn];
            cx.foreach(keyed, &item).keyed(|n| *n)?.all().await?;
            cx.foreach([10_u32, 20], &item).all().await?;
            if turn == 0 { Err("again".into()) } else { Ok(()) }
        }
    });
    let parent = builder.register(AgentRef::new(parent.named("parent")));
    let system = builder.start().await.unwrap();
    system.launch(&parent, 0).await.unwrap().result().await.unwrap().unwrap();
    let seen = seen.lock().unwrap().clone();
    for (n, id, known) in &seen {
        let of_n: Vec<_> = seen.iter().filter(|(other, ..)| other == n).collect();
        assert_eq!(of_n.len(), 2);
        assert!(of_n.iter().all(|(_, other, _)| other == id), "{n}");
        assert_eq!(*known, of_n[1] == &(*n, *id, *known) && of_n[1].2);
    }
    assert_eq!(seen.iter().filter(|(.., known)| *known).count(), 5);
    assert_eq!(system_launches(&system).await, 5 + 1);
}

/// How many launches there are.
async fn system_launches(system: &System) -> usize {
    system.launches(LaunchFilter::all()).page(None, 100).await.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn a_key_means_the_same_within_an_attempt_and_outside() {
    let mut builder = builder();
    let leaf = leaf(&mut builder);
    let child = leaf.clone();
    let parent = agent_fn(move |n: u32, cx: AgentContext| {
        let leaf = child.clone();
        async move { Ok(cx.launch(&leaf, n).key("report").label("no effect").await?.id().to_string()) }
    });
    let parent = builder.register(parent.named("parent"));
    let system = builder.start().await.unwrap();
    let outside = system.launch(&leaf, 1).key("report").await.unwrap();
    assert_eq!(system.ask(&parent, 1).await.unwrap(), outside.id().to_string());
    // With another input it is a conflict, as everywhere.
    let failure = system.ask(&parent, 2).await.unwrap_err();
    assert!(format!("{failure:#}").contains("has the same key and another input"), "{failure:#}");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_child_is_said() {
    let why = |error: LaunchError| AgentError::fatal(format!("{:?}", error.kind()));
    let stranger = AgentRef::new(agent_fn(|n: u32, _| async move { Ok(n) }).named("stranger"));
    let parent = |label: &'static str| {
        let stranger = stranger.clone();
        AgentRef::new(agent_fn(move |_: u32, cx: AgentContext| {
            let stranger = stranger.clone();
            async move { cx.launch(&stranger, 1).label(label).await.map(|_| ()).map_err(why) }
        }))
    };
    let message = |failure: sortie::Failure| format!("{failure:#}");
    assert!(message(sortie::ask(&parent("x"), 0).await.unwrap_err()).contains("NoJournal"));
    let system = builder().start().await.unwrap();
    assert!(message(system.ask(&parent("x"), 0).await.unwrap_err()).contains("UnknownAgent"));
    let mut builder = builder();
    builder.register(stranger.clone());
    let system = builder.start().await.unwrap();
    assert!(message(system.ask(&parent(""), 0).await.unwrap_err()).contains("BadLabel"));
    let error = system.launch(&stranger, 1).label("").await;
    assert!(error.is_ok(), "a label has no effect outside of an attempt");
    assert!(!matches!(error, Err(ref error) if matches!(error.kind(), LaunchErrorKind::BadLabel { .. })));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_may_go_on_while_the_system_drains_may_launch() {
    let directory = Directory::new();
    let gate = Arc::new(tokio::sync::Notify::new());
    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    let leaf = leaf(&mut builder);
    let (child, opened) = (leaf.clone(), Arc::clone(&gate));
    let parent = agent_fn(move |_: u32, cx: AgentContext| {
        let (leaf, gate) = (child.clone(), Arc::clone(&opened));
        async move {
            gate.notified().await;
            Ok(cx.launch(&leaf, 5).await?.id().to_string())
        }
    });
    let parent = builder.register(parent.named("parent"));
    let system = builder.start().await.unwrap();
    let ticket = system.launch(&parent, 0).await.unwrap();
    while ticket.status().await.unwrap() != LaunchStatus::Running {
        tokio::task::yield_now().await;
    }
    let shutdown = system.shutdown(10 * SECOND);
    let (left, ()) = tokio::join!(shutdown, async { gate.notify_one() });
    assert_eq!(left.unwrap().handed_back, 0);

    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    self::leaf(&mut builder);
    let system = builder.start().await.unwrap();
    let child = system.ticket::<String>(ticket.id()).unwrap().result().await.unwrap().unwrap();
    let child = system.ticket::<u32>(child.parse().unwrap()).unwrap();
    assert_eq!(child.result().await.unwrap().unwrap(), 6);
}

const DIRECTORY: &str = "SORTIE_TEST_CHILD_LAUNCHES";

/// Launches one child, and in its first process dies after that.
fn deadly(builder: &mut Builder, leaf: &AgentRef<u32, u32>) -> AgentRef<u32, String> {
    let leaf = leaf.clone();
    let agent = agent_fn(move |n: u32, cx: AgentContext| {
        let leaf = leaf.clone();
        async move {
            let ticket = cx.launch(&leaf, n).await?;
            if std::env::var_os(DIRECTORY).is_some() {
                let kill = format!("kill -9 {}", std::process::id());
                Command::new("sh").arg("-c").arg(kill).status()?;
            }
            Ok(format!("{} {}", ticket.id(), ticket.is_known()))
        }
    });
    builder.register(agent.named("deadly"))
}

/// Not a test: what the child process does.
#[test]
fn child() {
    let Some(path) = std::env::var_os(DIRECTORY) else { return };
    threads(2).block_on(async {
        let mut builder = System::builder().journal(SledJournal::open(Path::new(&path)).unwrap());
        let leaf = leaf(&mut builder);
        let parent = deadly(&mut builder, &leaf);
        let system = builder.start().await.unwrap();
        let ticket = system.launch(&parent, 1).key("parent").await.unwrap();
        let _ = ticket.result().await;
    });
}

#[tokio::test(start_paused = true)]
async fn s14_a_launching_step_that_runs_again_after_a_kill_makes_no_second_child() {
    let directory = Directory::new();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_launches::child", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory.journal())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success());

    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    let leaf = leaf(&mut builder);
    let parent = deadly(&mut builder, &leaf);
    let system = builder.start().await.unwrap();
    let ticket = system.launch(&parent, 1).key("parent").await.unwrap();
    let outcome = ticket.result().await.unwrap().unwrap();
    let (child, known) = outcome.split_once(' ').unwrap();
    assert_eq!(known, "true");
    assert_eq!(system.ticket::<u32>(child.parse().unwrap()).unwrap().result().await.unwrap().unwrap(), 2);
    assert_eq!(system_launches(&system).await, 2);
}
