//! effectum, in processes of its own: its SQLite and that of apalis cannot be in one program.
//!
//! The program is `benches/compare-effectum`. Cargo builds it when it is first asked for.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use super::callers::{Demand, Figure};
use crate::probe;

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "-effectum/Cargo.toml");

/// Has the program measure, and gives what it found.
///
/// Panics if it cannot be built, or if it fails: it has said why.
pub fn ask(path: &Path, words: &[&str]) -> Vec<f64> {
    probe::figures(command(path, words))
}

/// A demand as the program's words.
pub fn words(demand: Demand) -> [String; 3] {
    let figure = match demand.figure {
        Figure::Rate => "rate",
        Figure::RateOfMany => "rate-of-many",
        Figure::Latency => "latency",
    };
    [demand.callers.to_string(), demand.span.as_millis().to_string(), figure.to_owned()]
}

/// The program, asked for something that it does at `path`.
pub fn command(path: &Path, words: &[&str]) -> Command {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let mut command = Command::new(PROGRAM.get_or_init(build));
    command.arg(path).args(words);
    command
}

fn build() -> PathBuf {
    eprintln!("building {MANIFEST}");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "--locked", "--quiet", "--message-format=json", "--manifest-path"])
        .arg(MANIFEST)
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be started");
    assert!(built.status.success(), "effectum's program cannot be built");
    let messages = String::from_utf8(built.stdout).expect("cargo's messages are JSON");
    let mut programs = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    programs.next_back().expect("cargo names what it has built")
}
