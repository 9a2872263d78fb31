//! Every verb and every ending, as a service uses them: without a system, within one, by name, and behind a web
//! framework.
//!
//! ```sh
//! cargo run --release --example tour
//! ```

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use axum::{Json, Router, extract::State, routing::post};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sortie::{
    Agent, AgentContext, AgentError, AgentRef, Cause, Outcome, Recorder, Restart, System, agent_fn,
};

const SECOND: Duration = Duration::from_secs(1);

/// An ordinary function; it knows nothing of sortie.
async fn fetch(url: String) -> std::io::Result<String> {
    std::fs::read_to_string(url)
}

/// A function that wants its context.
async fn count(text: String, cx: AgentContext) -> Result<usize, AgentError> {
    if cx.attempt() > 3 {
        return Err(AgentError::fatal("no use"));
    }
    let bonus: usize = "7".parse().context("bonus")?; // anyhow
    Ok(std::str::from_utf8(text.as_bytes())?.len() + bonus) // std
}

#[derive(Clone, Serialize, Deserialize)]
struct Mail {
    to: String,
    text: String,
}

struct Notify {
    outbox: String,
}

impl Agent for Notify {
    type Input = Mail;
    type Output = String;

    fn name(&self) -> &str {
        "notify"
    }

    async fn run(&self, mail: Mail, _: AgentContext) -> Result<String, AgentError> {
        std::fs::write(&self.outbox, mail.text)?;
        Ok(mail.to)
    }
}

/// An agent that fans out itself.
struct Review {
    count: AgentRef<String, usize>,
    notify: AgentRef<Mail, String>,
}

impl Agent for Review {
    type Input = Vec<String>;
    type Output = usize;

    fn name(&self) -> &str {
        "review"
    }

    async fn run(&self, texts: Vec<String>, cx: AgentContext) -> Result<usize, AgentError> {
        let sizes = cx.foreach(texts, &self.count).concurrency(4).all().await?;
        let (first, pages) = cx
            .branches((self.count.branch("x".into()), AgentRef::new(agent_fn(count)).branch("y".into())))
            .all()
            .await?;
        let mail = Mail { to: "a@b".into(), text: sizes.len().to_string() };
        cx.ask(&self.notify, mail).await?;
        Ok(first + pages)
    }
}

/// Neither `Clone` nor serialisable nor `Sync`: weak bounds are enough.
struct Connection(std::cell::Cell<u8>);

async fn serve(connection: Connection) -> Result<std::cell::Cell<u8>, std::fmt::Error> {
    Ok(connection.0)
}

#[derive(Clone)]
struct App {
    system: System,
    review: AgentRef<Vec<String>, usize>,
}

async fn handler(State(app): State<App>, Json(texts): Json<Vec<String>>) -> Result<String, String> {
    let answer = app.system.ask(&app.review, texts).timeout(30 * SECOND).await;
    answer.map(|size| size.to_string()).map_err(|failure| failure.to_string())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _folder = Folder::with_two_pages()?;
    let urls = || ["a.txt", "b.txt"].map(String::from);

    // Without a system.
    let pages = sortie::foreach(urls(), fetch).concurrency(8).timeout(30 * SECOND).settled().await;
    for page in &pages {
        match page {
            Ok(text) => println!("{text}"),
            Err(failure) if matches!(failure.cause(), Cause::Panicked(_)) => eprintln!("{failure}"),
            Err(failure) => eprintln!("{failure}: {:?}", failure.cause()),
        }
    }
    let lengths = agent_fn(async |url: String, _| Ok(std::fs::read_to_string(url)?.len()));
    let lengths: Vec<usize> = sortie::foreach(urls(), lengths).restart(Restart::attempts(3)).all().await?;
    println!("lengths {lengths:?}");
    let served = sortie::foreach([Connection(0.into())], serve).all().await;
    let _: Vec<Outcome<_>> = served.map_or_else(|e| e.into_outcomes(), |v| v.into_iter().map(Ok).collect());

    // With one.
    let mut builder = System::builder();
    let count = builder.register(agent_fn(count).named("count")).restart(Restart::attempts(3));
    let notify = builder.register(Notify { outbox: "outbox".into() });
    let review = builder.register(Review { count: count.clone(), notify: notify.clone() });
    let system = builder.start().await?;

    // Typed branches; the first final failure keeps what the others made.
    let size = || count.branch("text".into()).timeout(SECOND).label("size");
    let both = system.branches((size(), review.branch(vec![]))).deadline(5 * SECOND);
    let recorder = Recorder::default();
    match both.record(&recorder).all().await {
        Ok((size, review)) => println!("size {size}, review {review}"),
        Err(error) => {
            let (size, review) = error.into_outcomes();
            println!("{:?} {:?} {:?}", size.ok(), review.ok(), recorder.report());
        }
    }
    println!("recorded {}", recorder.report().runs()[0].counts().ok);
    let (size_outcome, _) = system.branches((size(), notify.branch(mail()))).settled().await;
    println!("settled {size_outcome:?}");

    // One output type, several inputs.
    let first: usize = system.branches((size(), review.branch(vec![]))).any().await?;
    let two: Vec<usize> = system.branches([size(), size(), size()]).quorum(2).await?;
    println!("any: {}, quorum: {two:?}", if [11, 16].contains(&first) { "one of both" } else { "?" });

    // Keys and streams.
    let keyed = system.foreach(urls(), &count).keyed(|url| url.clone())?.settled().await;
    let keyed: Vec<(String, Outcome<usize>)> = keyed;
    for (key, outcome) in &keyed {
        println!("keyed {key} {outcome:?}");
    }
    let mut done = system.foreach(urls(), &count).concurrency(1).stream();
    let mut streamed = 0;
    while let Some(completed) = done.next().await {
        println!("streamed {} {:?}", completed.index, completed.outcome);
        streamed += 1;
    }

    // The dynamic view.
    let dynamic = system.agent("notify").context("not registered")?;
    println!("by name {}", system.ask(&dynamic, json!({"to": "a@b", "text": "hi"})).await?);

    // Behind a web framework. The router holds a handle of the system.
    let _: Router =
        Router::new().route("/review", post(handler)).with_state(App { system: system.clone(), review });

    let left = system.shutdown(5 * SECOND).await?;
    let outbox = std::fs::read_to_string("outbox")?;
    println!("tour: pages={} streamed={streamed} outbox={outbox} left={}", pages.len(), left.cut_short);
    Ok(())
}

fn mail() -> Mail {
    Mail { to: "admin@example.com".into(), text: "maintenance".into() }
}

/// A folder with two pages, in which the tour takes place. Removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn with_two_pages() -> std::io::Result<Self> {
        let folder = Self(std::env::temp_dir().join(format!("sortie-tour-{}", std::process::id())));
        std::fs::create_dir_all(&folder.0)?;
        std::env::set_current_dir(&folder.0)?;
        std::fs::write("a.txt", "the first page")?;
        std::fs::write("b.txt", "the second page")?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind in the folder for temporary files does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
