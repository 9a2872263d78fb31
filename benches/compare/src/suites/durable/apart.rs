//! Peers in processes of their own: two packages that link SQLite cannot be in one program.
//!
//! The program of such a peer is the package beside this one that has its name, such as `benches/compare-effectum`. Cargo
//! builds it when it is first asked for.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use super::callers::{Demand, Figure};
use crate::probe;

pub static DUROXIDE: Apart = Apart::of("duroxide");
pub static EFFECTUM: Apart = Apart::of("effectum");

/// A peer whose program is apart.
pub struct Apart {
    peer: &'static str,
    program: OnceLock<PathBuf>,
}

impl Apart {
    const fn of(peer: &'static str) -> Self {
        Self { peer, program: OnceLock::new() }
    }

    /// Has the program measure, and gives what it found.
    ///
    /// Panics if it cannot be built, or if it fails: it has said why.
    pub fn ask(&self, path: &Path, words: &[&str]) -> Vec<f64> {
        probe::figures(self.command(path, words))
    }

    /// The program, asked for something that it does at `path`.
    pub fn command(&self, path: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(self.program.get_or_init(|| build(self.peer)));
        command.arg(path).args(words);
        command
    }
}

/// A demand as the programs' words.
pub fn words(demand: Demand) -> [String; 3] {
    let figure = match demand.figure {
        Figure::Rate => "rate",
        Figure::RateOfMany => "rate-of-many",
        Figure::Latency => "latency",
    };
    [demand.callers.to_string(), demand.span.as_millis().to_string(), figure.to_owned()]
}

fn build(peer: &str) -> PathBuf {
    let manifest = format!("{}-{peer}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
    eprintln!("building {manifest}");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "--locked", "--quiet", "--message-format=json", "--manifest-path"])
        .arg(manifest)
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be started");
    assert!(built.status.success(), "the program of {peer} cannot be built");
    let messages = String::from_utf8(built.stdout).expect("cargo's messages are JSON");
    let mut programs = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    programs.next_back().expect("cargo names what it has built")
}
