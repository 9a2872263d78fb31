//! Processes with launches, killed with SIGKILL at every commit: what was acknowledged is run, what was done is not run
//! again, and a key names one launch throughout.
#![cfg(unix)]

use std::collections::HashMap;
use std::path::Path;

use sortie::{AgentContext, AgentRef, LaunchId, LaunchStatus, System, Ticket, agent_fn};

use crate::directory::Directory;
use crate::doomed::{Doomed, Scene, builder, hanging};
use crate::support::SECOND;

const LAUNCHES: u32 = 6;

/// The attempts that were begun, by launch.
fn bodies(scene: &Scene) -> HashMap<LaunchId, Vec<u32>> {
    let mut bodies = HashMap::<_, Vec<u32>>::new();
    for (id, attempt) in scene.noted("begun") {
        bodies.entry(id).or_default().push(attempt);
    }
    bodies
}

async fn start(directory: &Path) -> (System, AgentRef<u32, u32>) {
    let mut builder = builder(directory);
    let agent = builder.register(hanging(directory));
    (builder.start().await.unwrap(), agent)
}

/// What the child processes do: they say what is launched, and then what is done.
async fn launches(child: Doomed, max_crashes: Option<u32>) {
    let (system, agent) = start(child.path()).await;
    let mut tickets = Vec::new();
    for n in 0..LAUNCHES {
        let launch = system.launch(&agent, n).key(n);
        let ticket = match max_crashes {
            Some(deaths) => launch.max_crashes(deaths).await.unwrap(),
            None => launch.await.unwrap(),
        };
        child.say(format!("launched {n} {}", ticket.id()));
        tickets.push(ticket);
    }
    for ticket in tickets {
        ticket.result().await.unwrap().unwrap();
        child.say(format!("done {}", ticket.id()));
    }
}

/// Waits until so many bodies have begun.
fn await_bodies(scene: &Scene, count: usize) {
    while scene.begun().len() < count {
        std::thread::yield_now();
    }
}

/// What a child said was launched, by key, and what it said was done.
fn heard(said: &[String]) -> (HashMap<u32, LaunchId>, Vec<LaunchId>) {
    let launched = said.iter().filter_map(|line| line.strip_prefix("launched ")?.split_once(' '));
    let launched = launched.map(|(key, id)| (key.parse().unwrap(), id.parse().unwrap())).collect();
    let done = said.iter().filter_map(|line| line.strip_prefix("done ")?.parse().ok()).collect();
    (launched, done)
}

#[tokio::test(start_paused = true)]
async fn s11_a_process_that_is_killed_while_launches_run_loses_none() {
    let test = "launch_kills::s11_a_process_that_is_killed_while_launches_run_loses_none";
    let Some(scene) = Scene::on_threads(test, async |child| launches(child, None).await) else { return };
    scene.hang();
    let mut process = scene.child("");
    let said: Vec<_> = std::iter::from_fn(|| process.hear()).take(LAUNCHES as usize).collect();
    let (launched, _) = heard(&said);
    assert_eq!(launched.len(), LAUNCHES as usize);
    await_bodies(&scene, LAUNCHES as usize);
    process.kill();
    scene.let_go();

    let (system, agent) = start(scene.path()).await;
    for (key, id) in &launched {
        let ticket = system.ticket::<u32>(*id).unwrap();
        assert_eq!(ticket.result().await.unwrap().unwrap(), *key);
        let known = system.launch(&agent, *key).key(key).await.unwrap();
        assert_eq!((known.id(), known.is_known()), (*id, true));
    }
    assert!(bodies(&scene).values().all(|attempts| *attempts == [1, 2]));
}

