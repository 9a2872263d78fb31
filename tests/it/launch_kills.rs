//! Processes with launches, killed with SIGKILL at every commit: what was acknowledged is run, what was done is not run
//! again, and a key names one launch throughout.
#![cfg(unix)]

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use sortie::{AgentContext, AgentRef, LaunchId, LaunchStatus, SledJournal, System, agent_fn};

use crate::directory::Directory;
use crate::support::threads;

const DIRECTORY: &str = "SORTIE_TEST_LAUNCHES";
/// How many deaths a launch survives, for the children.
const MAX_CRASHES: &str = "SORTIE_TEST_MAX_CRASHES";
const LAUNCHES: u32 = 6;

/// Notes each body in a file, and then hangs as long as another file is there.
fn work(directory: &Path) -> AgentRef<u32, u32> {
    let directory = directory.to_owned();
    let agent = agent_fn(move |n: u32, cx: AgentContext| {
        let directory = directory.clone();
        async move {
            let mut bodies = OpenOptions::new().create(true).append(true).open(directory.join("bodies"))?;
            let id = cx.launch_id().ok_or("no launch")?;
            bodies.write_all(format!("{id} {}\n", cx.attempt()).as_bytes())?;
            if directory.join("hang").exists() {
                std::future::pending::<()>().await;
            }
            Ok(n)
        }
    });
    AgentRef::new(agent.named("work"))
}

/// The attempts that were begun, by launch.
fn bodies(directory: &Path) -> HashMap<LaunchId, Vec<u32>> {
    let mut bodies = HashMap::<_, Vec<u32>>::new();
    for line in fs::read_to_string(directory.join("bodies")).unwrap_or_default().lines() {
        let (id, attempt) = line.split_once(' ').unwrap();
        bodies.entry(id.parse().unwrap()).or_default().push(attempt.parse().unwrap());
    }
    bodies
}

async fn start(directory: &Directory) -> (System, AgentRef<u32, u32>) {
    let mut builder = System::builder().journal(SledJournal::open(directory.journal()).unwrap());
    let agent = builder.register(work(directory.path()));
    (builder.start().await.unwrap(), agent)
}

/// Not a test: what the child processes do.
#[test]
fn child() {
    let Some(path) = std::env::var_os(DIRECTORY) else { return };
    let path = Path::new(&path);
    threads(2).block_on(async {
        let mut builder = System::builder().journal(SledJournal::open(path.join("journal")).unwrap());
        let agent = builder.register(work(path));
        let system = builder.start().await.unwrap();
        let say = |text: String| {
            let mut out = std::io::stdout();
            writeln!(out, "{text}").unwrap();
            out.flush().unwrap();
        };
        say("\nopen".into());
        let mut tickets = Vec::new();
        for n in 0..LAUNCHES {
            let launch = system.launch(&agent, n).key(n);
            let ticket = match std::env::var(MAX_CRASHES) {
                Ok(deaths) => launch.max_crashes(deaths.parse().unwrap()).await.unwrap(),
                Err(_) => launch.await.unwrap(),
            };
            say(format!("launched {n} {}", ticket.id()));
            tickets.push(ticket);
        }
        for ticket in tickets {
            ticket.result().await.unwrap().unwrap();
            say(format!("done {}", ticket.id()));
        }
    });
}

/// A child process. Dropping it kills it.
struct Process(Child);

impl Process {
    fn start(directory: &Path, failpoint: &str) -> Self {
        Self::with(directory, "SORTIE_FAILPOINT", failpoint)
    }

