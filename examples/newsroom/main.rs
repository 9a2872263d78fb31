//! Mood and summary of many text files, each document on its own supervised agents, and a notification of each that is
//! sent once, whatever happens to the process.
//!
//! ```text
//! cargo run --release --example newsroom                              # the project's own Markdown files
//! cargo run --release --example newsroom -- notes.txt README.md
//! cargo run --release --example newsroom -- --fail-rate 0.2 --panic-rate 0.1 --hang-rate 0.2 --seed 7
//! cargo run --release --example newsroom -- --state news --pace 5s    # press Ctrl-C, or kill it, and start it again
//! ```
//!
//! [`desk`] is where the agents are that review a document: a fan-out, in memory. Whatever happens to a document, it gets
//! exactly one line: its file may be missing, its branches may fail, panic or hang, and the other documents do not notice.
//!
//! What leaves the process is launched, through a journal: [`edition`] puts both together, [`messenger`] is the agent
//! that notifies, [`notification`] has the key of a document, [`post`] launches and counts. [`outbox`] is the outside world,
//! and closes the one window that no journal can close. Everything else is ordinary code that knows nothing of agents.

mod args;
mod desk;
mod document;
mod edition;
mod faults;
mod inline;
mod lexicon;
mod line;
mod markdown;
mod messenger;
mod notification;
mod outbox;
mod post;
mod prose;
mod sentiment;
mod signals;
mod state;
mod summary;
mod terminal;
mod totals;

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use args::{Args, Command};
use document::Source;
use line::Line;
use state::State;
use totals::Totals;

/// The exit code that shells know for a command that was called wrongly.
const BAD_ARGUMENT: u8 = 2;

/// The exit code that shells know for a command that was stopped with Ctrl-C.
const INTERRUPTED: u8 = 130;

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
    let state = State::open(&args)?;
    let outbox = state.outbox.path().display().to_string();
    let started = Instant::now();
    let runtime = tokio::runtime::Runtime::new()?;
    let edition = runtime.block_on(edition::publish(&sources, &args, state))?;
    // A read that is stuck in a dead network mount has been reported; it shall not hold up the exit as well.
    runtime.shutdown_background();

    let lines: Vec<_> = sources
        .iter()
        .zip(&edition.reviews)
        .map(|(source, review)| Line { name: &source.name, outcome: &review.outcome })
        .collect();
    let totals = Totals::of(&lines, started.elapsed());
    let width = lines.iter().map(|line| line::title(line.name).chars().count()).max().unwrap_or(0);
    let mut report = String::new();
    for line in &lines {
        report += &format!("{line:0$}\n", width.min(NAME_WIDTH));
    }
    report += &format!("\n{totals}outbox     {}\n", terminal::visible(&outbox));
    report += &format!("{}{}\n", edition.notifications, totals.summary());
    let printed = print(&report);
    if let Some(error) = &edition.refused {
        eprintln!("newsroom: {}", terminal::visible(&format!("{error:#}")));
    }
    let whole = totals.documents == sources.len() && edition.notifications.left == 0;
    Ok(match (edition.interrupted, whole) {
        (true, _) => ExitCode::from(INTERRUPTED),
        (false, true) => printed,
        (false, false) => ExitCode::FAILURE,
    })
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