#[tokio::test(start_paused = true)]
async fn s11_a_launch_that_kills_its_process_again_and_again_is_dead_and_others_are_not() {
    let test = "launch_kills::s11_a_launch_that_kills_its_process_again_and_again_is_dead_and_others_are_not";
    let Some(scene) = Scene::on_threads(test, async |child| launches(child, None).await) else { return };
    scene.hang();
    // It dies with all of them once, and then with one suspect at a time, thrice each.
    for _ in 0..1 + 3 {
        let before = scene.begun().len();
        let process = scene.child("");
        await_bodies(&scene, if before == 0 { LAUNCHES as usize } else { before + 1 });
        process.kill();
    }
    scene.let_go();
    let begun = bodies(&scene);
    let (system, agent) = start(scene.path()).await;
    let mut dead = 0;
    for key in 0..LAUNCHES {
        let ticket = system.launch(&agent, key).key(key).await.unwrap();
        let outcome = ticket.result().await.unwrap();
        match ticket.status().await.unwrap() {
            LaunchStatus::Dead => {
                dead += 1;
                assert_eq!(begun[&ticket.id()], [1, 2, 3, 4]);
                let failure = outcome.unwrap_err();
                assert!(format!("{failure:#}").ends_with("the process died"), "{failure:#}");
            }
            _ => assert_eq!(outcome.unwrap(), key),
        }
    }
    assert_eq!(dead, 1);
}

#[tokio::test(start_paused = true)]
async fn s11_how_many_deaths_a_launch_survives_is_recorded_with_it() {
    let test = "launch_kills::s11_how_many_deaths_a_launch_survives_is_recorded_with_it";
    let part = async |child: Doomed| {
        let max_crashes = child.told().parse().unwrap();
        launches(child, Some(max_crashes)).await;
    };
    let Some(scene) = Scene::on_threads(test, part) else { return };
    // The first death leaves only suspects behind. From the second on one of them runs, and is counted.
    for (max_crashes, deaths, dead) in [(1, 1 + 1, 1), (2, 1 + 1, 0), (u32::MAX, 1 + 5, 0)] {
        let scene = scene.anew();
        scene.hang();
        for death in 0..deaths {
            let process = scene.child(&max_crashes.to_string());
            await_bodies(&scene, LAUNCHES as usize + death);
            process.kill();
        }
        scene.let_go();
        let (system, agent) = start(scene.path()).await;
        let mut found = 0;
        for key in 0..LAUNCHES {
            let ticket = system.launch(&agent, key).key(key).await.unwrap();
            found += usize::from(ticket.result().await.unwrap().is_err());
        }
        assert_eq!(found, dead, "{max_crashes}");
    }
}

/// A system whose parents launch so many children each, which hang or do not, and wait for all of them at once. Gives the
/// ticket of one parent.
async fn start_parent(directory: &Path, children: u32, slots: usize) -> (System, Ticket<u32>) {
    let mut builder = builder(directory);
    let child = builder.register(hanging(directory));
    let parent = agent_fn(move |n: u32, cx: AgentContext| {
        let child = child.clone();
        async move {
            let mut tickets = Vec::new();
            for one in 0..n {
                tickets.push(cx.launch(&child, one).key(format!("child {one}")).await?);
            }
            let mut failed = 0;
            for ended in futures::future::join_all(tickets.iter().map(Ticket::result)).await {
                failed += u32::from(ended?.is_err());
            }
            Ok(failed)
        }
    });
    let parent = builder.register(parent.named("parent"));
    builder.launch_concurrency(slots);
    let system = builder.start().await.unwrap();
    let ticket = system.launch(&parent, children).key("parent").await.unwrap();
    (system, ticket)
}

/// What the child processes of these tests do: they are told how many children, and how many slots there are.
async fn parent_and_children(child: Doomed) {
    let (children, slots) = child.told().split_once(' ').unwrap();
    let (_system, ticket) =
        start_parent(child.path(), children.parse().unwrap(), slots.parse().unwrap()).await;
    let _ = ticket.result().await;
}

