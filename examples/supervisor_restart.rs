//! A supervisor that dies, and nothing is lost: letters are launched under the supervisor `mail`, beside a resident that
//! crashes while they are on their way. The supervisor puts up with no death, so it fails too, and its letters with it. The
//! root starts it again; it takes its launches from the journal and makes the next attempt of each. The handle of the
//! system, the tickets, and what runs under another supervisor, notice nothing.
//!
//! ```sh
//! cargo run --release --example supervisor_restart
//! ```

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use sortie::{AgentContext, AgentRef, Intensity, MemoryJournal, System, actor, agent_fn};

const MINUTE: Duration = Duration::from_secs(60);
const LETTERS: usize = 5;

/// What tells the fuse to blow.
struct Blow(RpcReplyPort<()>);

#[cfg(feature = "cluster")]
impl ractor::Message for Blow {}

/// A resident that does nothing but fail when it is told to, once: its successor knows.
struct Fuse(Arc<AtomicBool>);

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for Fuse {
    type Msg = Blow;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Blow>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Blow>,
        Blow(answer): Blow,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        if self.0.swap(true, Ordering::SeqCst) {
            return Ok(answer.send(())?);
        }
        Err("the fuse has blown".into())
    }
}

/// Counts its bodies, and takes long the first time, so that it is under way when its supervisor dies.
fn slow(name: &str, bodies: &Arc<AtomicUsize>) -> AgentRef<usize, u32> {
    let (bodies, work) = (Arc::clone(bodies), name.to_owned());
    let agent = agent_fn(move |letter: usize, cx: AgentContext| {
        let body = bodies.fetch_add(1, Ordering::SeqCst);
        println!("{work} {letter}, attempt {}", cx.attempt());
        async move {
            if body < LETTERS {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            Ok(cx.attempt())
        }
    });
    AgentRef::new(agent.named(name))
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (mail_bodies, other_bodies) = (Arc::default(), Arc::default());
    let mut builder = System::builder().journal(MemoryJournal::new()); // a service: `SledJournal::open("data")?`
    let send = builder.register(slow("send", &mail_bodies));
    let archive = builder.register(slow("archive", &other_bodies));
    let mail = builder.supervisor("mail");
    mail.launches_of(&send).intensity(Intensity::new(0, MINUTE));
    let blown = Arc::<AtomicBool>::default();
    let fuse = move || (Fuse(Arc::clone(&blown)), ());
    let fuse = mail.resident(actor::resident("fuse", fuse, |(), answer| Blow(answer)));
    let system = builder.start().await?;

    let (mut letters, mut others) = (Vec::new(), Vec::new());
    for letter in 0..LETTERS {
        letters.push(system.launch(&send, letter).await?);
        others.push(system.launch(&archive, letter).await?);
    }
    while mail_bodies.load(Ordering::SeqCst) < LETTERS || other_bodies.load(Ordering::SeqCst) < LETTERS {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    println!("the fuse blows, and `mail` with it");
    // Whether the successor is still asked does not matter.
    drop(system.ask(&fuse, ()).await);

    let mut attempts = Vec::new();
    for letter in letters {
        attempts.push(letter.result().await??);
    }
    for other in others {
        assert_eq!(other.result().await??, 1, "it ran under another supervisor");
    }
    println!("{}", system.status());
    let restarted: Vec<_> = system.status().supervisors.into_iter().filter(|one| one.restarts > 0).collect();
    let restarted: Vec<_> = restarted.iter().map(|supervisor| supervisor.name.to_string()).collect();
    system.shutdown(MINUTE).await?;

    let again = attempts.iter().filter(|attempt| **attempt == 2).count();
    let done = attempts.len();
    println!(
        "supervisor_restart: launched={LETTERS} done={done} run_again={again} restarted={}",
        restarted.join(",")
    );
    let right = (done, again) == (LETTERS, LETTERS) && restarted == ["mail"];
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
