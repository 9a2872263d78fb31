//! A mail service with two named supervisors. The gateway under one of them dies at every letter from the fourth on: its
//! supervisor restarts it, fails, is restarted by the root, and fails again; then the root gives up, and the service ends
//! in good order. The journal under the other supervisor notices nothing before that, and keeps what it has.
//!
//! ```sh
//! cargo run --release --example supervisor_tree
//! ```

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use sortie::{AgentRef, Intensity, Phase, SupervisorStatus, System, SystemError, actor};

const MS: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A letter's number, and where the receipt goes.
struct Letter(u32, RpcReplyPort<u32>);

#[cfg(feature = "cluster")]
impl ractor::Message for Letter {}

/// How often an actor was started, and what is left of what it did.
#[derive(Default)]
struct Notes {
    starts: AtomicUsize,
    kept: AtomicUsize,
}

impl Notes {
    fn starts(&self) -> usize {
        self.starts.load(Ordering::SeqCst)
    }
}

/// Hands letters over to a relay, which accepts no more than three.
struct Gateway;

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for Gateway {
    type Msg = Letter;
    type State = Arc<Notes>;
    type Arguments = Arc<Notes>;

    async fn pre_start(
        &self,
        _: ActorRef<Letter>,
        notes: Arc<Notes>,
    ) -> Result<Arc<Notes>, ActorProcessingErr> {
        notes.starts.fetch_add(1, Ordering::SeqCst);
        Ok(notes)
    }

    async fn handle(
        &self,
        _: ActorRef<Letter>,
        Letter(number, receipt): Letter,
        notes: &mut Arc<Notes>,
    ) -> Result<(), ActorProcessingErr> {
        if number > 3 {
            return Err("the relay is out of order".into());
        }
        notes.kept.fetch_add(1, Ordering::SeqCst);
        Ok(receipt.send(number)?)
    }
}

/// Writes letters down, and saves them when it is told to stop.
struct Journal(Arc<Notes>);

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for Journal {
    type Msg = Letter;
    type State = Vec<u32>;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Letter>, (): ()) -> Result<Vec<u32>, ActorProcessingErr> {
        self.0.starts.fetch_add(1, Ordering::SeqCst);
        Ok(Vec::new())
    }

    async fn handle(
        &self,
        _: ActorRef<Letter>,
        Letter(number, receipt): Letter,
        letters: &mut Vec<u32>,
    ) -> Result<(), ActorProcessingErr> {
        letters.push(number);
        Ok(receipt.send(number)?)
    }

    async fn post_stop(&self, _: ActorRef<Letter>, letters: &mut Vec<u32>) -> Result<(), ActorProcessingErr> {
        self.0.kept.store(letters.len(), Ordering::SeqCst);
        Ok(())
    }
}

/// The service: what it runs on, and through whom.
struct Service {
    system: System,
    journal: AgentRef<u32, u32>,
    gateway: AgentRef<u32, u32>,
}

impl Service {
    async fn start(journal: &Arc<Notes>, gateway: &Arc<Notes>) -> Result<Self, Box<dyn Error>> {
        let (for_journal, for_gateway) = (Arc::clone(journal), Arc::clone(gateway));
        let journal = actor::resident("journal", move || (Journal(Arc::clone(&for_journal)), ()), Letter);
        let gateway = actor::resident("gateway", move || (Gateway, Arc::clone(&for_gateway)), Letter);
        let mut builder = System::builder();
        builder.intensity(Intensity::new(1, MINUTE));
        let journal = builder.supervisor("records").resident(journal);
        let outbound = builder.supervisor("outbound");
        outbound.intensity(Intensity::new(2, MINUTE));
        let gateway = outbound.resident(gateway);
        Ok(Self { system: builder.start().await?, journal, gateway })
    }

    /// Takes letters for as long as there is a system: notes each, and hands it over. Says how many it took.
    async fn take_letters(&self) -> u32 {
        for number in 1.. {
            if self.system.ask(&self.journal, number).await.is_err() {
                return number - 1;
            }
            let before = self.outbound();
            match self.system.ask(&self.gateway, number).await {
                Ok(number) => println!("letter {number} is delivered"),
                Err(_) => {
                    println!("letter {number} is not: the gateway died of it");
                    self.stands_again(before.deaths).await;
                    let now = self.outbound();
                    println!("    outbound: restarts={} deaths={}", now.restarts, now.deaths);
                    if now.restarts > before.restarts {
                        println!("\nthe root has restarted `outbound`\n{}\n", self.system.status());
                    }
                }
            }
        }
        unreachable!("there are always more letters")
    }

    /// Waits until the supervisor of the gateway has seen more than these deaths and has a gateway again, or all is over. A
    /// service has no need of that; this one tells one thing after the other.
    async fn stands_again(&self, deaths: u32) {
        for _ in 0..5000 {
            let outbound = self.outbound();
            let alive = outbound.residents.iter().all(|resident| resident.alive == resident.instances);
            if self.system.status().phase == Phase::Ended || alive && outbound.deaths > deaths {
                return;
            }
            tokio::time::sleep(MS).await;
        }
    }

    /// What the supervisor of the gateway is doing.
    fn outbound(&self) -> SupervisorStatus {
        let mut supervisors = self.system.status().supervisors;
        supervisors.remove(1)
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (journal, gateway) = (Arc::default(), Arc::<Notes>::default());
    let service = Service::start(&journal, &gateway).await?;
    println!("{}\n", service.system.status());

    // A real service would wait for its signals here as well, and shut the system down when one comes.
    let (end, taken) = tokio::join!(service.system.wait(), service.take_letters());

    let escalated = end.as_ref().is_err_and(SystemError::is_escalated);
    if let Err(error) = &end {
        println!("\n{error}\n{}\n", service.system.status());
    }
    let (kept, delivered) = (journal.kept.load(Ordering::SeqCst), gateway.kept.load(Ordering::SeqCst));
    println!(
        "{taken} letters were taken, {delivered} are delivered, the journal has saved {kept} when it stopped"
    );
    println!(
        "supervisor_tree: escalated={escalated} gateway_starts={} journal_starts={} saved={kept}",
        gateway.starts(),
        journal.starts(),
    );
    // A service manager restarts what does not exit with 0. Here, all of this is what should happen.
    let as_expected = (escalated, gateway.starts(), journal.starts(), kept) == (true, 6, 1, 9);
    Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