#[tokio::test(start_paused = true)]
async fn a_suspect_that_waits_for_suspects_does_not_keep_them_from_running() {
    let test = "launch_kills::a_suspect_that_waits_for_suspects_does_not_keep_them_from_running";
    let Some(scene) = Scene::on_threads(test, parent_and_children) else { return };
    for (children, slots) in [(1, 64), (1, 1), (3, 64), (3, 1)] {
        let scene = scene.anew();
        scene.hang();
        let process = scene.child(&format!("{children} {slots}"));
        await_bodies(&scene, (children as usize).min(slots));
        process.kill();
        scene.let_go();
        let (_system, ticket) = start_parent(scene.path(), children, slots).await;
        let ended = tokio::time::timeout(600 * SECOND, ticket.result()).await;
        assert_eq!(ended.expect("it waits for ever").unwrap().unwrap(), 0, "{children} {slots}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_that_kills_its_process_again_and_again_is_dead_and_the_parent_that_waits_for_it_is_not() {
    let test = "launch_kills::a_child_that_kills_its_process_again_and_again_is_dead_and_the_parent_that_waits_for_it_is_not";
    let Some(scene) = Scene::on_threads(test, parent_and_children) else { return };
    for slots in [64, 1] {
        let scene = scene.anew();
        scene.hang();
        // The first death makes both suspects; three more are those of the child alone.
        for death in 1..=4 {
            let process = scene.child(&format!("1 {slots}"));
            await_bodies(&scene, death);
            process.kill();
        }
        let begun = bodies(&scene);
        scene.let_go();
        let (system, ticket) = start_parent(scene.path(), 1, slots).await;
        let ended = tokio::time::timeout(600 * SECOND, ticket.result()).await;
        assert_eq!(ended.expect("it waits for ever").unwrap().unwrap(), 1, "its child has failed");
        let record = ticket.record().await.unwrap();
        assert_eq!((record.status, record.crashes), (LaunchStatus::Done, 0));
        let [(child, attempts)] = begun.iter().collect::<Vec<_>>()[..] else { panic!("{begun:?}") };
        assert_eq!(attempts[..], [1, 2, 3, 4]);
        let child = system.ticket::<u32>(*child).unwrap().record().await.unwrap();
        assert_eq!((child.status, child.crashes), (LaunchStatus::Dead, 3));
    }
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "at least one death")]
async fn no_death_at_all_is_refused_where_it_is_set() {
    let directory = Directory::new();
    let (system, agent) = start(directory.path()).await;
    drop(system.launch(&agent, 0).max_crashes(0));
}

#[tokio::test(start_paused = true)]
async fn s13_killed_at_every_commit() {
    let test = "launch_kills::s13_killed_at_every_commit";
    let part = async |child: Doomed| {
        let _trap = child.arm();
        launches(child, None).await;
    };
    let Some(scene) = Scene::on_threads(test, part) else { return };
    let mut acknowledged = 0;
    for point in ["store.before_write", "store.after_sync"] {
        // The first commit is of the start: the epoch.
        for hit in 1..=18 {
            let scene = scene.anew();
            let (said, _) = scene.child(&format!("{point}=kill@{hit}")).end();
            let (launched, done) = heard(&said);
            acknowledged += launched.len();
            let before = bodies(&scene);
            let (system, agent) = start(scene.path()).await;
            let mut ids = HashMap::new();
            for key in 0..LAUNCHES {
                let ticket = system.launch(&agent, key).key(key).await.unwrap();
                if let Some(id) = launched.get(&key) {
                    assert_eq!((ticket.id(), ticket.is_known()), (*id, true), "{point}@{hit}");
                }
                assert_eq!(ticket.result().await.unwrap().unwrap(), key, "{point}@{hit}");
                ids.insert(ticket.id(), key);
            }
            let after = bodies(&scene);
            assert_eq!(after.len(), LAUNCHES as usize, "{point}@{hit}");
            for (id, attempts) in &after {
                assert!(
                    ids.contains_key(id) && attempts.windows(2).all(|two| two[0] < two[1]),
                    "{point}@{hit}"
                );
            }
            for id in done {
                assert_eq!(before[&id], after[&id], "{point}@{hit}: what was done was run again");
            }
            system.shutdown(std::time::Duration::ZERO).await.unwrap();
        }
    }
    assert!(acknowledged > 0, "the children did nothing");
}
