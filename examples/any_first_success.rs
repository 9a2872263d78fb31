//! The first of several mirrors that answers wins; the others are stopped. Failures do not win, however fast they are.
//!
//! ```sh
//! cargo run --release --example any_first_success
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sortie::{Agent, AgentContext, AgentError, AgentRef, AnyError, branches, foreach};

const MS: Duration = Duration::from_millis(1);

/// A mirror: its name, and after how many milliseconds it answers, or refuses.
#[derive(Clone, Copy)]
enum Mirror {
    Up(&'static str, u32),
    Down(&'static str, u32),
}
use Mirror::{Down, Up};

/// Downloads from a mirror, and counts the downloads under way.
struct Download {
    under_way: Arc<AtomicUsize>,
}

struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Agent for Download {
    type Input = Mirror;
    type Output = &'static str;

    fn name(&self) -> &str {
        "download"
    }

    async fn run(&self, mirror: Mirror, _: AgentContext) -> Result<&'static str, AgentError> {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        let _under_way = UnderWay(Arc::clone(&self.under_way));
        match mirror {
            Up(name, after) => {
                tokio::time::sleep(after * MS).await;
                Ok(name)
            }
            Down(name, after) => {
                tokio::time::sleep(after * MS).await;
                Err(format!("{name} refused the connection").into())
            }
        }
    }
}

#[tokio::main]
async fn main() {
    let under_way = Arc::new(AtomicUsize::new(0));
    let download = AgentRef::new(Download { under_way: Arc::clone(&under_way) });
    let mirrors = [Down("bremen", 1), Up("oslo", 80), Up("turin", 300), Up("quito", 5000)];

    let start = Instant::now();
    let first = branches(mirrors.map(|mirror| download.branch(mirror))).any().await;
    println!(
        "any:        {} after {} ms",
        text(first.as_ref().copied()),
        start.elapsed().as_millis() / 10 * 10
    );
    println!("            {} downloads still under way", under_way.load(Ordering::SeqCst));

    let start = Instant::now();
    let two = foreach(mirrors, &download).quorum(2).await;
    let names = two.map_or_else(|error| error.to_string(), |names| names.join(" and "));
    println!("quorum(2):  {names} after {} ms", start.elapsed().as_millis() / 10 * 10);

    let none = foreach([Down("bremen", 1), Down("lima", 20)], &download).any().await;
    println!("all down:   {}", text(none.as_ref().copied()));

    let late = foreach(mirrors, &download).deadline(50 * MS).any().await;
    println!("50 ms left: {}", text(late.as_ref().copied()));

    let right = first.is_ok_and(|name| name == "oslo") && none.is_err() && late.is_err();
    println!("any_first_success: right={right} under_way={}", under_way.load(Ordering::SeqCst));
}

fn text(first: Result<&str, &AnyError>) -> String {
    match first {
        Ok(name) => name.to_owned(),
        Err(error) => format!("{error:#}"),
    }
}
