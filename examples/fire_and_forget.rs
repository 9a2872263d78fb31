//! Fire and forget, durably: three people are to be told of a maintenance, which takes a second each. The caller has its
//! tickets at once, forgets all but the names of the results, and stops the system while the messages are on their way.
//! The next system with the same journal sends them; who asks later, reads by name what became of each.
//!
//! ```sh
//! cargo run --release --example fire_and_forget
//! ```

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sortie::{AgentContext, AgentError, AgentRef, LaunchFilter, LaunchStatus, SledJournal, System, agent_fn};

const SECOND: Duration = Duration::from_secs(1);
const RECIPIENTS: [&str; 3] = ["admin@example.com", "user@example.com", "system@example.com"];

#[derive(Clone, Serialize, Deserialize)]
struct Message {
    to: String,
    text: String,
}

/// Takes its time, and knows no mailbox of the system's.
async fn notify(message: Message, cx: AgentContext) -> Result<String, AgentError> {
    println!("to {}, attempt {}", message.to, cx.attempt());
    tokio::time::sleep(SECOND).await;
    if message.to.starts_with("system") {
        return Err(AgentError::fatal("no such mailbox").with_code("no_mailbox"));
    }
    Ok(format!("told {}: {}", message.to, message.text))
}

async fn start(folder: &Path) -> Result<(System, AgentRef<Message, String>), Box<dyn Error>> {
    let mut builder = System::builder().journal(SledJournal::open(folder.join("journal"))?);
    let notify = builder.register(agent_fn(notify).named("notify"));
    Ok((builder.start().await?, notify))
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let folder = Folder::new()?;

    // A request comes, and is answered before anything is sent.
    let (system, notify) = start(&folder.0).await?;
    let began = Instant::now();
    let mut names = Vec::new();
    for to in RECIPIENTS {
        let message = Message { to: to.to_owned(), text: "System maintenance scheduled".to_owned() };
        let ticket = system.launch(&notify, message).key(format!("maintenance 7, {to}")).await?;
        names.push(ticket.uri());
    }
    let answered = began.elapsed();
    println!("answered after {answered:.0?}, with {names:#?}");

    // Meanwhile the messages are on their way.
    let under_way = system.launches(LaunchFilter::all().status(LaunchStatus::Running));
    while under_way.count().await? < names.len() {
        tokio::time::sleep(SECOND / 1000).await;
    }

    // The process is updated: what is under way is handed back.
    let left = system.shutdown(SECOND / 10).await?;
    println!("stopped, {} handed back", left.handed_back);

    // Its successor resumes by itself.
    let (system, _) = start(&folder.0).await?;
    let (mut done, mut failed) = (0, 0);
    for name in &names {
        match system.result_of::<String>(name).await? {
            Ok(receipt) => {
                done += 1;
                println!("{receipt}");
            }
            Err(failure) => {
                failed += 1;
                println!("{failure:#} ({})", failure.code());
            }
        }
    }
    system.shutdown(SECOND).await?;

    let handed_back = left.handed_back;
    println!(
        "fire_and_forget: launched={} handed_back={handed_back} done={done} failed={failed}",
        names.len()
    );
    let right = (handed_back, done, failed) == (3, 2, 1) && answered < SECOND;
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("sortie-fire-and-forget-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
