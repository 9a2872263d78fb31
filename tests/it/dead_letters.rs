//! Launches that wait for somebody's decision: run again, settled, or discarded; one, and many by a filter.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use sortie::journal::{Delivery, Due, Intent, Journal, Refused, Scope, Terms};
use sortie::{
    AgentError, AgentRef, Builder, JournalErrorKind, LaunchFilter, LaunchId, LaunchStatus, MemoryJournal,
    Restart, SledJournal, System, Ticket, TicketError, agent_fn,
};
use tokio::time::sleep;

use crate::directory::Directory;
use crate::support::{MS, SECOND};

fn all() -> LaunchFilter {
    LaunchFilter::all()
}

fn dead() -> LaunchFilter {
    all().status(LaunchStatus::Dead)
}

/// Whether agents work, and how often they were called.
#[derive(Clone, Default)]
struct World {
    mended: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
}

impl World {
    /// An agent that fails for good until the world is mended, and then gives its input back.
    fn agent(&self, name: &str) -> AgentRef<String, String> {
        let world = self.clone();
        let agent = agent_fn(move |text: String, _| {
            world.calls.fetch_add(1, Ordering::SeqCst);
            let mended = world.mended.load(Ordering::SeqCst);
            async move { if mended { Ok(text) } else { Err(AgentError::fatal("broken").with_code("b")) } }
        });
        AgentRef::new(agent.named(name)).restart(Restart::attempts(1))
    }

