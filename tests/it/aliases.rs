//! Agents that have another name than when their launches were recorded.

use std::sync::{Arc, Mutex};

use sortie::journal::{Due, Intent, Journal, Scope, Terms};
use sortie::{
    AgentContext, AgentError, AgentRef, LaunchErrorKind, LaunchFilter, LaunchStatus, MemoryJournal,
    SledJournal, System, agent_fn,
};
use tokio::time::sleep;

use crate::directory::Directory;
use crate::support::SECOND;

/// Notes the name under which it was attempted. Hangs if it is told to.
fn agent(name: &str, names: &Arc<Mutex<Vec<String>>>) -> AgentRef<String, String> {
    let (name, names) = (name.to_owned(), Arc::clone(names));
    let noted = name.clone();
    let agent = agent_fn(move |what: String, _: AgentContext| {
        names.lock().unwrap().push(noted.clone());
        async move {
            match what.as_str() {
                "hang" => std::future::pending().await,
                "fail" => Err(AgentError::fatal("told to")),
                _ => Ok(what),
            }
        }
    });
    AgentRef::new(agent.named(name))
}

/// A system with one agent, and an alias of it.
async fn start(
    directory: &Directory,
    agent: AgentRef<String, String>,
    alias: Option<&str>,
) -> (System, AgentRef<String, String>) {
    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    let agent = builder.register(agent);
    if let Some(alias) = alias {
        builder.alias(alias, agent.name());
    }
    (builder.start().await.unwrap(), agent)
}

#[tokio::test(start_paused = true)]
async fn launches_of_an_old_name_run_under_the_new_one_and_keep_their_keys() {
    let (directory, names) = (Directory::new(), Arc::default());
    let (system, old) = start(&directory, agent("old", &names), None).await;
    let launch = async |system: &System, agent: &AgentRef<String, String>, key: &str, what: &str| {
        system.launch(agent, what.to_owned()).key(key).await
    };
    let done = launch(&system, &old, "done", "work").await.unwrap();
    assert_eq!(done.result().await.unwrap().unwrap(), "work");
    let dead = launch(&system, &old, "dead", "fail").await.unwrap();
    dead.result().await.unwrap().unwrap_err();
    system.shutdown(SECOND).await.unwrap();
    let open = record(&directory, "old", "open", "work").await;

    // Without an alias nobody knows it.
    let (system, new) = start(&directory, agent("new", &names), None).await;
    assert_eq!(system.ticket::<String>(open).unwrap().status().await.unwrap(), LaunchStatus::Parked);
    assert!(system.ticket_by_key(&new, "done").await.unwrap().is_none());
    system.shutdown(SECOND).await.unwrap();

    names.lock().unwrap().clear();
    let (system, new) = start(&directory, agent("new", &names), Some("old")).await;
    let open = system.ticket::<String>(open).unwrap();
    assert_eq!(open.result().await.unwrap().unwrap(), "work");
    assert_eq!(*names.lock().unwrap(), ["new"]);
    // The same key with the same input is the launch of the old name, and with another input it is a conflict.
    for (key, what, id) in
        [("done", "work", done.id()), ("dead", "fail", dead.id()), ("open", "work", open.id())]
    {
        let known = launch(&system, &new, key, what).await.unwrap();
        assert_eq!((known.id(), known.is_known()), (id, true));
        assert_eq!(system.ticket_by_key(&new, key).await.unwrap().unwrap().id(), id);
        let error = launch(&system, &new, key, "other").await.unwrap_err();
        assert!(matches!(error.kind(), LaunchErrorKind::KeyConflict(known) if *known == id), "{error}");
    }
    // Everything is told under the name of today.
    let listed = system.launches(LaunchFilter::all().agent("new")).page(None, 10).await.unwrap();
    assert_eq!(listed.len(), 3);
    assert!(listed.iter().all(|record| record.agent == "new"));
    assert_eq!(system.launches(LaunchFilter::all().agent("old")).count().await.unwrap(), 0);
    // A dead one runs again under the new name, and one that is discarded sets its key free.
    assert!(system.ticket::<String>(dead.id()).unwrap().requeue().await.unwrap());
    sleep(SECOND).await;
    assert_eq!(*names.lock().unwrap(), ["new", "new"]);
    assert!(system.ticket::<String>(dead.id()).unwrap().discard().await.unwrap());
    let fresh = launch(&system, &new, "dead", "work").await.unwrap();
    assert!(!fresh.is_known());
    assert_eq!(fresh.result().await.unwrap().unwrap(), "work");
}

