//! Hooks that decide about launches that nobody knows the end of.

mod trouble;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sortie::{
    AgentContext, AgentError, AgentRef, Builder, LaunchFilter, LaunchRecord, LaunchStatus, MemoryJournal,
    SledJournal, System, Ticket, TicketError, Verdict, agent_fn,
};
use tokio::time::{sleep, timeout};

use crate::directory::Directory;
use crate::support::{Gauge, SECOND, eventually};

/// An agent that runs at most once, and does what its input says.
fn charge(name: &str) -> AgentRef<String, String> {
    let agent = agent_fn(|what: String, cx: AgentContext| async move {
        match what.as_str() {
            "hang" => std::future::pending().await,
            "decline" => Err(AgentError::fatal("declined")),
            "fine" => Ok(what),
            _ if cx.attempt() == 1 || what == "always" => panic!("the line went dead"),
            _ => Ok(format!("attempt {}", cx.attempt())),
        }
    });
    AgentRef::new(agent.named(name)).timeout(60 * SECOND).at_most_once()
}

/// What a hook was asked about: the key and how many attempts there were.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<(String, u32)>>>);

impl Asked {
    fn note(&self, launch: &LaunchRecord) -> String {
        assert_eq!(launch.status, LaunchStatus::Ambiguous);
        let key = launch.key.clone().unwrap_or_default();
        self.0.lock().unwrap().push((key.clone(), launch.attempts));
        key
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// The keys, sorted.
    fn keys(&self) -> Vec<String> {
        let mut keys: Vec<_> = self.0.lock().unwrap().iter().map(|(key, _)| key.clone()).collect();
        keys.sort();
        keys
    }
}

/// A hook that says what the key of the launch tells it to.
fn obedient(asked: &Asked) -> AgentRef<LaunchRecord, Verdict<String>> {
    let asked = asked.clone();
    AgentRef::new(agent_fn(move |launch: LaunchRecord, _| {
        let key = asked.note(&launch);
        async move {
            match key.split(' ').next().unwrap_or_default() {
                "requeue" => Ok(Verdict::Requeue),
                "settle" => Ok(Verdict::Settle("by the hook".to_owned())),
                "discard" => Ok(Verdict::Discard),
                "fail" => Err("the provider is down".into()),
                "panic" => panic!("the hook was told to"),
                "long" => Ok(Verdict::Settle("x".repeat(1000))),
                "hang" => std::future::pending().await,
                _ => Ok(Verdict::Leave),
            }
        }
    }))
}

fn memory() -> Builder {
    System::builder().journal(MemoryJournal::new().longest_payload(500))
}

fn disk(directory: &Directory) -> Builder {
    System::builder().journal(SledJournal::open(directory.journal()).unwrap())
}

/// Launches that panic, each under a key. They have ended, and what the hook says may be done already.
async fn leave(system: &System, agent: &AgentRef<String, String>, keys: &[&str]) -> Vec<Ticket<String>> {
    let mut tickets = Vec::new();
    for key in keys {
        let ticket = system.launch(agent, (*key).to_owned()).key(key).await.unwrap();
        let _ = ticket.result().await;
        tickets.push(ticket);
    }
    tickets
}

async fn status(ticket: &Ticket<String>) -> LaunchStatus {
    ticket.status().await.unwrap()
}

/// Checks what the verdicts have made of launches.
async fn obeyed(tickets: &[Ticket<String>]) {
    let [requeued, settled, discarded, left] = tickets else { panic!("{tickets:?}") };
    assert_eq!(requeued.result().await.unwrap().unwrap(), "attempt 2");
    assert_eq!(settled.result().await.unwrap().unwrap(), "by the hook");
    assert!(matches!(discarded.status().await.unwrap_err(), TicketError::Unknown(_)));
    assert_eq!(status(left).await, LaunchStatus::Ambiguous);
}

const VERDICTS: [&str; 4] = ["requeue", "settle", "discard", "leave"];

#[tokio::test(start_paused = true)]
async fn a_hook_is_asked_at_the_start_about_what_others_have_left() {
    let directory = Directory::new();
    let mut builder = disk(&directory);
    let agent = builder.register(charge("charge"));
    let system = builder.start().await.unwrap();
    let ids: Vec<_> = leave(&system, &agent, &VERDICTS).await.iter().map(Ticket::id).collect();
    system.shutdown(SECOND).await.unwrap();

    for expected in [&VERDICTS[..], &["leave"]] {
        let (asked, mut builder) = (Asked::default(), disk(&directory));
        let agent = builder.register(charge("charge"));
        builder.when_ambiguous(&agent, &obedient(&asked));
        let system = builder.start().await.unwrap();
        sleep(600 * SECOND).await;
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(asked.keys(), expected);
        let tickets: Vec<_> = ids.iter().map(|id| system.ticket(*id).unwrap()).collect();
        obeyed(&tickets).await;
        system.shutdown(SECOND).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_is_asked_about_what_becomes_ambiguous_and_about_nothing_else() {
    let (asked, mut builder) = (Asked::default(), memory());
    let agent = builder.register(charge("charge"));
    let often = agent_fn(|(): (), _| async { Err::<String, _>(AgentError::fatal("no")) });
    let often = builder.register(AgentRef::new(often.named("often")));
    let other = builder.register(charge("other"));
    builder.when_ambiguous(&agent, &obedient(&asked)).when_ambiguous(&often, &obedient(&asked));
    builder.supervisor("apart").launches_of(&agent);
    let system = builder.start().await.unwrap();
    let tickets = leave(&system, &agent, &VERDICTS).await;
    let hung = system.launch(&agent, "hang".into()).key("timed out").await.unwrap();
    let _ = hung.result().await;
    // An answer is no doubt.
    let declined = system.launch(&agent, "decline".into()).key("declined").await.unwrap();
    declined.result().await.unwrap().unwrap_err();
    system.launch(&agent, "fine".into()).await.unwrap().result().await.unwrap().unwrap();
    system.launch(&often, ()).await.unwrap().result().await.unwrap().unwrap_err();
    leave(&system, &other, &["other"]).await;
    sleep(600 * SECOND).await;
    assert_eq!(asked.keys(), ["discard", "leave", "requeue", "settle", "timed out"]);
    obeyed(&tickets).await;
    assert_eq!(status(&declined).await, LaunchStatus::Dead);
    let ambiguous = system.launches(LaunchFilter::all().status(LaunchStatus::Ambiguous));
    assert_eq!(ambiguous.count().await.unwrap(), 3);
    let text = system.status().to_string();
    assert!(text.contains("resident hook of charge: 1 of 1 alive"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_stricter_launch_and_a_new_series_are_asked_about_as_well() {
    let (asked, mut builder) = (Asked::default(), memory());
    let often = agent_fn(|(): (), cx: AgentContext| async move {
        assert!(cx.attempt() > 3, "the line went dead");
        Ok("at last".to_owned())
    });
    let often = builder.register(AgentRef::new(often.named("often")));
    let theirs = asked.clone();
    // A plain function.
    builder.when_ambiguous(&often, move |launch: LaunchRecord| {
        theirs.note(&launch);
        async { Ok::<_, AgentError>(Verdict::Requeue) }
    });
    let system = builder.start().await.unwrap();
    let ticket = system.launch(&often, ()).at_most_once().await.unwrap();
    sleep(600 * SECOND).await;
    assert_eq!(ticket.result().await.unwrap().unwrap(), "at last");
    assert_eq!(*asked.0.lock().unwrap(), [1, 2, 3].map(|attempts| (String::new(), attempts)));
}

/// A hook that takes a minute for its first so many calls.
fn slow(gauge: &Gauge, first: usize) -> AgentRef<LaunchRecord, Verdict<String>> {
    let gauge = gauge.clone();
    AgentRef::new(agent_fn(move |_: LaunchRecord, _| {
        let body = gauge.enter();
        let takes = if gauge.begun() <= first { 60 * SECOND } else { Duration::ZERO };
        async move {
            let _body = body;
            sleep(takes).await;
            Ok(Verdict::Discard)
        }
    }))
}

#[tokio::test(start_paused = true)]
async fn a_verdict_that_comes_too_late_is_dropped() {
    let (asked, gauge, mut builder) = (Asked::default(), Gauge::default(), memory());
    let agent = builder.register(charge("charge"));
    let (theirs, slow) = (asked.clone(), slow(&gauge, 2));
    let hook = agent_fn(move |launch: LaunchRecord, cx: AgentContext| {
        theirs.note(&launch);
        let again = launch.attempts > 1;
        let slow = slow.clone();
        async move {
            let verdict = cx.ask(&slow, launch).await?;
            if again {
                // The verdict about the first attempt comes meanwhile.
                sleep(120 * SECOND).await;
                return Ok(Verdict::Settle("the second time".to_owned()));
            }
            Ok(verdict)
        }
    });
    builder.when_ambiguous(&agent, &AgentRef::new(hook));
    let system = builder.start().await.unwrap();
    let tickets = leave(&system, &agent, &["decided", "always"]).await;
    eventually("both calls", || gauge.running() == 2).await;
    assert!(tickets[0].settle(&"by hand".to_owned()).await.unwrap());
    // It runs again, and nobody knows the end of that either.
    assert!(tickets[1].requeue().await.unwrap());
    eventually("a third call", || asked.count() == 3).await;
    sleep(90 * SECOND).await;
    assert_eq!((gauge.running(), status(&tickets[1]).await), (0, LaunchStatus::Ambiguous));
    sleep(600 * SECOND).await;
    assert_eq!(tickets[0].result().await.unwrap().unwrap(), "by hand");
    assert_eq!(tickets[1].result().await.unwrap().unwrap(), "the second time");
    assert_eq!((asked.count(), gauge.begun()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn a_hook_belongs_to_the_system_and_may_launch() {
    let mut builder = memory();
    let agent = builder.register(charge("charge"));
    let notify = builder.register(agent_fn(|whom: String, _| async move { Ok(whom) }).named("notify"));
    let theirs = notify.clone();
    let hook = agent_fn(move |launch: LaunchRecord, cx: AgentContext| {
        let notify = theirs.clone();
        async move {
            cx.launch(&notify, "somebody".to_owned()).key(launch.id).await?;
            Ok(Verdict::Leave)
        }
    });
    builder.when_ambiguous(&agent, &AgentRef::new(hook));
    let system = builder.start().await.unwrap();
    let ticket = leave(&system, &agent, &["k"]).await.remove(0);
    sleep(SECOND).await;
    let told = system.ticket_by_key::<_, String>(&notify, ticket.id()).await.unwrap().unwrap();
    assert_eq!(told.result().await.unwrap().unwrap(), "somebody");
    assert_eq!(system.status().runs, 0);
}

#[tokio::test(start_paused = true)]
async fn a_hook_decides_about_launches_of_an_old_name_as_well() {
    let (directory, asked) = (Directory::new(), Asked::default());
    let mut builder = disk(&directory);
    let old = builder.register(charge("old"));
    let system = builder.start().await.unwrap();
    let settled = leave(&system, &old, &["settle"]).await.remove(0).id();
    let requeued = leave(&system, &old, &["requeue"]).await.remove(0).id();
    system.shutdown(SECOND).await.unwrap();

    let mut builder = disk(&directory);
    let new = builder.register(charge("new"));
    builder.alias("old", "new");
    builder.when_ambiguous(&new, &obedient(&asked));
    let system = builder.start().await.unwrap();
    eventually("both calls", || asked.count() == 2).await;
    sleep(SECOND).await;
    let result = async |id| system.ticket::<String>(id).unwrap().result().await.unwrap().unwrap();
    assert_eq!((result(settled).await, result(requeued).await), ("by the hook".into(), "attempt 2".into()));
}

#[tokio::test(start_paused = true)]
async fn hooks_that_cannot_be_are_said_at_the_start() {
    let mut builder = System::builder();
    let agent = builder.register(charge("charge"));
    let hook = obedient(&Asked::default());
    builder.when_ambiguous(&agent, &hook).when_ambiguous(&agent, &hook);
    builder.when_ambiguous(&charge("stranger"), &hook);
    let error = builder.start().await.unwrap_err().to_string();
    for part in ["agent `charge` is given two hooks", "agent `stranger`, which is not registered"] {
        assert!(error.contains(part), "{error}");
    }
    // Without a journal there is nothing to ask about.
    let mut builder = System::builder();
    let agent = builder.register(charge("charge"));
    builder.when_ambiguous(&agent, &hook);
    let system = builder.start().await.unwrap();
    timeout(SECOND, system.shutdown(SECOND)).await.unwrap().unwrap();
}