    fn with(directory: &Path, variable: &str, value: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "launch_kills::child", "--nocapture", "--test-threads=1"])
            .env(DIRECTORY, directory)
            .env(variable, value)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// What it says until it ends.
    fn end(mut self) -> Vec<String> {
        let mut text = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        self.0.wait().unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
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
    let directory = Directory::new();
    fs::write(directory.path().join("hang"), "").unwrap();
    let mut process = Process::start(directory.path(), "");
    let mut out = BufReader::new(process.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let said: Vec<_> =
        out.by_ref().filter(|line| line.starts_with("launched")).take(LAUNCHES as usize).collect();
    let (launched, _) = heard(&said);
    while bodies(directory.path()).len() < LAUNCHES as usize {
        std::thread::yield_now();
    }
    drop(process);
    fs::remove_file(directory.path().join("hang")).unwrap();

    let (system, agent) = start(&directory).await;
    for (key, id) in &launched {
        let ticket = system.ticket::<u32>(*id).unwrap();
        assert_eq!(ticket.result().await.unwrap().unwrap(), *key);
        let known = system.launch(&agent, *key).key(key).await.unwrap();
        assert_eq!((known.id(), known.is_known()), (*id, true));
    }
    assert!(bodies(directory.path()).values().all(|attempts| *attempts == [1, 2]));
}

#[tokio::test(start_paused = true)]
async fn s11_a_launch_that_kills_its_process_again_and_again_is_dead_and_others_are_not() {
    let directory = Directory::new();
    fs::write(directory.path().join("hang"), "").unwrap();
    // It dies with all of them once, and then with one suspect at a time, thrice each.
    for _ in 0..1 + 3 {
        let before: usize = bodies(directory.path()).values().map(Vec::len).sum();
        let process = Process::start(directory.path(), "");
        let expected = if before == 0 { LAUNCHES as usize } else { before + 1 };
        while bodies(directory.path()).values().map(Vec::len).sum::<usize>() < expected {
            std::thread::yield_now();
        }
        drop(process);
    }
    fs::remove_file(directory.path().join("hang")).unwrap();
    let begun = bodies(directory.path());
    let (system, agent) = start(&directory).await;
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
    // The first death leaves only suspects behind. From the second on one of them runs, and is counted.
    for (max_crashes, deaths, dead) in [(1, 1 + 1, 1), (2, 1 + 1, 0), (u32::MAX, 1 + 5, 0)] {
        let directory = Directory::new();
        fs::write(directory.path().join("hang"), "").unwrap();
        for death in 0..deaths {
            let process = Process::with(directory.path(), MAX_CRASHES, &max_crashes.to_string());
            while bodies(directory.path()).values().map(Vec::len).sum::<usize>() < LAUNCHES as usize + death {
                std::thread::yield_now();
            }
            drop(process);
        }
        fs::remove_file(directory.path().join("hang")).unwrap();
        let (system, agent) = start(&directory).await;
        let mut found = 0;
        for key in 0..LAUNCHES {
            let ticket = system.launch(&agent, key).key(key).await.unwrap();
            found += usize::from(ticket.result().await.unwrap().is_err());
        }
        assert_eq!(found, dead, "{max_crashes}");
    }
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "at least one death")]
async fn no_death_at_all_is_refused_where_it_is_set() {
    let directory = Directory::new();
    let (system, agent) = start(&directory).await;
    drop(system.launch(&agent, 0).max_crashes(0));
}

#[tokio::test(start_paused = true)]
async fn s13_killed_at_every_commit() {
    for point in ["store.before_write", "store.after_sync"] {
        // Three commits are of the start: two of the opening, and the epoch.
        for hit in 3..=20 {
            let directory = Directory::new();
            let (launched, done) =
                heard(&Process::start(directory.path(), &format!("{point}=kill@{hit}")).end());
            let before = bodies(directory.path());
            let (system, agent) = start(&directory).await;
            let mut ids = HashMap::new();
            for key in 0..LAUNCHES {
                let ticket = system.launch(&agent, key).key(key).await.unwrap();
                if let Some(id) = launched.get(&key) {
                    assert_eq!((ticket.id(), ticket.is_known()), (*id, true), "{point}@{hit}");
                }
                assert_eq!(ticket.result().await.unwrap().unwrap(), key, "{point}@{hit}");
                ids.insert(ticket.id(), key);
            }
            let after = bodies(directory.path());
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
}
