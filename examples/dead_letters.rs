//! Dead letters: launches that are out of attempts, and what a team does with them. Six letters are launched while the relay is
//! out of order. They are listed with what went wrong; the one that nobody can deliver is discarded, the relay is mended,
//! and the others are given another series of attempts.
//!
//! ```sh
//! cargo run --release --example dead_letters
//! ```

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sortie::{
    AgentError, AgentRef, Backoff, LaunchFilter, LaunchStatus, MemoryJournal, Restart, System, agent_fn,
};

const PEOPLE: [&str; 6] = [
    "ada@example.com",
    "alan@example.com",
    "nobody",
    "edsger@example.com",
    "grace@example.com",
    "tony@example.com",
];

/// Delivers a letter, if it has an address and the relay works.
fn deliver(relay_works: Arc<AtomicBool>) -> AgentRef<String, String> {
    let agent = agent_fn(move |to: String, _| {
        let relay_works = relay_works.load(Ordering::SeqCst);
        async move {
            if !to.contains('@') {
                return Err(AgentError::fatal("there is no such address").with_code("no_address"));
            }
            if relay_works {
                Ok(format!("delivered to {to}"))
            } else {
                Err("the relay is out of order".into())
            }
        }
    });
    let twice = Restart::attempts(2).backoff(Backoff::fixed(Duration::from_millis(10)));
    AgentRef::new(agent.named("deliver")).restart(twice)
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let relay_works = Arc::new(AtomicBool::new(false));
    let mut builder = System::builder().journal(MemoryJournal::new()); // a service: `SledJournal::open("data")?`
    let deliver = builder.register(deliver(Arc::clone(&relay_works)));
    let system = builder.start().await?;

    let mut tickets = Vec::new();
    for to in PEOPLE {
        tickets.push(system.launch(&deliver, to.to_owned()).key(to).await?);
    }
    for ticket in &tickets {
        // A failure, each of them: the outcome of a launch that is out of attempts.
        drop(ticket.result().await?);
    }

    // All that is dead, page by page, with the ends of the attempts.
    let letters = system.launches(LaunchFilter::all().agent("deliver").status(LaunchStatus::Dead));
    let dead = letters.count().await?;
    let (mut last, size) = (None, 4);
    loop {
        let page = letters.page(last, size).await?;
        for record in &page {
            println!("{} is dead:", record.key.as_deref().unwrap_or("a letter"));
            for end in &record.history {
                println!("  attempt {}: {:?}: {}", end.attempt, end.by, end.message);
            }
        }
        last = page.last().map(|record| record.id);
        if page.len() < size {
            break;
        }
    }

    // One is beyond help.
    let mut discarded = 0;
    if let Some(ticket) = system.ticket_by_key(&deliver, "nobody").await? {
        discarded += usize::from(ticket.discard().await?);
    }
    // The others are not, once the cause is mended.
    relay_works.store(true, Ordering::SeqCst);
    let requeued = letters.requeue().await?;
    let mut done = 0;
    for to in PEOPLE {
        let Some(ticket) = system.ticket_by_key(&deliver, to).await? else {
            println!("{to}: discarded");
            continue;
        };
        println!("{}", ticket.result_within(Duration::from_secs(5)).await??);
        done += 1;
    }
    system.shutdown(Duration::from_secs(1)).await?;
    println!("dead_letters: dead={dead} requeued={requeued} done={done} discarded={discarded}");
    let good = (dead, requeued, done, discarded) == (6, 5, 5, 1);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