    fn mend(&self) {
        self.mended.store(true, Ordering::SeqCst);
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

fn memory() -> Builder {
    System::builder().journal(MemoryJournal::new())
}

fn disk(directory: &Directory) -> Builder {
    System::builder().journal(SledJournal::open(directory.journal()).unwrap())
}

async fn result(ticket: &Ticket<String>) -> String {
    ticket.result().await.unwrap().unwrap()
}

/// Launches so many, which die.
async fn kill(system: &System, agent: &AgentRef<String, String>, count: usize) -> Vec<Ticket<String>> {
    let mut tickets = Vec::new();
    for number in 0..count {
        let ticket = system.launch(agent, format!("{number}")).key(number).await.unwrap();
        ticket.result().await.unwrap().unwrap_err();
        tickets.push(ticket);
    }
    tickets
}

/// An intent of an agent, to be run at most once.
fn intent(agent: &str, key: &str, text: &str) -> Intent {
    Intent {
        agent: agent.to_owned(),
        key: Some(key.to_owned()),
        input: format!("{text:?}").into_bytes(),
        digest: text.len() as u128,
        due: Due::Now,
        terms: Terms { delivery: Delivery::AtMostOnce, ..Terms::default() },
    }
}

/// Leaves launches behind that nobody knows the end of: their process has died while they ran.
async fn leave_ambiguous(directory: &Directory, intents: Vec<Intent>) -> Vec<LaunchId> {
    let journal = SledJournal::open(directory.journal()).unwrap();
    let names: Vec<_> = intents.iter().map(|intent| intent.agent.clone()).collect();
    journal.start(Scope::new(names.clone())).await.unwrap();
    let count = intents.len();
    journal.append(intents).await.unwrap();
    let claims = journal.claim(&names[..1], count).await.unwrap().claims;
    assert_eq!(claims.len(), count);
    journal.close();
    journal.closed().await.unwrap();
    claims.into_iter().map(|claim| claim.id).collect()
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_listed_with_their_history_and_run_again_by_filter() {
    let (world, mut builder) = (World::default(), memory());
    let (mail, fax) = (builder.register(world.agent("mail")), builder.register(world.agent("fax")));
    let system = builder.start().await.unwrap();
    let mails = kill(&system, &mail, 300).await;
    let faxes = kill(&system, &fax, 2).await;
    let letters = system.launches(dead().agent("mail"));
    assert_eq!(letters.count().await.unwrap(), 300);
    let page = letters.page(None, 10).await.unwrap();
    assert!(page.iter().map(|record| record.id).eq(mails[..10].iter().map(Ticket::id)));
    assert!(page.iter().all(|record| {
        let end = &record.history[0];
        (&*end.message, end.code.as_deref(), end.attempt) == ("broken", Some("b"), 1)
    }));

    // As long as the cause is there, a new series ends as the first one did; none is given two of them.
    let before = world.calls();
    let all_of_them = letters.clone();
    let requeued = tokio::spawn(async move { all_of_them.requeue().await });
    assert_eq!(requeued.await.unwrap().unwrap(), 300);
    sleep(SECOND).await;
    assert_eq!((letters.count().await.unwrap(), world.calls() - before), (300, 300));
    assert_eq!(letters.page(None, 1).await.unwrap()[0].history.len(), 2);

    world.mend();
    assert_eq!(letters.requeue().await.unwrap(), 300);
    for (number, ticket) in mails.iter().enumerate() {
        assert_eq!(result(ticket).await, number.to_string());
    }
    // Again: there is nothing to do.
    assert_eq!(letters.requeue().await.unwrap(), 0);
    assert_eq!(letters.count().await.unwrap(), 0);
    assert_eq!(system.launches(dead()).count().await.unwrap(), faxes.len());
}

#[tokio::test(start_paused = true)]
async fn what_is_discarded_is_unknown_and_its_key_is_free() {
    let (world, mut builder) = (World::default(), memory());
    let agent = builder.register(world.agent("mail"));
    let system = builder.start().await.unwrap();
    let ticket = &kill(&system, &agent, 1).await[0];
    assert!(ticket.discard().await.unwrap());
    let unknown = |error: TicketError| matches!(error, TicketError::Unknown(id) if id == ticket.id());
    assert!(unknown(ticket.status().await.unwrap_err()));
    assert!(unknown(ticket.result().await.unwrap_err()));
    assert!(unknown(ticket.requeue().await.unwrap_err()));
    assert!(unknown(ticket.discard().await.unwrap_err()));
    assert!(system.ticket_by_key(&agent, 0).await.unwrap().is_none());
    assert_eq!(system.launches(all()).count().await.unwrap(), 0);

    // Under its key now stands whatever is launched next, also with another input.
    world.mend();
    let next = system.launch(&agent, "other".to_owned()).key(0).await.unwrap();
    assert!(!next.is_known() && next.id() > ticket.id());
    assert_eq!(result(&next).await, "other");
    assert_eq!(system.ticket_by_key(&agent, 0).await.unwrap().unwrap().id(), next.id());
}

#[tokio::test(start_paused = true)]
async fn only_what_waits_for_a_decision_is_decided_about() {
    let (world, mut builder) = (World::default(), memory());
    let agent = builder.register(world.agent("mail"));
    let slow = agent_fn(|(): (), _| async {
        sleep(60 * SECOND).await;
        Ok(())
    });
    let slow = builder.register(slow.named("slow"));
    builder.launch_concurrency(1);
    let system = builder.start().await.unwrap();
    world.mend();
    let done = system.launch(&agent, "done".to_owned()).await.unwrap();
    result(&done).await;
    let running = system.launch(&slow, ()).await.unwrap();
    sleep(MS).await;
    let pending = system.launch(&slow, ()).await.unwrap();
    let cancelled = system.launch(&slow, ()).await.unwrap();
    assert!(cancelled.cancel().await.unwrap());
    assert_eq!(running.status().await.unwrap(), LaunchStatus::Running);
    assert_eq!(pending.status().await.unwrap(), LaunchStatus::Pending);
    for ticket in [&running, &pending, &cancelled] {
        assert!(!ticket.discard().await.unwrap() && !ticket.requeue().await.unwrap());
        assert!(!ticket.settle(&()).await.unwrap());
    }
    assert!(!done.discard().await.unwrap() && !done.settle(&"other".to_owned()).await.unwrap());
    let everything = system.launches(all());
    assert_eq!((everything.requeue().await.unwrap(), everything.discard().await.unwrap()), (0, 0));
    assert_eq!(everything.count().await.unwrap(), 4);
    assert_eq!(result(&done).await, "done");
}

#[tokio::test(start_paused = true)]
async fn a_parked_launch_is_discarded_also_while_somebody_waits_for_it() {
    let directory = Directory::new();
    let world = World::default();
    let mut builder = disk(&directory);
    let agent = builder.register(world.agent("mail"));
    builder.launch_concurrency(1);
    let system = builder.start().await.unwrap();
    system.shutdown(SECOND).await.unwrap();
    drop(agent);
    let journal = SledJournal::open(directory.journal()).unwrap();
    journal.start(Scope::new(["mail".to_owned()])).await.unwrap();
    let intents: Vec<_> = ["a", "b"].map(|key| intent("mail", key, key)).into();
    journal.append(intents).await.unwrap();
    journal.close();
    journal.closed().await.unwrap();

    let system = disk(&directory).start().await.unwrap();
    let parked = system.launches(all().status(LaunchStatus::Parked));
    let page = parked.page(None, 10).await.unwrap();
    assert_eq!(page.len(), 2);
    let ticket = system.ticket::<String>(page[0].id).unwrap();
    let waiting = tokio::spawn({
        let ticket = ticket.clone();
        async move { ticket.result().await }
    });
    sleep(SECOND).await;
    assert!(!waiting.is_finished());
    assert!(!ticket.requeue().await.unwrap() && !ticket.settle(&String::new()).await.unwrap());
    assert!(ticket.discard().await.unwrap());
    assert!(matches!(waiting.await.unwrap(), Err(TicketError::Unknown(_))));
    assert_eq!(parked.discard().await.unwrap(), 1);
    system.shutdown(SECOND).await.unwrap();

    // For good: not even who has the agent runs them.
    let mut builder = disk(&directory);
    builder.register(world.agent("mail"));
    let system = builder.start().await.unwrap();
    sleep(SECOND).await;
    assert_eq!((system.launches(all()).count().await.unwrap(), world.calls()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_ambiguous_runs_again_or_is_settled_or_discarded_and_stays_so() {
    let directory = Directory::new();
    let keys = ["again", "settled", "large", "discarded"];
    let intents = keys.map(|key| intent("mail", key, key)).into();
    let ids = leave_ambiguous(&directory, intents).await;
    let world = World::default();
    world.mend();
    let start = async || {
        let mut builder = disk(&directory);
        let agent = builder.register(world.agent("mail"));
        (builder.start().await.unwrap(), agent)
    };
    let (system, agent) = start().await;
    let ambiguous = system.launches(all().status(LaunchStatus::Ambiguous));
    assert_eq!((ambiguous.count().await.unwrap(), world.calls()), (4, 0));
    let tickets: Vec<_> = ids.iter().map(|id| system.ticket::<String>(*id).unwrap()).collect();
    let [again, settled, large, discarded] = &tickets[..] else { panic!("{ids:?}") };
    let long = "x".repeat(1 << 20);
    assert!(again.requeue().await.unwrap());
    assert!(settled.settle(&"by hand".to_owned()).await.unwrap());
    assert!(!settled.settle(&"twice".to_owned()).await.unwrap());
    assert!(large.settle(&long).await.unwrap());
    assert!(discarded.discard().await.unwrap());
    assert_eq!((result(again).await, world.calls()), ("again".to_owned(), 1));
    system.shutdown(SECOND).await.unwrap();

    drop(agent);
    let (system, agent) = start().await;
    for (id, output) in ids.iter().zip(["again", "by hand", &long]) {
        let ticket = system.ticket::<String>(*id).unwrap();
        assert_eq!(ticket.status().await.unwrap(), LaunchStatus::Done);
        assert!(result(&ticket).await == output);
    }
    let gone = system.ticket::<String>(ids[3]).unwrap();
    assert!(matches!(gone.status().await.unwrap_err(), TicketError::Unknown(_)));
    assert!(system.ticket_by_key(&agent, "discarded").await.unwrap().is_none());
    assert!(system.ticket_by_key(&agent, "settled").await.unwrap().is_some());
    assert_eq!(world.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_output_that_does_not_fit_settles_nothing() {
    let mut builder = System::builder().journal(MemoryJournal::new().longest_payload(100));
    let agent = builder.register(World::default().agent("mail"));
    let system = builder.start().await.unwrap();
    let ticket = &kill(&system, &agent, 1).await[0];
    let error = ticket.settle(&"x".repeat(99)).await.unwrap_err();
    assert!(matches!(&error, TicketError::Unfit { id, .. } if *id == ticket.id()), "{error}");
    assert!(error.to_string().contains("101 bytes long, where 100 are allowed"), "{error}");
    assert_eq!(ticket.status().await.unwrap(), LaunchStatus::Dead);
    assert!(ticket.settle(&"x".repeat(98)).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn of_two_who_settle_at_once_one_output_counts_and_it_is_whole() {
    let directory = Directory::new();
    let ids = leave_ambiguous(&directory, vec![intent("mail", "k", "k")]).await;
    let journal = SledJournal::open(directory.journal()).unwrap();
    journal.start(Scope::new(["mail".to_owned()])).await.unwrap();
    let (one, two) = (vec![b'1'; 300_000], vec![b'2'; 200_000]);
    let (first, second) = tokio::join!(journal.settle(ids[0], &one), journal.settle(ids[0], &two));
    assert_eq!((first.unwrap(), second.unwrap()), (Ok(()), Err(Refused::Ended)));
    assert!(journal.output(ids[0]).await.unwrap().unwrap() == one);
    assert_eq!(journal.discard(ids[0]).await.unwrap(), Err(Refused::Ended));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_what_is_discarded_however_large() {
    let directory = Directory::new();
    let mut large = intent("mail", "k", "k");
    large.input = vec![b' '; 3 << 20];
    let ids = leave_ambiguous(&directory, vec![large]).await;
    let journal = SledJournal::open(directory.journal()).unwrap();
    journal.start(Scope::new(["mail".to_owned()])).await.unwrap();
    assert_eq!(journal.discard(ids[0]).await.unwrap(), Ok(()));
    assert_eq!(journal.input(ids[0]).await.unwrap(), None);
    journal.close();
    let closed = journal.discard(ids[0]).await.unwrap_err();
    assert_eq!(closed.kind(), JournalErrorKind::Closed);
    journal.closed().await.unwrap();
    drop(journal);
    assert_eq!(records(&directory), ["e"]);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_while_it_discards_leaves_nothing_either() {
    let directory = Directory::new();
    let mut large = intent("mail", "k", "k");
    large.input = vec![b' '; 3 << 20];
    let ids = leave_ambiguous(&directory, vec![large]).await;
    let journal = SledJournal::open(directory.journal()).unwrap();
    journal.start(Scope::new(["mail".to_owned()])).await.unwrap();
    // The head is gone, and the caller as well.
    assert!(futures::future::poll_immediate(journal.discard(ids[0])).await.is_none());
    assert!(journal.get(ids[0]).await.unwrap().is_none());
    journal.close();
    journal.closed().await.unwrap();
    drop(journal);
    assert!(records(&directory).len() > 500);
    let journal = SledJournal::open(directory.journal()).unwrap();
    journal.start(Scope::new(["mail".to_owned()])).await.unwrap();
    journal.close();
    journal.closed().await.unwrap();
    drop(journal);
    assert_eq!(records(&directory), ["e"]);
}

/// The first letters of the keys of all records.
fn records(directory: &Directory) -> Vec<String> {
    let store = sortie::probe::StoreProbe::sled(&directory.journal()).unwrap();
    let pairs = store.scan(b"").unwrap();
    pairs.iter().map(|(key, _)| char::from(key[0]).to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_decision_does_not_run_by_itself() {
    let (world, mut builder) = (World::default(), memory());
    let agent = builder.register(world.agent("mail"));
    let system = builder.start().await.unwrap();
    kill(&system, &agent, 3).await;
    world.mend();
    sleep(Duration::from_secs(3600)).await;
    assert_eq!((world.calls(), system.launches(dead()).count().await.unwrap()), (3, 3));
}
