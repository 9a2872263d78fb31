//! A process killed at each numbered crash point of a launch, and what the next one makes of what it left. The numbers are
//! those of the table in `src/journal/failpoint.rs`.

mod attempts;
mod failed_writes;
mod outcomes;
mod recording;
mod recovery;

use std::time::Duration;

use sortie::journal::{Appended, Delivery, Due, Intent, Journal, Scope, Terms};
use sortie::{
    AgentRef, LaunchFilter, LaunchId, LaunchRecord, LaunchStatus, Outcome, SledJournal, System, Ticket,
};
use tokio::time::{sleep, timeout};

use crate::doomed::{Doomed, Scene};
use crate::support::SECOND;

const HOUR: Duration = Duration::from_secs(3600);

/// Nothing more happens by itself: on the paused clock, everything has.
async fn rest() {
    sleep(SECOND).await;
}

/// What the journal holds, as a life without agents finds it.
async fn held(scene: &Scene) -> Vec<LaunchRecord> {
    let journal = SledJournal::open(scene.journal()).unwrap();
    journal.start(Scope::new([])).await.unwrap();
    let held = journal.scan(&LaunchFilter::all(), None, 100).await.unwrap();
    journal.close();
    journal.closed().await.unwrap();
    held
}

/// Records a launch in a life of its own, to be run by the next process.
async fn recorded(scene: &Scene, delivery: Delivery) -> LaunchId {
    let journal = SledJournal::open(scene.journal()).unwrap();
    journal.start(Scope::new([])).await.unwrap();
    let terms = Terms { delivery, ..Terms::default() };
    let (agent, input) = ("work".to_owned(), b"7".to_vec());
    let intent = Intent { agent, key: None, input, digest: 7, due: Due::Now, terms };
    let appended = journal.append(vec![intent]).await.unwrap();
    let [Appended::New(id)] = appended[..] else { panic!("{appended:?}") };
    journal.close();
    journal.closed().await.unwrap();
    id
}

/// The outcome of a launch, which there must be within an hour.
async fn result(ticket: &Ticket<u32>) -> Outcome<u32> {
    timeout(HOUR, ticket.result()).await.expect("it is never done").unwrap()
}

/// The launch under the key `k` is this one; it gives its value, and no body of it begins any more.
async fn is_one_and_done(scene: &Scene, system: &System, agent: &AgentRef<u32, u32>, id: LaunchId) {
    let known = system.launch(agent, 7).key("k").await.unwrap();
    assert_eq!((known.id(), known.is_known()), (id, true));
    assert_eq!(result(&known).await.unwrap(), 7);
    let begun = scene.begun();
    sleep(HOUR).await;
    assert_eq!(scene.begun(), begun);
    assert_eq!(known.status().await.unwrap(), LaunchStatus::Done);
}

/// Runs what there is, with the fault armed from the beginning.
async fn runs(child: Doomed) {
    let _trap = child.arm();
    let _system = child.start(|n, _| async move { Ok(n) }).await;
    rest().await;
}
