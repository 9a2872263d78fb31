//! Processes with launches that run at most once, killed with SIGKILL again and again: no body starts twice, and nothing
//! that was acknowledged is lost.
#![cfg(unix)]

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use sortie::{AgentRef, LaunchId, LaunchStatus};

use crate::doomed::{Doomed, Scene, builder, work};

/// How many processes are killed; another number may be given by this variable.
const KILLS: (usize, &str) = (30, "SORTIE_TEST_KILLS");

/// Notes each body before it does anything else, and takes a few milliseconds.
fn once(directory: &Path) -> AgentRef<u32, u32> {
    let body = async |n: u32| {
        tokio::time::sleep(Duration::from_millis((n % 5).into())).await;
        if n % 11 == 0 { Err("declined".into()) } else { Ok(n) }
    };
    work(directory, move |n, _| body(n)).at_most_once()
}

/// What the child processes do, and say which launches are recorded: until they are killed, and not for ever.
async fn launches(child: Doomed) {
    let mut builder = builder(child.path());
    let agent = builder.register(once(child.path()));
    builder.launch_concurrency(4);
    let system = builder.start().await.unwrap();
    for n in 0..1_000 {
        child.say(system.launch(&agent, n).await.unwrap().id());
    }
}

/// Starts a process, kills it when it has launched so many, and says which.
fn killed_after(scene: &Scene, launches: usize) -> Vec<LaunchId> {
    let mut process = scene.child("");
    let said = std::iter::from_fn(|| process.hear()).take(launches);
    let launched = said.map(|id| id.parse().unwrap()).collect();
    process.kill();
    launched
}

#[tokio::test(start_paused = true)]
async fn no_body_starts_twice_however_often_the_process_is_killed() {
    let test = "at_most_once_kills::no_body_starts_twice_however_often_the_process_is_killed";
    let Some(scene) = Scene::on_threads(test, launches) else { return };
    let kills = std::env::var(KILLS.1).map_or(KILLS.0, |kills| kills.parse().unwrap());
    let mut launched = Vec::new();
    for kill in 0..kills {
        launched.extend(killed_after(&scene, 1 + kill * 7 % 31));
    }
    let mut builder = builder(scene.path());
    builder.register(once(scene.path()));
    let system = builder.start().await.unwrap();
    let mut ended = HashMap::<LaunchStatus, usize>::new();
    let mut done = HashSet::new();
    for id in &launched {
        let ticket = system.ticket::<u32>(*id).unwrap();
        let outcome = ticket.result().await.unwrap();
        let status = ticket.status().await.unwrap();
        assert_eq!(outcome.is_ok(), status == LaunchStatus::Done);
        *ended.entry(status).or_default() += 1;
        if matches!(status, LaunchStatus::Done | LaunchStatus::Dead) {
            done.insert(*id);
        }
    }
    system.shutdown(Duration::ZERO).await.unwrap();
    let mut begun = HashMap::<LaunchId, usize>::new();
    for (id, _) in scene.noted("begun") {
        *begun.entry(id).or_default() += 1;
    }
    let twice = begun.values().filter(|bodies| **bodies > 1).count();
    println!("kills={kills} launched={} begun={} twice={twice} ended={ended:?}", launched.len(), begun.len());
    assert_eq!(twice, 0, "of {}", begun.len());
    assert!(done.iter().all(|id| begun.contains_key(id)));
    assert!(ended.keys().all(|status| {
        matches!(status, LaunchStatus::Done | LaunchStatus::Dead | LaunchStatus::Ambiguous)
    }));
    assert!(ended[&LaunchStatus::Done] > 0 && ended[&LaunchStatus::Ambiguous] > 0, "{ended:?}");
}
