//! Mood and summary of many text files, each document on its own supervised agents.
//!
//! ```text
//! cargo run --release --example newsroom                              # the project's own Markdown files
//! cargo run --release --example newsroom -- notes.txt README.md
//! cargo run --release --example newsroom -- --fail-rate 0.2 --panic-rate 0.1 --hang-rate 0.2 --seed 7
//! ```
//!
//! [`desk`] is where the agents are; everything else is ordinary code that knows nothing of them. Whatever happens to
//! a document, it gets exactly one line: its file may be missing, its branches may fail, panic or hang, and the other
//! documents do not notice.

mod args;
mod desk;
mod document;
mod faults;
mod inline;
mod lexicon;
mod line;
mod markdown;
mod prose;
mod sentiment;
mod summary;
mod terminal;
mod totals;

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use sortie::{AgentRef, DuplicateKey, Outcome};

use args::{Args, Command};
use desk::{Desk, Review};
use document::Source;
use line::Line;
use totals::Totals;

/// The exit code that shells know for a command that was called wrongly.
const BAD_ARGUMENT: u8 = 2;

/// The widest column of names; longer names take the room that they need.
const NAME_WIDTH: usize = 32;

fn main() -> ExitCode {
    let args = match args::parse(env::args_os().skip(1)) {
        Ok(Command::Help) => return print(args::HELP),
        Ok(Command::Review(args)) => args,
        Err(error) => {
            eprintln!("newsroom: {}", terminal::visible(&error.to_string()));
            return ExitCode::from(BAD_ARGUMENT);
        }
    };
    faults::quiet_injected_panics();
    match run(args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("newsroom: {}", terminal::visible(&error.to_string()));
            ExitCode::FAILURE
        }
    }
}

fn run(mut args: Args) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let sources = match std::mem::take(&mut args.paths) {
        paths if paths.is_empty() => document::markdown_files(Path::new(env!("CARGO_MANIFEST_DIR")))?,
        paths => Source::given(paths),
    };
    let started = Instant::now();
    let runtime = tokio::runtime::Runtime::new()?;
    let outcomes = runtime.block_on(review(&sources, &args))?;
    // A read that is stuck in a dead network mount has been reported; it shall not hold up the exit as well.
    runtime.shutdown_background();

    let lines: Vec<_> = sources
        .iter()
        .zip(&outcomes)
        .map(|(source, (_, outcome))| Line { name: &source.name, outcome })
        .collect();
    let totals = Totals::of(&lines, started.elapsed());
    let width = lines.iter().map(|line| line::title(line.name).chars().count()).max().unwrap_or(0);
    let mut report = String::new();
    for line in &lines {
        report += &format!("{line:0$}\n", width.min(NAME_WIDTH));
    }
    let code = print(&format!("{report}\n{totals}"));
    Ok(if totals.documents == sources.len() { code } else { ExitCode::FAILURE })
}

/// Reviews every document, `concurrency` of them at once, and gives their outcomes in their order.
async fn review(sources: &[Source], args: &Args) -> Result<Vec<(String, Outcome<Review>)>, DuplicateKey> {
    let desk = AgentRef::new(Desk::new(args.timeout, args.faults));
    let key = |source: &Source| format!("{} {}", source.position, source.name);
    Ok(sortie::foreach(sources.to_vec(), &desk).keyed(key)?.concurrency(args.concurrency).settled().await)
}

/// Prints the whole report at once. A reader that went away, as `head` does, is no reason to panic.
fn print(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("newsroom: cannot write the report: {error}");
            ExitCode::FAILURE
        }
    }
}