#[tokio::test(start_paused = true)]
async fn what_ran_under_an_old_name_is_handed_back_and_run_under_the_new_one() {
    let (directory, names) = (Directory::new(), Arc::default());
    let (system, old) = start(&directory, agent("old", &names), None).await;
    let id = system.launch(&old, "hang".to_owned()).await.unwrap().id();
    sleep(SECOND).await;
    system.shutdown(SECOND).await.unwrap();

    let (system, _new) = start(&directory, agent("new", &names), Some("old")).await;
    sleep(SECOND).await;
    let ticket = system.ticket::<String>(id).unwrap();
    assert_eq!(ticket.status().await.unwrap(), LaunchStatus::Running);
    assert_eq!(system.shutdown(SECOND).await.unwrap().handed_back, 1);
    assert_eq!(*names.lock().unwrap(), ["old", "new"]);

    // Back to the old name: then the new one is the alias of what has moved meanwhile.
    let (system, _old) = start(&directory, agent("old", &names), Some("new")).await;
    sleep(SECOND).await;
    assert_eq!(*names.lock().unwrap(), ["old", "new", "old"]);
    assert_eq!(system.ticket::<String>(id).unwrap().record().await.unwrap().agent, "old");
}

/// Records a launch of an agent in a process that runs nothing.
async fn record(directory: &Directory, agent: &str, key: &str, what: &str) -> sortie::LaunchId {
    let journal = SledJournal::open(directory.journal()).unwrap();
    journal.start(Scope::new([])).await.unwrap();
    let input = format!("{what:?}").into_bytes();
    // As the digest of an input in a record that a system has made.
    let mut hasher = siphasher::sip128::SipHasher13::new();
    std::hash::Hasher::write(&mut hasher, &input);
    let digest = siphasher::sip128::Hasher128::finish128(&hasher).as_u128();
    let (agent, key) = (agent.to_owned(), Some(key.to_owned()));
    let intent = Intent { agent, key, input, digest, due: Due::Now, terms: Terms::default() };
    let appended = journal.append(vec![intent]).await.unwrap()[0];
    journal.close();
    journal.closed().await.unwrap();
    match appended {
        sortie::journal::Appended::New(id) => id,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_launches_under_one_key_the_latest_has_it() {
    let (directory, names) = (Directory::new(), Arc::default());
    let old = record(&directory, "old", "k", "fail").await;
    let new = record(&directory, "new", "k", "work").await;
    assert!(old < new);
    for _ in 0..2 {
        let (system, agent) = start(&directory, agent("new", &names), Some("old")).await;
        // Both are there, and both run; what moves does not take the key.
        sleep(SECOND).await;
        let first = system.ticket::<String>(old).unwrap();
        assert_eq!(first.status().await.unwrap(), LaunchStatus::Dead);
        first.requeue().await.unwrap();
        first.result().await.unwrap().unwrap_err();
        assert_eq!(system.ticket_by_key(&agent, "k").await.unwrap().unwrap().id(), new);
        system.shutdown(SECOND).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn bad_aliases_are_reported_together_and_nothing_is_started() {
    let names = Arc::default();
    let mut builder = System::builder().journal(MemoryJournal::new());
    builder.register(agent("a", &names));
    builder.register(agent("b", &names));
    builder.alias("x", "a").alias("y", "nobody").alias("b", "a").alias("x", "b").alias("", "a");
    let error = builder.start().await.unwrap_err();
    let problems: Vec<_> = error.problems().collect();
    let expected = [
        "agent `nobody` has the alias `y`, and is not registered",
        "agent `a` has the alias `b`, under which an agent is registered",
        "agent `b` has the alias `x`, which was given before",
        "agent `a` has the alias ``, which is empty",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem}");
    }
}
